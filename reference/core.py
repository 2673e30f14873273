"""Layers without a spatial or temporal structure of their own: dense, embedding, masking, flatten, reshape, dropout."""

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


def masking_forward(x: Array, *, mask_value: float = 0.0) -> Array:
    """Zeros at the steps whose features all equal `mask_value`: ``y = x * any(x != mask_value, over the last axis)``.

    Parameters
    ----------
    x : float array (batch, ..., features)
    mask_value : float
        A NaN is never equal to it.

    Returns
    -------
    y : array with the shape and dtype of `x`

    Source: keras.layers.Masking.
    """
    x = np.asarray(x)
    kept = masking_compute_mask(x, mask_value=mask_value)
    return np.where(kept[..., None], x, x.dtype.type(0))


def masking_compute_mask(x: Array, mask: Array | None = None, *, mask_value: float = 0.0) -> Array:
    """True where any feature differs from `mask_value`, whatever `mask` came in. Source: keras.layers.Masking.compute_mask."""
    x = np.asarray(x)
    kept: Array = np.any(x != x.dtype.type(mask_value), axis=-1)
    return kept


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


def reshape_forward(x: Array, *, target_shape: Sequence[int]) -> Array:
    """The same values, in row-major order, as (batch, \\*target_shape).

    Parameters
    ----------
    x : array (batch, ...)
    target_shape : sequence of int
        Without the batch; one -1 is worked out from the others.

    Returns
    -------
    y : array (batch, \\*target_shape)

    Raises
    ------
    ValueError
        If the sizes do not fit, or more than one is -1.

    Source: keras.layers.Reshape.
    """
    x = np.asarray(x)
    known = int(np.prod([size for size in target_shape if size != -1]))
    size = int(np.prod(x.shape[1:]))
    if list(target_shape).count(-1) > 1 or (size % known if -1 in target_shape and known else known != size):
        raise ValueError(f"samples of the shape {x.shape[1:]} cannot be reshaped to {tuple(target_shape)}")
    # The size is written out, since -1 cannot be worked out for an empty batch.
    return x.reshape(x.shape[0], *(size // known if one == -1 else one for one in target_shape))


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


def spatial_dropout1d_forward(
    x: Array, *, rate: float, training: bool = False, seed: int | None = None, dropout_mask: Array | None = None
) -> Array:
    """Dropout of whole features: one decision for all steps of (batch, time, features).

    Parameters and errors as in :func:`dropout_forward`. Source: Tompson et al. 2015, arXiv:1411.4280; keras.layers.SpatialDropout1D.
    """
    return _spatial_dropout(x, 3, (None, 1, None), rate, training, seed, dropout_mask)


def spatial_dropout2d_forward(
    x: Array,
    *,
    rate: float,
    training: bool = False,
    data_format: str = "channels_last",
    seed: int | None = None,
    dropout_mask: Array | None = None,
) -> Array:
    """Dropout of whole channels: one decision for all rows and columns of (batch, height, width, channels).

    Parameters and errors as in :func:`dropout_forward`; with ``channels_first`` the channels are axis 1.
    Source: Tompson et al. 2015, arXiv:1411.4280; keras.layers.SpatialDropout2D.
    """
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}")
    shared = (None, 1, 1, None) if data_format == "channels_last" else (None, None, 1, 1)
    return _spatial_dropout(x, 4, shared, rate, training, seed, dropout_mask)


def _spatial_dropout(
    x: Array, rank: int, shared: Sequence[int | None], rate: float, training: bool, seed: int | None, dropout_mask: Array | None
) -> Array:
    if np.ndim(x) != rank:
        raise ValueError(f"this spatial dropout takes an array of rank {rank}, got the shape {np.shape(x)}")
    return dropout_forward(x, rate=rate, training=training, seed=seed, noise_shape=shared, dropout_mask=dropout_mask)


def _noise_shape(x: Array, noise_shape: Sequence[int | None] | None) -> tuple[int, ...]:
    if noise_shape is None:
        return x.shape
    if len(noise_shape) != x.ndim:
        raise ValueError(f"noise_shape {tuple(noise_shape)} has another rank than the input, whose shape is {x.shape}")
    return tuple(axis if wanted is None else wanted for axis, wanted in zip(x.shape, noise_shape, strict=True))
