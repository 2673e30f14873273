"""TextVectorization: strings to integer ids, counts or tf-idf weights.

A text is standardised (lower case, punctuation deleted), split into tokens, the tokens joined to n-grams, and every
n-gram replaced by its place in a vocabulary. The vocabulary starts with special tokens: ``["", "[UNK]"]`` in ``int``
mode, where 0 pads short rows, and ``["[UNK]"]`` in the other modes, which have no padding.

Source: keras.layers.TextVectorization. It works on bytes, hence the two rules that surprise: only A to Z are lowered,
and only the six ASCII whitespace characters separate tokens.
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.layers.options import FLAG, MAX_ELEMENTS, NAMED_FUNCTION, Allowed, is_int, is_list
from reference.layers.shapes import Config, Shape
from reference.layers.spec import LayerSpec, Option

__all__ = ["text_vectorization_adapt", "text_vectorization_forward", "text_vectorization_idf"]

Array = NDArray[Any]
Standardize = str | Callable[[str], str] | None
Split = str | Callable[[str], Iterable[str]] | None
Ngrams = int | tuple[int, ...] | None

PADDING = ""
UNKNOWN = "[UNK]"

_LOWER: dict[int, int | None] = dict(zip(map(ord, string.ascii_uppercase), map(ord, string.ascii_lowercase), strict=True))
_STRIP: dict[int, int | None] = dict.fromkeys(map(ord, string.punctuation))
_TRANSLATIONS = {"lower": _LOWER, "strip_punctuation": _STRIP, "lower_and_strip_punctuation": _LOWER | _STRIP}
_SPLITS: dict[str, Callable[[str], Iterable[str]]] = {
    # bytes.split knows exactly the six ASCII whitespace characters; str.split would also split at Unicode's.
    "whitespace": lambda text: [token.decode() for token in text.encode().split()],
    "character": list,
}
_MODES = ("int", "multi_hot", "count", "tf_idf")
_SAVED_MODES = _MODES[:3]
"""Those of which a file holds all that is needed."""
MAX_NGRAM = 64


def text_vectorization_adapt(
    texts: ArrayLike,
    *,
    max_tokens: int | None = None,
    standardize: Standardize = "lower_and_strip_punctuation",
    split: Split = "whitespace",
    ngrams: Ngrams = None,
    output_mode: str = "int",
    output_sequence_length: int | None = None,
    pad_to_max_tokens: bool = False,
    ragged: bool = False,
) -> list[str]:
    """Vocabulary of `texts`: the special tokens, then every term, the most frequent first.

    Terms of equal frequency stand in descending order of their code points. `max_tokens` counts the special tokens and
    cuts the end off; ``""`` and a literal ``"[UNK]"`` are not counted as terms. The options are those of
    `text_vectorization_forward`; the last three do not change the vocabulary.

    Raises ValueError for texts or options that Keras refuses, and if `max_tokens` leaves no room for a term.
    """
    _check_options(max_tokens, output_mode, output_sequence_length, pad_to_max_tokens, ragged)
    specials = _special_tokens(output_mode)
    if max_tokens is not None and max_tokens <= len(specials):
        raise ValueError(f"max_tokens={max_tokens} leaves no room for a term beside {specials}")
    counts = Counter(chain.from_iterable(text_vectorization_tokens(texts, standardize=standardize, split=split, ngrams=ngrams)))
    for special in (PADDING, UNKNOWN):
        counts.pop(special, None)
    terms = sorted(counts, key=lambda term: (counts[term], term), reverse=True)
    return (specials + terms)[:max_tokens]


def text_vectorization_idf(
    texts: ArrayLike,
    vocabulary: Sequence[str],
    *,
    max_tokens: int | None = None,
    standardize: Standardize = "lower_and_strip_punctuation",
    split: Split = "whitespace",
    ngrams: Ngrams = None,
    output_mode: str = "tf_idf",
    pad_to_max_tokens: bool = False,
) -> Array:
    """Inverse document frequencies, float32, one for each entry of `vocabulary`: ``log(1 + N / (1 + df))``.

    N is the number of texts and df the number of those that hold the term. A leading ``"[UNK]"`` has the mean of the
    others. The options are those of `text_vectorization_forward`. ValueError for any `output_mode` but ``tf_idf``.
    """
    _check_options(max_tokens, output_mode, None, pad_to_max_tokens, False)
    if output_mode != "tf_idf":
        raise ValueError(f"idf weights belong to output_mode='tf_idf', not {output_mode!r}")
    documents = text_vectorization_tokens(texts, standardize=standardize, split=split, ngrams=ngrams)
    frequencies = Counter(chain.from_iterable(map(set, documents)))
    terms, leading = _terms(vocabulary, "tf_idf")
    weights = np.array([math.log(1 + len(documents) / (1 + frequencies[term])) for term in terms])
    return np.concatenate([np.full(leading, weights.mean()), weights]).astype(np.float32)


def text_vectorization_forward(
    texts: ArrayLike,
    vocabulary: Sequence[str],
    *,
    max_tokens: int | None = None,
    standardize: Standardize = "lower_and_strip_punctuation",
    split: Split = "whitespace",
    ngrams: Ngrams = None,
    output_mode: str = "int",
    output_sequence_length: int | None = None,
    pad_to_max_tokens: bool = False,
    idf_weights: ArrayLike | None = None,
    ragged: bool = False,
) -> Array | list[Array]:
    """Turn texts into ids (``int``) or into one number per vocabulary entry (``multi_hot``, ``count``, ``tf_idf``).

    Parameters
    ----------
    texts : str, or array of str (batch,) or (batch, 1)
        With ``split=None`` every string is one token and the last axis is the row: (row,) or (batch, row).
    vocabulary : sequence of str
        With or without the leading special tokens, which count only if all of them stand there.
    max_tokens : int or None
        Longest allowed vocabulary, special tokens included.
    standardize : str, None, or a function from str to str
        "lower", "strip_punctuation" or "lower_and_strip_punctuation". Lower case is ASCII only; punctuation is
        ``string.punctuation`` and leaves no space behind.
    split : "whitespace", "character", None, or a function from str to tokens
        Whitespace is ASCII only; characters are code points, spaces among them.
    ngrams : int n for the sizes 1 to n, tuple of sizes, or None
        All n-grams of the first size, then all of the second ..., tokens joined by a space.
    output_mode : "int", "multi_hot", "count" or "tf_idf"
        ids in the order of the tokens; or per vocabulary entry 0 or 1, how often it occurs, or that times its weight.
    output_sequence_length : int or None
        ``int`` only: rows are cut and padded to it, otherwise padded to the longest.
    pad_to_max_tokens : bool
        Other modes: zeros on the right up to `max_tokens` columns.
    idf_weights : array (vocabulary,)
        ``tf_idf`` only; without ``"[UNK]"`` in the vocabulary, its weight is the mean.
    ragged : bool
        ``int`` only: rows are cut but not padded, and the result is a list of arrays.

    Returns
    -------
    ids : int64 (batch, length), or (batch, vocabulary) in the other modes, float32 for ``tf_idf``
        Without the batch axis for a single str; a list of int64 arrays with `ragged`.

    Raises
    ------
    ValueError
        For texts, options or a vocabulary that Keras refuses: a repeated term, ``""`` among the terms, more than
        `max_tokens` entries, texts of shape (batch, 2) ...

    Source: keras.layers.TextVectorization.
    """
    _check_options(max_tokens, output_mode, output_sequence_length, pad_to_max_tokens, ragged)
    terms, leading = _terms(vocabulary, output_mode)
    specials = _special_tokens(output_mode)
    size = len(specials) + len(terms)
    if max_tokens is not None and size > max_tokens:
        raise ValueError(f"the vocabulary has {size} entries with its special tokens, more than max_tokens={max_tokens}")
    if (idf_weights is None) == (output_mode == "tf_idf"):
        raise ValueError("idf_weights belong to output_mode='tf_idf', which needs them, and to no other mode")

    rows, batch_shape = _token_rows(texts, standardize, split, ngrams)
    ids = dict(zip(terms, range(len(specials), size), strict=True))
    unknown = specials.index(UNKNOWN)
    if output_mode == "int":
        ids[PADDING] = 0
        id_rows = [[ids.get(token, unknown) for token in row][:output_sequence_length] for row in rows]
        if split is None and np.ndim(texts) == 0:
            return np.array(id_rows[0], np.int64).reshape(())  # one token in, one id out
        length = None if ragged else output_sequence_length
        return _id_output(id_rows, batch_shape, length, ragged and split is not None)

    # The empty string is padding: these modes have no place for it.
    id_rows = [[ids.get(token, unknown) for token in row if token != PADDING] for row in rows]
    depth = max_tokens if pad_to_max_tokens and max_tokens is not None else size
    counts = _count_output(id_rows, batch_shape, depth)
    if output_mode == "multi_hot":
        return np.minimum(counts, 1)
    if output_mode == "count":
        return counts
    return np.asarray(counts.astype(np.float32) * _column_weights(idf_weights, leading + len(terms), size, depth))


def _check_options(
    max_tokens: int | None, output_mode: str, output_sequence_length: int | None, pad_to_max_tokens: bool, ragged: bool
) -> None:
    if output_mode not in _MODES:
        raise ValueError(f"output_mode is one of {', '.join(_MODES)}, not {output_mode!r}")
    if max_tokens is not None and max_tokens <= 1:
        raise ValueError(f"max_tokens must be greater than 1, not {max_tokens}")
    if pad_to_max_tokens and max_tokens is None:
        raise ValueError("pad_to_max_tokens needs max_tokens")
    if output_mode != "int" and (output_sequence_length is not None or ragged):
        raise ValueError("output_sequence_length and ragged belong to output_mode='int'")
    if output_sequence_length is not None and (not isinstance(output_sequence_length, int) or output_sequence_length < 0):
        raise ValueError(f"output_sequence_length is None or a natural number, not {output_sequence_length!r}")


def _special_tokens(output_mode: str) -> list[str]:
    return [PADDING, UNKNOWN] if output_mode == "int" else [UNKNOWN]


def _terms(vocabulary: Sequence[str], output_mode: str) -> tuple[list[str], int]:
    """Terms of a vocabulary without its leading special tokens, and how many of these it has."""
    if isinstance(vocabulary, str):
        raise ValueError("vocabulary is a sequence of terms, not one string")
    terms, specials = list(vocabulary), _special_tokens(output_mode)
    leading = len(specials) if terms[: len(specials)] == specials else 0
    terms = terms[leading:]
    if not terms:
        raise ValueError("the vocabulary has no terms")
    if PADDING in terms:
        raise ValueError(f"the empty string stands for padding: it may only lead the vocabulary, in {specials}")
    repeated = [term for term, count in Counter(terms).items() if count > 1]
    if repeated:
        raise ValueError(f"the vocabulary repeats {repeated}")
    return terms, leading


def text_vectorization_tokens(
    texts: ArrayLike,
    *,
    standardize: Standardize = "lower_and_strip_punctuation",
    split: Split = "whitespace",
    ngrams: Ngrams = None,
) -> list[list[str]]:
    """Tokens of every text, before they are numbered: what `text_vectorization_adapt` counts.

    A flat array holds one text per element, even with ``split=None``; the options are those of `text_vectorization_forward`.
    """
    array = np.asarray(texts, dtype=object)
    return _token_rows(array[:, np.newaxis] if array.ndim == 1 else array, standardize, split, ngrams)[0]


def _token_rows(texts: ArrayLike, standardize: Standardize, split: Split, ngrams: Ngrams) -> tuple[list[list[str]], tuple[int, ...]]:
    """Tokens of every row, and the shape of the batch of rows."""
    array = np.asarray(texts, dtype=object)
    standardizer = _standardizer(standardize)
    standardized = [standardizer(_checked(text)) for text in array.ravel().tolist()]
    if split is None:
        shape, width = (array.shape[:-1], array.shape[-1]) if array.ndim else ((), 1)
        rows = [standardized[row * width : (row + 1) * width] for row in range(math.prod(shape))]
    else:
        if array.ndim > 1 and array.shape[-1] != 1:
            raise ValueError(f"texts to split have the shape (batch,) or (batch, 1), not {array.shape}")
        shape = array.shape[:-1] if array.ndim > 1 else array.shape
        rows = [list(tokens) for tokens in map(_splitter(split), standardized)]
    sizes = _ngram_sizes(ngrams)
    if sizes is not None and split is None and array.ndim == 0:
        raise ValueError("a single token has no neighbours to form ngrams with")
    if sizes is not None:
        rows = [[gram for size in sizes for gram in _ngrams(row, size)] for row in rows]
    return rows, shape


def _checked(text: Any) -> str:
    if isinstance(text, bytes):
        text = text.decode()
    if not isinstance(text, str):
        raise ValueError(f"texts are strings in a rectangular array; found {text!r}")
    return text


def _standardizer(standardize: Standardize) -> Callable[[str], str]:
    if standardize is None:
        return str
    if callable(standardize):
        return standardize
    if standardize not in _TRANSLATIONS:
        raise ValueError(f"standardize is None, a function or one of {', '.join(_TRANSLATIONS)}, not {standardize!r}")
    translation = _TRANSLATIONS[standardize]
    return lambda text: text.translate(translation)


def _splitter(split: str | Callable[[str], Iterable[str]]) -> Callable[[str], Iterable[str]]:
    if callable(split):
        return split
    if split not in _SPLITS:
        raise ValueError(f"split is None, a function or one of {', '.join(_SPLITS)}, not {split!r}")
    return _SPLITS[split]


def _ngram_sizes(ngrams: Ngrams) -> tuple[int, ...] | None:
    if ngrams is None:
        return None
    sizes = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams
    if not isinstance(sizes, tuple) or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(f"ngrams is None, an int or a tuple of positive ints, not {ngrams!r}")
    return sizes


def _ngrams(tokens: list[str], size: int) -> list[str]:
    return [" ".join(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]


def _id_output(rows: list[list[int]], batch_shape: tuple[int, ...], length: int | None, ragged: bool) -> Array | list[Array]:
    """Rows as a list of arrays, or as one array with 0 on the right up to `length`, by default the longest row's."""
    if ragged and len(batch_shape) > 1:
        raise ValueError(f"ragged takes texts with one batch axis, not {batch_shape}")
    if ragged and batch_shape:
        return [np.array(row, np.int64) for row in rows]
    if length is None:
        length = max(map(len, rows), default=0)
    ids = np.zeros((len(rows), length), np.int64)
    lengths = np.array([len(row) for row in rows], np.int64)
    ids[np.arange(length) < lengths[:, np.newaxis]] = list(chain.from_iterable(rows))
    return ids.reshape(*batch_shape, length)


def _count_output(rows: list[list[int]], batch_shape: tuple[int, ...], depth: int) -> Array:
    """How often each id below `depth` occurs in each row."""
    if len(batch_shape) > 1:
        raise ValueError(f"output modes other than 'int' take texts with one batch axis, not {batch_shape}")
    cells = [number * depth + token_id for number, row in enumerate(rows) for token_id in row]
    return np.bincount(np.array(cells, np.int64), minlength=len(rows) * depth).reshape(*batch_shape, depth)


def _column_weights(idf_weights: Any, given: int, size: int, depth: int) -> Array:
    """One weight per column: missing special tokens in front have the mean, padding at the end has 0."""
    weights = np.asarray(idf_weights)
    if weights.shape != (given,):
        raise ValueError(f"idf_weights have the shape {weights.shape}; the vocabulary needs ({given},)")
    front = np.full(size - given, weights.mean())
    return np.concatenate([front, weights, np.zeros(depth - size)]).astype(np.float32)


def _output(config: Config, shape: Shape) -> Shape:
    if config.get("output_mode", "int") != "int":
        return (shape[0], config.get("max_tokens") if config.get("pad_to_max_tokens") else None)
    return (shape[0], config.get("output_sequence_length"))


def _is_size(value: Any) -> bool:
    return is_int(value, 1, MAX_NGRAM)


TEXT_VECTORIZATION = LayerSpec(
    "TextVectorization", text_vectorization_forward,
    options={
        "max_tokens": Option(None, Allowed(lambda value: value is None or is_int(value, 2), f"None or an int from 2 to {MAX_ELEMENTS}")),
        "standardize": Option(
            "lower_and_strip_punctuation",
            Allowed(lambda value: value is None or value in tuple(_TRANSLATIONS), "a standardization of Keras" + NAMED_FUNCTION),
        ),
        "split": Option(
            "whitespace",
            Allowed(lambda value: value is None or value in tuple(_SPLITS), "'whitespace', 'character' or None" + NAMED_FUNCTION),
        ),
        "ngrams": Option(
            None,
            Allowed(
                lambda value: value is None or _is_size(value) or is_list(value, _is_size),
                f"None, an int from 1 to {MAX_NGRAM} or a list of them",
            ),
        ),
        "output_mode": Option(
            "int", Allowed(lambda value: value in _SAVED_MODES, f"supported; supported are {', '.join(map(repr, _SAVED_MODES))}")
        ),
        "output_sequence_length": Option(
            None, Allowed(lambda value: value is None or is_int(value), f"None or an int from 0 to {MAX_ELEMENTS}")
        ),
        "pad_to_max_tokens": Option(False, FLAG),
    },
    output=_output, groups=("_lookup_layer",),
)  # fmt: skip
"""The record of a layer of texts. It is none of :data:`LAYERS`: its one weight is a vocabulary, and it stands at the start of a model."""
