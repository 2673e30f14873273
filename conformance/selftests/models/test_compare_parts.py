"""`conform compare` where not all can be compared with Keras: parts of files, the reference in its place, files they disagree about."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.models import subject
from conformance.models.compare import Result, compare_files
from conformance.models.data import UnusableError
from conformance.oracle.environment import import_keras
from conformance.reporting.comparison import headline, markdown
from conformance.selftests.builders.comparing import NO_BIAS, SEED, invoke, redrawn, write_implementation
from reference.layers import FUNCTIONS

SAMPLES = 20


def branches(keras: Any) -> Any:
    """Two branches; what joins them is not in the reference, a shared layer is called before and behind it."""
    layers = keras.layers
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    shared = layers.Dense(4, activation="tanh", name="shared")
    first = shared(left)
    joined = layers.Dot(axes=1, name="dot")([first, layers.Dense(4, name="other")(right)])
    last = layers.Dense(2, name="last")(shared(layers.Dense(6, name="back")(joined)))
    return keras.Model([left, right], [layers.Dense(3, name="side")(first), last])


def chain(keras: Any) -> Any:
    """A Sequential model with a layer that is not in the reference, and one of the same class on either side."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 3), name="steps"),
            layers.Conv1D(4, 2, activation="relu", name="before"),
            layers.BatchNormalization(name="norm"),
            layers.UpSampling1D(name="up"),
            layers.Conv1D(5, 2, name="behind"),
        ]
    )


def plain(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4,), name="x"),
            layers.Dense(5, activation="tanh", name="hidden"),
            layers.LayerNormalization(name="norm"),
            layers.Dense(3, name="last"),
        ]
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    keras, rng = import_keras(), np.random.default_rng(SEED)
    for make in (branches, chain, plain):
        model = make(keras)
        model.set_weights([np.abs(redrawn(rng, weight)) + 0.1 for weight in model.get_weights()])
        for ending in ("keras", "h5"):
            model.save(folder / f"{make.__name__}.{ending}")
        arrays: dict[str, Any] = {one._keras_history.operation.name: rng.normal(size=(SAMPLES, *one.shape[1:])) for one in model.inputs}
        np.savez(folder / f"{make.__name__}.npz", **arrays)
        if make is plain:
            (folder / "plain.json").write_text(model.to_json())
            model.save_weights(folder / "plain.weights.h5")
    return folder


@pytest.fixture
def implementation(tmp_path: Path) -> Callable[..., str]:
    return partial(write_implementation, tmp_path)


def compared(saved: Path, file: str, iut: str = "reference", **options: Any) -> Result:
    return compare_files(saved / file, saved / f"{file.partition('.')[0]}.npz", iut, **options)


def paths(result: Result) -> list[str]:
    assert result.layers is not None, f"the layers can be compared: {result.no_layers}"
    return [layer.path for layer in result.layers.layers]


# A part of a file


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize(
    ("name", "refused", "after", "left"),
    [
        ("branches", "dot", {"back", "last"}, ["shared", "other", "side"]),
        ("chain", "up", {"behind"}, ["before", "norm"]),
    ],
)
def test_all_is_compared_that_needs_nothing_of_a_layer_that_is_not_read(
    saved: Path, name: str, ending: str, refused: str, after: set[str], left: list[str]
) -> None:
    result = compared(saved, f"{name}.{ending}")
    assert result.oracle == "Keras", "the part is compared with Keras"
    assert result.agrees, f"the part is read with its own weights: {headline(result)}"
    assert sorted(paths(result)) == sorted(left), "every layer that can be computed is compared, and no other"
    assert result.part is not None, "the rest is told"
    assert [one.path for one in result.part.refused] == [refused], "with the layer that stopped it"
    assert set(result.part.after) == after, "and all that comes after it"
    said = headline(result)
    assert said.startswith("**Only a part of the model is compared.**"), f"the first words say so: {said}"
    assert f"`{refused}` (" in said, "and name the layer"
    assert all(f"`{name}`" in said for name in after), "and the layers that are not compared"


def test_a_mistake_before_the_layer_that_is_not_read_is_found(saved: Path, implementation: Any) -> None:
    result = compared(saved, "branches.keras", implementation(NO_BIAS.format(units=4)))
    assert [layer.path for layer in result.wrong] == ["shared", "other"], "the layers without a bias are named, in their order"
    assert {one.name for one in result.wrong_outputs} == {"side", "shared", "other"}, "what went into the other layer is judged as well"


def test_a_lambda_is_never_made_and_what_is_beside_it_is_compared(tmp_path: Path) -> None:
    keras = import_keras()
    x = keras.Input((3,), name="x")
    first = keras.layers.Dense(4, name="first")(x)
    bad = keras.layers.Lambda(lambda y: y + 1, name="bad")(first)
    worse = keras.layers.Permute((1,), name="worse")(first)
    keras.Model(x, [keras.layers.Dense(2, name="good")(first), bad, worse]).save(tmp_path / "m.keras")
    np.savez(tmp_path / "m.npz", x=np.ones((4, 3)))
    result = compare_files(tmp_path / "m.keras", tmp_path / "m.npz", "reference")
    assert result.agrees, f"the rest agrees: {headline(result)}"
    assert sorted(paths(result)) == ["first", "good"], "what does not need the Lambda is compared"
    assert result.part is not None, "the rest is told"
    assert {one.path for one in result.part.refused} == {"bad", "worse"}, "every layer that is missing is listed"


def transfer(keras: Any) -> Any:
    """A model within a Sequential one, with a layer in the midst of it that is not in the reference."""
    layers = keras.layers
    image = keras.Input((6, 6, 2))
    stem = layers.ReLU(name="relu")(layers.Conv2D(3, 3, padding="same", name="stem")(image))
    deep = layers.BatchNormalization(name="second")(layers.DepthwiseConv2D(3, padding="same", name="depthwise")(stem))
    base = keras.Model(image, layers.Add(name="add")([deep, layers.BatchNormalization(name="first")(stem)]), name="base")
    behind = [layers.GlobalAveragePooling2D(name="mean"), layers.Dense(2, name="last")]
    return keras.Sequential([keras.Input((6, 6, 2), name="x"), base, *behind])


def test_a_model_within_a_model_is_compared_up_to_the_layer_that_is_not_read(tmp_path: Path) -> None:
    keras, rng = import_keras(), np.random.default_rng(SEED)
    model = transfer(keras)
    model.set_weights([np.abs(redrawn(rng, weight)) + 0.1 for weight in model.get_weights()])
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")
    np.savez(tmp_path / "m.npz", x=rng.normal(size=(5, 6, 6, 2)))
    result = compare_files(tmp_path / "m.keras", tmp_path / "m.npz", "reference")
    assert result.agrees, f"each layer has the weights of its own: {headline(result)}"
    assert sorted(paths(result)) == ["base/first", "base/relu", "base/stem"], "all of the inner model is compared that can be"
    assert result.part is not None, "the rest is told"
    assert set(result.part.after) == {"base/second", "base/add", "mean", "last"}, "with all that comes after it, within and without"
    with pytest.raises(UnusableError, match=r"'base/depthwise' \(DepthwiseConv2D\): .*; saved as .keras, a model within the model"):
        compare_files(tmp_path / "m.h5", tmp_path / "m.npz", "reference")


def test_an_output_of_an_inner_model_that_is_left_is_used(tmp_path: Path) -> None:
    keras, rng = import_keras(), np.random.default_rng(SEED)
    layers = keras.layers
    y, x = keras.Input((4,)), keras.Input((4,), name="x")
    first = layers.Dense(4, name="first")(y)
    inner = keras.Model(y, [layers.Permute((1,), name="permute")(first), layers.Dense(3, name="good")(first)], name="inner")
    lost, left = inner(x)
    model = keras.Model(x, [layers.Dense(2, name="behind")(lost), layers.Dense(2, name="beside")(left)])
    model.set_weights([redrawn(rng, weight) for weight in model.get_weights()])
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "m.npz", x=rng.normal(size=(5, 4)))
    result = compare_files(tmp_path / "m.keras", tmp_path / "m.npz", "reference")
    assert result.agrees, f"outputs are counted anew: {headline(result)}"
    assert sorted(paths(result)) == ["beside", "inner/first", "inner/good"], "what takes the other output is compared"


def test_where_nothing_can_be_read_all_missing_layers_are_named(tmp_path: Path) -> None:
    keras = import_keras()
    layers = [keras.layers.ZeroPadding1D(1, name="pad"), keras.layers.Dense(2), keras.layers.UpSampling1D(2, name="up")]
    keras.Sequential([keras.Input((4, 3)), *layers]).save(tmp_path / "m.keras")
    np.savez(tmp_path / "m.npz", x=np.ones((2, 4, 3)))
    with pytest.raises(UnusableError, match=r"no layer can be compared; layer 'pad' \(ZeroPadding1D\): .*; layer 'up' \(UpSampling1D\): "):
        compare_files(tmp_path / "m.keras", tmp_path / "m.npz", "reference")


# The reference in Keras's place


def test_without_keras_the_reference_takes_its_place(saved: Path, implementation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "missing_package", lambda: "tensorflow")
    right = compared(saved, "plain.keras", implementation(""))
    assert right.agrees, f"an implementation that computes the same agrees: {headline(right)}"
    assert headline(right).startswith("**Compared with the reference, not with Keras**: tensorflow is not installed here."), "first of all"
    assert all(0 < layer.forced.allowed < 1e-4 for layer in right.layers.layers), "the bounds are those of rounding"  # type: ignore[union-attr]
    text = markdown(compared(saved, "plain.keras", implementation(NO_BIAS.format(units=5))))
    assert text.startswith("# The reference and `"), "the title says what it was compared with"
    assert "goes wrong by itself is `hidden` (Dense)" in text, "a wrong layer is found"
    assert "looks like this mistake: the bias is left out." in text, "with its mistake"


def test_the_bounds_of_the_reference_are_about_those_of_keras(saved: Path, implementation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    of_keras = compared(saved, "plain.keras", implementation(""))
    monkeypatch.setattr(subject, "missing_package", lambda: "tensorflow")
    of_reference = compared(saved, "plain.keras", implementation(""))
    ratio = of_reference.outputs[0].bound / of_keras.outputs[0].bound
    assert 0.8 < ratio < 1.25, f"both are the response of the same function to disturbances of the same size: {ratio}"


def test_a_file_that_keras_cannot_load_is_compared_with_the_reference(
    saved: Path, implementation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, weights: Any = None) -> None:
        raise ValueError("an old form\nof files")

    monkeypatch.setattr(subject, "keras_model", refused)
    said = headline(compared(saved, "plain.h5", implementation("")))
    wanted = r"\*\*Compared with the reference, not with Keras\*\*: Keras [\d.]+ cannot load plain\.h5 \(ValueError: an old form\)"
    assert re.match(wanted, said), f"the first words give the reason: {said}"
    result = invoke(saved / "plain.h5", saved / "plain.npz")
    assert result.exit_code == 2, "the reference is not compared with itself"
    end = "cannot be compared with itself: name an implementation with --iut.\n"
    assert result.stderr.endswith(end), f"which is said, and to install what is there would not help: {result.stderr}"


def test_a_configuration_is_compared_with_its_weights(saved: Path, implementation: Any) -> None:
    given = (saved / "plain.json", saved / "plain.npz", "--weights", saved / "plain.weights.h5")
    result = invoke(*given)
    assert result.exit_code == 0, f"Keras and the reference agree about it: {result.output}"
    assert "They agree" in result.stdout and "not with Keras" not in result.stdout, "and it is compared with Keras"
    own = "import reference\nload_model = reference.load_model\n"
    result = invoke(*given, f"--iut={implementation(own, alone=True)}")
    assert result.exit_code == 0, f"a load_model of its own is given one file: {result.output}"


# What the implementation lacks


def test_layers_that_the_implementation_lacks_do_not_hide_the_others(saved: Path, implementation: Any) -> None:
    mine = implementation("layer_normalization_forward = None\n" + NO_BIAS.format(units=3))
    result = compared(saved, "plain.keras", mine)
    assert result.outputs == (), "there is no prediction"
    found = {layer.path: layer for layer in result.layers.layers}  # type: ignore[union-attr]
    assert found["norm"].forced.unsupported == "there is no function layer_normalization_forward", "what is missing is told"
    assert not found["hidden"].forced.diverges and found["last"].forced.diverges, "on Keras's activations the others are judged"
    assert found["last"].free is None, "a free run does not come to what needs the missing one"
    assert not result.agrees, "and a wrong layer is no agreement"
    agreeing = compared(saved, "plain.keras", implementation("layer_normalization_forward = None\n"))
    assert agreeing.agrees, "what is not supported is not wrong"
    assert headline(agreeing).startswith("**They agree as far as they can be compared**: on 20 samples 2 of 3 layers"), headline(agreeing)
    assert "Not supported: `norm` (LayerNormalization): there is no function layer_normalization_forward." in headline(agreeing)


# Keras and the reference disagree


@pytest.fixture
def disputed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference's own normalization is off, as if it read an option of this file otherwise than Keras."""
    right = FUNCTIONS["layer_normalization_forward"]
    monkeypatch.setitem(FUNCTIONS, "layer_normalization_forward", lambda x, *weights, **options: right(x, *weights, **options) + 1)


OFF = """
def layer_normalization_forward(x, *weights, **options):
    return reference.layer_normalization_forward(x, *weights, **options) + 1
"""


@pytest.mark.usefixtures("disputed")
def test_an_implementation_is_not_wrong_for_the_sake_of_the_reference(saved: Path, implementation: Any) -> None:
    result = compared(saved, "plain.keras", implementation(OFF))
    assert result.agrees, f"it does what the reference does: {headline(result)}"
    said = headline(result)
    assert said.startswith("**Keras and the reference disagree about this file**, first in layer `norm` (LayerNormalization): off by"), said
    assert "2 of 3 layers" in said, "the others are judged, and no output is"
    assert "the outputs of the model are not judged" in said, said
    assert invoke(saved / "plain.keras", saved / "plain.npz", "--iut", implementation(OFF)).exit_code == 0, "it is no difference"


@pytest.mark.usefixtures("disputed")
def test_beside_a_disputed_layer_a_wrong_one_is_still_wrong(saved: Path, implementation: Any) -> None:
    result = compared(saved, "plain.keras", implementation(OFF + NO_BIAS.format(units=3)))
    assert not result.agrees, "the last layer has no bias"
    assert [layer.path for layer in result.wrong] == ["last"], "it alone is wrong"
    assert compared(saved, "plain.keras", implementation("")).dispute is None, "what agrees with Keras needs no other judge"


@pytest.mark.usefixtures("disputed")
def test_a_model_of_its_own_is_judged_by_keras(saved: Path, implementation: Any) -> None:
    own = "import reference\nload_model = reference.load_model\n"
    result = compared(saved, "plain.keras", implementation(own, alone=True))
    assert not result.agrees, "it predicts something else than Keras"
    assert [one.name for one in result.wrong_outputs] == ["last"], "whatever the reference does"


# What to do next


def test_the_first_wrong_layer_comes_with_its_mistake_and_a_command_that_shows_it(saved: Path, implementation: Any) -> None:
    mine = implementation(NO_BIAS.format(units=5))
    advice = compared(saved, "plain.keras", mine).advice
    assert advice.looks_like == ("the bias is left out",), f"the mistake has its name: {advice}"
    assert advice.command == f"conform check {mine} --layers Dense", "and the command that checks this layer"


def test_a_name_that_a_shell_would_take_apart_is_quoted(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "my own").mkdir()
    mine = write_implementation(tmp_path / "my own", NO_BIAS.format(units=5))
    assert compared(saved, "plain.keras", mine).advice.command == f"conform check '{mine}' --layers Dense", "the command can be pasted"


def test_a_wrapped_layer_has_its_mistake_named(tmp_path: Path, implementation: Any) -> None:
    keras, rng = import_keras(), np.random.default_rng(SEED)
    layers = keras.layers
    model = keras.Sequential([keras.Input((5, 3), name="x"), layers.Bidirectional(layers.LSTM(4), name="both")])
    model.set_weights([redrawn(rng, weight) for weight in model.get_weights()])
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "m.npz", x=rng.normal(size=(6, 5, 3)))
    swapped = """
def bidirectional_forward(x, forward, backward, **options):
    def other(weights):
        return [np.concatenate([np.split(one, 4, -1)[n] for n in (0, 2, 1, 3)], -1) for one in weights]
    return reference.bidirectional_forward(x, other(forward), other(backward), **options)
"""
    advice = compare_files(tmp_path / "m.keras", tmp_path / "m.npz", implementation(swapped)).advice
    assert any("in both halves: the gates stand in the order" in one for one in advice.looks_like), f"the mistake is within: {advice}"


def test_the_report_holds_what_the_first_lines_say(saved: Path, implementation: Any) -> None:
    mine = implementation(NO_BIAS.format(units=4))
    result = invoke(saved / "branches.keras", saved / "branches.npz", "--iut", mine)
    assert result.exit_code == 1, "a wrong layer is a difference"
    assert f"\n    conform check {mine} --layers Dense\n" in result.stdout, "the command stands on a line of its own"
    assert result.stdout.count("Only a part of the model") == 1, "what is left out is said once"
