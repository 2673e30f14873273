"""How the weights of a new layer are drawn: ``xyz(shape, *, seed, dtype, **options)``, with the names and defaults of Keras's initializers.

The random numbers are NumPy's own (PCG64), not TensorFlow's: a seed does not give the values that it gives in Keras, but values of the
same distribution. They are drawn in float64 and rounded to `dtype`, so that a seed means the same weights in float32 and float64.

In every function `shape` is a sequence of sizes, `dtype` a floating dtype, and `seed` what ``numpy.random.default_rng`` takes: an int, a
generator that goes on where it stands, or None for new numbers each time. ValueError for a shape with anything but whole numbers from 0,
for another dtype, and for options that are no finite numbers. :mod:`reference.saving.new_weights` finds initializers by their names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
Seed = int | Sequence[int] | np.random.SeedSequence | np.random.Generator | None
Axes = Sequence[int] | None

STDDEV_WITHIN_2 = 0.87962566103423978
"""Standard deviation of a normal distribution of stddev 1 whose values beyond 2 are drawn again."""
MODES = ("fan_in", "fan_out", "fan_avg")
WINDOWS = {"hann": np.hanning, "hamming": np.hamming, "blackman": np.blackman, "bartlett": np.bartlett}


def zeros(shape: Sequence[int], *, seed: Seed = None, dtype: DTypeLike = "float32") -> Array:
    """All values 0. Source: keras.initializers.Zeros."""
    return np.zeros(_sizes(shape), _floating(dtype))


def ones(shape: Sequence[int], *, seed: Seed = None, dtype: DTypeLike = "float32") -> Array:
    """All values 1. Source: keras.initializers.Ones."""
    return np.ones(_sizes(shape), _floating(dtype))


def constant(shape: Sequence[int], *, value: float = 0.0, seed: Seed = None, dtype: DTypeLike = "float32") -> Array:
    """All values `value`. Source: keras.initializers.Constant."""
    return np.full(_sizes(shape), _finite("value", value), _floating(dtype))


def identity(shape: Sequence[int], *, gain: float = 1.0, seed: Seed = None, dtype: DTypeLike = "float32") -> Array:
    """`gain` on the diagonal of a matrix, 0 beside it; ValueError unless the shape has two axes. Source: keras.initializers.Identity."""
    if len(sizes := _sizes(shape)) != 2:
        raise ValueError(f"identity makes matrices, the shape is {sizes}")
    return _finite("gain", gain) * np.eye(*sizes, dtype=_floating(dtype))


def random_normal(
    shape: Sequence[int], *, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None, dtype: DTypeLike = "float32"
) -> Array:
    """Normally distributed around `mean`. Source: keras.initializers.RandomNormal."""
    drawn = np.random.default_rng(seed).standard_normal(_sizes(shape))
    return _rounded(_finite("mean", mean) + _finite("stddev", stddev) * drawn, dtype)


def truncated_normal(
    shape: Sequence[int], *, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None, dtype: DTypeLike = "float32"
) -> Array:
    """Normally distributed around `mean`, drawn again where further away than ``2 * stddev``.

    So the standard deviation is 0.8796 times `stddev`. Source: keras.initializers.TruncatedNormal.
    """
    generator = np.random.default_rng(seed)
    drawn = np.asarray(generator.standard_normal(_sizes(shape)))
    while np.any(far := np.abs(drawn) > 2):
        drawn[far] = generator.standard_normal(np.count_nonzero(far))
    return _rounded(_finite("mean", mean) + _finite("stddev", stddev) * drawn, dtype)


def random_uniform(
    shape: Sequence[int], *, minval: float = -0.05, maxval: float = 0.05, seed: Seed = None, dtype: DTypeLike = "float32"
) -> Array:
    """Uniformly distributed from `minval` to `maxval`. Source: keras.initializers.RandomUniform."""
    lowest, highest = _finite("minval", minval), _finite("maxval", maxval)
    return _rounded(lowest + (highest - lowest) * np.random.default_rng(seed).random(_sizes(shape)), dtype)


def variance_scaling(
    shape: Sequence[int],
    *,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    seed: Seed = None,
    input_axes: Axes = None,
    output_axes: Axes = None,
    dtype: DTypeLike = "float32",
) -> Array:
    """Mean 0 and variance ``scale / n``, n the number of inputs, of outputs or the mean of both, and at least 1.

    Parameters
    ----------
    shape, seed, dtype
        As in all initializers.
    scale : float
        Positive.
    mode : 'fan_in', 'fan_out' or 'fan_avg'
    distribution : 'truncated_normal', 'untruncated_normal' or 'uniform'
        Normal, ``stddev = sqrt(scale / n)``: within ``2 stddev / 0.8796``, so that the variance is what was asked for, or without
        limits; or uniform within ``sqrt(3 scale / n)``. 'normal' is an older name of the first.
    input_axes, output_axes : sequences of int, optional
        As in :func:`compute_fans`.

    Source: He, Zhang, Ren and Sun 2015, arXiv:1502.01852; keras.initializers.VarianceScaling.
    """
    if _finite("scale", scale) <= 0:
        raise ValueError(f"scale must be positive, got {scale}")
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}, not one of {', '.join(MODES)}")
    fan_in, fan_out = compute_fans(shape, input_axes, output_axes)
    scale /= max(1.0, {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode])
    match distribution.lower():
        case "truncated_normal" | "normal":
            return truncated_normal(shape, stddev=math.sqrt(scale) / STDDEV_WITHIN_2, seed=seed, dtype=dtype)
        case "untruncated_normal":
            return random_normal(shape, stddev=math.sqrt(scale), seed=seed, dtype=dtype)
        case "uniform":
            limit = math.sqrt(3.0 * scale)
            return random_uniform(shape, minval=-limit, maxval=limit, seed=seed, dtype=dtype)
    raise ValueError(f"distribution is {distribution!r}, not 'truncated_normal', 'untruncated_normal' or 'uniform'")


def compute_fans(shape: Sequence[int], input_axes: Axes = None, output_axes: Axes = None) -> tuple[int, int]:
    """How many inputs an output of the layer has, and how many outputs an input.

    Those of a matrix are its sizes; those of a convolution's kernel (..., inputs, outputs) are multiplied by its cells; a vector has its
    size as both, a scalar 1. Where both are given, `input_axes` and `output_axes` name the axes whose sizes are multiplied instead.

    Source: keras.src.initializers.random_initializers.compute_fans.
    """
    sizes = _sizes(shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(sizes[axis] for axis in input_axes), math.prod(sizes[axis] for axis in output_axes)
    if len(sizes) < 2:
        (size,) = sizes or (1,)
        return size, size
    cells = math.prod(sizes[:-2])
    return sizes[-2] * cells, sizes[-1] * cells


def glorot_uniform(
    shape: Sequence[int], *, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None, dtype: DTypeLike = "float32"
) -> Array:
    """Uniform within ``sqrt(6 / (fan_in + fan_out))``. Source: Glorot and Bengio 2010; keras.initializers.GlorotUniform."""
    return variance_scaling(
        shape, mode="fan_avg", distribution="uniform", seed=seed, input_axes=input_axes, output_axes=output_axes, dtype=dtype
    )


def glorot_normal(
    shape: Sequence[int], *, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None, dtype: DTypeLike = "float32"
) -> Array:
    """Truncated normal, ``stddev = sqrt(2 / (fan_in + fan_out))``. Source: Glorot and Bengio 2010; keras.initializers.GlorotNormal."""
    return variance_scaling(shape, mode="fan_avg", seed=seed, input_axes=input_axes, output_axes=output_axes, dtype=dtype)


def he_uniform(
    shape: Sequence[int], *, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None, dtype: DTypeLike = "float32"
) -> Array:
    """Uniform within ``sqrt(6 / fan_in)``. Source: He et al. 2015, arXiv:1502.01852; keras.initializers.HeUniform."""
    return variance_scaling(
        shape, scale=2.0, distribution="uniform", seed=seed, input_axes=input_axes, output_axes=output_axes, dtype=dtype
    )


def he_normal(
    shape: Sequence[int], *, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None, dtype: DTypeLike = "float32"
) -> Array:
    """Truncated normal, ``stddev = sqrt(2 / fan_in)``. Source: He et al. 2015, arXiv:1502.01852; keras.initializers.HeNormal."""
    return variance_scaling(shape, scale=2.0, seed=seed, input_axes=input_axes, output_axes=output_axes, dtype=dtype)


def lecun_uniform(
    shape: Sequence[int], *, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None, dtype: DTypeLike = "float32"
) -> Array:
    """Uniform within ``sqrt(3 / fan_in)``. Source: LeCun, Bottou, Orr and Müller 1998; keras.initializers.LecunUniform."""
    return variance_scaling(shape, distribution="uniform", seed=seed, input_axes=input_axes, output_axes=output_axes, dtype=dtype)


def lecun_normal(
    shape: Sequence[int], *, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None, dtype: DTypeLike = "float32"
) -> Array:
    """Truncated normal, ``stddev = sqrt(1 / fan_in)``. Source: Klambauer et al. 2017, arXiv:1706.02515; keras.initializers.LecunNormal."""
    return variance_scaling(shape, seed=seed, input_axes=input_axes, output_axes=output_axes, dtype=dtype)


def orthogonal(shape: Sequence[int], *, gain: float = 1.0, seed: Seed = None, dtype: DTypeLike = "float32") -> Array:
    """`gain` times a matrix with orthonormal rows or columns, whichever are fewer; every such matrix is equally likely.

    ``Q sign(diag(R))`` of the decomposition ``Q R`` of normally distributed numbers; the signs make it unique and so uniform. A shape of
    more axes is a matrix with the last one as its columns. ValueError for fewer than two.

    Source: Saxe, McClelland and Ganguli 2014, arXiv:1312.6120; keras.initializers.Orthogonal.
    """
    if len(sizes := _sizes(shape)) < 2:
        raise ValueError(f"orthogonal takes shapes of two or more axes, got {sizes}")
    rows, columns = math.prod(sizes[:-1]), sizes[-1]
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return _rounded(_finite("gain", gain) * (q.T if rows < columns else q).reshape(sizes), dtype)


def stft(
    shape: Sequence[int],
    *,
    side: str = "real",
    window: str | ArrayLike | None = "hann",
    scaling: str | None = "density",
    periodic: bool = False,
    seed: Seed = None,
    dtype: DTypeLike = "float32",
) -> Array:
    """The kernel of a convolution that is one side of a short-time Fourier transform.

    ``window[t] cos(-2 pi t f / (2 (F - 1))) / scaling`` of time t and frequency f, sin for the other side.

    Parameters
    ----------
    shape : (time, 1, frequencies F)
    side : 'real' or 'imag'
    window : 'hann', 'hamming', 'blackman', 'bartlett', the values (time,), or None
        Keras takes the other names of ``scipy.signal.windows`` as well; here they are a ValueError.
    scaling : 'density' (divided by the norm of the window), 'spectrum' (by its sum), or None
    periodic : bool
        The window as a period of a periodic function, without its last value.

    Source: keras.initializers.STFT.
    """
    if len(sizes := _sizes(shape)) != 3:
        raise ValueError(f"stft takes shapes of three axes, got {sizes}")
    if side not in ("real", "imag") or scaling not in (None, "density", "spectrum"):
        raise ValueError(f"side is {side!r}, not 'real' or 'imag', or scaling {scaling!r}, not 'density', 'spectrum' or None")
    length, _, frequencies = sizes
    angle = -2 * np.pi * np.arange(length)[:, None, None] * (np.arange(frequencies) / max(1, 2 * (frequencies - 1)))
    kernel = np.cos(angle) if side == "real" else np.sin(angle)
    if window is not None:
        values = _window(window, length, periodic)
        by = {"density": np.sqrt(np.sum(values**2)), "spectrum": np.sum(np.abs(values)), None: 1.0}[scaling]
        kernel = kernel * values[:, None, None] / by
    return _rounded(kernel, dtype)


def _window(window: str | ArrayLike, length: int, periodic: bool) -> Array:
    """The values of a window."""
    if not isinstance(window, str):
        values = np.asarray(window, np.float64)
        if values.shape != (length,):
            raise ValueError(f"the window has the shape {values.shape}, the kernel {length} steps")
        return values
    if window not in WINDOWS:
        raise ValueError(f"window {window!r} is not supported, only {', '.join(WINDOWS)}, values, and None")
    return np.ones(length) if length < 2 else WINDOWS[window](length + periodic)[:length]


def _sizes(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape that has been checked."""
    sizes = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else None
    if sizes is None or not all(isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 0 for size in sizes):
        raise ValueError(f"shape is {shape!r}, not a sequence of whole numbers from 0")
    return tuple(int(size) for size in sizes)


def _floating(dtype: DTypeLike) -> np.dtype[Any]:
    found = np.dtype(dtype)
    if found.kind != "f":
        raise ValueError(f"dtype is {found}, weights are floating")
    return found


def _finite(name: str, value: Any) -> float:
    """An option that is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, not a finite number")
    return float(value)


def _rounded(values: Any, dtype: DTypeLike) -> Array:
    return np.asarray(values).astype(_floating(dtype), order="C")
