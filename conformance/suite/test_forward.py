"""Every declared case of every layer: the forward pass against Keras."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case, declared_cases
from conformance.plugin import selected_layers, setting


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a case; its id is the case's own."""
    profile = setting(metafunc.config, "--conform-profile", "standard")
    cases = [case for name in selected_layers(metafunc.config) if name in ALL for case in declared_cases(layer_cases(name), profile)]
    metafunc.parametrize("case", cases, ids=[case.id for case in cases])


def test_forward(case: Case, conform: Any) -> None:
    conform.check(case)
