"""Keras still deviates where the registry says so, and registry, oracle and cases name the same deviations."""

import warnings

import pytest

from conformance.oracle.deviations.registry import DEVIATIONS, EITHER, VERIFIED_WITH
from conformance.oracle.environment import import_keras
from conformance.oracle.live import specified
from conformance.reporting import deviations as deviations_report

IDS = [deviation.id for deviation in DEVIATIONS]


class NoLongerDeviatesWarning(UserWarning):
    """Another version of Keras does what its documentation says."""


def check(deviation, version):
    """A deviation must occur in the version it was seen in; in any other its end is reported."""
    if deviation.occurs():
        return
    sentence = f"{deviation.id} ({deviation.where}) does not occur with Keras {version}"
    assert version != VERIFIED_WITH, sentence
    warnings.warn(f"{sentence}; it was verified with {VERIFIED_WITH}", NoLongerDeviatesWarning, stacklevel=2)


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=IDS)
def test_keras_deviates(deviation):
    check(deviation, import_keras().__version__)


def test_an_end_is_an_error_in_the_verified_version_and_a_warning_in_another():
    ended = type(DEVIATIONS[0])(**{**vars(DEVIATIONS[0]), "occurs": lambda: False})
    with pytest.raises(AssertionError, match="does not occur"):
        check(ended, VERIFIED_WITH)
    with pytest.warns(NoLongerDeviatesWarning, match="does not occur with Keras 99"):
        check(ended, "99")


def test_every_number_that_a_case_or_the_oracle_names_is_in_the_registry():
    named = {*deviations_report.cases_by_deviation(), *specified.CONFIG, *specified.EITHER, *specified.COMPILED}
    assert named <= set(IDS), f"{sorted(named - set(IDS))} is met by a case and explained nowhere"
    assert len(set(IDS)) == len(IDS), "a number stands for one deviation"


def test_registry_and_oracle_agree_on_where_either_answer_is_right():
    said = {deviation.id for deviation in DEVIATIONS if deviation.expected == EITHER}
    assert said == set(specified.EITHER), "what the report promises is what the oracle accepts"


def test_the_report_shows_every_deviation_with_its_script_and_its_cases():
    text = deviations_report.markdown()
    for deviation in DEVIATIONS:
        assert f"## {deviation.id}\n" in text, f"{deviation.id} has a section"
        assert deviation.script in text, f"{deviation.id} is shown as it is run"
    for name, cases in deviations_report.cases_by_deviation().items():
        shortest = min((case.id for case in cases), key=len)
        assert f"`{shortest}`" in text, f"a case that meets {name} is named"
    assert text.count(f"Occurs with Keras {VERIFIED_WITH}") == len(DEVIATIONS), "and the version in which it was seen"


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=IDS)
def test_a_script_can_be_copied_out_and_run_alone(deviation):
    names = set(deviation.occurs.__code__.co_names) & set(deviation.occurs.__globals__) - set(dir(__builtins__))
    assert names <= {"keras", "np"}, f"{deviation.id} needs {names} of its module, which the reader does not have"
    assert len(deviation.script.splitlines()) <= 14, f"{deviation.id} is a few lines"
