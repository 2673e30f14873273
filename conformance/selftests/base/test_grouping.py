"""Failures by cause: the mistake that explains most first, then complaints, then what cases have in common, then single ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from conformance.base.call import WITHOUT
from conformance.base.grouping import common, complaint_of, grouped, simplest_first
from conformance.base.record import BLOCKED, ERROR, FAILED, PASSED, Record
from conformance.base.report import Report

OFF = "all 18 values are off"


def case(name: str, status: str = FAILED, kind: str = "forward", message: str = OFF, **options: Any) -> Record:
    usual = {"activation": "None", "padding": "valid", "mask": "None"}
    given = {**usual, **{option: str(value) for option, value in options.items()}}
    return Record(f"test_{kind}[Dense-{name}-float64]", "Dense", kind, status, given, message=message)


def ids(groups: Any) -> list[list[str]]:
    return [[record.id.split("-")[1] for record in group.records] for group in groups]


def known(causes: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {f"test_forward[Dense-{name}-float64]": sentences for name, sentences in causes.items()}


def test_the_mistake_that_explains_most_comes_first_and_only_what_explains_all_is_named() -> None:
    wrong = [case(name) for name in "abcdef"]
    causes = {"a": ["rare", "both"], "b": ["often", "both"], "c": ["often", "sometimes"], "d": ["often"], "e": ["other"], "f": ["other"]}
    first, second, third = grouped(wrong, [], known(causes))
    assert (first.causes, ids([first])) == (("often",), [["b", "c", "d"]]), "what explains three cases, and not what explains some of them"
    assert (second.causes, ids([second])) == (("other",), [["e", "f"]]), "then what explains two"
    assert third.causes == ("rare", "both"), "what is left has all its names: each explains the whole group"


def test_a_case_that_two_mistakes_explain_is_told_once() -> None:
    groups = grouped([case(name) for name in "abc"], [], known({"a": ["x"], "b": ["x", "y"], "c": ["y"]}))
    assert sorted(name for names in ids(groups) for name in names) == ["a", "b", "c"], "no case stands in two groups"


def test_errors_are_one_group_where_they_have_one_place_whatever_the_shapes_say() -> None:
    texts = ["f raised ValueError: shapes (3,5) (4,) (a.py, line 3)", "f raised ValueError: shapes (2,1) (9,) (a.py, line 3)"]
    elsewhere = "f raised ValueError: shapes (2,1) (9,) (a.py, line 8)"
    wrong = [case(name, ERROR, message=text) for name, text in zip("abc", [texts[0], elsewhere, texts[1]], strict=True)]
    groups = grouped(wrong, [], {})
    assert ids(groups) == [["a", "c"], ["b"]], "type and line tell errors apart, not the numbers in them"
    assert groups[0].complaint == "f raised ValueError (a.py, line 3)", "the complaint says where"


@pytest.mark.parametrize(("most", "words"), [(2, "an input of more axes than (batch, features)"), (3, "an input of more axes than 3")])
def test_code_that_takes_few_axes_alone_is_told_so(most: int, words: str) -> None:
    wrong = [replace(case(name, ERROR, message="f raised ValueError: no (a.py, line 3)"), axes=most + n) for n, name in enumerate("ab", 1)]
    passing = [replace(case("c", PASSED), axes=most), replace(case("d", PASSED), axes=1)]
    (group,) = grouped(wrong, passing, {})
    assert group.common == words, "no error was raised for an input of so few axes"
    (group,) = grouped(wrong, [*passing, replace(case("e", PASSED), axes=most + 1)], {})
    assert group.common == "", "one with more axes passes, too"


def test_wrong_shapes_are_one_group() -> None:
    wrong = [case("a", message="the output has the shape (3, 4), expected (4, 3)"), case("b", message=OFF)]
    wrong += [case("c", message="the output has the shape (7, 1), expected (1, 7)")]
    assert ids(grouped(wrong, [], {})) == [["a", "c"], ["b"]], "numbers differ from case to case"


@pytest.mark.parametrize(
    ("wrong", "passing", "words"),
    [
        ([{"activation": "relu"}, {"activation": "tanh"}], [{"activation": "None"}], "activation"),
        ([{"padding": "same"}, {"padding": "causal"}], [{"padding": "valid"}], "padding other than valid"),
        ([{"padding": "same"}, {"padding": "same"}], [{"padding": "valid"}, {"padding": "causal"}], "padding=same"),
        ([{"padding": "same"}, {"padding": "full"}], [{"padding": "valid"}, {"padding": "causal"}], "padding=full or padding=same"),
        (
            [{"padding": "same", "mask": "gap"}, {"padding": "same", "mask": "gap"}],
            [{"padding": "same"}, {"mask": "gap"}, {}, {}, {}],
            "padding=same and mask=gap",
        ),
        (
            [{"padding": "same", "mask": "gap"}, {"padding": "same", "mask": "right"}],
            [{"padding": "same"}, {"mask": "gap"}, {"mask": "right"}, {}, {}, {}],
            "padding=same and mask",
        ),
        (
            [{"padding": "same", "mask": "gap", "activation": "relu"}],
            [
                {"padding": "same", "mask": "gap"}, {"padding": "same", "activation": "relu"}, {"mask": "gap", "activation": "relu"},
                *[{}] * 4,
            ],
            "activation=relu, padding=same and mask=gap",
        ),
        ([{"padding": "same"}, {}], [{"padding": "same"}, {}], ""),
        ([{"padding": "same"}], [], ""),
    ],
)
def test_what_cases_have_in_common_is_said_where_no_passing_case_has_it(wrong: Any, passing: Any, words: str) -> None:
    failing = [case(f"w{n}", **options) for n, options in enumerate(wrong)]
    others = [case(f"p{n}", PASSED, **options) for n, options in enumerate(passing)]
    assert common(failing, others) == words, f"{wrong} beside {passing}"


def test_what_has_nothing_in_common_is_parted_by_what_some_have() -> None:
    wrong = [case("a", padding="same"), case("b", mask="gap"), case("c", padding="same"), case("d")]
    groups = grouped(wrong, [case("p", PASSED), case("q", PASSED)], {})
    assert [(names, group.common) for names, group in zip(ids(groups), groups, strict=True)] == [
        (["a", "c"], "padding=same"),
        (["d"], ""),
        (["b"], "mask=gap"),
    ], "the options with which no case passes; of single cases the plain one comes first"


def test_what_a_mistake_explains_is_no_obstacle_to_what_others_have_in_common() -> None:
    wrong = [case("a"), case("b", padding="same"), case("c", mask="gap"), case("d", mask="gap", padding="same")]
    groups = grouped(wrong, [case("p", PASSED, kind="property")], known({"a": ["x"], "b": ["x"]}))
    assert groups[1].common == "mask=gap", "the explained cases show that the second mistake has to do with the mask, though nothing passes"


def test_the_simplest_case_stands_first() -> None:
    records = [case("two", activation="relu", padding="same"), case("back", kind="backward"), case("one", activation="relu"), case("plain")]
    records.insert(0, Record("test_forward[Dense-plain-float32]", "Dense", "forward", FAILED, records[-1].options))
    order = [record.id for record in simplest_first(records, [case(str(n), PASSED) for n in range(5)])]
    names = ["forward[Dense-plain-float64]", "forward[Dense-plain-float32]", "forward[Dense-one-float64]", "forward[Dense-two-float64]"]
    assert order == [f"test_{name}" for name in [*names, "backward[Dense-back-float64]"]], f"forward, few options, float64: {order}"


def test_what_fails_because_the_layer_is_wrong_comes_last() -> None:
    wrong = [case(str(n), kind="property", message="f with zeros is not its bias: 3 of 4 values are off") for n in range(3)] + [case("a")]
    wrong = [case("r", BLOCKED, kind="repeated", message="no sampled case passes: this"), *wrong]
    *groups, repeated = grouped([*wrong], [], {})
    assert repeated.follows and not grouped([case("r", kind="repeated")], [], {})[0].follows, "but an answer that changes is a cause"
    assert [group.follows for group in groups] == [False, True], "properties of a wrong layer do not hide the plain case"
    assert groups[1].complaint == "f with zeros is not its bias", "what is said of a property is the property"


def test_the_complaint_of_a_blocked_record_is_its_own() -> None:
    record = case("b", ERROR, message="f raised TypeError: no (a.py, line 2)")
    needs = Record("l", "LSTM", "forward", FAILED)
    blocked = Report([Record(record.id, "Bidirectional", "forward", ERROR, message=record.message, needs=("LSTM",)), needs]).records[0]
    assert blocked.status == BLOCKED and complaint_of(blocked) == "f raised TypeError (a.py, line 2)", blocked.message
    assert complaint_of(case("o", message="step 2: 3 of 4 values are off")) == "", "values that are off say nothing of a cause"


def test_an_answer_that_changes_is_one_complaint_whatever_it_was_at_first() -> None:
    said = "it gives another answer when asked again; the first time"
    wrong = [case("a", message=f"{said} all 18 values are off"), case("b", message=f"{said} 3 of 4 values are off")]
    (group,) = grouped(wrong, [], {})
    assert group.complaint == "it gives another answer when asked again", "what stands behind the semicolon differs from case to case"


def test_the_group_with_most_cases_stands_first_and_a_cause_counts_twice() -> None:
    causes = known({"a": ["rare"]})
    missing = [case(name, kind="backward", message="it returns 2 gradients, where 3 are expected") for name in "bcd"]
    off = [case(name, kind="backward") for name in "efghijk"]
    groups = grouped([case("a"), *missing], [], causes)
    assert ids(groups) == [["b", "c", "d"], ["a"]], "a named mistake of one case stands before a complaint of three"
    groups = grouped([*missing, *off[:5]], [], {})
    assert ids(groups)[0] == ["b", "c", "d"], "three cases with a complaint stand behind five of which only values are off"
    groups = grouped([*missing, *off], [], {})
    assert ids(groups)[0] == [*"efghijk"], "seven cases stand behind three"


def test_plain_cases_stand_before_as_many_with_an_unusual_option() -> None:
    causes = known({**{name: ["plain"] for name in "ab"}, **{name: ["of an option"] for name in "cde"}})
    wrong = [*(case(name, padding="same") for name in "cde"), case("a"), case("b")]
    passing = [case(name, PASSED) for name in "vwxyz"]
    assert ids(grouped(wrong, passing, causes)) == [["a", "b"], ["c", "d", "e"]], "what is wrong by default helps more"


def test_a_refusal_and_the_error_behind_it_are_one_group() -> None:
    raised = "f raised ValueError: no {} (a.py, line 3)"
    plain = case("a", ERROR, message=raised.format(1))
    refused = case("b", ERROR, activation="elu", message=f"f refuses activation='elu'{WITHOUT}{raised.format(2)}")
    (group,) = grouped([refused, plain], [case("c", PASSED)], {})
    assert ids([group]) == [["a", "b"]] and group.complaint == "f raised ValueError (a.py, line 3)", f"the plain case first: {group}"
