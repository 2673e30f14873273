"""Configurations made to harm or mislead, in files of every form: refused when read, with the layer named, cheaply, nothing run."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from conformance.selftests.builders.hostile_forms import (
    FORMS,
    FUNCTION,
    LAMBDA,
    MIB,
    Change,
    good_files,
    keys,
    layer,
    little_memory,
    options,
    refused,
)
from reference.models import load_model


@pytest.mark.parametrize("form", FORMS)
def test_the_good_file_is_read(form: str, tmp_path: Path) -> None:
    """A check of the checks: what follows is refused for what was changed, not for having been written anew."""
    x = np.random.default_rng(1).integers(0, 9, (3, 8))
    (tmp_path / "good.keras").write_bytes(good_files()["m.keras"])
    want = load_model(tmp_path / "good.keras").predict(x)
    got = FORMS[form].read(FORMS[form].make(tmp_path, lambda config: None, lambda hdf5: None)).predict(x)
    assert np.array_equal(got, want), f"the model from {form} predicts something else"


# Configurations

CLASSES: dict[str, tuple[Change, str]] = {
    "Lambda": (keys("leak", class_name="Lambda", config={"name": "leak", "function": LAMBDA}), "'leak': class 'Lambda' is not supported"),
    "Lambda of Keras 2": (
        keys("leak", class_name="Lambda", config={"name": "leak", "function": ["4wEAAAA=\n", None, None], "function_type": "lambda"}),
        "'leak': class 'Lambda' is not supported",
    ),
    "a custom class": (
        keys("leak", class_name="Mine", module="mine", registered_name="mine>Mine"),
        "'leak': class 'Mine' is not supported",
    ),
    "a registered class": (keys("leak", class_name="mine>LeakyReLU"), "'leak': class 'mine>LeakyReLU' is not supported"),
    "a custom module": (keys("leak", module="mine"), "'mine'"),
    "a class registered like one of Keras": (keys("leak", registered_name="mine>LeakyReLU"), "mine>LeakyReLU"),
    "a function": (keys("leak", class_name="system", module="os", config={"name": "leak"}), "'leak': class 'system' is not supported"),
    "an operation": (keys("leak", class_name="Power", module="keras.src.ops.numpy"), "the operator x ** y (keras.ops Power)"),
    "an operation of no name": (keys("leak", class_name="a\nb", module="keras.src.ops.nn"), "the operation keras.ops 'a\\nb'"),
    "a class inside a wrapper": (keys("steps/Dense", class_name="Lambda"), "'steps/layer': class 'Lambda' is not supported"),
    "a wrapper inside a wrapper": (keys("both/LSTM", class_name="Bidirectional"), "'both"),
    "a class inside a model": (keys("inner/d", class_name="Lambda"), "'inner/d': class 'Lambda' is not supported"),
    "a model of another class": (lambda config: config.update(class_name="Dense"), "Dense"),
    "a class that is a list": (keys("leak", class_name=["LeakyReLU"]), "'leak': its class_name is ['LeakyReLU'], not a text"),
    "options that are a list": (keys("leak", config=["leak"]), "config is ['leak'], not an object"),
    "no calls": (lambda config: layer(config, "leak").pop("inbound_nodes"), "'leak' has no inbound_nodes"),
    "a dtype that is a list": (options("leak", dtype=["float32"]), "'leak': dtype has no config"),
    "a name for terminals": (options("leak", name="\x1b[31mred"), "not a usable layer name"),
    "a name of a megabyte": (options("leak", name="n" * MIB), "not a usable layer name"),
    "a name that climbs": (options("leak", name=".."), "not a usable layer name"),
}


@pytest.mark.parametrize("attack", CLASSES)
@pytest.mark.parametrize("form", FORMS)
def test_classes_are_never_looked_up(form: str, attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    change, words = CLASSES[attack]
    refused(FORMS[form], FORMS[form].make(tmp_path, change), words)
    assert "mine" not in sys.modules, "a module of the file's choosing was imported"


VALUES: dict[str, dict[str, list[Any]]] = {
    "conv": {
        "filters": [0, -1, 2.5, True, "7", None, [7]],
        "kernel_size": [0, "x", [2, 2], [], 2**21, None, 1.5],
        "strides": ["x", 0, -1, [1, 1], None, 10**30, [0], True],
        "dilation_rate": ["x", 0, 10**30, None],
        "padding": [3, "nope", None, ["same"]],
        "data_format": ["last", 1],
        "groups": [0, "x", 2, 10**9],
        "activation": ["nope", 3, LAMBDA, FUNCTION, ["relu"], "threshold", "os.system"],
        "use_bias": ["yes", 1, None],
    },
    "pool": {"pool_size": [0, "x", [2, 2], None, 2**21, 9], "strides": ["x", 0], "padding": [3, "causal"]},
    "drop": {"rate": ["a", -0.1, 1.5, None, [0.5], True, float("nan")], "noise_shape": ["x", [None, 2**30, 2**30], [1], [0]]},
    "both": {"merge_mode": ["max", 1, ["sum"], ""]},
    "both/LSTM": {
        "units": [0, -1, 2.5, "7", None],
        "activation": ["nope", LAMBDA, "glu"],
        "recurrent_activation": ["nope", FUNCTION],
        "return_sequences": ["yes", None],
        "stateful": [True, "yes"],
        "dropout": ["a", 2],
        "time_major": [True],
    },
    "steps/Dense": {"units": [0, "7", None], "activation": ["nope", LAMBDA]},
    "words": {"input_dim": [0, "x", None], "output_dim": [-1, 2.5], "mask_zero": [None, "no"]},
    "join": {"axis": ["x", 0, 7, None, [1], 10**30]},
    "leak": {"negative_slope": ["x", -1, None, float("inf"), [0.3]]},
    "masking": {"mask_value": ["x", None, float("nan"), LAMBDA]},
    "even": {"axis": ["x", 9, [], [1, 1], None], "epsilon": ["x", -1, None], "center": ["no"]},
    "inner/normal": {"axis": ["x", 9, [1, 2]], "epsilon": [None], "scale": [2], "renorm": [True], "momentum": ["x"]},
    "shape": {"target_shape": ["x", [-1, -1], [2**40], [7, 7], None, [0, 8], [2.5]]},
    "range": {
        "scale": ["x", None, [], [1, "x"], float("nan"), True, [1.0, 2.0], [[1.0]], {"class_name": "__numpy__"}, LAMBDA, 10**4000],
        "offset": [None, [1.0, 2.0, 3.0], {"class_name": "__numpy__", "config": {"value": "x", "dtype": "float64"}}],
    },
    "classes": {
        "units": [10**9, 10**4000],
        "activation": ["nope"],
        "quantization_config": [{"a": 1}],
        "dtype": ["float64", "mixed"],
    },
    "ids": {"batch_shape": ["x", [], [None, "8"], [None, 2**40], None], "dtype": ["nope", 3, LAMBDA], "sparse": [True]},
}
BAD_VALUES = [(name, option, value) for name, table in VALUES.items() for option, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "option", "value"), BAD_VALUES, ids=lambda value: str(value)[:20])
def test_a_value_that_an_option_cannot_have_is_refused_when_the_file_is_read(
    name: str, option: str, value: Any, tmp_path: Path
) -> None:
    form = FORMS["beside"]
    sentence = refused(form, form.make(tmp_path, options(name, **{option: value})))
    assert name.split("/")[0] in sentence, f"the sentence does not name the layer {name}: {sentence}"


@pytest.mark.parametrize("form", FORMS)
def test_options_are_checked_in_every_form(form: str, tmp_path: Path) -> None:
    for name, option, value in [
        ("conv", "strides", "x"),
        ("conv", "padding", 3),
        ("classes", "activation", "nope"),
        ("classes", "activation", LAMBDA),
        ("classes", "units", 10**30),
        ("both", "merge_mode", "max"),
        ("drop", "rate", "a"),
        ("pool", "pool_size", 2**21),
        ("inner/d", "activation", FUNCTION),
    ]:
        path = FORMS[form].make(tmp_path, options(name, **{option: value}))
        sentence = refused(FORMS[form], path, name)
        assert option in sentence or "parameters" in sentence, f"the sentence does not name the option {option}: {sentence}"


WITHOUT_DEFAULT = {
    "pool_size": "pool",
    "rate": "drop",
    "scale": "range",
    "units": "classes",
    "target_shape": "shape",
    "batch_shape": "ids",
    "filters": "conv",
    "output_dim": "words",
    "name": "flat",
}
"""Options without a default, and a layer that has each."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("missing", WITHOUT_DEFAULT)
def test_a_missing_option_without_default_is_named(form: str, missing: str, tmp_path: Path) -> None:
    where = WITHOUT_DEFAULT[missing]

    def drop(config: Any) -> None:
        found = layer(config, where)["config"]
        if missing == "pool_size":  # only averages have no default for it
            layer(config, where)["class_name"] = "AveragePooling1D"
        found.pop("batch_input_shape" if missing == "batch_shape" and "batch_input_shape" in found else missing)

    refused(FORMS[form], FORMS[form].make(tmp_path, drop), missing)


def too_many_layers(config: Any) -> None:
    flat = {"class_name": "Flatten", **({"module": "keras.layers"} if "module" in config else {}), "inbound_nodes": []}
    config["config"]["layers"] += [{**flat, "config": {"name": f"f{n}", "trainable": True}, "name": f"f{n}"} for n in range(10_000)]


def tensor(name: str, call: int = 0) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, 0]}}


def nested_models(levels: int, calls: int) -> Change:
    """Models within models, each called so many times by the one around it."""

    def change(config: Any) -> None:
        inner, modules = layer(config, "inner"), {"module": "keras.layers"} if "module" in config else {}
        for _ in range(levels):
            nodes = [{"args": [tensor("m", number - 1) if number else tensor("x")], "kwargs": {}} for number in range(calls)]
            inside = copy.deepcopy(inner)
            inside.update(name="m", inbound_nodes=nodes)
            inside["config"]["name"] = "m"
            x = {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 4, 3]}, "name": "x", "inbound_nodes": []}
            ends = {"input_layers": ["x", 0, 0], "output_layers": ["m", calls, 0]}
            inner["config"] = {"name": "inner", "layers": [{**modules, **x}, inside], **ends}

    return change


def doubled(axis: int) -> Change:
    """Forty layers, each of which joins two copies of the one before: no weights, and 2**40 numbers."""

    def change(config: Any) -> None:
        layers, flat = config["config"]["layers"], layer(config, "flat")
        join, before = layer(config, "join"), "shape"
        for number in range(40):
            name = f"join{number}"
            both = [{"args": [[tensor(before), tensor(before)]], "kwargs": {}}]
            layers.append({**join, "config": {**join["config"], "name": name, "axis": axis}, "name": name, "inbound_nodes": both})
            before = name
        flat["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [before, 0, 0]

    return change


def long_sequences(config: Any) -> None:
    """A table of one row turns every number into a sequence of many steps."""
    layer(config, "words")["config"].update(input_dim=9, output_dim=3 * 2**18)
    layer(config, "shape")["config"]["target_shape"] = [2**18, -1]
    layer(config, "shape")["inbound_nodes"][0]["args"] = [tensor("words")]
    layer(config, "both")["inbound_nodes"][0] = {"args": [tensor("shape")], "kwargs": {}}
    layer(config, "classes")["inbound_nodes"][0]["args"] = [tensor("both")]
    kept = ("ids", "words", "shape", "both", "classes")
    config["config"]["layers"] = [layer(config, name) for name in kept]


def called_often(config: Any) -> None:
    """One layer that adds the same tensor many times, in a model that is called many times."""
    inner = layer(config, "inner")
    inner["inbound_nodes"] *= 200
    join, words = layer(config, "join"), [tensor("normal")] * 300
    add = {**join, "class_name": "Add", "config": {"name": "add", "trainable": True}, "name": "add"}
    inner["config"]["layers"].append({**add, "inbound_nodes": [{"args": [words], "kwargs": {}}]})


def rewired(name: str, history: list[Any]) -> Change:
    return lambda config: layer(config, name)["inbound_nodes"][0]["args"][0]["config"].update(keras_history=history)


def called_with(name: str, /, **kwargs: Any) -> Change:
    return lambda config: layer(config, name)["inbound_nodes"][0]["kwargs"].update(kwargs)


def given(name: str, args: Any) -> Change:
    return lambda config: layer(config, name)["inbound_nodes"][0].update(args=args)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


GRAPHS: dict[str, tuple[Change, str]] = {
    "too many layers": (too_many_layers, "more than 10000 layers"),
    "models nested too deeply": (nested_models(20, 1), "nested more than"),
    "models called too often": (nested_models(14, 4), "tensors, more than"),
    "numbers that double": (doubled(1), "more than the"),
    "a layer called too often": (called_often, "tensors, more than"),
    "too many steps": (long_sequences, "steps allowed"),
    "a cycle": (rewired("conv", ["classes", 0, 0]), "cycle"),
    "a layer that is not there": (rewired("conv", ["nowhere", 0, 0]), "'nowhere'"),
    "an output that is not there": (rewired("conv", ["words", 0, 1]), "output 1 of layer 'words'"),
    "an output before the first": (rewired("conv", ["words", 0, -1]), "not a tensor"),
    "a call that is not there": (rewired("conv", ["words", 7, 0]), "call 7 of layer 'words'"),
    "a tensor that is not one": (rewired("conv", ["words", "0", 0]), "tensor"),
    "layers that do not fit": (rewired("conv", ["ids", 0, 0]), "layer 'conv' (Conv1D)"),
    "a number in place of a tensor": (given("conv", [3]), "'conv'"),
    "no arguments": (given("conv", []), "'conv'"),
    "a list for one tensor": (given("leak", [[]]), "'leak'"),
    "arguments nested too deeply": (given("conv", [deep(50)]), "nested more than 8"),
    "an unknown argument": (called_with("leak", alpha=3), "'leak'"),
    "training that is not a bool": (called_with("drop", training="yes"), "training"),
    "a mask that is not a tensor": (called_with("both", mask=3), "mask"),
    "a state that is not a tensor": (called_with("both", initial_state=[1, 2]), "initial_state"),
    "a mask of another length": (called_with("both", mask=tensor("ids")), "'both' (Bidirectional): a mask of the shape (None, 8)"),
    "states of another width": (called_with("both", initial_state=[tensor("ids")] * 4), "its states are 4 arrays of the widths"),
    "a state too few": (called_with("both", initial_state=[tensor("ids")]), "its states are 4 arrays"),
    "a layer for two widths": (
        lambda config: layer(config, "classes")["inbound_nodes"].append({"args": [tensor("both")], "kwargs": {}}),
        "'classes' is called on inputs that need different weights",
    ),
    "a number in place of a model's input": (given("inner", [3]), "layer 'inner': the input of a call is 3, not a tensor"),
    "a serialised object": (called_with("both", mask=LAMBDA), "__lambda__"),
    "no outputs": (lambda config: config["config"].update(output_layers=[]), "no outputs"),
    "outputs nested too deeply": (lambda config: config["config"].update(output_layers=deep(400)), "nested more than 8"),
    "an input that is not one": (lambda config: config["config"].update(input_layers=["words", 0, 0]), "input_layers"),
}


@pytest.mark.parametrize("attack", GRAPHS)
@pytest.mark.parametrize("form", ["keras", "beside", "legacy", "json"])
def test_a_graph_that_cannot_be_run_is_refused_when_the_file_is_read(form: str, attack: str, tmp_path: Path) -> None:
    change, words = GRAPHS[attack]
    path = FORMS[form].make(tmp_path, change)
    with little_memory(64 * MIB):
        refused(FORMS[form], path, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda nodes: nodes.append("x"), "Conv1D"),
        (lambda nodes: nodes.__setitem__(0, {"a": ["words", 0, 0, {}]}), "Conv1D"),
        (lambda nodes: nodes.__setitem__(0, [["words", 0]]), "Conv1D"),
        (lambda nodes: nodes.__setitem__(0, [["words", 0, 0, [1]]]), "Conv1D"),
        (lambda nodes: nodes.__setitem__(0, [["classes", 0, 0, {}]]), "cycle"),
        (lambda nodes: nodes.__setitem__(0, [["nowhere", 0, 0, {}]]), "'nowhere'"),
        (lambda nodes: nodes.__setitem__(0, [["_CONSTANT_VALUE", -1, 3, {}]]), "_CONSTANT_VALUE"),
        (lambda nodes: nodes.__setitem__(0, [["words", 0, 0, {"mask": deep(300)}]]), "nested"),
        (lambda nodes: nodes.__setitem__(0, []), "Conv1D"),
    ],
    ids=["text", "dict", "short", "arguments", "cycle", "nowhere", "constant", "deep", "empty"],
)
def test_calls_of_the_old_form_are_checked_too(change: Change, words: str, tmp_path: Path) -> None:
    form = FORMS["keras2"]
    refused(form, form.make(tmp_path, lambda config: change(layer(config, "conv")["inbound_nodes"])), words)


def test_what_grows_along_an_axis_of_no_declared_length_is_refused_before_it_is_computed(tmp_path: Path) -> None:
    """Forty doublings along the time of a model that takes sequences of any length."""

    path = FORMS["beside"].make(tmp_path)
    config = json.loads(path.read_text())
    doubled(1)(config)
    joined = [one for one in config["config"]["layers"] if one["config"]["name"].startswith("join") and one["config"]["name"] != "join"]
    joined[0]["inbound_nodes"][0]["args"] = [[tensor("words"), tensor("words")]]
    layer(config, "ids")["config"]["batch_shape"] = [None, None]
    config["config"].update(layers=[layer(config, "ids"), layer(config, "words"), *joined], output_layers=["join39", 0, 0])
    with h5py.File(tmp_path / "m.weights.h5", "r+") as file:
        for name in set(file["layers"]) - {"embedding", "input_layer"}:
            del file["layers"][name]
    model = load_model(config, weights=tmp_path / "m.weights.h5")
    with little_memory(8 * MIB), pytest.raises(ValueError, match="one sample takes more than"):
        model.predict(np.ones((1, 1), np.int32))
