"""Words as sets of ids: each word's own, and those of the character n-grams in it, so that ``membaca`` and ``dibaca`` share most of theirs.

A word is written between ``<`` and ``>``; its n-grams are all stretches of that, as in fastText (Bojanowski et al. 2017,
arXiv:1607.04606), here with a vocabulary of those that are frequent enough instead of hashing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from reference.layers.text_vectorization import PADDING, UNKNOWN, text_vectorization_tokens

FEWEST = 2
"""An n-gram of fewer words of the training texts is no term."""


@dataclass(frozen=True)
class Subwords:
    """Which character n-grams are terms, and how many ids a word has at most.

    Attributes
    ----------
    shortest, longest : int
        Characters of an n-gram, ``<`` and ``>`` included.
    slots : int
        Ids for a word: its own first, then those of its n-grams, the shortest first; what is too much is left out.
    """

    shortest: int
    longest: int
    slots: int

    def terms(self, word: str) -> list[str]:
        """The word itself and its n-grams, in the order of the slots."""
        whole = f"<{word}>"
        sizes = range(self.shortest, min(self.longest, len(whole) - 1) + 1)
        return [whole, *(whole[start : start + size] for size in sizes for start in range(len(whole) - size + 1))]


def make_vocabulary(texts: Sequence[str], subwords: Subwords) -> list[str]:
    """Padding, the unknown term, every word and every frequent n-gram of the texts, the most frequent first."""
    words = Counter(chain.from_iterable(text_vectorization_tokens(texts)))
    grams: Counter[str] = Counter()
    for word, count in words.items():
        grams.update({term: count for term in set(subwords.terms(word)[1:])})
    counts = Counter({term: count for term, count in grams.items() if count >= FEWEST})
    counts.update({f"<{word}>": count for word, count in words.items()})
    return [PADDING, UNKNOWN, *sorted(counts, key=lambda term: (-counts[term], term))]


def subword_ids(texts: Sequence[str], vocabulary: Sequence[str], subwords: Subwords, length: int) -> np.ndarray:
    """Ids of shape (texts, length, slots), int64; a shorter text, and a word with fewer terms, end in zeros.

    A word that is not in the vocabulary has the unknown term's id in its first slot; an n-gram that is not there has no slot.
    """
    known = {term: number for number, term in enumerate(vocabulary)}
    ids = np.zeros((len(texts), length, subwords.slots), np.int64)
    for row, words in zip(ids, text_vectorization_tokens(texts), strict=True):
        for slots, word in zip(row, words, strict=False):
            whole, *grams = subwords.terms(word)
            found = [known.get(whole, 1), *(known[gram] for gram in grams if gram in known)][: subwords.slots]
            slots[: len(found)] = found
    return ids
