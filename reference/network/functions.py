"""The reference's own layer functions by name: ``xyz_forward``, and ``xyz_compute_mask`` of the layers that make masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reference.layers import (
    activation,
    convolution,
    dense,
    dropout,
    embedding,
    global_pooling,
    masking,
    merging,
    normalization,
    pooling,
    rescaling,
    reshaping,
    text_vectorization,
    wrappers,
)
from reference.layers.rnn import recurrent

ROOMS = (
    *(activation, convolution, dense, dropout, embedding, global_pooling, masking, merging, normalization, pooling),
    *(recurrent, rescaling, reshaping, text_vectorization, wrappers),
)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: function for room in ROOMS for name, function in vars(room).items() if name.endswith(("_forward", "_compute_mask"))
}
