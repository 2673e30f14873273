"""Mistakes in TextVectorization: the order of the vocabulary, what its special tokens are, weights, and what becomes of a text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.fault import Collection, Fault, Function
from reference.layers.text_vectorization import text_vectorization_tokens

Array = NDArray[Any]
LAYER = "TextVectorization"
PADDING, UNKNOWN = "", "[UNK]"


def _tokens(texts: Any, options: dict[str, Any]) -> list[list[str]]:
    read = {name: options[name] for name in ("standardize", "split", "ngrams") if name in options}
    return text_vectorization_tokens(texts, **read)


def in_order(order: Callable[[list[str], Counter[str]], Sequence[str]]) -> Function:
    """A vocabulary whose terms stand in another order, made of them as they first come and of how often they do."""

    def function(texts: Any, max_tokens: int | None = None, **options: Any) -> list[str]:
        right = reference.text_vectorization_adapt(texts, **options)
        known = set(right) - {PADDING, UNKNOWN}
        counts = Counter(token for token in chain.from_iterable(_tokens(texts, options)) if token in known)
        return [*right[: len(right) - len(known)], *order(list(counts), counts)][:max_tokens]

    return function


adapt = Collection(LAYER, part="adapt", wrap=in_order).table(
    ties_as_they_come=(
        "terms of equal frequency stand in the order in which they first come; in Keras in descending order of their characters",
        lambda terms, counts: sorted(terms, key=lambda term: -counts[term]),
    ),
    ties_ascending=(
        "terms of equal frequency stand in ascending (alphabetical) order; in Keras in descending order of their characters",
        lambda terms, counts: sorted(terms, key=lambda term: (-counts[term], term)),
    ),
    in_alphabetical_order=("terms stand in alphabetical order, not by frequency", lambda terms, counts: sorted(terms)),
    as_they_come=("terms stand in the order in which they first come, not by frequency", lambda terms, counts: terms),
    rarest_first=(
        "the rarest terms come first instead of the most frequent",
        lambda terms, counts: sorted(terms, key=lambda term: (counts[term], term)),
    ),
)
vocabularies = Collection(LAYER, part="adapt")


@vocabularies
def special_tokens_left_out(texts: Any, **options: Any) -> list[str]:
    """The special tokens do not stand before the terms."""
    return [term for term in reference.text_vectorization_adapt(texts, **options) if term not in (PADDING, UNKNOWN)]


@vocabularies
def special_tokens_not_counted(texts: Any, max_tokens: int | None = None, **options: Any) -> list[str]:
    """max_tokens counts the terms alone, without the special tokens."""
    whole = reference.text_vectorization_adapt(texts, **options)
    leading = sum(term in (PADDING, UNKNOWN) for term in whole)
    return whole if max_tokens is None else whole[: max_tokens + leading]


@vocabularies
def padding_in_every_mode(texts: Any, **options: Any) -> list[str]:
    """The empty string stands before [UNK] in every output_mode; it does with ids alone."""
    whole = reference.text_vectorization_adapt(texts, **options)
    return whole if whole[0] == PADDING else [PADDING, *whole]


@vocabularies
def case_kept(texts: Any, **options: Any) -> list[str]:
    """Capitals stay: standardize does not turn them into small letters."""
    kept = {"lower_and_strip_punctuation": "strip_punctuation", "lower": None}
    standardize = options.pop("standardize", "lower_and_strip_punctuation")
    return reference.text_vectorization_adapt(texts, standardize=kept.get(standardize, standardize), **options)  # type: ignore[arg-type]


def _weighted(weight: Callable[[int, int], float]) -> Function:
    """Weights made of the number of texts and of those that hold a term."""

    def function(texts: Any, vocabulary: Any, **options: Any) -> Array:
        right = reference.text_vectorization_idf(texts, vocabulary, **options)
        documents = _tokens(texts, options)
        terms = vocabulary[1:] if vocabulary[0] == UNKNOWN else vocabulary
        weights = np.array([weight(len(documents), sum(term in document for document in map(set, documents))) for term in terms])
        return np.concatenate([np.full(len(right) - len(weights), weights.mean()), weights]).astype(np.float32)

    return function


idf = Collection(LAYER, part="idf", wrap=_weighted).table(
    one_not_added=("it is log(N / (1 + df)): 1 is not added within the logarithm", lambda n, df: math.log(n / (1 + df))),
    of_the_textbook=("it is log(N / df), the formula of textbooks", lambda n, df: math.log(n / max(df, 1))),
    of_scikit_learn=("it is log((1 + N) / (1 + df)) + 1, the formula of scikit-learn", lambda n, df: math.log((1 + n) / (1 + df)) + 1),
)
weights = Collection(LAYER, part="idf")


@weights
def unknown_weighs_nothing(texts: Any, vocabulary: Any, **options: Any) -> Array:
    """[UNK] has the weight 0 instead of the mean of the others."""
    right = reference.text_vectorization_idf(texts, vocabulary, **options)
    return np.where([term == UNKNOWN for term in vocabulary], np.float32(0), right)


forward = Collection(LAYER)


def _of_ids(options: dict[str, Any]) -> bool:
    return options.get("output_mode", "int") == "int" and not options.get("ragged") and options.get("split", "") is not None


def _placed(rows: list[Array], ids: Array, length: int) -> Array:
    """Rows of ids of different lengths in an array, zeros behind them, with the batch of `ids`."""
    made = np.zeros((len(rows), length), ids.dtype)
    for place, row in enumerate(rows):
        made[place, : len(row)] = row
    return made.reshape(*ids.shape[:-1], length)


@forward
def unknown_as_padding(texts: Any, vocabulary: Any, **options: Any) -> Any:
    """Words that are not in the vocabulary get 0, the id of padding, instead of 1."""
    ids: Any = reference.text_vectorization_forward(texts, vocabulary, **options)
    return np.where(ids == 1, 0, ids) if _of_ids(options) else ids


@forward
def unknown_left_out(texts: Any, vocabulary: Any, **options: Any) -> Any:
    """Words that are not in the vocabulary are left out."""
    ids: Any = reference.text_vectorization_forward(texts, vocabulary, **options)
    if not _of_ids(options):
        return ids
    rows = [row[row > 1] for row in np.atleast_2d(ids)]
    return _placed(rows, ids, options.get("output_sequence_length") or max(map(len, rows)))


@forward
def padded_at_the_start(texts: Any, vocabulary: Any, **options: Any) -> Any:
    """Short texts are padded at the start instead of the end."""
    ids: Any = reference.text_vectorization_forward(texts, vocabulary, **options)
    if not _of_ids(options):
        return ids
    rows = [np.roll(row, -np.count_nonzero(row)) for row in np.atleast_2d(ids)]
    return np.reshape(rows, ids.shape)


@forward
def multi_hot_counts(texts: Any, vocabulary: Any, **options: Any) -> Any:
    """multi_hot counts how often a term occurs instead of whether it does."""
    return reference.text_vectorization_forward(
        texts, vocabulary, **{**options, **({"output_mode": "count"} if options.get("output_mode") == "multi_hot" else {})}
    )


@forward
def cut_at_the_start(texts: Any, vocabulary: Any, output_sequence_length: int | None = None, **options: Any) -> Any:
    """Long texts lose their beginning instead of their end."""
    ids: Any = reference.text_vectorization_forward(texts, vocabulary, **options)
    if output_sequence_length is None or not _of_ids(options):
        return reference.text_vectorization_forward(texts, vocabulary, output_sequence_length=output_sequence_length, **options)
    return _placed([row[row != 0][-output_sequence_length:] for row in np.atleast_2d(ids)], ids, output_sequence_length)


FAULTS: list[Fault] = [fault for collection in (adapt, vocabularies, idf, weights, forward) for fault in collection]
"""Those of ``text_vectorization_adapt``, ``_idf`` and ``_forward``, told apart by their part."""
