"""Whole models with new weights, made from a configuration without Keras: which initializer, which shape, which stream of numbers."""

from __future__ import annotations

import copy
import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from conformance.selftests.builders.drawing import replace_distributions
from conformance.selftests.builders.file_models import BUILDERS
from reference import initializers
from reference.models import Model, load_model, new_model
from reference.saving.reader import ArchiveError


@pytest.fixture(scope="module")
def keras() -> Any:
    from conformance.oracle.environment import import_keras

    return import_keras()


CHOSEN: list[Any] = [
    {"class_name": "VarianceScaling", "config": {"scale": 2.5, "mode": "fan_out", "distribution": "uniform"}},
    {"module": "keras.initializers", "class_name": "RandomNormal", "config": {"mean": 0.4, "seed": None}, "registered_name": None},
    "he_normal",
    {"class_name": "Constant", "config": {"value": 0.6}},
    {"class_name": "TruncatedNormal", "config": {"mean": -0.1, "stddev": 0.3, "seed": 3}},
    "lecun_uniform",
    None,
]


def layers_of(config: Any) -> Iterator[dict[str, Any]]:
    """Every layer of a configuration, those within models and wrappers included."""
    for inner in [*config["config"].get("layers", []), *(config["config"].get(half) for half in ("layer", "backward_layer"))]:
        if inner:
            yield inner
            yield from layers_of(inner)


def with_chosen_initializers(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with one initializer after the other in the place of Keras's defaults."""
    config, number = copy.deepcopy(config), 0
    for layer in layers_of(config):
        for option in [name for name in layer["config"] if name.endswith("_initializer")]:
            lstm = layer["class_name"] == "LSTM" and option == "bias_initializer"
            layer["config"][option] = CHOSEN[number % (len(CHOSEN) - lstm)]  # Keras fails on None there
            number += 1
        if "unit_forget_bias" in layer["config"]:
            layer["config"]["unit_forget_bias"] = number % 2 == 0
    return config


def without_initializers(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a model that says nothing of how weights begin."""
    config = copy.deepcopy(config)
    for layer in layers_of(config):
        layer["config"] = {name: value for name, value in layer["config"].items() if not name.endswith("_initializer")}
    return config


def marked(ours: bool, kind: str, shape: Any, parameters: dict[str, float]) -> np.ndarray:
    """What stands for the numbers drawn from a distribution: it tells the kind, the parameters and the shape."""
    one, two = parameters.values()
    steps = np.linspace(0.5, 1, math.prod(shape)).reshape(shape) * (1 + len(kind) / 100)
    return (one + two * steps).astype(np.float32)


@pytest.fixture
def without_chance(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras and the reference draw the same numbers, those of :func:`marked`."""

    def orthogonal(shape: Any, *, gain: float = 1.0, seed: Any = None, dtype: Any = None) -> np.ndarray:
        return marked(True, "orthogonal", shape, {"one": 0.0, "gain": gain})

    replace_distributions(keras, monkeypatch, marked)
    monkeypatch.setattr(initializers, "orthogonal", orthogonal)
    monkeypatch.setattr(keras.initializers.Orthogonal, "__call__", lambda self, shape, dtype=None: orthogonal(shape, gain=self.gain))


def weights(model: Model) -> dict[str, bytes]:
    return {f"{layer.name}[{number}]": array.tobytes() for layer in model.layers for number, array in enumerate(layer.weights)}


@pytest.mark.usefixtures("without_chance")
@pytest.mark.parametrize("name", BUILDERS)
def test_every_weight_has_the_initializer_and_the_shape_that_it_has_in_keras(name: str, keras: Any) -> None:
    keras.utils.clear_session()
    usual = json.loads(BUILDERS[name](keras).to_json())
    assert weights(new_model(without_initializers(usual))) == weights(new_model(usual)), "Keras's defaults are those of its files"
    for config in (usual, with_chosen_initializers(usual)):
        model = keras.models.model_from_json(json.dumps(config))
        ours = new_model(config)
        for layer in ours.layers:
            inner = model
            for part in layer.name.split("/"):
                inner = inner.get_layer(part)
            for weight, variable in zip(layer.weights, inner.weights, strict=True):
                want = np.asarray(variable)
                assert weight.shape == want.shape, f"{layer.name}: {variable.path} is {weight.shape}, in Keras {want.shape}"
                apart = np.abs(weight - want).max()
                assert apart <= 1e-6, f"{layer.name}: {variable.path} is drawn otherwise than in Keras, by {apart:.2g}"
        assert ours.parameters == model.count_params() > 0, f"{name} has {ours.parameters} parameters"


@pytest.fixture(scope="module")
def shared(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One configuration with nested models and recurrent halves, and files of every form that hold it."""
    keras.utils.clear_session()
    layers = keras.layers
    inner = keras.Sequential([keras.Input((5, 3)), layers.Dense(3, name="d"), layers.Dense(3, name="e")], name="inner")
    x = keras.Input((5, 3))
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="both")(layers.Dense(3, name="d")(inner(x)))
    model = keras.Model(x, layers.BatchNormalization(name="norm")(y))
    folder = tmp_path_factory.mktemp("new")
    model.save(folder / "m.keras")
    model.save(folder / "m.h5")
    (folder / "config.json").write_text(model.to_json())
    load_model(folder / "m.keras").save_json(folder / "whole.json")
    return {"config": json.loads(model.to_json()), "folder": folder}


def chain(*layers: dict[str, Any], shape: Any = (None, 3)) -> dict[str, Any]:
    """The configuration of a Sequential model of Dense layers, of which only what differs is given."""
    dense = [{"class_name": "Dense", "config": {"units": 3, **layer}} for layer in layers]
    return {"class_name": "Sequential", "config": {"layers": dense, "build_input_shape": list(shape)}}


def test_the_weights_follow_from_the_seed_alone(shared: dict[str, Any]) -> None:
    first = weights(new_model(shared["config"], seed=7))
    assert weights(new_model(shared["config"], seed=7)) == first, "the same seed gives the same weights"
    other = weights(new_model(shared["config"], seed=8))
    drawn = {name for name in first if first[name] != other[name]}
    assert {name for name in first if name.endswith("[0]") and "norm" not in name} <= drawn, f"another seed changes {sorted(drawn)}"
    kernels = [first[name] for name in ("d[0]", "inner/d[0]", "inner/e[0]", "both[0]", "both[3]")]
    assert len(set(kernels)) == len(kernels), "no two weights have the same numbers, nor have the two directions"
    for name in ("m.keras", "m.h5", "config.json", "whole.json"):
        assert weights(new_model(shared["folder"] / name, seed=7)) == first, f"{name} gives other weights than its configuration"


def test_the_numbers_of_a_seed_do_not_change() -> None:
    """A model can be made again from its configuration and its seed: this literal must stay as it is."""
    kernel, bias = new_model(chain({"name": "d", "units": 2}, shape=(None, 2)), seed=1).layers[0].weights
    want = [[0.78304559, 0.47351238], [0.28424534, -1.18554437]]
    assert np.abs(kernel - want).max() < 1e-7, f"the kernel is {kernel.tolist()}"
    assert not bias.any(), "a bias without an initializer is 0"


def test_another_layer_changes_no_weights() -> None:
    few, many = (weights(new_model(chain(*({"name": name} for name in names)))) for names in ("ca", "abc"))
    assert few.items() <= many.items(), "the weights of a and c depend on whether there is b, or on their order"


def test_a_seed_of_an_initializer_is_its_own() -> None:
    seeded = {"class_name": "GlorotUniform", "config": {"seed": 11}}
    generator = {"class_name": "GlorotUniform", "config": {"seed": {"class_name": "SeedGenerator", "config": {"seed": 11}}}}
    config = chain(*({"name": name, "kernel_initializer": seeded if name in "ab" else generator} for name in "abcd"))
    found = weights(new_model(config, seed=1))
    assert found["a[0]"] == found["b[0]"] == weights(new_model(config, seed=2))["a[0]"], "it gives the same everywhere"
    assert found["c[0]"] != found["d[0]"], "a SeedGenerator goes on from layer to layer"


def test_float64_has_the_same_weights_before_rounding(shared: dict[str, Any]) -> None:
    text = json.dumps(shared["config"]).replace("float32", "float64")
    double, single = new_model(json.loads(text)), new_model(shared["config"])
    assert double.dtype == np.float64, f"the model computes in {double.dtype}"
    for one, two in zip(double.layers, single.layers, strict=True):
        for a, b in zip(one.weights, two.weights, strict=True):
            assert a.dtype == np.float64 and np.array_equal(a.astype(np.float32), b), f"{one.name} is drawn otherwise in float64"


def test_the_weights_of_a_file_are_not_read(shared: dict[str, Any], tmp_path: Path) -> None:
    with zipfile.ZipFile(shared["folder"] / "m.keras") as old, zipfile.ZipFile(tmp_path / "bare.keras", "w") as new:
        new.writestr("config.json", old.read("config.json"))
    assert weights(new_model(tmp_path / "bare.keras")) == weights(new_model(shared["config"])), "an archive without weights is enough"


def test_a_new_model_computes(shared: dict[str, Any]) -> None:
    model = reference.new_model(shared["config"])
    y = model.predict(np.ones((2, 5, 3), np.float32))
    assert y.shape == (2, 5, 8) and np.isfinite(y).all() and y.any(), "its outputs are numbers, not all of them 0"
    assert not any(weight.flags.writeable for layer in model.layers for weight in layer.weights), "weights are read-only"


@pytest.mark.parametrize(
    ("config", "shape", "said"),
    [
        ({"kernel_initializer": "Glorot"}, [None, 3], r"layer 'd': kernel cannot be initialised .*initializer 'Glorot' is not one of"),
        ({"bias_initializer": "orthogonal"}, [None, 3], r"layer 'd': bias cannot be initialised .*two or more axes"),
        ({"kernel_initializer": {"class_name": "MyOwn", "config": {}}}, [None, 3], "'MyOwn' is not one of Keras's own"),
        ({"kernel_initializer": [1]}, [None, 3], "layer 'd': kernel cannot be initialised"),
        ({"kernel_initializer": {"class_name": "VarianceScaling", "config": {"mode": {}}}}, [None, 3], "layer 'd': kernel cannot be init"),
        ({}, [None, None], r"layer 'd': kernel has the shape \(None, 2\): its sizes do not follow"),
    ],
)
def test_what_cannot_be_initialised_is_refused_by_its_name(config: Any, shape: Any, said: str) -> None:
    with pytest.raises(ArchiveError, match=said):
        new_model(chain({"name": "d", "units": 2, **config}, shape=shape))


@pytest.mark.parametrize("seed", [-1, 1.5, True, None, 2**64])
def test_a_seed_is_a_whole_number(seed: Any, shared: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"seed is .*, not an int from 0"):
        new_model(shared["config"], seed=seed)
