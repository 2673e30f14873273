"""Layers without a spatial or temporal structure of their own: dense, embedding, masking, flatten, reshape, dropout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting, of_floats, summed
from reference.activations import activation_function, activation_gradient

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
    return _dense_run(x, kernel, bias, activation=activation)[0]


def dense_backward(
    grad_output: ArrayLike, x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None
) -> Gradients:
    """Gradients of :func:`dense_forward`. With ``z = x @ kernel + bias`` and ``grad_z = grad_output * activation'(z)``:

    ``grad_x = grad_z @ transpose(kernel)``
    ``grad_kernel = transpose(x) @ grad_z``, `x` and `grad_z` as matrices with all axes but the last in one
    ``grad_bias = sum of grad_z`` over all axes but the last

    Returns
    -------
    grad_x, grad_kernel, grad_bias : arrays of the shapes of `x`, `kernel`, `bias`; None for integers and a bias that is None

    Raises
    ------
    ValueError
        If `grad_output` does not have the shape of the output, or as :func:`dense_forward`.
    """
    return _dense_gradients(grad_output, _dense_run(x, kernel, bias, activation=activation)[1])


class SavedDense(NamedTuple):
    """What the gradients of a dense layer need; `z` is the output before the activation."""

    x: Array
    kernel: Array
    biased: bool
    z: Array
    y: Array
    activation: str | None


def _dense_run(x: Array, kernel: Array, bias: Array | None = None, *, activation: str | None = None) -> tuple[Array, SavedDense]:
    x = np.asarray(x)
    if x.ndim < 2 or x.shape[-1] != kernel.shape[0]:
        raise ValueError(f"dense takes an array (batch, ..., {kernel.shape[0]}), got the shape {x.shape}")
    z = floating(x, kernel) @ kernel
    if bias is not None:
        z += bias
    y = activation_function(activation)(z)
    return y, SavedDense(x, kernel, bias is not None, z, y, activation)


def _dense_gradients(grad_output: ArrayLike, saved: SavedDense) -> Gradients:
    x, kernel, biased, z, y, activation = saved
    grad_z = activation_gradient(activation, fitting(grad_output, y.shape, y.dtype), z, y)
    rows = math.prod(x.shape[:-1])
    flat = grad_z.reshape(rows, kernel.shape[1])
    grad_kernel = floating(x, kernel).reshape(rows, kernel.shape[0]).T @ flat
    grad_x = grad_z @ kernel.T if x.dtype.kind == "f" else None
    return grad_x, grad_kernel, summed(flat, (0,)).reshape(-1) if biased else None


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
    return _embedding_run(x, embeddings)[0]


def embedding_backward(grad_output: ArrayLike, x: Array, embeddings: Array) -> Gradients:
    """Gradients of :func:`embedding_forward`: ``grad_embeddings[i] = sum of grad_output[...]`` over the places with ``x[...] = i``.

    Returns
    -------
    None, grad_embeddings : ids have no gradient; that of the table is an array of its shape, 0 in rows that are not looked up
    """
    return _embedding_gradients(grad_output, _embedding_run(x, embeddings)[1])


def _embedding_run(x: Array, embeddings: Array) -> tuple[Array, tuple[Array, Array]]:
    ids = np.asarray(x)
    if ids.dtype not in (np.int32, np.int64):
        ids = ids.astype(np.int32)
    rows: Array = embeddings[ids]
    return rows, (ids, embeddings)


def _embedding_gradients(grad_output: ArrayLike, saved: tuple[Array, Array]) -> Gradients:
    ids, embeddings = saved
    input_dim, output_dim = embeddings.shape
    grad = fitting(grad_output, (*ids.shape, output_dim), embeddings.dtype).reshape(ids.size, output_dim)
    grad_embeddings = np.zeros_like(embeddings)
    if ids.size:
        # Sorted, the places of an id are one stretch, whose sum is one step of reduceat: much faster than adding place by place.
        wrapped = ids.reshape(-1) % input_dim
        order = np.argsort(wrapped, kind="stable")
        rows, starts = np.unique(wrapped[order], return_index=True)
        grad_embeddings[rows] = np.add.reduceat(grad[order], starts, axis=0)
    return None, grad_embeddings


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
    return _masking_run(x, mask_value=mask_value)[0]


def masking_backward(grad_output: ArrayLike, x: Array, *, mask_value: float = 0.0) -> Gradients:
    """``(grad_x,)`` of :func:`masking_forward`: `grad_output` where a step is kept, 0 where it is not."""
    return _masking_gradients(grad_output, _masking_run(x, mask_value=mask_value)[1])


def _masking_run(x: Array, *, mask_value: float = 0.0) -> tuple[Array, tuple[Array, Array]]:
    x = np.asarray(x)
    kept = masking_compute_mask(x, mask_value=mask_value)[..., None]
    return np.where(kept, x, x.dtype.type(0)), (x, kept)


def _masking_gradients(grad_output: ArrayLike, saved: tuple[Array, Array]) -> Gradients:
    x, kept = saved
    return (of_floats(x, np.where(kept, fitting(grad_output, x.shape, x.dtype), x.dtype.type(0))),)


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
    return _flatten_run(x, data_format=data_format)[0]


def flatten_backward(grad_output: ArrayLike, x: Array, *, data_format: str = "channels_last") -> Gradients:
    """``(grad_x,)`` of :func:`flatten_forward`: `grad_output` in the order and the shape of `x`; None for integers."""
    return _flatten_gradients(grad_output, _flatten_run(x, data_format=data_format)[1])


def _flatten_run(x: Array, *, data_format: str = "channels_last") -> tuple[Array, tuple[Array, str]]:
    x = last = np.asarray(x)
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}")
    if data_format == "channels_first" and x.ndim > 1:
        last = np.moveaxis(x, 1, -1)
    # The size is written out, since -1 cannot be worked out for an empty batch.
    return last.reshape(x.shape[0], math.prod(x.shape[1:])), (x, data_format)


def _flatten_gradients(grad_output: ArrayLike, saved: tuple[Array, str]) -> Gradients:
    x, data_format = saved
    grad = fitting(grad_output, (x.shape[0], math.prod(x.shape[1:])), x.dtype)
    if data_format == "channels_last" or x.ndim == 1:
        return (of_floats(x, grad.reshape(x.shape)),)
    return (of_floats(x, np.moveaxis(grad.reshape(x.shape[0], *x.shape[2:], x.shape[1]), -1, 1)),)


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
    return _reshape_run(x, target_shape=target_shape)[0]


def reshape_backward(grad_output: ArrayLike, x: Array, *, target_shape: Sequence[int]) -> Gradients:
    """``(grad_x,)`` of :func:`reshape_forward`: `grad_output` in the shape of `x`; None for integers."""
    return _reshape_gradients(grad_output, _reshape_run(x, target_shape=target_shape)[1])


def _reshape_run(x: Array, *, target_shape: Sequence[int]) -> tuple[Array, tuple[Array, Array]]:
    x = np.asarray(x)
    known = int(np.prod([size for size in target_shape if size != -1]))
    size = int(np.prod(x.shape[1:]))
    if list(target_shape).count(-1) > 1 or (size % known if -1 in target_shape and known else known != size):
        raise ValueError(f"samples of the shape {x.shape[1:]} cannot be reshaped to {tuple(target_shape)}")
    # The size is written out, since -1 cannot be worked out for an empty batch.
    y = x.reshape(x.shape[0], *(size // known if one == -1 else one for one in target_shape))
    return y, (x, y)


def _reshape_gradients(grad_output: ArrayLike, saved: tuple[Array, Array]) -> Gradients:
    x, y = saved
    return (of_floats(x, fitting(grad_output, y.shape, y.dtype).reshape(x.shape)),)


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
    options: dict[str, Any] = {"seed": seed, "noise_shape": noise_shape, "dropout_mask": dropout_mask}
    return _dropout_run(x, rate=rate, training=training, **options)[0]


def dropout_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`dropout_forward`, whose options it takes: ``grad_output / (1 - rate)`` where kept, 0 where dropped.

    In training the mask must be that of the forward pass: ValueError unless `dropout_mask` is given, or the `seed` that drew it.
    """
    _require_mask(**options)
    return _dropout_gradients(grad_output, _dropout_run(x, **options)[1])


SavedDropout = tuple[Array, float, Array | None]
"""Of a dropout: the input, the scale of what is kept, and where that is, None for everywhere."""


def _dropout_run(
    x: Array,
    *,
    rate: float,
    training: bool = False,
    seed: int | None = None,
    noise_shape: Sequence[int | None] | None = None,
    dropout_mask: Array | None = None,
) -> tuple[Array, SavedDropout]:
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must lie in [0, 1], got {rate}")
    x = np.asarray(x)
    if not training or rate == 0:
        return x.copy(), (x, 1.0, None)
    if rate == 1:
        return np.zeros_like(x), (x, 0.0, np.zeros((), bool))
    if dropout_mask is None:
        dropout_mask = np.random.default_rng(seed).random(_noise_shape(x, noise_shape)) >= rate
    return _scaled(x, 1 / (1 - rate), dropout_mask), (x, 1 / (1 - rate), dropout_mask)


def _dropout_gradients(grad_output: ArrayLike, saved: SavedDropout) -> Gradients:
    x, scale, kept = saved
    grad = fitting(grad_output, x.shape, x.dtype)
    return (of_floats(x, grad * x.dtype.type(scale) if kept is None else _scaled(grad, scale, kept)),)


def _scaled(x: Array, scale: float, kept: Array) -> Array:
    factor = np.asarray(scale, x.dtype)
    return np.where(kept, x * factor, np.zeros_like(factor))


def _require_mask(*, rate: float, training: bool = False, seed: int | None = None, dropout_mask: Array | None = None, **_: Any) -> None:
    if training and 0 < rate < 1 and seed is None and dropout_mask is None:
        raise ValueError("the gradient of a dropout in training needs the dropout_mask of the forward pass, or its seed")


def _noise_shape(x: Array, noise_shape: Sequence[int | None] | None) -> tuple[int, ...]:
    if noise_shape is None:
        return x.shape
    if len(noise_shape) != x.ndim:
        raise ValueError(f"noise_shape {tuple(noise_shape)} has another rank than the input, whose shape is {x.shape}")
    return tuple(axis if wanted is None else wanted for axis, wanted in zip(x.shape, noise_shape, strict=True))
