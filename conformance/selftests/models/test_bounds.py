"""The bounds of whole models: what a disturbance of one float32 rounding does to them, and nothing that is no rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.models import agreement
from conformance.models import bounds as allowed
from conformance.oracle.environment import import_keras, tensorflow
from conformance.oracle.live import whole_model as oracle
from conformance.selftests.builders.comparing import SEED, save_models


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_models(folder)
    return folder


def test_the_bound_of_a_model_with_float_ids_is_one_of_rounding(tmp_path: Path) -> None:
    keras = import_keras()
    model = keras.Sequential([keras.Input((6,), name="ids"), keras.layers.Embedding(9, 4), keras.layers.Flatten(), keras.layers.Dense(2)])
    x = {"ids": np.random.default_rng(SEED).integers(0, 9, (20, 6)).astype(np.float32)}
    (bound,) = allowed.bounds(model, oracle.outputs_of, x)
    assert bound < 1e-5, f"ids that are floats are not moved, which would look up other rows: {bound}"


def test_the_bound_of_a_model_with_masking_is_one_of_rounding() -> None:
    keras = import_keras()
    model = keras.Sequential([keras.Input((5, 3), name="steps"), keras.layers.Masking(-1.5), keras.layers.LSTM(4)])
    x = np.random.default_rng(SEED).normal(size=(20, 5, 3)).astype(np.float32)
    x[:, 3:] = -1.5
    (bound,) = allowed.bounds(model, oracle.outputs_of, {"steps": x})
    assert bound < 1e-5, f"the value that means masked is not moved: {bound}"


def test_the_bound_is_about_the_same_where_there_is_no_float64(monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    x = {"image": np.load(saved / "cnn.npz")["x"]}
    (usual,) = allowed.bounds(oracle.keras_model(saved / "cnn.keras"), oracle.outputs_of, x)

    def refused(model: object) -> None:
        raise tensorflow().errors.UnimplementedError(None, None, "no such kernel")

    monkeypatch.setattr(allowed, "float64_model", refused)
    model = oracle.keras_model(saved / "cnn.keras")
    before = [weight.copy() for weight in model.get_weights()]
    (other,) = allowed.bounds(model, oracle.outputs_of, x, batch_size=32)
    assert other == pytest.approx(usual, rel=0.05), "disturbed more strongly in float32, the model answers in proportion"
    same = [np.array_equal(now, then) for now, then in zip(model.get_weights(), before, strict=True)]
    assert all(same), "and has its own weights again"


def test_the_bound_does_not_depend_on_the_batches(saved: Path) -> None:
    x = {"image": np.load(saved / "cnn.npz")["x"]}
    (whole,), (parts,) = (allowed.bounds(oracle.keras_model(saved / "cnn.keras"), oracle.outputs_of, x, size) for size in (70, 9))
    assert parts == pytest.approx(whole, rel=1e-6), "every batch is asked with the same weights and the same disturbances"


def test_every_output_has_its_own_bound(saved: Path) -> None:
    model = oracle.keras_model(saved / "two.keras")
    with np.load(saved / "two.npz") as data:
        x = {name: data[name].astype(np.float32) for name in ("left", "right")}
    wide, narrow = allowed.bounds(model, oracle.outputs_of, x)
    assert wide != narrow, "outputs answer a disturbance differently"
    weights = model.get_weights()
    scaled = [weight * 100 if weight.shape in ((4, 3), (3,)) else weight for weight in weights]
    model.set_weights(scaled)
    larger, same = allowed.bounds(model, oracle.outputs_of, x)
    assert larger > 20 * wide, f"a hundred times larger values may be off by more: {wide}, {larger}"
    assert same == pytest.approx(narrow), "the other output does not care"


@pytest.mark.parametrize("times", [0.5, 1.0, 7.0])
def test_what_is_right_may_be_as_far_from_keras_as_keras_is_from_what_is_exact(monkeypatch: pytest.MonkeyPatch, times: float) -> None:
    keras = import_keras()
    model = keras.Sequential([keras.Input((5,), name="x"), keras.layers.Rescaling(80.0)])
    x = {"x": np.random.default_rng(SEED).normal(size=(8, 5)).astype(np.float32)}
    (usual,) = allowed.bounds(model, oracle.outputs_of, x)
    share, asking = usual / allowed.BETWEEN_TWO, oracle.asking

    def off(asked: Any, watch: oracle.Watch, fed: oracle.Fed) -> Any:
        """Keras, whose float32 answer is off by so many times its share."""
        ask = asking(asked, watch, fed)
        return ask if asked is not model else lambda batch: [80.0 * batch["x"].astype(np.float64) + times * share]

    monkeypatch.setattr(allowed, "asking", off)
    (bound,) = allowed.bounds(model, oracle.outputs_of, x)
    assert bound == pytest.approx(share * (1 + max(1.0, times)), rel=1e-3), "the other's share, and Keras's or what it is off"


def test_an_exact_mean_of_equal_numbers_is_right() -> None:
    keras = import_keras()
    model = keras.Sequential([keras.Input((48, 21, 3), name="image"), keras.layers.GlobalAveragePooling2D(), keras.layers.Rescaling(80.0)])
    x = np.full((8, 48, 21, 3), 0.7, np.float32)  # roundings of a sum in its order may all go the same way
    x[:, :4] = np.random.default_rng(SEED).normal(size=(8, 4, 21, 3)).astype(np.float32)
    (answer,) = oracle.asking(model, oracle.outputs_of, {"image": x})({"image": x})
    right = (80.0 * x.mean(axis=(1, 2), dtype=np.float64)).astype(np.float32)
    (bound,) = allowed.bounds(model, oracle.outputs_of, {"image": x})
    assert np.abs(answer - right).max() <= bound, "however Keras adds them up on this machine"


def test_the_samples_that_are_furthest_off_are_among_those_of_the_bound() -> None:
    keras, other = (np.tile(np.array([0.5, 0.25, 0.25], np.float32), (500, 1)) for _ in range(2))
    other[[3, 400], 1] += 1e-6
    other[7] = [0.25, 0.5, 0.25]
    asked: list[int] = []

    def bound(rows: np.ndarray) -> float:
        asked.extend(rows.tolist())
        return 1.0

    agreement.compare(keras, other, bound)
    assert {3, 7, 400} <= set(asked), "of the two that are furthest off, and of the one in which another class is named"
    assert len(asked) == agreement.FURTHEST, "and no more than are looked at"
