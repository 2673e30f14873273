"""What an implementation takes: what is left of a declaration, the pairs that are asked of it, and what is said of pairs that never met."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import reference
from conformance.base.record import FAILED, PASSED, UNSUPPORTED, Record
from conformance.cases import layer_cases
from conformance.cases.case import declared_cases
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.process import ProcessImplementation
from conformance.judging.accepted import accepted, never_asked, never_met, pairs_of_accepted

PROGRAM = """
import json, sys
def read(n): return sys.stdin.buffer.read(n)
while len(head := read(8)) == 8:
    document = read(int.from_bytes(head, "little"))
    asked = json.loads(document[8:8 + int.from_bytes(document[:8], "little")])["__metadata__"]
    about = {"id": asked["id"], "status": "passed", "protocol": "1", "name": "mine", "functions": '["lstm_forward"]', "options": OPTIONS}
    reply = json.dumps({"__metadata__": about}).encode()
    sys.stdout.buffer.write((8 + len(reply)).to_bytes(8, "little") + len(reply).to_bytes(8, "little") + reply)
    sys.stdout.buffer.flush()
"""


def lstm_forward(x: Any, kernel: Any, recurrent_kernel: Any, bias: Any, return_sequences: bool = False, go_backwards: bool = False) -> Any:
    return reference.lstm_forward(x, kernel, recurrent_kernel, bias, return_sequences=return_sequences, go_backwards=go_backwards)


def dense_backward(grad_output: Any, x: Any, kernel: Any, bias: Any, activation: str = "linear") -> Any:
    return reference.dense_backward(grad_output, x, kernel, bias, activation=activation)


PORT = ModuleImplementation("port", SimpleNamespace(lstm_forward=lstm_forward, dense_backward=dense_backward))


def varied(name: str, part: str = "forward", implementation: Any = PORT) -> dict[str, int]:
    left = accepted(layer_cases(name), implementation, part)
    return {one: len(values) for one, values in {**left.options, **left.call}.items() if len(values) > 1}


def test_only_what_the_signature_takes_is_left_of_a_declaration() -> None:
    # `unroll` never reaches an implementation, so that nobody can lack it.
    assert varied("LSTM") == {"return_sequences": 2, "go_backwards": 2, "unroll": 2}, "the options of the port, and none that it lacks"
    assert set(varied("Dense", "backward")) == {"activation"}, "a backward pass has a signature of its own"


def test_a_layer_that_is_not_there_keeps_its_declaration() -> None:
    gru = layer_cases("GRU")
    left = accepted(gru, PORT, "forward")
    assert (left.options, left.call) == (gru.options, gru.call), "each of its questions is told why it cannot be asked"


def test_all_pairs_of_what_is_taken_are_asked_and_nothing_that_is_declared() -> None:
    lstm = layer_cases("LSTM")
    asked = pairs_of_accepted(lstm, accepted(lstm, PORT, "forward"), PORT, "forward", "standard")
    taken = {"units", "return_sequences", "go_backwards", "unroll"}
    assert asked and all(set(case.config) <= taken and not case.call for case in asked), "nothing that the port lacks is asked of it"
    assert not {case.id for case in asked} & {case.id for case in declared_cases(lstm)}, "and nothing twice"
    right = ModuleImplementation("reference")
    assert pairs_of_accepted(lstm, accepted(lstm, right, "forward"), right, "forward", "standard") == [], (
        "of what takes everything the declared cases ask all pairs"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('{"lstm_forward": ["return_state"]}', {"return_state": 2, "unroll": 2, "use_bias": 2}),
        ("{}", None),
    ],
)
def test_a_program_says_in_its_description_which_options_it_takes(options: str, expected: dict[str, int] | None) -> None:
    program = ProcessImplementation([sys.executable, "-c", PROGRAM.replace("OPTIONS", repr(options))], "mine", 60)
    try:
        found = varied("LSTM", implementation=program)
    finally:
        program.close()
    everything = {**layer_cases("LSTM").options, **layer_cases("LSTM").call}
    assert found == (expected or {name: len(values) for name, values in everything.items()}), "nothing else is drawn for it"


@pytest.mark.parametrize("options", ["[]", '{"lstm_forward": "mask"}', "[[]]", "{"])
def test_options_that_are_no_lists_of_names_are_told(options: str) -> None:
    program = ProcessImplementation([sys.executable, "-c", PROGRAM.replace("OPTIONS", repr(options))], "mine", 60)
    try:
        answer = program.ask(SimpleNamespace(function="lstm_forward", positional=(np.zeros(1),), keywords={}))  # type: ignore[arg-type]
    finally:
        program.close()
    assert "options" in answer.message, f"the sentence names what is wrong with the description: {answer.message}"


def test_pairs_of_options_that_never_met_are_told() -> None:
    def asked(status: str, **options: str) -> Record:
        return Record("id", "LSTM", "forward", status, options)

    records = [
        asked(PASSED, mask="gap"),
        asked(FAILED, return_sequences="True"),
        asked(UNSUPPORTED, mask="gap", return_sequences="True"),
        asked(PASSED, go_backwards="True", return_sequences="True"),
        asked(UNSUPPORTED, go_backwards="True", return_state="True"),
        asked(UNSUPPORTED, use_bias="False", mask="left"),
    ]
    lstm = layer_cases("LSTM")
    assert never_met(lstm, records) == [("mask", "return_sequences")], "both are taken alone, and together they were asked in vain"
    assert never_met(lstm, [*records, asked(FAILED, mask="right", return_sequences="True")]) == [], "a wrong answer is one"


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("Adam", {"amsgrad": "True", "gradients": "falling"}, {"loss_scale_factor": "0.5"}),
        ("categorical_crossentropy", {"from_logits": "True"}, {"sample_weight": "samples"}),
        ("LSTM", {"dropout": "0.3", "training": "True"}, {"mask": "gap"}),
    ],
)
def test_options_of_pairs_alone_are_told_too_and_no_kinds_of_input(name: str, one: dict[str, str], other: dict[str, str]) -> None:
    asked = [(one, PASSED), (other, PASSED), ({**one, **other}, UNSUPPORTED)]
    records = [Record(str(options), name, "forward", status, options) for options, status in asked]
    wanted = tuple(sorted((next(iter(one)), next(iter(other)))))
    assert never_met(layer_cases(name), records) == [wanted], f"both are options of {name}, and each was answered alone"


def normalizes(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, momentum: Any = 0.99, renorm: Any = None, verbose: Any = 0) -> Any:
    return reference.batch_normalization_forward(x, gamma, beta, mean, variance, momentum=momentum)


def normalizes_with_any(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, **options: Any) -> Any:
    return reference.batch_normalization_forward(x, gamma, beta, mean, variance, **options)


def test_an_option_that_no_case_gives_met_no_other() -> None:
    name, function = "BatchNormalization", "batch_normalization_forward"
    layer, records = layer_cases(name), [Record("id", name, "forward", PASSED, {"epsilon": "0.125"})]

    def unasked(own: Any) -> list[str]:
        return never_asked(layer, records, ModuleImplementation("port", SimpleNamespace(**{function: own})), function)

    assert unasked(normalizes) == ["momentum", "renorm"], "verbose is no option of Keras"
    assert unasked(normalizes_with_any) == [], "of a function that takes any name it is not known what it has"
    assert never_met(layer, records, ["renorm"]) == [("epsilon", "renorm")], "epsilon was answered, never beside renorm"


def test_an_option_of_a_wrapped_layer_never_met_the_layer() -> None:
    records = [Record("id", "TimeDistributed", "forward", PASSED, {"layer": "Conv2D"})]
    pairs = never_met(layer_cases("TimeDistributed"), records, ["dilation_rate"])
    assert pairs == [("dilation_rate", "layer")], "which layer is wrapped is an option, too"
