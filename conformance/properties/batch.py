"""No sample knows of another: a batch is answered as its parts are."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.base.arrays import Arrays
from conformance.cases import ALL
from conformance.cases.case import Case
from conformance.properties.property import Ask, Outputs, Property, joined, must, samples

BATCH = 10
PARTS = (slice(-4), slice(-4, -1), slice(-1, None))
"""Parts that are not equal; the last sample alone, for code that squeezes, and for code that loses what is left behind its last chunk."""

RECURRENT = ("SimpleRNN", "LSTM", "GRU", "Bidirectional")
# More than 2 MiB of float64, which implementations work through in chunks.
LARGE = {
    **dict.fromkeys(("Conv1D", "MaxPooling1D", "AveragePooling1D", "GlobalMaxPooling1D", "GlobalAveragePooling1D"), (9, 310, 100)),
    **dict.fromkeys(("Conv2D", "MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D"), (9, 20, 18, 90)),
}


def batch_split(ask: Ask, case: Case, arrays: Arrays) -> tuple[Outputs, Outputs]:
    """Does not answer a batch as it answers its parts."""
    return ask(case, arrays), joined([ask(case, samples(arrays, rows)) for rows in PARTS])


def _properties() -> Iterator[Property]:
    for name, declaration in ALL.items():
        sizes = {size: values[0] for size, values in declaration.sizes.items()}
        shape = (BATCH, *next(iter(declaration.inputs.values()))[1:])
        yield must(batch_split, name, shape, sizes)
        if name in RECURRENT:
            yield must(batch_split, name, shape, {**sizes, "return_sequences": True}, {"mask": "gap"}, option="mask")
            yield must(batch_split, name, shape, {**sizes, "return_state": True}, {"initial_state": "given"}, option="initial_state")
        if name in ("Softmax", "GlobalAveragePooling1D"):
            yield must(batch_split, name, shape, sizes, {"mask": "full" if name == "Softmax" else "gap"}, option="mask")
        if name in LARGE:
            yield must(batch_split, name, LARGE[name], sizes, option="large")


PROPERTIES = list(_properties())
