"""Trained models, whole: the implementation's probabilities against Keras's on the same test split."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.plugin import implementation_name, setting


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each checkpoint; none when only some layers are asked about."""
    from conformance.experiments.grid import NAMES

    chosen = not setting(metafunc.config, "--conform-layers")
    metafunc.parametrize("name", NAMES if chosen else [])


def test_model(name: str, conform: Any, pytestconfig: pytest.Config) -> None:
    from conformance.experiments.downloads import DataUnavailable
    from conformance.record import Record
    from conformance.statuses import SKIPPED
    from conformance.whole_model import examine_model

    try:
        record = examine_model(name, conform)
    except (DataUnavailable, FileNotFoundError) as reason:
        if conform.session.require_data:
            pytest.fail(f"--conform-require-data: {reason}", pytrace=False)
        record = Record(conform.identifier, name, "model", SKIPPED, message=str(reason))
    conform.settle(record, lambda: f"{name} of {implementation_name(pytestconfig)}: {record.message}\n  again   {conform.again}")
