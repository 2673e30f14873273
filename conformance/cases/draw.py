"""The arrays of a case: input, weights, masks and states, all drawn from the case's own seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays, cast
from conformance.cases.case import Case, LayerCases, shapes_of_inputs
from reference.layers import spec_of
from reference.layers.kinds import RecurrentSpec, WrapperSpec


def draw_arrays(layer: LayerCases, case: Case, seed: int) -> Arrays:
    """Draw the arrays of a case."""
    rng = np.random.default_rng(seed)
    fill = VALUES[case.call.get("values", layer.call.get("values", ["ordinary"])[0])]
    x: Any = fill(rng, case)
    if "others" in layer.call:
        shapes = shapes_of_inputs(case.shape, case.config, case.call)
        x = tuple(fill(rng, replace(case, shape=shape)) for shape in shapes)
    weights = tuple(draw_weight(rng, name, shape) for name, shape in layer.weights(case.config, case.shape).items())
    arguments = {name: make(rng, case) for name, (wanted, make) in ARGUMENTS.items() if wanted(case)}
    return cast(Arrays(x, weights, arguments), case.dtype)


def draw_weight(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
    """Kernels that keep a unit variance, biases that matter, scales and variances above 0, every value its own."""
    if name in ("gamma", "moving_variance"):
        return rng.uniform(0.4, 1.8, shape)
    if name == "alpha":
        return rng.uniform(0.05, 0.9, shape)
    if name.endswith("bias") or name in ("beta", "moving_mean"):
        return rng.normal(0, 0.5, shape)
    fan_in = max(1, int(np.prod(shape[:-1]))) if name.endswith("kernel") else 1
    gain = 0.6 if name.endswith("recurrent_kernel") else 0.9
    return rng.normal(0, gain / np.sqrt(fan_in), shape)


def _ordinary(rng: np.random.Generator, case: Case) -> Array:
    x = rng.normal(0, 1, case.shape)
    if x.size > 1:
        x.flat[0], x.flat[-1] = -abs(x.flat[0]), abs(x.flat[-1])
    return x


def _ids(rng: np.random.Generator, case: Case, low: int = 0) -> Array:
    return rng.integers(low, case.config["input_dim"], case.shape, dtype=np.int32)


def _special(*values: float) -> Callable[[np.random.Generator, Case], Array]:
    """Ordinary values with these sprinkled in, each at least once where the array is large enough."""

    def fill(rng: np.random.Generator, case: Case) -> Array:
        x = rng.normal(0, 2, case.shape)
        flat = x.reshape(-1)
        places = rng.permutation(flat.size)[: max(len(values), flat.size // 3)]
        flat[places] = np.resize(np.array(values), places.size)
        return x

    return fill


def _step_inputs(rng: np.random.Generator, case: Case) -> Array:
    x = rng.normal(0, 1, case.shape)
    x[:, ::3] = np.nan
    return x


def _zero_sample(rng: np.random.Generator, case: Case) -> Array:
    """The first sample of zeros: what is linear and has no bias is exactly 0 there."""
    x = rng.normal(0, 1, case.shape)
    x[0] = 0
    return x


def _masked_steps(rng: np.random.Generator, case: Case) -> Array:
    """Steps that hold ``mask_value`` alone, others that hold it in some features, of which no place is special."""
    x = rng.normal(0, 1, case.shape)
    value = case.config.get("mask_value", 0.0)
    x[rng.random(case.shape) < 0.4] = value
    x[rng.random(case.shape[:-1]) < 0.4] = value
    return x


VALUES: dict[str, Callable[[np.random.Generator, Case], Array]] = {
    "ordinary": _ordinary,
    "wide": lambda rng, case: rng.uniform(-30, 30, case.shape),
    "tiny": lambda rng, case: rng.normal(0, 1e-3, case.shape),
    "huge": lambda rng, case: rng.choice([-1.0, 1.0], case.shape) * rng.uniform(50, 1000, case.shape),
    "negative": lambda rng, case: -rng.uniform(0.1, 3, case.shape),
    "positive": lambda rng, case: rng.uniform(0.1, 3, case.shape),
    "ties": lambda rng, case: rng.integers(-2, 3, case.shape).astype(float) / 2,
    "kinks": _special(0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, 3.0, -3.0, 6.0),
    "nan": _special(np.nan),
    "infinite": _special(np.inf, -np.inf),
    "minus_infinite": _special(-np.inf),
    "all_nan": lambda rng, case: np.full(case.shape, np.nan),
    "all_minus_infinity": lambda rng, case: np.full(case.shape, -np.inf),
    "nan_at_masked_steps": _step_inputs,
    "masked_steps": _masked_steps,
    "zero_sample": _zero_sample,
    "minus_zero": lambda rng, case: np.where(rng.random(case.shape) < 0.8, -0.0, 1.0),
    "large_mean": lambda rng, case: rng.normal(100, 1, case.shape),
    "integers": lambda rng, case: rng.integers(-5, 6, case.shape, dtype=np.int32),
    "booleans": lambda rng, case: rng.random(case.shape) < 0.5,
    "ids": _ids,
    "ids_int64": lambda rng, case: _ids(rng, case).astype(np.int64),
    "negative_ids": lambda rng, case: _ids(rng, case, -case.config["input_dim"]),
    "float_ids": lambda rng, case: _ids(rng, case) + rng.uniform(0, 0.99, case.shape),
    # Cut towards zero, so that -0.5 looks up row 0 and -1.5 the last one.
    "negative_float_ids": lambda rng, case: rng.uniform(-case.config["input_dim"], case.config["input_dim"], case.shape),
    "repeated_ids": lambda rng, case: rng.choice(_ids(rng, case).reshape(-1)[:2], case.shape),
    "ids_with_zeros": lambda rng, case: _ids(rng, case) * (rng.random(case.shape) < 0.6),
}
"""How an input may be drawn, by the word that stands in the case."""


def _softmax_mask(rng: np.random.Generator, case: Case) -> Array:
    """Masks of a Softmax layer: as large as the input, or only along its last axis."""
    kind = case.call["mask"]
    shape = case.shape[-1:] if kind == "last_axis" else case.shape
    kept = rng.random(shape) < 0.7
    kept.flat[:2] = (True, False)
    if kind == "row_masked":
        kept[0] = False
    return np.where(kept, rng.uniform(0.6, 2, shape), rng.uniform(0, 0.5, shape)) if kind == "numbers" else kept


def _mask_row(rng: np.random.Generator, kind: str, row: int, mask: Array) -> None:
    """Mask steps of one sample: from somewhere on, up to somewhere, or any of them."""
    steps = len(mask)
    cut = 1 + (row + int(rng.integers(steps))) % max(1, steps - 1)
    if kind == "right":
        mask[cut:] = False
    elif kind == "left":
        mask[:-cut] = False
    elif kind.startswith("gap"):
        others = [step for step in rng.permutation(steps) if step != row % steps]
        mask[others[: max(1, steps // 3)]] = False


def _mask(rng: np.random.Generator, case: Case) -> Array:
    """Masks (batch, time): every row another one, as the kind asks."""
    if case.layer == "Softmax":
        return _softmax_mask(rng, case)
    first = case.config.get("data_format") == "channels_first"
    batch, steps = case.shape[0], case.shape[2 if first else 1]
    kind = case.call["mask"]
    if kind == "none_kept":
        return np.zeros((batch, steps), bool)
    mask = np.ones((batch, steps), bool)
    for row in range(batch):
        _mask_row(rng, kind, row, mask[row])
    if kind == "ends":
        mask[::2, -1] = mask[1::2, 0] = False
    if kind == "all_masked":
        mask[0] = False
        mask[1:, -1:] = False
    if kind == "every_third":
        mask[:, ::3] = False
    if kind in ("gap_integers", "gap_floats"):
        # Whatever is not zero counts.
        return (mask * rng.integers(1, 4, mask.shape)).astype(np.int32 if kind == "gap_integers" else np.float32)
    return mask[:, :, None] if kind == "gap_3d" else mask


def _recurrent(case: Case) -> tuple[RecurrentSpec, int]:
    """The record of the recurrent layer, and how often it runs: in both directions in a Bidirectional."""
    spec, own = spec_of(case.config.get("layer", case.layer)), spec_of(case.layer)
    assert isinstance(spec, RecurrentSpec), f"{case.layer} has no states"
    return spec, len(own.halves) if isinstance(own, WrapperSpec) else 1


def _initial_state(rng: np.random.Generator, case: Case) -> tuple[Array, ...]:
    spec, runs = _recurrent(case)
    sizes = [case.config["units"]] * (runs * spec.states)
    if "backward_layer" in case.config:
        sizes[len(sizes) // 2 :] = [case.config["backward_layer"]["units"]] * (len(sizes) // 2)
    return tuple(rng.normal(0, 0.7, (case.shape[0], size)) for size in sizes)


def _dropout_masks(rng: np.random.Generator, case: Case, width: int) -> Any:
    """What Keras draws for a recurrent layer: one mask for all gates, one a gate when ``recurrent_dropout`` acts; a pair both ways."""
    spec, runs = _recurrent(case)
    own = (spec.gates,) if 0 < case.config.get("recurrent_dropout", 0) < 1 and spec.gates > 1 else ()
    masks = [rng.random((*own, case.shape[0], width)) < 0.7 for _ in range(runs)]
    return masks[0] if len(masks) == 1 else tuple(masks)


ARGUMENTS: dict[str, tuple[Callable[[Case], bool], Callable[[np.random.Generator, Case], Any]]] = {
    "mask": (lambda case: "mask" in case.call, _mask),
    "initial_state": (lambda case: "initial_state" in case.call, _initial_state),
    "training": (lambda case: "training" in case.call, lambda rng, case: True),
    "dropout_mask": (
        lambda case: "training" in case.call and 0 < case.config.get("dropout", 0) < 1,
        lambda rng, case: _dropout_masks(rng, case, case.shape[-1]),
    ),
    "recurrent_dropout_mask": (
        lambda case: "training" in case.call and 0 < case.config.get("recurrent_dropout", 0) < 1,
        lambda rng, case: _dropout_masks(rng, case, case.config["units"]),
    ),
}
"""Arguments of a call: when a case has them, and how they are drawn."""
