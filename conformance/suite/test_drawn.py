"""Cases that Hypothesis draws, layer by layer; a failure is made small and printed as a script."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import pytest

from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case
from conformance.plugin import selected_layers, setting


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a layer."""
    metafunc.parametrize("layer", [name for name in selected_layers(metafunc.config) if name in ALL])


def test_drawn(layer: str, conform: Any, pytestconfig: pytest.Config) -> None:
    from hypothesis.errors import Flaky

    from conformance.allowance import ChaoticCaseError
    from conformance.cases.drawn import run_drawn
    from conformance.cases.quality import WeakCaseError
    from conformance.record import Record
    from conformance.statuses import PASSED, TIMEOUT, UNSUPPORTED

    declaration = layer_cases(layer)
    statuses: Counter[str] = Counter()
    failing: list[Any] = []
    reasons: list[str] = []

    def check(case: Case) -> None:
        if failing and failing[-1].verdict.status == TIMEOUT:
            return  # to make it smaller would take that long again and again
        try:
            examination = conform.examine(case)
        except (ChaoticCaseError, WeakCaseError):
            return
        verdict = examination.verdict
        statuses[verdict.status] += 1
        if verdict.status == UNSUPPORTED:
            reasons.append(verdict.sentence)
        elif verdict.status != PASSED:
            failing.append(examination)
            raise AssertionError(verdict.sentence)

    # Flaky: an implementation that answers the same call differently, which Hypothesis notices.
    with contextlib.suppress(AssertionError, Flaky):
        run_drawn(declaration, conform.seed_of(layer), setting(pytestconfig, "--conform-profile", "standard"), check)
    if failing:
        smallest = failing[-1]
        record = smallest.record(conform.identifier, "drawn")
        conform.settle(record, lambda: conform.explanation(smallest, "drawn") + conform.minimal_script(smallest))
    status = PASSED if statuses[PASSED] else UNSUPPORTED
    unsupported = f"; {statuses[UNSUPPORTED]} unsupported" if statuses[UNSUPPORTED] else ""
    message = reasons[0] if status == UNSUPPORTED and reasons else f"{statuses[PASSED]} drawn cases passed{unsupported}"
    if conform.session.must_support and reasons:
        status, message = UNSUPPORTED, reasons[0]
    conform.settle(Record(conform.identifier, layer, "drawn", status, message=message, needs=declaration.needs), lambda: message)
