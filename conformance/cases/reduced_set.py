"""Fewer cases than :func:`conformance.cases.case.declared_cases` makes, for functions that are asked about in more than one way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.cases.case import Case, LayerCases, declared_cases, make_case


def reduced_cases(layer: LayerCases, profile: str = "standard", *, options_in_float32: bool = True) -> Iterator[Case]:
    """Every option alone, special cases, then pairs of options; options alone in float32 only if asked for.

    Meaning is judged in float64; pairs are asked in float32 only by ``full``. ``smoke`` leaves pairs out, and float32 of special cases.
    """
    table = replace(layer, special=())
    alone = list(declared_cases(table, "smoke"))
    yield from (case for case in alone if options_in_float32 or profile == "full" or case.dtype == "float64" or not case.config)
    for special in layer.special:
        for dtype in special.dtypes[:1] if profile == "smoke" else special.dtypes:
            yield make_case(layer, special.config, special.shape, special.call, dtype, special.title)
    if profile != "smoke":
        known = {case.id for case in alone}
        pairs = (case for case in declared_cases(table, "standard") if case.id not in known)
        yield from (case for case in pairs if profile == "full" or case.dtype == "float64")
