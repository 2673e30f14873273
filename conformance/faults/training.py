"""Mistakes in losses and optimizers: each is the right function called wrongly, or a short wrong formula, under a sentence.

A wrong function takes the right one of its loss or optimizer as its first argument.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import reference
from conformance.cases.losses import LOSS_CASES
from conformance.cases.optimizers import OPTIMIZER_CASES, function_of
from conformance.faults.fault import Fault
from conformance.implementations.module import ModuleImplementation
from reference.optimizer_step import apply_step

Wrong = Callable[..., Any]
MEANS = (None, "sum_over_batch_size", "mean")
FAULTS: list[Fault] = []
"""All of them; ``part`` is 'value' or 'gradient' of a loss, or 'step'."""


def fault(part: str, *layers: str) -> Callable[[Wrong], Wrong]:
    """Collect a wrong function for these losses or optimizers, its docstring as the sentence."""

    def collect(wrong: Wrong) -> Wrong:
        sentence = (wrong.__doc__ or "").strip().removesuffix(".")
        for layer in layers:
            right = getattr(reference, name_of(layer, part))
            FAULTS.append(Fault(wrong.__name__, (layer,), sentence, functools.partial(wrong, right), part))
        return wrong

    return collect


def name_of(layer: str, part: str) -> str:
    """The function that the contract calls."""
    if part == "step":
        return function_of(layer)
    return layer if part == "value" else f"{layer}_backward"


class FaultyTraining(ModuleImplementation):
    """An implementation that has one function, the wrong one."""

    def __init__(self, wrong: Fault) -> None:
        super().__init__(wrong.name)
        self.fault = wrong

    def function(self, name: str) -> Wrong | None:
        """The fault's function under the contract's name."""
        return self.fault.function if name == name_of(self.fault.layers[0], self.fault.part) else None


def without(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """Options without some."""
    return {name: value for name, value in options.items() if name not in names}


@fault("value", *LOSS_CASES)
def summed(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """The losses are added up instead of averaged."""
    return right(y, p, **{"reduction": "sum", **options})


@fault("value", *LOSS_CASES)
@fault("gradient", *LOSS_CASES)
def weights_ignored(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """sample_weight is ignored."""
    return right(y, p, **without(options, "sample_weight"))


@fault("value", *LOSS_CASES)
@fault("gradient", *LOSS_CASES)
def divided_by_the_weights(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """The weighted losses are divided by the sum of the weights instead of their number."""
    return right(y, p, **{"reduction": "mean_with_sample_weight", **options})


@fault("value", *LOSS_CASES)
@fault("gradient", *LOSS_CASES)
def mask_ignored(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """The mask is ignored."""
    return right(y, p, **without(options, "mask"))


@fault("value", *LOSS_CASES)
def masked_losses_counted(right: Wrong, y: Any, p: Any, mask: Any = None, **options: Any) -> Any:
    """Losses that the mask hides are 0, but they count in the mean."""
    if mask is None or "sample_weight" in options:
        return right(y, p, mask=mask, **options)
    return right(y, p, sample_weight=mask.astype(p.dtype), **options)


@fault("gradient", *LOSS_CASES)
def gradient_not_averaged(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """The gradient is that of the sum of the losses, not of their mean."""
    return right(y, p, **{"reduction": "sum", **options})


@fault("gradient", *LOSS_CASES)
def gradient_averaged_twice(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """The gradient is divided by the batch size twice."""
    return right(y, p, **options) / max(1, len(p))


@fault("gradient", *LOSS_CASES)
def gradient_of_the_wrong_sign(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """The gradient has the wrong sign."""
    return -right(y, p, **options)


@fault("value", "categorical_crossentropy", "categorical_focal_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")
@fault("gradient", "categorical_crossentropy", "categorical_focal_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")
def logits_taken_for_probabilities(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """from_logits is ignored."""
    return right(y, p, **without(options, "from_logits"))


@fault("value", "categorical_crossentropy", "binary_crossentropy", "binary_focal_crossentropy", "categorical_focal_crossentropy")
@fault("gradient", "categorical_crossentropy", "binary_crossentropy", "binary_focal_crossentropy", "categorical_focal_crossentropy")
def labels_not_smoothed(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """label_smoothing is ignored."""
    return right(y, p, **without(options, "label_smoothing"))


@fault("value", "categorical_crossentropy", "cosine_similarity")
def axis_ignored(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """The last axis is always that of the classes."""
    return right(y, p, **without(options, "axis"))


@fault("value", "categorical_crossentropy")
def not_renormalised(right: Wrong, y: Any, p: Any, reduction: Any = "sum_over_batch_size", axis: int = -1) -> Any:
    """Probabilities are not divided by their sum."""
    losses = -np.sum(y * np.log(np.clip(p, 1e-7, 1 - 1e-7)), axis=axis)
    return losses if reduction is None else np.mean(losses)


@fault("gradient", "categorical_crossentropy", "binary_crossentropy")
def gradient_of_logits(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """The gradient is p - y, that of the logits, for probabilities as well."""
    return right(y, np.log(np.maximum(p, 1e-30)), **{**options, "from_logits": True})


@fault("gradient", "categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")
def gradient_through_the_clipping(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """The gradient passes where a probability was clipped."""
    return right(y, p if options.get("from_logits") else np.clip(p, 2e-7, 1 - 2e-7), **options)


@fault("value", "sparse_categorical_crossentropy")
def ignored_class_counted(right: Wrong, y: Any, p: Any, ignore_class: int | None = None, **options: Any) -> Any:
    """Samples of the ignored class have loss 0, but they count in the mean."""
    if ignore_class is None:
        return right(y, p, **options)
    y = y[..., 0] if y.ndim == p.ndim else y
    kept = (y != ignore_class).astype(p.dtype)
    weights = options.pop("sample_weight", 1)
    return right(np.where(kept > 0, y, 0), p, sample_weight=kept * weights, **options)


@fault("value", "mean_squared_error", "huber")
@fault("gradient", "mean_squared_error", "huber")
def halved(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """The square is halved once too often."""
    return right(y, p, **options) / 2


@fault("value", "huber")
def delta_ignored(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """Delta is always 1."""
    return right(y, p, **without(options, "delta"))


@fault("value", "hinge", "squared_hinge")
@fault("gradient", "hinge", "squared_hinge")
def labels_of_0_left(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """Labels of 0 are not turned into -1."""
    return right(np.where(y == 0, 1e-300 if y.dtype == np.float64 else 1e-30, y), p, **options)


@fault("value", "kl_divergence", "mean_absolute_percentage_error")
def arguments_swapped(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """Labels and predictions are swapped."""
    return right(p, y, **options) if y.shape == p.shape else right(y, p, **options)


@fault("value", "cosine_similarity")
def distance(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """It is 1 minus the similarity."""
    return 1 + right(y, p, **options)


@fault("value", "binary_focal_crossentropy", "categorical_focal_crossentropy")
@fault("gradient", "binary_focal_crossentropy", "categorical_focal_crossentropy")
def gamma_ignored(right: Wrong, y: Any, p: Any, **options: Any) -> Any:
    """Gamma is always 2."""
    return right(y, p, **without(options, "gamma"))


FOUR = ("SGD", "Adam", "AdamW", "RMSprop")


@fault("step", *FOUR)
def decay_coupled(right: Wrong, variables: Any, gradients: Any, state: Any = None, weight_decay: Any = None, **options: Any) -> Any:
    """weight_decay is added to the gradient (L2) instead of taken from the variable."""
    added = [g if g is None or not weight_decay else g + weight_decay * v for g, v in zip(gradients, variables, strict=True)]
    none = {"weight_decay": 0.0} if right is reference.adamw_step else {}
    return right(variables, added, state, **options, **none)


@fault("step", *FOUR)
def decay_without_the_rate(right: Wrong, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """weight_decay is not multiplied by the learning rate."""
    if options.get("weight_decay"):
        options["weight_decay"] /= options.get("learning_rate", 0.001)
    return right(variables, gradients, state, **options)


@fault("step", *FOUR)
def clipped_by_element(right: Wrong, variables: Any, gradients: Any, state: Any = None, clipnorm: Any = None, **options: Any) -> Any:
    """Each element is held in [-clipnorm, clipnorm] instead of the norm."""
    return right(variables, gradients, state, **options, **({"clipvalue": clipnorm} if clipnorm else {}))


@fault("step", *FOUR)
def global_norm_by_variable(
    right: Wrong, variables: Any, gradients: Any, state: Any = None, global_clipnorm: Any = None, **options: Any
) -> Any:
    """global_clipnorm limits the norm of each variable's gradient, not of all together."""
    return right(variables, gradients, state, **options, **({"clipnorm": global_clipnorm} if global_clipnorm else {}))


@fault("step", *FOUR)
def accumulated_not_averaged(right: Wrong, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """Accumulated gradients are added up, not averaged."""
    every = options.get("gradient_accumulation_steps") or 1
    return right(variables, [g if g is None else every * g for g in gradients], state, **options)


@fault("step", *FOUR)
def missing_taken_for_0(right: Wrong, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """A gradient of None is taken for zeros, so that the variable decays."""
    return right(variables, [np.zeros_like(v) if g is None else g for g, v in zip(gradients, variables, strict=True)], state, **options)


@fault("step", *(name for name in OPTIMIZER_CASES if name != "SGD"))
def state_lost(right: Wrong, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """Every step starts with an empty state."""
    return right(variables, gradients, None, **options)


@fault("step", "SGD")
def nesterov_as_momentum(right: Wrong, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """Nesterov is ignored."""
    return right(variables, gradients, state, **without(options, "nesterov"))


@fault("step", "Adam", "AdamW")
def amsgrad_ignored(right: Wrong, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """Amsgrad is ignored."""
    return right(variables, gradients, state, **without(options, "amsgrad"))


@fault("step", "RMSprop")
def centered_ignored(right: Wrong, variables: Any, gradients: Any, state: Any = None, **options: Any) -> Any:
    """Centered is ignored."""
    return right(variables, gradients, state, **without(options, "centered"))


@fault("step", "Adam", "Adamax", "Nadam")
def betas_swapped(
    right: Wrong, variables: Any, gradients: Any, state: Any = None, beta_1: float = 0.9, beta_2: float = 0.999, **options: Any
) -> Any:
    """beta_1 and beta_2 are swapped."""
    return right(variables, gradients, state, beta_1=beta_2, beta_2=beta_1, **options)


def _adam(
    variables: Any,
    gradients: Any,
    state: Any,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    *,
    change: Callable[..., Any],
    **options: Any,
) -> Any:
    """Adam with its last line replaced: `change` gives what is subtracted from the moments, their corrections and epsilon."""

    def update(v: Any, g: Any, slots: Any, lr: float, t: int) -> Any:
        m = beta_1 * slots.get("m", 0 * v) + (1 - beta_1) * g
        u = beta_2 * slots.get("u", 0 * v) + (1 - beta_2) * g * g
        largest = np.maximum(slots.get("hat", 0 * v), u) if amsgrad else u
        return v - lr * change(m, largest, 1 - beta_1**t, 1 - beta_2**t, epsilon), {"m": m, "u": u, "hat": largest}

    return apply_step(update, variables, gradients, state, learning_rate, options)  # type: ignore[arg-type]


ADAMS: dict[str, tuple[str, Callable[..., Any]]] = {
    "epsilon_inside_the_root": ("epsilon stands inside the root", lambda m, u, c, d, e: m / c * np.sqrt(d) / np.sqrt(u + e)),
    "epsilon_corrected": ("epsilon is added after the second moment is corrected", lambda m, u, c, d, e: m / c / (np.sqrt(u / d) + e)),
    "bias_not_corrected": ("the moments are not corrected for their start at 0", lambda m, u, c, d, e: m / (np.sqrt(u) + e)),
    "first_moment_not_corrected": ("only the second moment is corrected", lambda m, u, c, d, e: m * np.sqrt(d) / (np.sqrt(u) + e)),
    "root_forgotten": ("the root of the second moment is not taken", lambda m, u, c, d, e: m / c * d / (u + e)),
}
FAULTS += [Fault(name, ("Adam",), said, functools.partial(_adam, change=change), "step") for name, (said, change) in ADAMS.items()]


@fault("step", "RMSprop")
def epsilon_outside_the_root(
    right: Wrong, variables: Any, gradients: Any, state: Any = None, learning_rate: float = 0.001, rho: float = 0.9, epsilon: float = 1e-7
) -> Any:
    """Epsilon is added to the root instead of under it."""

    def update(v: Any, g: Any, slots: Any, lr: float, t: int) -> Any:
        u = rho * slots.get("u", 0 * v) + (1 - rho) * g * g
        return v - lr * g / (np.sqrt(u) + epsilon), {"u": u}

    return apply_step(update, variables, gradients, state, learning_rate, {})


@fault("step", "SGD")
def momentum_averages(
    right: Wrong, variables: Any, gradients: Any, state: Any = None, learning_rate: float = 0.01, momentum: float = 0.0
) -> Any:
    """The momentum is an average, m = momentum m + (1 - momentum) g."""

    def update(v: Any, g: Any, slots: Any, lr: float, t: int) -> Any:
        m = momentum * slots.get("m", 0 * v) + (1 - momentum) * g
        return v - lr * m, {"m": m}

    return apply_step(update, variables, gradients, state, learning_rate, {})
