"""Many failures are diagnosed at the price of a few: what is known is tried first, and a search in vain is not repeated for ever."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from conformance.base.record import FAILED
from conformance.cases import layer_cases
from conformance.cases.case import declared_cases
from conformance.implementations.module import ModuleImplementation
from conformance.judging.judge import judge_case
from conformance.oracle.recorded.reader import Recorded
from conformance.suite import diagnoses
from conformance.suite.diagnoses import Diagnoses
from reference import dense_forward

ORACLE = Recorded()


def without_bias(x, kernel, bias=None, **options):
    return dense_forward(x, kernel, **options)


def at_random(x, kernel, bias=None, **options):
    return dense_forward(x, kernel, bias, **options) + np.random.default_rng(len(x)).normal(size=kernel.shape[1])


def failures(function, count=40):
    """Judged failures of Dense by the id of their record, and the records."""
    implementation = ModuleImplementation("mine", {"dense_forward": function})
    cases = islice(declared_cases(layer_cases("Dense")), count)
    judged = [judge_case(case, implementation, ORACLE, 0, strict=False) for case in cases]
    results = {f"t[{result.case.id}]": result for result in judged if result.verdict.status == FAILED}
    return results, [result.record(name) for name, result in results.items()]


@pytest.fixture
def searches(monkeypatch):
    """How often the whole catalogue is run, and how often a few mistakes of it."""
    counted = []

    def counting(result, among=None, at_most=None):
        counted.append("all" if among is None else "some")
        return real(result, among, at_most)

    real = diagnoses.consistent_faults
    monkeypatch.setattr(diagnoses, "consistent_faults", counting)
    return counted


def test_a_mistake_that_is_known_is_not_searched_again(searches):
    results, records = failures(without_bias)
    found = Diagnoses(results.get)(records)
    assert len(found) == len(records) > 20 and all("the bias is left out" in sentences for sentences in found.values()), found
    assert searches.count("all") == 1, f"one search explains all {len(records)} cases: {searches}"


def test_searches_in_vain_come_to_an_end(searches):
    results, records = failures(at_random)
    found = Diagnoses(results.get)(records)
    assert list(found.values()) == [[]] * len(records), "no mistake of the catalogue adds noise"
    assert searches == ["all"] * diagnoses.MOST_IN_VAIN, f"{len(records)} cases, and few searches: {searches}"


def test_an_answer_is_kept(searches):
    results, records = failures(without_bias, 8)
    diagnose = Diagnoses(results.get)
    first, asked = diagnose(records), len(searches)
    assert diagnose(records) == first and len(searches) == asked, "a report that is printed again costs nothing"
    assert diagnose(records[:1]) == {records[0].id: first[records[0].id]}, "one of them is answered alone"


def test_of_very_many_failures_some_are_looked_at(monkeypatch):
    monkeypatch.setattr(diagnoses, "MOST_CASES", 10)
    results, records = failures(without_bias)
    found = Diagnoses(results.get)(records)
    assert records[0].id in found and 5 <= len(found) <= 10, f"the simplest, and some all along the row: {len(found)} of {len(records)}"


def test_what_was_not_judged_with_arrays_has_no_diagnosis():
    _, records = failures(without_bias, 4)
    assert Diagnoses({}.get)(records) == {record.id: [] for record in records}, "nothing is known, but each was looked at"
