"""Layers without a spatial or temporal structure of their own: dense, embedding, flatten, dropout, activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.activations import activation_function

Array = NDArray[Any]


def floating(x: Array, like: Array) -> Array:
    """`x` in the dtype of `like` where it is an integer or bool array; floats stay as they are."""
    x = np.asarray(x)
    return x if np.issubdtype(x.dtype, np.floating) else x.astype(like.dtype)


def dense_forward(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> Array:
    """Fully connected layer: ``y = activation(x @ kernel + bias)`` over the last axis.

    Parameters
    ----------
    x : array (batch, ..., features)
        Integers and bools are converted to the dtype of `kernel`.
    kernel : array (features, units)
    bias : array (units,), optional
    activation : str, optional
        Name of an activation function; None is linear.

    Returns
    -------
    y : array (batch, ..., units)

    Raises
    ------
    ValueError
        If `x` has fewer than two axes or its last axis is not `features`.

    Source: keras.layers.Dense.
    """
    x = floating(x, kernel)
    if x.ndim < 2 or x.shape[-1] != kernel.shape[0]:
        raise ValueError(f"dense takes an array (batch, ..., {kernel.shape[0]}), got the shape {x.shape}")
    y = x @ kernel
    if bias is not None:
        y += bias
    return activation_function(activation)(y)


def activation_forward(x: Array, *, activation: str | None) -> Array:
    """An activation function as a layer, ``y = activation(x)``. Source: keras.layers.Activation."""
    return activation_function(activation)(x)


def embedding_forward(x: Array, embeddings: Array) -> Array:
    """Rows of a table: ``y[..., :] = embeddings[x[...]]``.

    Parameters
    ----------
    x : array (batch, ...) of ids
        Ids that are not int32 or int64 are cast to int32: floats are truncated towards zero.
    embeddings : array (input_dim, output_dim)

    Returns
    -------
    y : array (batch, ..., output_dim)
        A negative id counts from the end of the table, ``-input_dim <= id < 0``.

    Raises
    ------
    IndexError
        If an id lies outside the table.

    Source: keras.layers.Embedding.
    """
    ids = np.asarray(x)
    if ids.dtype not in (np.int32, np.int64):
        ids = ids.astype(np.int32)
    rows: Array = embeddings[ids]
    return rows


def embedding_compute_mask(x: Array, mask: Array | None = None, *, mask_zero: bool = False) -> Array | None:
    """Mask of an embedding: ``x != 0`` (before any cast) with ``mask_zero=True``, else None, whatever `mask` came in.

    Source: keras.layers.Embedding.compute_mask.
    """
    return np.not_equal(x, 0) if mask_zero else None


def flatten_forward(x: Array, *, data_format: str = "channels_last") -> Array:
    """All axes but the batch in one, in row-major order.

    Parameters
    ----------
    x : array (batch, ...)
        A rank of 1 gives (batch, 1).
    data_format : 'channels_last' or 'channels_first'
        With ``channels_first`` axis 1 is moved to the end before, so that both formats flatten alike.

    Returns
    -------
    y : array (batch, product of the other axes)

    Raises
    ------
    ValueError
        If `data_format` has another value.

    Source: keras.layers.Flatten.
    """
    x = np.asarray(x)
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}")
    if data_format == "channels_first" and x.ndim > 1:
        x = np.moveaxis(x, 1, -1)
    # The size is written out, since -1 cannot be worked out for an empty batch.
    return x.reshape(x.shape[0], int(np.prod(x.shape[1:])))


def dropout_forward(
    x: Array,
    *,
    rate: float,
    training: bool = False,
    seed: int | None = None,
    noise_shape: Sequence[int | None] | None = None,
    dropout_mask: Array | None = None,
) -> Array:
    """Inverted dropout: in training each value is kept with probability ``1 - rate`` and scaled by ``1 / (1 - rate)``.

    Parameters
    ----------
    x : array (batch, ...)
    rate : float in [0, 1]
        Share of the values that become 0; with 1 all do.
    training : bool
        Without it the layer is the identity.
    seed : int, optional
        Makes the mask reproducible; None draws a fresh one.
    noise_shape : sequence of int or None, optional
        Shape of the mask, None standing for the axis of `x`; axes of 1 share one decision.
    dropout_mask : bool array that broadcasts to `x`, optional
        True where kept; used instead of drawing.

    Returns
    -------
    y : array with the shape and dtype of `x`
        A dropped NaN or infinity is 0 too.

    Raises
    ------
    ValueError
        If `rate` lies outside [0, 1] or `noise_shape` has another rank than `x`.

    Source: Srivastava et al. 2014, JMLR 15; keras.layers.Dropout.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must lie in [0, 1], got {rate}")
    x = np.asarray(x)
    if not training or rate == 0:
        return x.copy()
    if rate == 1:
        return np.zeros_like(x)
    if dropout_mask is None:
        dropout_mask = np.random.default_rng(seed).random(_noise_shape(x, noise_shape)) >= rate
    scale = np.asarray(1 / (1 - rate), x.dtype)
    return np.where(dropout_mask, x * scale, np.zeros_like(scale))


def _noise_shape(x: Array, noise_shape: Sequence[int | None] | None) -> tuple[int, ...]:
    if noise_shape is None:
        return x.shape
    if len(noise_shape) != x.ndim:
        raise ValueError(f"noise_shape {tuple(noise_shape)} has another rank than the input, whose shape is {x.shape}")
    return tuple(axis if wanted is None else wanted for axis, wanted in zip(x.shape, noise_shape, strict=True))
