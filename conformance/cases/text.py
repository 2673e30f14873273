"""Cases of TextVectorization: real sentences and strings that tell bytes from characters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.cases.pairwise import pairs_alone, pairwise

LAYER = "TextVectorization"

ADAPTED = [
    "Makanannya enak, tempatnya bersih; pelayanannya ramah!",
    "Pelayanannya lambat... makanannya dingin, tempatnya kotor.",
    "makanannya biasa saja - tidak enak, tidak juga buruk",
    "CAFÉ ini Enak sekali: café yang ENAK — “bersih” dan murah",
    "tabs\tand\nnew\x0blines\x0cin\rone text",
    "no\u00a0break em\u2003space unit\x1fseparator next\u0085line",
    "[UNK] is a word here, a-b is one too, a_b'c as well",
    "b a b a c d d c zz Zz éé ÉÉ 10 1,000 50%",
    "",
    "   ",
]
"""Adapted on: ties in frequency, non-ASCII letters and spaces, punctuation inside words, empty texts."""

ASKED = [
    "makanannya ENAK sekali, tidak kotor",
    "belum pernah ada kata ini",
    "",
    " \t\n ",
    "café CAFÉ [UNK] unk a-b a b c d zz",
    "tempatnya",
    "em\u2003space no\u00a0break éé ÉÉ 50% 1000",
    "enak enak enak tidak tidak bersih dan murah dan ramah dan bersih dan enak",
]

OPTIONS: Mapping[str, Sequence[Any]] = {
    "max_tokens": [None, 12, 3],
    "standardize": ["lower_and_strip_punctuation", "lower", "strip_punctuation", None],
    "split": ["whitespace", "character", None],
    "ngrams": [None, 2, (2,), (3, 1)],
    "output_mode": ["int", "multi_hot", "count", "tf_idf"],
    "output_sequence_length": [None, 3, 20],
    "pad_to_max_tokens": [False, True],
    "ragged": [False, True],
    "shape": ["(batch,)", "(batch, 1)", "()"],
}
"""Options with Keras's default first, and the shapes in which texts can be given."""

ALONE: Mapping[str, Sequence[Any]] = {
    "max_tokens": [12],
    "standardize": [None],
    "split": ["character"],
    "ngrams": [2],
    "output_mode": ["multi_hot", "count", "tf_idf"],
    "output_sequence_length": [3],
    "pad_to_max_tokens": [True],
    "ragged": [True],
}
"""Values of the options in pairs alone."""
ACT_WITH: Mapping[str, Mapping[str, Any]] = {"pad_to_max_tokens": {"output_mode": "count", "max_tokens": 12}}
"""What an option needs to be accepted."""

UNTESTED = ("encoding", "sparse", "vocabulary")


def possible(row: Mapping[str, Any]) -> bool:
    """What Keras accepts and answers with numbers."""
    counts = row["output_mode"] != "int"
    if counts and (row["output_sequence_length"] is not None or row["ragged"]):
        return False
    if row["pad_to_max_tokens"] and not (counts and row["max_tokens"] == 12):
        return False
    # A text that is not split has nothing to join, cut or pad.
    if row["split"] is None and (row["ngrams"] or row["output_sequence_length"] or row["ragged"] or counts):
        return False
    return not (row["ragged"] and row["shape"] != "(batch,)")


def text_cases(profile: str = "standard") -> Iterator[tuple[str, dict[str, Any]]]:
    """Ids and the options that differ from Keras's defaults: every value alone, all pairs among all options, and every pair alone."""
    defaults = {name: values[0] for name, values in OPTIONS.items()}
    rows = [{**defaults, name: value} for name, values in OPTIONS.items() for value in values]
    rows += [{**defaults, "output_mode": mode, "max_tokens": 12, "pad_to_max_tokens": True} for mode in ("multi_hot", "count", "tf_idf")]
    if profile != "smoke":
        rows += pairwise(OPTIONS, possible, 3 if profile == "full" else 2)
        rows += [{**defaults, **row} for row in pairs_alone(ALONE, ACT_WITH)]
    seen = set()
    for row in rows:
        options = {name: value for name, value in row.items() if value != defaults[name]}
        identifier = text_identifier(options)
        if possible(row) and identifier not in seen:
            seen.add(identifier)
            yield identifier, options


def text_identifier(options: Mapping[str, Any]) -> str:
    """The id of the case with these options."""
    return "-".join([LAYER, *(f"{name}={value}" for name, value in options.items())])


def in_shape(texts: Sequence[str], shape: str) -> Any:
    """Texts as a list, as rows of one, or the first one alone."""
    if shape == "()":
        return texts[0]
    return [[text] for text in texts] if shape == "(batch, 1)" else list(texts)
