"""Trained models, whole, against Keras on the same test split."""

import pytest

from conformance.suite import trained_models


def test_model(question, conform):
    try:
        trained_models.check(conform, *question)
    except trained_models.RequiredDataError as missing:
        pytest.fail(str(missing), pytrace=False)
