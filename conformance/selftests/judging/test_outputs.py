"""Outputs and gradients are called what they are, and a case by what is special about it."""

from __future__ import annotations

import pytest

import conformance
import reference
from conformance.cases import layer_cases
from conformance.cases.case import Case
from conformance.judging.explain import what_is_special
from conformance.judging.outputs import named_outputs


def lstm(x, *weights, **options):
    y, *states = found if isinstance(found := reference.lstm_forward(x, *weights, **options), tuple) else (found,)
    return (y, states[0], states[1] + 1) if states else y


def normalization(*arguments, **options):
    y, *new = found if isinstance(found := reference.batch_normalization_forward(*arguments, **options), tuple) else (found,)
    return (y, new[0] + 1, new[1]) if new else y


@pytest.mark.parametrize(
    ("function", "layer", "case", "said"),
    [
        ("lstm_forward", lstm, "LSTM-return_state-units=5-sequence-float64", ["all 15 values are off in the state c", "at batch "]),
        (
            "batch_normalization_forward",
            normalization,
            "BatchNormalization-training-images-float64",
            ["all 2 values are off in new_moving_mean", "at channel "],
        ),
    ],
)
def test_the_output_that_is_off_has_its_name(function, layer, case, said):
    name = case.partition("-")[0]
    text = conformance.check({function: layer}, [name], case=case).whole()
    assert all(words in text for words in said), f"{said} is not said:\n{text[:600]}"
    assert "output 2" not in text, "an output has a number for a name"


@pytest.mark.parametrize(
    ("config", "count", "names"),
    [
        ({"merge_mode": None}, 2, ["the output of the forward half", "the output of the backward half"]),
        ({"return_state": True}, 5, ["the output", *(f"the state {half} {name}" for half in ("forward", "backward") for name in "hc")]),
        ({}, 1, []),
    ],
)
def test_a_bidirectional_layer_has_the_outputs_and_states_of_two_halves(config, count, names):
    case = Case("Bidirectional", {"layer": "LSTM", **config}, (2, 3, 4), {}, "float64")
    assert [*named_outputs(layer_cases("Bidirectional"), case, count)] == names, f"the outputs with {config}"


@pytest.mark.parametrize(
    ("title", "config", "words"),
    [
        ("huge_logits-activation=softplus", {"activation": "softplus"}, "huge logits, activation=softplus"),
        ("return_sequences-one_step", {"return_sequences": True}, "return_sequences, one step"),
        ("scale=-2-offset=1.0x-0.5-square", {"scale": -2, "offset": (1.0, -0.5)}, "scale=-2, offset=1.0x-0.5, square"),
        ("extremes-their_mean", {}, "extremes, the mean of all losses"),
        ("", {}, ""),
    ],
)
def test_a_title_is_told_in_words(title, config, words):
    case = Case("Dense", config, (2, 3), {}, "float64", title)
    assert what_is_special(case) == words, f"{title} reads {what_is_special(case)!r}"
