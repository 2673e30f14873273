"""Dropout of single values, and of whole features or channels, which neighbouring places in time or space share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting, of_floats
from reference.layers.options import DATA_FORMAT, NOISE_SHAPE, RATE
from reference.layers.shapes import Config, Rule, Shape, broadcast, of_rank
from reference.layers.spec import IN_TRAINING, REQUIRED, Function, LayerSpec, Option, layer

__all__ = [
    "dropout_backward", "dropout_forward", "spatial_dropout1d_backward", "spatial_dropout1d_forward", "spatial_dropout2d_backward",
    "spatial_dropout2d_forward",
]  # fmt: skip

Array = NDArray[Any]


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
    return _dropout_run(x, rate=rate, training=training, seed=seed, noise_shape=noise_shape, dropout_mask=dropout_mask)[0]


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


def spatial_dropout1d_forward(
    x: Array, *, rate: float, training: bool = False, seed: int | None = None, dropout_mask: Array | None = None
) -> Array:
    """Dropout of whole features: one decision for all steps of (batch, time, features).

    Parameters and errors as in :func:`dropout_forward`.
    Source: Tompson et al. 2015, arXiv:1411.4280; keras.layers.SpatialDropout1D.
    """
    return _spatial_dropout1d_run(x, rate=rate, training=training, seed=seed, dropout_mask=dropout_mask)[0]


def spatial_dropout1d_backward(grad_output: ArrayLike, x: Array, **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`spatial_dropout1d_forward`, as :func:`dropout_backward`."""
    return dropout_backward(grad_output, x, noise_shape=_shared(x, 3, (None, 1, None)), **options)


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
    return _spatial_dropout2d_run(x, data_format=data_format, rate=rate, training=training, seed=seed, dropout_mask=dropout_mask)[0]


def spatial_dropout2d_backward(grad_output: ArrayLike, x: Array, *, data_format: str = "channels_last", **options: Any) -> Gradients:
    """``(grad_x,)`` of :func:`spatial_dropout2d_forward`, as :func:`dropout_backward`."""
    return dropout_backward(grad_output, x, noise_shape=_shared(x, 4, _channels(data_format)), **options)


def _spatial_dropout1d_run(x: Array, **options: Any) -> tuple[Array, SavedDropout]:
    return _dropout_run(x, noise_shape=_shared(x, 3, (None, 1, None)), **options)


def _spatial_dropout2d_run(x: Array, *, data_format: str = "channels_last", **options: Any) -> tuple[Array, SavedDropout]:
    return _dropout_run(x, noise_shape=_shared(x, 4, _channels(data_format)), **options)


def _channels(data_format: str) -> tuple[int | None, ...]:
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}")
    return (None, 1, 1, None) if data_format == "channels_last" else (None, None, 1, 1)


def _shared(x: Array, rank: int, shape: Sequence[int | None]) -> Sequence[int | None]:
    """`shape`, the shape of the mask, once `x` is known to have the rank that it is for."""
    if np.ndim(x) != rank:
        raise ValueError(f"this spatial dropout takes an array of rank {rank}, got the shape {np.shape(x)}")
    return shape


def _output(config: Config, shape: Shape) -> Shape:
    noise = config.get("noise_shape")
    if noise is not None:
        if len(noise) != len(shape):
            raise ValueError(f"noise_shape {tuple(noise)} has another rank than the input, whose shape is {shape}")
        broadcast([shape, tuple(1 if size is None else size for size in noise)])
    return shape


def _record(class_name: str, forward: Function, run: Function, output: Rule, **in_training: Option) -> LayerSpec:
    options = {"rate": Option(REQUIRED, RATE), **in_training}
    kinds: dict[str, Any] = {"takes": ("training",), "keeps_mask": True, "drops": True}
    return layer(LayerSpec(class_name, forward, run, _dropout_gradients, options=options, output=output, **kinds))


DROPOUT = _record("Dropout", dropout_forward, _dropout_run, _output, noise_shape=Option(None, NOISE_SHAPE, taken_by=(IN_TRAINING,)))
SPATIAL_DROPOUT1D = _record("SpatialDropout1D", spatial_dropout1d_forward, _spatial_dropout1d_run, of_rank(3, 3))
SPATIAL_DROPOUT2D = _record(
    "SpatialDropout2D", spatial_dropout2d_forward, _spatial_dropout2d_run, of_rank(4, 4),
    data_format=Option("channels_last", DATA_FORMAT, taken_by=(IN_TRAINING,)),
)  # fmt: skip
