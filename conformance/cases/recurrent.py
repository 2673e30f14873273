"""Cases of the recurrent layers, of Bidirectional around them and of TimeDistributed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from conformance.cases.case import Alone, Config, LayerCases, Special
from conformance.cases.titles import words
from conformance.cases.tolerance import dot_product, exact, layer_normalization, perturbation

# Keras rounds constants of these to float32 (section 0.2); iterated, no exact tolerance in float64 follows from that.
ROUNDED = ("leaky_relu", "gelu")
INPUTS = {
    "sequence": (3, 7, 4),
    "one_sequence": (1, 5, 3),
    "one_step": (2, 1, 3),
    "square": (4, 4, 4),
}
OPTIONS: dict[str, list[Any]] = {
    "activation": ["linear", "relu", "sigmoid", "softsign", "softmax", "gelu", "elu"],
    "recurrent_activation": ["hard_sigmoid", "tanh", "softmax", "relu6"],
    "use_bias": [False],
    "return_sequences": [True],
    "return_state": [True],
    "go_backwards": [True],
    "zero_output_for_mask": [True],
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


def _together(title: str, **config: Any) -> Special:
    """Options that are asked of gradients alone and not in pairs, in one case: what reverses time, and what stops it."""
    every = {"units": 5, "return_sequences": True, "return_state": True, **config}
    named = f"{title}-return_sequences-return_state-mask=gap-initial_state=given"
    return Special(named, (3, 6, 4), every, {"mask": "gap", "initial_state": "given"}, ("float64",))


DRAWN = {"shape": ((1, 3), (1, 8), (1, 5)), "units": (1, 6)}


SMALL = [(3, 5, 2)]
DROPPED = {"dropout": [0.3], "recurrent_dropout": [0.4]}
GAPS = {"mask": ["gap", "right", "left", "all_masked"]}
ACT_WITH: dict[str, Config] = {
    **{name: {"training": True} for name in ("seed", *DROPPED)},
    **{f"{name}_mask": {"training": True, name: values[0]} for name, values in DROPPED.items()},
    "zero_output_for_mask": {"mask": "gap", "return_sequences": True},
}


OR_WITH: dict[str, Config] = {"zero_output_for_mask": {"mask": "ends"}}
"""The last output alone is zeroed where it is masked, in some samples and not in others, be it the last in time or the first."""
GIVEN = {"initial_state": "given"}
STARTED = (
    Special("mask=left-initial_state=given-return_sequences", (3, 5, 2), {"units": 4, "return_sequences": True}, {"mask": "left", **GIVEN},
            ("float64",)),
    Special("mask=all_masked-initial_state=given-return_state", (3, 5, 2), {"units": 4, "return_state": True},
            {"mask": "all_masked", **GIVEN}, ("float64",)),
)
"""What a state is before the first step that counts."""


def _layer(name: str, options: dict[str, list[Any]], *more: Special, bases: Sequence[Config] = ()) -> LayerCases:
    return LayerCases(
        name,
        inputs=INPUTS,
        axes=("batch", "step", "unit"),
        tolerance=perturbation,
        sizes={"units": [5, 4]},
        options=options,
        call=CALL,
        possible=_possible,
        special=[
            *SPECIAL,
            Special("training-dropout=1", (3, 6, 4), {"units": 5, "dropout": 1.0, "recurrent_dropout": 1.0}, {"training": True}),
            Special("training-dropout-go_backwards", (3, 6, 4), {"units": 5, "dropout": 0.3, "go_backwards": True}, {"training": True}),
            _together("go_backwards", go_backwards=True),
            _together("go_backwards-zero_output_for_mask", go_backwards=True, zero_output_for_mask=True),
            *STARTED,
            *more,
        ],
        alone=Alone(shapes=SMALL, sizes={"units": 4}, values={**GAPS, **DROPPED}, acts_with=ACT_WITH, or_with=OR_WITH, bases=bases),
        deviations={"D3": _unrolled_zeros},
        drawn=DRAWN,
        unpassed=("unroll",),
    )


LSTM = _layer("LSTM", OPTIONS)
SIMPLE_RNN = _layer("SimpleRNN", {name: values for name, values in OPTIONS.items() if name != "recurrent_activation"})
GRU = _layer(
    "GRU",
    {**OPTIONS, "reset_after": [False]},
    *(
        Special(f"training-{special.title.partition('-')[2]}-reset_after=False", special.shape, {**special.config, "reset_after": False},
                special.call)
        for special in _dropout_cases(units=5, return_sequences=True)
    ),
    bases=[{"reset_after": False}],  # as the layer was first described, and as courses teach it
)


def _wrapper_config(config: Config) -> dict[str, Any]:
    """The wrapped layer's options nested, as Keras has them; ``backward_layer`` holds those in which the backward half differs.

    Keras makes no backward half of a layer that goes backwards itself, so that it is given one.
    """
    inner = {name: value for name, value in config.items() if name not in ("layer", "merge_mode", "backward_layer")}
    outer: dict[str, Any] = {"merge_mode": config["merge_mode"]} if "merge_mode" in config else {}
    if "backward_layer" in config or config.get("go_backwards"):
        other = {**inner, "go_backwards": not config.get("go_backwards"), **config.get("backward_layer", {})}
        outer["backward_layer"] = {"class_name": config["layer"], "config": other}
    return {"layer": {"class_name": config["layer"], "config": inner}, **outer}


def _unrolled_halves(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    """D4: D3 inside Bidirectional, which zeroes masked outputs whenever it returns sequences."""
    return "mask" in call and bool(config.get("unroll")) and bool(config.get("return_sequences"))


def _unequal_halves() -> Iterator[Special]:
    """A backward half of fewer units: what cuts in the middle cuts wrongly."""
    for layer, merge_mode, mask in (("LSTM", "concat", {}), ("GRU", "concat", {"mask": "gap"}), ("SimpleRNN", None, {"mask": "gap"})):
        config = {"layer": layer, "units": 5, "backward_layer": {"units": 3}, "merge_mode": merge_mode, "return_sequences": True}
        title = f"layer={layer}-merge_mode={merge_mode}-units_of_backward_layer=3-initial_state=given"
        yield Special(title, (3, 6, 4), config, {"initial_state": "given", **mask})


OWN_OPTIONS = {"recurrent_activation": ("LSTM", "GRU"), "reset_after": ("GRU",)}
"""Options of some of the wrapped layers alone."""


def _wrapped_possible(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    own = all(config.get("layer", "LSTM") in layers for option, layers in OWN_OPTIONS.items() if option in config)
    return own and _possible(config, shape, call, dtype)


BIDIRECTIONAL = LayerCases(
    "Bidirectional",
    inputs=INPUTS,
    axes=("batch", "step", "unit"),
    tolerance=perturbation,
    constant={"layer": "LSTM"},
    sizes={"units": [5, 4]},
    options={
        "layer": ["LSTM", "GRU", "SimpleRNN"],
        "merge_mode": ["sum", "mul", "ave", None],
        **{name: values for name, values in OPTIONS.items() if name != "go_backwards"},
        "reset_after": [False],
    },
    call=CALL,
    possible=_wrapped_possible,
    keras_config=_wrapper_config,
    special=[
        *SPECIAL,
        _together("concat"),
        _together("merge_mode=mul", merge_mode="mul"),
        *_unequal_halves(),
        *(
            Special(f"{special.title}-layer={name}", special.shape, {**special.config, "layer": name}, special.call)
            for name in ("GRU", "SimpleRNN")
            for special in SPECIAL
            if special.title.startswith(("training", "nan"))
        ),
    ],
    alone=Alone(
        shapes=SMALL,
        sizes={"units": 4},
        values={**GAPS, **DROPPED, "go_backwards": [True]},
        acts_with={**ACT_WITH, "reset_after": {"layer": "GRU"}},
    ),
    deviations={"D4": _unrolled_halves},
    drawn=DRAWN,
    unpassed=("unroll", "zero_output_for_mask", "backward_layer"),
)



def _step_tolerance(ask: Any, case: Any, arrays: Any, outputs: Any) -> Any:
    return INNER[case.config["layer"]](ask, case, arrays, outputs)


INNER = {"Dense": dot_product, "Conv2D": dot_product, "LayerNormalization": layer_normalization, "MaxPooling1D": exact, "Flatten": exact}

WINDOW: Config = {"filters": 4, "kernel_size": (3, 2)}


def _inside(layer: str, shape: tuple[int, ...], sizes: Config, *options: Config) -> Iterator[Special]:
    """A wrapped layer with each of some options, which count the axes of what the wrapper hands it."""
    for option in options:
        said = [words(name, value) for name, value in option.items()]
        yield Special("-".join([f"layer={layer}", *said]), shape, {"layer": layer, **sizes, **option}, dtypes=("float64",))


TIME_DISTRIBUTED = LayerCases(
    "TimeDistributed",
    inputs={"sequence": (2, 4, 6), "images": (2, 3, 4, 5), "one_step": (2, 1, 7), "one_row": (1, 3, 5), "square": (4, 4, 4)},
    axes=("batch", "step", "axis 2", "unit"),
    tolerance=_step_tolerance,
    constant={"layer": "Dense"},
    sizes={"units": [6, 4]},
    options={"activation": ["relu", "tanh", "softmax"], "use_bias": [False]},
    call={"values": ["ordinary", "nan"]},
    keras_config=_wrapper_config,
    special=[
        Special("layer=Conv2D", (2, 3, 5, 6, 2), {"layer": "Conv2D", "filters": 4, "kernel_size": (3, 2), "padding": "same"}),
        Special("layer=Conv2D-strides", (2, 3, 5, 6, 2), {"layer": "Conv2D", "filters": 4, "kernel_size": (3, 2), "strides": (2, 1)}),
        Special("layer=LayerNormalization", (2, 3, 5), {"layer": "LayerNormalization"}),
        Special("layer=MaxPooling1D", (2, 3, 6, 2), {"layer": "MaxPooling1D"}),
        Special("layer=Flatten", (2, 3, 4, 2), {"layer": "Flatten"}),
        *_inside("Conv2D", (2, 3, 4, 5, 2), WINDOW, {"activation": "softmax"}, {"use_bias": False}),
        *_inside("LayerNormalization", (2, 3, 4, 5), {}, {"axis": 1}, {"axis": (1, 2)}, {"center": False}),
        *_inside("MaxPooling1D", (2, 3, 7, 2), {}, {"pool_size": (3,)}, {"padding": "same"}, {"data_format": "channels_first"}),
        *_inside("Flatten", (2, 3, 4, 5, 2), {}, {"data_format": "channels_first"}),
        Special("many_steps", (3, 50, 4), {"units": 5}),
    ],
    drawn={"shape": ((1, 3), (1, 5), (1, 6)), "units": (1, 6)},
)

LAYERS = [SIMPLE_RNN, LSTM, GRU, BIDIRECTIONAL, TIME_DISTRIBUTED]
