"""Trained models, whole, against Keras on the same test split."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.judging.session import CaseRunner
from conformance.studies import trained_models


def test_model(question: tuple[Any, ...], conform: CaseRunner) -> None:
    try:
        trained_models.check(conform, *question)
    except trained_models.RequiredDataError as missing:
        pytest.fail(str(missing), pytrace=False)
