"""No option of a Keras class is forgotten: each is varied, declared as untested, or one that no implementation gets."""

import inspect

import pytest

from conformance.cases import ALL, NAMES
from conformance.cases.case import FunctionCases
from conformance.cases.losses import CLASSES
from conformance.cases.optimizers import OPTIMIZER_CASES
from conformance.oracle.environment import import_keras
from conformance.reporting.options import NEVER_PASSED, OF_WEIGHTS, accounted_options, known_options


def options_of_keras(name):
    """The arguments of the Keras constructor (or activation function) that may touch numbers."""
    keras = import_keras()
    if name in CLASSES:
        function = getattr(keras.losses, CLASSES[name]).__init__
    elif name in OPTIMIZER_CASES:
        function = getattr(keras.optimizers, name).__init__
    else:
        own = name in ALL and isinstance(ALL[name], FunctionCases)
        function = getattr(keras.activations, name) if own else getattr(keras.layers, name).__init__
    return {option for option in set(inspect.signature(function).parameters) - NEVER_PASSED if not option.endswith(OF_WEIGHTS)}


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_keras_is_varied_or_declared_untested(name):
    forgotten = options_of_keras(name) - accounted_options(name)
    assert not forgotten, f"{name}: {', '.join(sorted(forgotten))} is neither varied by a case nor listed in `untested`"


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_keras_has_a_line_in_the_report(name):
    hidden = (options_of_keras(name) & accounted_options(name)) - set(known_options(name))
    assert not hidden, f"{name}: {', '.join(sorted(hidden))} would not show, not even as 0"


def test_a_forgotten_option_would_be_found(monkeypatch):
    monkeypatch.setattr("conformance.selftests.cases.test_options.NEVER_PASSED", NEVER_PASSED - {"seed"})
    assert "seed" in options_of_keras("Dropout") - accounted_options("Dropout"), "the check compares with Keras's own signature"
