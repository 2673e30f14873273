"""Trained models, whole, against Keras on the same test split."""

from __future__ import annotations

import pytest

from conformance.judging.session import CaseRunner
from conformance.plugin import parametrize
from conformance.studies import trained_models as model


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a question."""
    parametrize(metafunc, ("name",), model.cases)


def test_model(name: str, conform: CaseRunner) -> None:
    try:
        model.check(conform, name)
    except model.RequiredDataError as missing:
        pytest.fail(str(missing), pytrace=False)
