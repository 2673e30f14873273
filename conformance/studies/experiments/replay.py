"""The noise of Keras's dropouts, set before a step and asked for again: what Keras dropped, another training can drop too.

The state of a Keras ``Dropout`` is two whole numbers, of which the second counts the calls; state, shape and dtype fix the mask. So a state
is assigned, and the layer called on ones in training shows what a step from that state drops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.base.arrays import Array


def dropouts(model: Any) -> list[Any]:
    """The ``Dropout`` layers of a Sequential Keras model that draw, in its order."""
    return [layer for layer in model.layers if type(layer).__name__ == "Dropout" and layer.rate > 0]


def draw_noise(model: Any, draw: np.random.Generator) -> Array:
    """A state for each dropout, uint32 (dropouts, 2)."""
    return draw.integers(2**31, size=(len(dropouts(model)), 2)).astype(np.uint32)


def set_noise(model: Any, noise: Array) -> None:
    """Assign the states: the next call in training drops what they say."""
    for layer, state in zip(dropouts(model), noise, strict=True):
        layer.seed_generator.state.assign(state)


def replayed_masks(model: Any, noise: Array, batch: int) -> dict[str, Array]:
    """What a step of the model on so many samples drops from these states: by layer, True where kept. The states move on, as in a step."""
    set_noise(model, noise)
    masks = {}
    for layer in dropouts(model):
        ones = np.ones((batch, *layer.input.shape[1:]), layer.compute_dtype)
        masks[layer.name] = np.asarray(layer(ones, training=True)) != 0
    return masks
