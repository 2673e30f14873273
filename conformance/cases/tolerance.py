"""How far off an answer may be: one function for each kind of arithmetic, derived, never tuned.

Every function takes ``(ask, case, arrays, outputs)`` and returns one array per output: the largest error that correct float32
arithmetic may make there, against the float64 value. ``ask(arrays, **changes)`` runs the float64 oracle again, on other arrays or with
parts of the configuration changed. ``eps`` is 2**-23, the distance of 1 to the next float32.

In float64 meaning is judged, not rounding: :func:`meaning` allows 1e-11, a hundred thousand times what correct code needs and far
below what any mistake makes, widened only where Keras itself rounds a constant to float32, by that rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.base.arrays import EPS, Array, Arrays, perturbed
from conformance.base.errors import IllConditionedCaseError
from reference.layers import LAYERS

if TYPE_CHECKING:
    from conformance.cases.case import Case

Ask = Callable[..., tuple[Array, ...]]

SMALLEST_NORMAL = 1.2e-38
MEANING = 1e-11
PERTURBATIONS = 3
ITERATED = tuple(name for name, spec in LAYERS.items() if "initial_state" in spec.takes)
"""Layers that go step by step: what they round is multiplied by every step that follows."""
ILL_CONDITIONED = 1e-3


def exact(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """Nothing is computed, values are only chosen or moved: no error at all."""
    return tuple(np.zeros(y.shape) for y in outputs)


def elementwise(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """A few rounded operations and a library function each: ``8 eps (1 + |o|)``."""
    return tuple(8 * EPS * (1 + np.abs(y)) for y in outputs)


def cancelling(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """As :func:`elementwise` where terms as large as x cancel (``x + sqrt(x**2 + b)`` for negative x): ``8 eps (1 + |x| + |o|)``."""
    return tuple(8 * EPS * (1 + np.abs(arrays.x) + np.abs(y)) for y in outputs)


def softmax(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """``(2 + sqrt(N) / 16) eps (2 + max - x) o``.

    The exponent ``x - max`` carries an error of ``eps (max - x) / 2``, which the exponential turns into a relative one; the sum of N
    exponentials adds ``sqrt(N) / 16`` of a rounding.
    """
    (y,) = outputs
    axis = case.config.get("axis", -1)
    return (softmax_error(arrays.x.astype(float), y, axis),)


def softmax_error(z: Array, o: Array, axis: int | tuple[int, ...] | None) -> Array:
    """The rule of :func:`softmax` on logits `z` and result `o`."""
    axis = tuple(range(z.ndim)) if axis is None else axis
    with np.errstate(invalid="ignore"):
        below = np.max(z, axis=axis, keepdims=True) - z
        count = np.prod([z.shape[one] for one in np.atleast_1d(axis)])
        return (2 + np.sqrt(count) / 16) * EPS * (2 + below) * o + SMALLEST_NORMAL


def softmax_layer(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """As :func:`softmax`, among the logits that a mask keeps; the others give 0.

    Over several axes Keras computes ``exp(x - logsumexp(x))``, whose exponent is rounded by half an eps of each of the two numbers.
    """
    (y,) = outputs
    axis = case.config.get("axis", -1)
    kept = arrays.arguments.get("mask", np.ones(1, bool))
    kept = kept if kept.dtype == bool else kept > 0.5
    error = softmax_error(np.where(kept, arrays.x.astype(float), -np.inf), y, axis)
    if isinstance(axis, tuple):
        error = error + EPS * np.max(np.abs(arrays.x), axis=axis, keepdims=True, initial=0) * y
    return (np.where(np.broadcast_to(kept, y.shape), error, 0),)


def mean(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """Means of K values: ``(4 + sqrt(K)) eps S``, S the same mean over absolute values."""
    (y,) = outputs
    (size,) = ask(Arrays(np.abs(arrays.x), (), arrays.arguments))
    pool = case.config.get("pool_size")
    places = arrays.x.size / max(1, y.size) if pool is None else np.prod(pool)
    return ((4 + np.sqrt(places)) * EPS * size,)


def batch_normalization(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """``(8 + sqrt(N)) eps (|gamma| max|x| / sigma + |beta|)`` for each channel, N values in it (1 in inference).

    In training the new statistics follow from the same sums: ``(8 + sqrt(N)) eps`` of the largest |x| or its square, and of the old ones.
    """
    y, *statistics = outputs
    axis = case.config.get("axis", -1)
    over = tuple(n for n in range(y.ndim) if n != axis % y.ndim)
    largest = np.max(np.abs(np.nan_to_num(arrays.x.astype(float))), axis=over, initial=0)
    values = iter(arrays.weights)
    one = np.ones(y.shape[axis])
    gamma = np.abs(next(values)) if case.config.get("scale", True) else one
    beta = np.abs(next(values)) if case.config.get("center", True) else 0 * one
    moving_mean, moving_variance = values
    if not statistics:
        size = np.maximum(largest, np.abs(moving_mean))
        error = 9 * EPS * (gamma * size / np.sqrt(moving_variance + case.config.get("epsilon", 1e-3)) + beta)
        return (np.broadcast_to(_along(error, axis, y.ndim), y.shape),)
    momentum = case.config.get("momentum", 0.99)
    share = (8 + np.sqrt(max(1, y.size / max(1, y.shape[axis])))) * EPS
    # What the batch had, taken back out of the new moving variance.
    variance = np.maximum((statistics[1] - momentum * moving_variance) / (1 - momentum), 0)
    error = share * (gamma * largest / np.sqrt(variance + case.config.get("epsilon", 1e-3)) + beta)
    moved = [(1 - momentum) * largest**power for power in (1, 2)]
    room = [share * (new + np.abs(old) + np.abs(o)) for new, old, o in zip(moved, (moving_mean, moving_variance), statistics, strict=True)]
    return (np.broadcast_to(_along(error, axis, y.ndim), y.shape), *room)


def _along(values: Array, axis: int, ndim: int) -> Array:
    """Values of each index of one axis, to be broadcast over the others."""
    shape = [1] * ndim
    shape[axis] = len(values)
    return values.reshape(shape)


def layer_normalization(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """``(8 + sqrt(N)) eps (|gamma| max|x| / sigma + |beta|)`` for each sample, N values normalised together."""
    (y,) = outputs
    x = arrays.x.astype(float)
    axes = _normalised_axes(case)
    over = {one % x.ndim for one in axes}
    places = [size if n in over else 1 for n, size in enumerate(x.shape)]
    weights = [np.abs(weight).reshape(places) for weight in arrays.weights]
    gamma = weights[0] if case.config.get("scale", True) else 1.0
    beta = weights[-1] if case.config.get("center", True) else 0.0
    sigma = np.sqrt(np.var(x, axis=axes, keepdims=True) + case.config.get("epsilon", 1e-3))
    largest = np.max(np.abs(np.nan_to_num(x)), axis=axes, keepdims=True, initial=0)
    return (np.broadcast_to((8 + np.sqrt(np.prod(places))) * EPS * (gamma * largest / sigma + beta), y.shape),)


def root_of_squares(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """``(8 + sqrt(N)) eps |y|`` where a value is divided by the root of a sum of N squares: none of them cancels another."""
    (y,) = outputs
    over = {one % y.ndim for one in _normalised_axes(case)}
    number = np.prod([size for n, size in enumerate(y.shape) if n in over])
    return ((8 + np.sqrt(number)) * EPS * np.abs(y),)


def _normalised_axes(case: Case) -> tuple[int, ...]:
    """The axes over which a layer normalisation runs, of the array with the time axis that TimeDistributed adds."""
    axis = case.config.get("axis", -1)
    axes = tuple(sorted(axis)) if isinstance(axis, tuple) else (axis,)
    return tuple(one if one < 0 else one + 1 for one in axes) if case.layer == "TimeDistributed" else axes


def dot_product(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """Sums of K products, then an activation: ``(4 + sqrt(K)) eps S`` through the activation.

    Each partial sum is rounded by at most ``eps / 2`` of itself and is bounded by S, the same sum over absolute values; rounding errors
    of random sign grow with ``sqrt(K)``. What the activation makes of that error is found by moving its argument by it.
    """
    (y,) = outputs
    error = (4 + np.sqrt(terms(case, arrays))) * EPS * magnitude(ask, arrays)
    name = case.config.get("activation")
    if name in (None, "linear"):
        return (error,)
    (z,) = ask(arrays, activation=None)
    return (activation_error(ask.activation, name, z, error, y) + 8 * EPS * (1 + np.abs(y)),)  # type: ignore[attr-defined]


def terms(case: Case, arrays: Arrays) -> int:
    """Number of summed terms of a dense layer or a convolution, bias included."""
    return int(np.prod(arrays.weights[0].shape[:-1])) + 1


def magnitude(ask: Ask, arrays: Arrays) -> Array:
    """S: the linear layer over absolute values."""
    positive = Arrays(np.abs(arrays.x), tuple(np.abs(w) for w in arrays.weights), arrays.arguments)
    return ask(positive, activation=None)[0]


def activation_error(activation: Callable[[str, Array], Array], name: str, z: Array, error: Array, y: Array) -> Array:
    """What an error of the argument does to an activation: moved by it up and down; over whole rows for those that mix a row."""
    with np.errstate(invalid="ignore", over="ignore"):
        if name not in ROW_ERROR:
            moved = [np.abs(activation(name, z + sign * error) - y) for sign in (-1, 1)]
            return np.maximum(*moved)
        worst = np.max(error, axis=-1, keepdims=True, initial=0)
        return ROW_ERROR[name](z, y) * worst + (softmax_error(z, y, -1) if name == "softmax" else 0)


ROW_ERROR: Mapping[str, Callable[[Array, Array], Array]] = {
    # softmax: the derivative of ln(y_i) is 1 - y_i by z_i and -y_j by z_j, together at most 2.
    "softmax": lambda z, y: 2 * y,
    "log_softmax": lambda z, y: np.full(y.shape, 2.0),
    # sparsemax: z_i minus a mean over the support.
    "sparsemax": lambda z, y: np.full(y.shape, 2.0),
    # glu: a sigmoid(b), with derivatives at most 1 and |a| / 4.
    "glu": lambda z, y: 1 + np.abs(z[..., : y.shape[-1]]) / 4,
}


def perturbation(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """For iterated layers: ``8 (P[t] + eps (1 + |o|))``, with P the response to inputs and weights off by a relative eps.

    No bound on rounding fits a recurrence that may amplify it or damp it. So the float64 oracle is asked three times with every input
    and weight multiplied by ``1 + eps u``, u uniform in [-1, 1]: P[t] is the largest change at step t (over all values where an
    output has no time axis). Float32 arithmetic does the same at every step, with errors no larger than eps times a few operations.
    """
    rng = np.random.default_rng(case.seed())
    responses = [np.zeros(y.shape) for y in outputs]
    for _ in range(PERTURBATIONS):
        for response, y, other in zip(responses, outputs, ask(perturbed(rng, arrays)), strict=True):
            np.maximum(response, np.abs(other - y), out=response)
    allowed = []
    for response, y in zip(responses, outputs, strict=True):
        over = (0, 2) if y.ndim == 3 else None
        largest = np.max(response, axis=over, keepdims=True, initial=0)
        if largest.size and np.max(largest) > ILL_CONDITIONED * max(1.0, float(np.max(np.abs(y), initial=0))):
            raise IllConditionedCaseError(f"{case.id}: a change in the last digit moves the result by {np.max(largest):.1e}")
        allowed.append(8 * (largest + EPS * (1 + np.abs(y))))
    return tuple(allowed)


def meaning(ask: Ask, case: Case, arrays: Arrays, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """The float64 rule: ``1e-11 (1 + |o|)``, widened by the constants that Keras rounds to float32."""
    allowed = tuple(MEANING * (1 + np.abs(y)) for y in outputs)
    if case.layer in ROUNDED_CONSTANTS:
        return (allowed[0] + ROUNDED_CONSTANTS[case.layer](case.config, arrays.x),)
    name = case.config.get("activation") or "linear"
    if name in ROUNDED_CONSTANTS and case.layer not in ITERATED:
        return (allowed[0] + ROUNDED_CONSTANTS[name]({}, ask(arrays, activation=None)[0]),)
    return allowed


def rounding_of(constant: float) -> float:
    """How far the nearest float32 is from a constant."""
    return abs(float(np.float32(constant)) - constant)


def _relu_constants(config: Mapping[str, Any], z: Array) -> Array:
    slope, limit = config.get("negative_slope", 0.0), config.get("max_value")
    below = np.abs(z - config.get("threshold", 0.0)) * (z <= config.get("threshold", 0.0))
    return rounding_of(slope) * below + rounding_of(limit or 0.0)


def _leaky_relu_constants(config: Mapping[str, Any], z: Array) -> Array:
    return rounding_of(config.get("negative_slope", 0.2)) * np.abs(z)


def _rescaling_constants(config: Mapping[str, Any], z: Array) -> Array:
    scale, offset = (max(map(rounding_of, np.atleast_1d(config.get(name, 0.0)))) for name in ("scale", "offset"))
    return np.asarray(scale * np.abs(z) + offset)


def _gelu_constants(config: Mapping[str, Any], z: Array) -> Array:
    if config.get("approximate"):
        # y = z (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (z + c z**3): dy/dc = sqrt(2 / pi) z**4 sech(u)**2 / 2
        u = np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)
        return rounding_of(0.044715) * np.sqrt(2 / np.pi) * z**4 * (1 - np.tanh(u) ** 2) / 2
    # y = z (1 + erf(c z)) / 2: dy/dc = z**2 exp(-(c z)**2) / sqrt(pi)
    return rounding_of(np.sqrt(0.5)) * z**2 * np.exp(-(z**2) / 2) / np.sqrt(np.pi)


ROUNDED_CONSTANTS: Mapping[str, Callable[[Mapping[str, Any], Array], Array]] = {
    "relu": _relu_constants,
    "leaky_relu": _leaky_relu_constants,
    "gelu": _gelu_constants,
    "ReLU": _relu_constants,
    "LeakyReLU": lambda config, z: _leaky_relu_constants({"negative_slope": 0.3, **config}, z),
    "Rescaling": _rescaling_constants,
}
"""Activations and layers in which Keras rounds a constant to float32 even in float64, and the error that this makes."""


def rounds_constants(case: Case) -> bool:
    """Whether Keras rounds a constant of the case's functions to float32, so that its float64 gradients are not exact."""
    probe = np.linspace(-3, 3, 13)
    names = {name: case.config.get(name) or "linear" for name in ("activation", "recurrent_activation")}
    used: list[tuple[str, Mapping[str, Any]]] = [*((name, {}) for name in names.values()), (case.layer, case.config)]
    return any(name in ROUNDED_CONSTANTS and bool(np.any(ROUNDED_CONSTANTS[name](config, probe))) for name, config in used)


def meaning_of_gradients(gradients: tuple[Array, ...]) -> tuple[Array, ...]:
    """The float64 rule for gradients: ``1e-11`` of the largest value of each, since they are sums in which terms cancel."""
    return tuple(np.full(g.shape, MEANING * (1 + np.max(np.abs(np.nan_to_num(g)), initial=0))) for g in gradients)


ROUNDED = ("large_mean",)
"""Special inputs without a kink or a tie that float32 does not hold: of a float64 case, code that computes in float32 rounds them first."""


def responses_of_gradients(ask: Ask, case: Case, backward: Any, gradients: tuple[Array, ...]) -> Array:
    """P of :func:`rounding_of_gradients`, one number for each gradient: its largest change when everything is off by a relative eps.

    Special inputs stay as they are: at a kink or a tie the last digit decides, and float32 has these values exactly; those apart that it
    does not hold (:data:`ROUNDED`). For the input of a normalisation P is at least the rounding of one of the terms that cancel.
    """
    rng = np.random.default_rng(case.seed())
    moved = perturbed(rng, backward.arrays)
    if "values" in case.call and not (case.dtype == "float64" and case.call["values"] in ROUNDED):
        moved = type(moved)(backward.arrays.x, moved.weights, moved.arguments)
    answers = ask(backward=type(backward)(moved, perturbed(rng, backward.grads)))
    with np.errstate(all="ignore"):
        found = np.array([np.max(np.nan_to_num(np.abs(a - g)), initial=0) for a, g in zip(answers, gradients, strict=True)], float)
    if isinstance(backward.arrays.x, np.ndarray) and backward.arrays.x.dtype.kind == "f":
        found[:1] = np.maximum(found[:1], EPS * _cancelling_terms(case, backward))
    return found


def _cancelling_terms(case: Case, backward: Any) -> float:
    """The largest of the terms of ``gamma / sigma (g - mean(g) - xhat mean(g xhat))``, the gradient of what is normalised.

    They may cancel to nearly nothing, and of two values they always do; no change of the input shows how large they were.
    """
    x, (g, *_), weights = backward.arrays.x, backward.grads, backward.arrays.weights
    if case.config.get("layer", case.layer) == "LayerNormalization":
        over = _normalised_axes(case)
    elif case.layer in LAYERS and LAYERS[case.layer].normalizes and backward.arrays.arguments.get("training"):
        over = tuple(n for n in range(x.ndim) if n != case.config.get("axis", -1) % x.ndim)
    else:
        return 0.0
    if not x.size:
        return 0.0
    mask = backward.arrays.arguments.get("mask")
    hidden = np.zeros(x.shape, bool) if mask is None else np.broadcast_to(mask[..., None] == 0, x.shape)
    variance = np.ma.filled(np.ma.array(x.astype(float), mask=hidden).var(axis=over).min(), 0.0)
    gamma = np.max(np.abs(weights[0])) if case.config.get("scale", True) else 1.0
    return float(gamma * np.max(np.abs(g)) / np.sqrt(variance + case.config.get("epsilon", 1e-3)))


def rounding_of_gradients(responses: Array, backward: Any, gradients: tuple[Array, ...]) -> tuple[Array, ...]:
    """For gradients in float32: ``(8 + sqrt(K)) (P + eps (1 + |g|))``, P the response to everything off by a relative eps.

    Every gradient is a sum of products of what is given, through the derivatives of activations; how errors of these travel is found as in
    :func:`perturbation`: inputs, weights, states and the gradient that comes in are multiplied by ``1 + eps u``. P is the largest change
    in each gradient, over all its values, so that one answer is enough. Partial sums of K terms add roundings of random sign, at most
    ``sqrt(K)`` of them.
    """
    arrays = [*(backward.arrays.x if isinstance(backward.arrays.x, tuple) else (backward.arrays.x,)), *backward.grads]
    terms = max(array.size for array in arrays)
    with np.errstate(over="ignore"):
        return tuple((8 + np.sqrt(terms)) * (p + EPS * (1 + np.abs(g))) for p, g in zip(responses, gradients, strict=True))
