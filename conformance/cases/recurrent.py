"""Cases of the recurrent layers and of Bidirectional around them."""

from __future__ import annotations

from typing import Any

from conformance.allowance import perturbation
from conformance.cases.case import Config, LayerCases, Special

# Keras rounds constants of these to float32 (section 0.2); iterated, no exact allowance in float64 follows from that.
ROUNDED = ("leaky_relu", "gelu")
INPUTS = {
    "sequence": (3, 7, 4),
    "one_sequence": (1, 5, 3),
    "one_step": (2, 1, 3),
    "square": (4, 4, 4),
}
OPTIONS: dict[str, list[Any]] = {
    "activation": ["tanh", "linear", "relu", "sigmoid", "softsign", "softmax", "gelu", "elu"],
    "recurrent_activation": ["sigmoid", "hard_sigmoid", "tanh", "softmax", "relu6"],
    "use_bias": [True, False],
    "return_sequences": [False, True],
    "return_state": [False, True],
    "go_backwards": [False, True],
    "zero_output_for_mask": [False, True],
    "unroll": [False, True],
}
CALL: dict[str, list[Any]] = {
    "mask": [None, "gap", "right", "left", "all_masked", "gap_integers", "gap_floats", "gap_3d"],
    "initial_state": [None, "given"],
}
LONG = {"units": 6, "return_sequences": True}


def _possible(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    rounded = config.get("activation") in ROUNDED or config.get("recurrent_activation") in ROUNDED
    return not (rounded and dtype == "float64")


def _cell(config: Config, shape: tuple[int, ...], gates: int) -> dict[str, tuple[int, ...]]:
    units = config["units"]
    weights: dict[str, tuple[int, ...]] = {"kernel": (shape[-1], gates * units), "recurrent_kernel": (units, gates * units)}
    return weights | ({"bias": (gates * units,)} if config.get("use_bias", True) else {})


def _lstm_weights(config: Config, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return _cell(config, shape, 4)


def _unrolled_zeros(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    """D3: the outputs of an unrolled backward run are zeroed at the steps of the forward mask."""
    wanted = ("unroll", "go_backwards", "zero_output_for_mask", "return_sequences")
    return "mask" in call and all(config.get(name) for name in wanted)


def _dropout_cases(**config: Any) -> list[Special]:
    rates = {"dropout": {"dropout": 0.3}, "recurrent_dropout": {"recurrent_dropout": 0.4}}
    rates["dropout-recurrent_dropout"] = {**rates["dropout"], **rates["recurrent_dropout"]}
    return [Special(f"training-{name}", (3, 6, 4), {**config, **rate}, {"training": True}) for name, rate in rates.items()]


SPECIAL = [
    Special("sequence_of_40", (2, 40, 3), LONG),
    Special("sequence_of_40-mask=gap", (3, 40, 4), LONG, {"mask": "gap"}),
    Special("nan_at_masked_steps", (2, 6, 3), LONG, {"mask": "every_third", "values": "nan_at_masked_steps"}),
    Special("many_sequences", (70, 3, 4), {"units": 3}),
    Special("many_units_and_features", (2, 3, 40), {"units": 35}),
    Special("one_unit", (2, 5, 3), {"units": 1, "return_sequences": True}),
    Special("one_feature", (2, 5, 1), {"units": 3, "return_sequences": True}),
    Special("integers", (2, 5, 3), {"units": 4}, {"values": "integers"}),
    Special("dropout_without_training", (3, 5, 4), {"units": 3, "dropout": 0.5, "recurrent_dropout": 0.5}),
    *_dropout_cases(units=5, return_sequences=True),
    Special(
        "training-dropout-recurrent_dropout-mask=gap-initial_state=given", (3, 6, 4),
        {"units": 5, "return_sequences": True, "dropout": 0.3, "recurrent_dropout": 0.4},
        {"training": True, "mask": "gap", "initial_state": "given"},
    ),
]

LSTM = LayerCases(
    "LSTM",
    inputs=INPUTS,
    axes=("batch", "step", "unit"),
    allowance=perturbation,
    sizes={"units": [5, 4]},
    options=OPTIONS,
    call=CALL,
    possible=_possible,
    weights=_lstm_weights,
    special=[
        *SPECIAL,
        Special("training-dropout=1", (3, 6, 4), {"units": 5, "dropout": 1.0, "recurrent_dropout": 1.0}, {"training": True}),
        Special("training-dropout-go_backwards", (3, 6, 4), {"units": 5, "dropout": 0.3, "go_backwards": True}, {"training": True}),
    ],
    deviations={"D3": _unrolled_zeros},
    drawn={"shape": ((1, 3), (1, 8), (1, 5)), "units": (1, 6)},
    unpassed=("unroll",),
)


def _both_ways(config: Config, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{way}_{name}": size for way in ("forward", "backward") for name, size in _lstm_weights(config, shape).items()}


def _bidirectional_config(config: Config) -> dict[str, Any]:
    """The wrapped layer's options nested, as Keras has them."""
    inner = {name: value for name, value in config.items() if name not in ("layer", "merge_mode")}
    outer = {"merge_mode": config["merge_mode"]} if "merge_mode" in config else {}
    return {"layer": {"class_name": config["layer"], "config": inner}, **outer}


def _unrolled_halves(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    """D4: D3 inside Bidirectional, which zeroes masked outputs whenever it returns sequences."""
    return "mask" in call and bool(config.get("unroll")) and bool(config.get("return_sequences"))


BIDIRECTIONAL = LayerCases(
    "Bidirectional",
    inputs=INPUTS,
    axes=("batch", "step", "unit"),
    allowance=perturbation,
    constant={"layer": "LSTM"},
    sizes={"units": [5, 4]},
    options={
        "merge_mode": ["concat", "sum", "mul", "ave", None],
        **{name: values for name, values in OPTIONS.items() if name != "go_backwards"},
    },
    call=CALL,
    possible=_possible,
    weights=_both_ways,
    keras_config=_bidirectional_config,
    special=SPECIAL,
    deviations={"D4": _unrolled_halves},
    drawn={"shape": ((1, 3), (1, 8), (1, 5)), "units": (1, 6)},
    unpassed=("unroll",),
    untested=("backward_layer",),
    needs=("LSTM",),
)

LAYERS = [LSTM, BIDIRECTIONAL]
