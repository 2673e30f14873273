"""What a student reads: short, true, and with what to do next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from conformance.base.call import REFUSED
from conformance.base.printing import MOST_LAYERS
from conformance.base.record import CORE, EDGE, FAILED, PASSED, UNSUPPORTED, Record
from conformance.base.report import Report
from conformance.base.words import are, counted, listed

OFF = "3 values are off"


def recorded(identifier: str, layer: str, status: str = PASSED, **other: Any) -> Record:
    return Record(identifier, layer, other.pop("kind", "forward"), status, **other)


def bias_left_out(records: Sequence[Record]) -> dict[str, list[str]]:
    return {record.id: ["the bias is left out."] for record in records}


def test_a_failure_is_told_by_its_message_where_it_is_not_explained() -> None:
    text = str(Report([recorded("t[LSTM-a]", "LSTM", FAILED, message=OFF)], absent=["GRU"], seconds=1.23))
    assert "LSTM: 1 of 1 case is wrong.\n\n  1 case:\n    t[LSTM-a]: 3 values are off\n" in text, text
    end = "Not in it: GRU.\n1 case is wrong: 0 of 1 case passed in 1.2 s.\nBegin with LSTM: mend its first mistake and check again."
    assert text.endswith(end), text


def test_a_mistake_is_told_once_with_the_number_of_its_cases() -> None:
    records = [recorded(f"t[Dense-{n}]", "Dense", FAILED, message="all 4 values are off") for n in range(36)]
    explanations = {record.id: lambda name=record.id: f"{name} is wrong\nmore\n  again   command {name}" for record in records}
    text = Report(records, explanations=explanations, diagnose=bias_left_out).text()
    assert "  36 cases: you would get exactly these values when the bias is left out.\n    t[Dense-0] is wrong\n    more\n" in text, text
    assert "    To run this case alone: command t[Dense-0]\n" in text, "how it is run again reads alike everywhere"
    assert "t[Dense-1]" not in text, "one case is enough"
    assert sum(record.id in Report(records, diagnose=bias_left_out).text(every=True) for record in records) == 36, "--all names each"


def test_edge_failures_stand_apart_and_last_and_do_not_count() -> None:
    odd = recorded("t[Dense-nan]", "Dense", FAILED, level=EDGE, message="the only value is off")
    records = [odd, recorded("t[Dense-a]", "Dense"), recorded("t[LSTM-a]", "LSTM", FAILED, message=OFF)]
    text = str(Report(records))
    assert re.search(r"^layer +passed +wrong +wrong at the edge +not supported\n.*\nDense +1 +0 +1 +0\nLSTM +0 +1 +0 +0\n", text), text
    places = [text.index(part) for part in ("LSTM: 1 of 1 case is wrong", "At the edge (unusual input; it does not count", "t[Dense-nan]")]
    assert places == sorted(places), text
    assert "1 case is wrong, and 1 at the edge: 1 of 3 cases passed" in text and "Begin with LSTM" in text, text
    alone = str(Report(records[:2]))
    end = "Nothing is wrong, but 1 case at the edge: 1 of 2 cases passed.\nDense (1 case) is right. At the edge Dense is not."
    assert alone.endswith(end), alone


def test_edge_failures_count_where_that_is_asked_for() -> None:
    text = str(Report([recorded("t[Dense-nan]", "Dense", FAILED, level=EDGE, message=OFF)], edge=True))
    assert "At the edge" not in text and "Dense: 1 of 1 case is wrong." in text and "1 case is wrong: 0 of 1 case passed" in text, text


def test_an_edge_failure_never_stands_before_a_core_failure_of_its_layer() -> None:
    levels = {"edge": EDGE, "core": CORE}
    records = [recorded(f"t[Dense-{name}]", "Dense", FAILED, level=level, message=OFF) for name, level in levels.items()]
    text = str(Report(records, edge=True))
    assert 0 < text.index("t[Dense-core]") < text.index("t[Dense-edge]"), text
    assert "Dense (1 case), perhaps for the reasons above." in str(Report(records)), "where it does not count, it is only counted"


def test_a_layer_that_waits_shows_its_own_mistake_and_names_what_is_there_to_blame() -> None:
    waiting = recorded("t[Bidirectional-a]", "Bidirectional", FAILED, needs=("LSTM",), message="all 4 values are off")
    text = Report([waiting, recorded("t[LSTM-a]", "LSTM", FAILED, message=OFF)], diagnose=bias_left_out).text()
    assert "Bidirectional: 1 of 1 case is wrong.\n  It waits for LSTM, which is wrong as well: begin there.\n" in text, text
    assert text.count("when the bias is left out") == 2, "the diagnosis of what waits is shown all the same"
    assert text.index("LSTM: 1 of 1") < text.index("Bidirectional: 1 of 1"), "what does not wait comes first"
    assert text.endswith("Begin with LSTM: mend its first mistake and check again."), text


def test_layers_beyond_the_first_few_have_a_line_each() -> None:
    records = [recorded(f"t[L{n}-{m}]", f"L{n}", FAILED, message="all 4 values are off") for n in range(MOST_LAYERS + 2) for m in range(3)]
    text = Report(records, diagnose=bias_left_out).text()
    line = "3 of 3 cases are wrong. The simplest: you would get exactly these values when the bias is left out."
    assert text.count("  3 cases: you would get") == MOST_LAYERS, "the first are told in full"
    assert f"\nL{MOST_LAYERS}: {line}\nL{MOST_LAYERS + 1}: {line}\n" in text, text


def test_what_is_not_supported_is_a_table() -> None:
    messages = [
        f"dense_forward {REFUSED}mask, training",
        f"dense_forward {REFUSED}mask",
        "dense_forward refuses activation='glu' (ValueError: unknown)",
        "dense_forward refuses activation='celu', padding=(1, 2)",
        "dense_forward does not accept the call with 2 arguments by position: missing a required argument: 'bias'",
        "f.py has no function dense_compute_mask",
    ]
    records = [recorded(str(n), "Dense", UNSUPPORTED, message=message) for n, message in enumerate(messages)]
    records += [recorded("p", "Dense", UNSUPPORTED, kind="property", message="f.py has no function tanh"), recorded("a", "Dense")]
    records += [recorded("o", "GRU", UNSUPPORTED, message="for another reason")]
    lines = Report(records).text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("not supported"))
    heading, _, dense, gru = lines[at : at + 4]
    assert re.split(r"  +", heading) == ["not supported", "options and functions that are not there", "values that are refused"], heading
    lacking = "mask, training, a call without bias and the function dense_compute_mask"
    assert re.split(r"  +", dense) == ["Dense", lacking, "activation: glu and celu; padding: (1, 2)"], f"one row a layer: {dense}"
    assert re.split(r"  +", gru) == ["GRU", "for another reason"], f"a reason of another kind is said as it is: {gru}"
    assert lines[-1] == "Dense (1 case) is right in all that you support.", "and the last line is a sentence"


def test_a_value_is_refused_that_no_answered_case_has() -> None:
    options = [{"activation": "elu", "mask": "None"}, {"activation": "elu", "mask": "gap"}, {"activation": "celu", "mask": "None"}]
    records = [recorded(str(n), "Dense", UNSUPPORTED, options=given, message=f"later ({n})") for n, given in enumerate(options)]
    answered = recorded("a", "Dense", options={"activation": "None", "mask": "None"})
    lines = str(Report([*records[::-1], answered])).splitlines()
    assert f"Dense{' ' * 52}activation: celu and elu" in lines, f"the mask may be taken: {lines}"
    assert "Dense: later (0)" in str(Report(records)), "where nothing was answered, reasons are told as they are"


def test_a_table_with_nothing_refused_has_no_column_for_it() -> None:
    text = str(Report([recorded("a", "Dense", UNSUPPORTED, message=f"f {REFUSED}mask")]))
    assert "values that are refused" not in text and "\nDense          mask\n" in text, text


def test_remarks_of_passes_are_shown() -> None:
    remark = "accurate to float32 only"
    records = [recorded(str(n), layer, remarks=(remark,)) for n, layer in enumerate(["Dense", "Dense", "GRU"])]
    assert f'Passed with the remark "{remark}": Dense (2 cases) and GRU (1 case).\n' in str(Report(records)), str(Report(records))


@pytest.mark.parametrize(
    ("records", "others", "sentence"),
    [
        (["Dense"], {}, "Dense (1 case) is right."),
        (["Dense", "GRU"], {}, "Dense (1 case) and GRU (1 case) are right."),
        ([], {}, "No case is supported, so that nothing was compared with Keras."),
        (
            ["GRU"],
            {"never_met": ["mask with go_backwards", "mask with initial_state"]},
            "GRU (1 case) is right. Nothing is wrong in what was asked; these of your options never met: "
            "mask with go_backwards and mask with initial_state.",
        ),
    ],
)
def test_the_last_line_is_a_sentence(records: Any, others: Any, sentence: str) -> None:
    text = str(Report([recorded(name, name) for name in records], **others))
    assert text.splitlines()[-1] == sentence, text


def test_colours_are_shown_where_they_are_asked_for_alone() -> None:
    report = Report([recorded("a", "Dense", FAILED, message=OFF), recorded("b", "GRU")])
    assert "\033" not in str(report) + report.whole() and "\033[31mDense" in report.text(colour=True), "red is what is wrong"
    assert "\033[32mGRU" in report.text(colour=True), "green what is right"
    assert re.sub(r"\033\[\d+m", "", report.text(colour=True)) == str(report), "the words are the same"


def test_numbers_and_nouns_agree() -> None:
    assert [counted(n, "case") for n in (0, 1, 2)] == ["0 cases", "1 case", "2 cases"], "one is singular, none is plural"
    assert [are(n) for n in (0, 1, 2)] == ["are", "is", "are"], "so is the verb"
    assert [listed([*"abcd"][:n], 2) for n in range(5)] == ["", "a", "a and b", "a, b and c", "a, b and 2 more"], "never one more for one"
