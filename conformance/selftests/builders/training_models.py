"""Keras models that are trained side by side with the reference, in float64, and the masks that Keras's dropout draws."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reference.models import Model, load_model
from reference.training.step import start_training, train_step, with_weights

RATE = 2.0**-6
"""A learning rate that float32 holds: with floatx float64, and there alone, Keras does not round it."""
SAMPLES = 10


@contextlib.contextmanager
def float64(keras: Any) -> Iterator[None]:
    """Everything in float64, losses and regularizers included."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def apart(
    keras_model: Any,
    folder: Path,
    x: Any,
    y: Any,
    *,
    optimizer: tuple[str, dict[str, Any]],
    loss: Any,
    ours: Any = None,
    steps: int = 2,
    sample_weight: Any = None,
    loss_weights: Any = None,
    dropout: bool = False,
) -> tuple[float, float, float]:
    """Train both for some steps on one batch: the largest differences of a loss and of a weight, and how far a weight moved."""
    import keras

    keras_model.save(folder / "before.keras")
    model = load_model(folder / "before.keras")
    name, options = optimizer
    classes = {"rmsprop": "RMSprop", "adamw": "AdamW", "sgd": "SGD"}
    keras_optimizer = getattr(keras.optimizers, classes.get(name, name.capitalize()))(learning_rate=RATE, **options)
    keras_model.compile(optimizer=keras_optimizer, loss=loss, loss_weights=loss_weights, run_eagerly=True)
    state = start_training(model, optimizer=(name, {"learning_rate": RATE, **options}), loss=ours or loss, loss_weights=loss_weights)
    of_losses = 0.0
    for _ in range(steps):
        masks = drawn_masks(keras_model) if dropout else None
        theirs = keras_model.train_on_batch(x, y, sample_weight=sample_weight, return_dict=True)
        state, logs = train_step(model, state, x, y, sample_weight=sample_weight, dropout_masks=masks)
        of_losses = max(of_losses, abs(theirs["loss"] - logs["loss"]))
    keras_model.save(folder / "after.keras")
    moved = distance(with_weights(model, state), model)
    return of_losses, distance(with_weights(model, state), load_model(folder / "after.keras")), moved


def distance(one: Model, other: Model) -> float:
    """The largest difference between the weights of two models of the same layers."""
    pairs = [pair for a, b in zip(one.layers, other.layers, strict=True) for pair in zip(a.weights, b.weights, strict=True)]
    return max(float(np.max(np.abs(a - b), initial=0)) for a, b in pairs)


def drawn_masks(model: Any) -> dict[str, Any]:
    """What the dropout of a Keras model will keep in its next step, for batches of :data:`SAMPLES`; its generators stay as they are."""
    masks: dict[str, Any] = {}
    for layer in model.layers:
        # A mask that a layer takes is an input of its as well.
        shape = (layer.input[0] if isinstance(layer.input, list) else layer.input).shape
        if hasattr(layer, "forward_layer"):
            halves = [_of_cell(half, shape) for half in (layer.forward_layer, layer.backward_layer)]
            masks[layer.name] = tuple(None if one is None else (one, other) for one, other in zip(*halves, strict=True))
        elif hasattr(layer, "cell"):
            masks[layer.name] = _of_cell(layer, shape)
        elif getattr(layer, "rate", 0):
            with _same_state(layer):
                masks[layer.name] = np.asarray(layer(np.ones((SAMPLES, *shape[1:])), training=True)) > 0
    return masks


def _of_cell(layer: Any, shape: Any) -> tuple[Any, Any]:
    """The masks of a recurrent layer's input and state, those of its gates side by side where each has its own."""
    cell, found = layer.cell, []
    with _same_state(cell):
        for width, rate in ((shape[-1], cell.dropout), (cell.units, cell.recurrent_dropout)):
            drawn = cell._create_dropout_mask(np.ones((SAMPLES, width)), rate) if rate else None
            found.append(None if drawn is None else np.asarray(drawn) > 0)
    return found[0], found[1]


@contextlib.contextmanager
def _same_state(layer: Any) -> Iterator[None]:
    state = np.asarray(layer.seed_generator.state)
    yield
    layer.seed_generator.state.assign(state)
