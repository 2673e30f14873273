"""Fewer cases than :func:`conformance.cases.case.declared_cases` makes, for functions that are asked about in more than one way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.cases.case import Case, LayerCases, declared_cases, make_case


def sparing_cases(layer: LayerCases, profile: str = "standard") -> Iterator[Case]:
    """Every option alone and the special cases in both dtypes, then pairs of options in float64, which judges their meaning.

    ``smoke`` leaves the pairs out, and float32 of the special cases; ``full`` asks the pairs in float32 as well.
    """
    table = replace(layer, special=())
    alone = list(declared_cases(table, "smoke"))
    yield from alone
    for special in layer.special:
        for dtype in special.dtypes[:1] if profile == "smoke" else special.dtypes:
            yield make_case(layer, special.config, special.shape, special.call, dtype, special.title)
    if profile != "smoke":
        known = {case.id for case in alone}
        pairs = (case for case in declared_cases(table, "standard") if case.id not in known)
        yield from (case for case in pairs if profile == "full" or case.dtype == "float64")
