"""Cases of optimizers: a few steps with given gradients, the variables after each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Steps, cast
from conformance.cases.case import Alone, Case, FunctionCases, LayerCases, Special, defaults_of
from conformance.cases.reduced_set import reduced_cases
from conformance.cases.tolerance_training import optimizer
from reference.optimizers import formulas

STEPS = 3
"""How many steps a case makes that says nothing else."""
SCALES = (1.0, 0.3, 2.0)
"""How large the gradients are, step by step."""
SMALL = 2.0**-8
"""How large the variables are where an update differs little: beside numbers near 1 float32's rounding would hide it."""
SECOND = (5,)
"""The shape of the second variable; that of the first is the case's."""
MATRIX = (3, 4)
INPUTS = {"matrix": MATRIX}
CLIPPED = {"clipnorm": [None, 0.7], "global_clipnorm": [None, 0.7], "clipvalue": [None, 0.3]}
# Beside Keras's defaults the constants are numbers that float32 holds, so that no rounding of them stands between right and wrong.
AROUND: Mapping[str, Sequence[Any]] = {
    **CLIPPED, "weight_decay": [None, 0.0625], "use_ema": [False, True], "gradient_accumulation_steps": [None, 2]
}  # fmt: skip
ADAPTED = {"learning_rate": [0.001, 0.125], "epsilon": [1e-7, 0.03125]}
BETAS = {"beta_1": [0.9, 0.75], "beta_2": [0.999, 0.875]}
AMSGRAD = {"amsgrad": [False, True]}
RATE = {"learning_rate": [0.001, 0.125]}


def function_of(name: str) -> str:
    """The function that makes a step of a Keras optimizer."""
    return f"{name.lower()}_step"


class OptimizerCases(FunctionCases):
    """An optimizer, which is called step by step."""

    def defaults(self) -> dict[str, Any]:
        """Those of the reference's function; what surrounds all formulas is in its options."""
        return defaults_of(getattr(formulas, function_of(self.layer)))

    def function_name(self, part: str) -> str:
        """A step is all that there is."""
        return function_of(self.layer)


def possible(config: Mapping[str, Any], shape: tuple[int, ...], call: Mapping[str, Any], dtype: str) -> bool:
    """Whether the options go together; the moving average shows only where it overwrites the variables."""
    return sum(name in config for name in CLIPPED) < 2 and not (config.get("nesterov") and not config.get("momentum"))


FASTER = {"learning_rate": 0.125}
AVERAGE = {"use_ema": True, "ema_momentum": 0.75, "ema_overwrite_frequency": 2}
REDUCED = (
    Special("tiny_gradients", MATRIX, FASTER, {"gradients": "tiny"}),
    Special("a_gradient_is_missing-weight_decay", MATRIX, {**FASTER, "weight_decay": 0.0625}, {"gradients": "missing"}),
)
"""For optimizers that few people write; what surrounds their formula is the same code in Keras."""
FROM_NOTHING = Special("tiny_gradients-accumulator_of_zero", MATRIX, {**FASTER, "initial_accumulator_value": 0.0}, {"gradients": "tiny"})
"""For Adagrad: where epsilon is larger than what it is added to."""
COMMON = (
    *REDUCED,
    Special("square", (3, 3), FASTER),
    Special("huge_gradients", MATRIX, FASTER, {"gradients": "huge"}),
    Special("small_gradients-clipnorm", MATRIX, {"clipnorm": 50.0}),
    Special("gradients_of_zero-clipnorm", MATRIX, {**FASTER, "clipnorm": 0.5}, {"gradients": "zero"}),
    Special("gradients_of_zero-global_clipnorm", MATRIX, {**FASTER, "global_clipnorm": 0.5}, {"gradients": "zero"}),
    Special("accumulation-global_clipnorm", MATRIX, {**FASTER, "gradient_accumulation_steps": 2, "global_clipnorm": 0.7}),
    # Two means, so that nothing of the first may be left in the second.
    Special("accumulation-five_steps", MATRIX, {**FASTER, "gradient_accumulation_steps": 2}, {"steps": 5}),
    Special("loss_scale_factor-clipvalue", MATRIX, {**FASTER, "loss_scale_factor": 8.0, "clipvalue": 0.3}),
    Special("ema_overwrites", MATRIX, {**FASTER, **AVERAGE}),
)
FALLING = Special("amsgrad-falling_gradients", MATRIX, {"amsgrad": True}, {"gradients": "falling", "steps": 20}, ("float64",))
"""For those that have ``amsgrad``: with the default of ``beta_2`` the largest average differs from the last one after many steps only."""
ACT_WITH: Mapping[str, Mapping[str, Any]] = {
    "nesterov": {"momentum": 0.875},
    "amsgrad": {"gradients": "falling", "steps": 8},
    # Four means of two gradients each.
    "gradient_accumulation_steps": {"steps": 8},
    "use_ema": {"ema_momentum": 0.75, "ema_overwrite_frequency": 2},
}


SIZELESS = ("Adadelta", "Adamax", "Nadam")
"""They divide the size of gradients away, which shows beside epsilon alone, where gradients are small."""
OF_SIGNS = {name: {"steps": 24} for name in CLIPPED}
"""For Lion: a clipped gradient seldom changes a sign."""


def _optimizer(name: str, options: Mapping[str, Any], special: tuple[Special, ...] = REDUCED, **together: Any) -> LayerCases:
    """The declaration of an optimizer; `together` are options that one case, in float32 as well, gives at once."""
    if together:
        special = (*special, Special("options_together", MATRIX, {**FASTER, **together}))
    return OptimizerCases(
        name,
        INPUTS,
        ("row", "column"),
        optimizer,
        options=options,
        possible=possible,
        special=special,
        alone=Alone(
            values={
                # Lion takes the sign alone, which is seldom another one.
                **({"beta_1": [0.25]} if "beta_1" in options else {}),
                # In no table of pairs. Gradients halved are clipped in some of the steps and not in others.
                "loss_scale_factor": [1024.0 if name in SIZELESS else 2.0],
                **{name: values[1:] for name, values in AROUND.items()},
            },
            acts_with={**ACT_WITH, **(OF_SIGNS if name == "Lion" else {})},
            # An average that is never written back changes no variable, and no other option needs to be there.
            or_with={"use_ema": {}},
        ),
    )


OPTIMIZERS = (
    _optimizer(
        "SGD",
        {"learning_rate": [0.01, 0.125], "momentum": [0.0, 0.875], "nesterov": [False, True], **AROUND},
        COMMON,
        momentum=0.875,
        nesterov=True,
    ),
    _optimizer(
        "Adam", {**ADAPTED, **BETAS, **AMSGRAD, **AROUND}, (*COMMON, FALLING), amsgrad=True, beta_2=0.875, weight_decay=0.0625
    ),
    _optimizer(
        "AdamW", {**ADAPTED, **BETAS, **AMSGRAD, **AROUND, "weight_decay": [0.004, 0.0625]}, (*COMMON, FALLING), amsgrad=True, beta_1=0.75
    ),
    _optimizer(
        "RMSprop",
        {**ADAPTED, "rho": [0.9, 0.75], "momentum": [0.0, 0.5], "centered": [False, True], **AROUND},
        COMMON,
        momentum=0.5,
        centered=True,
    ),
    _optimizer("Adagrad", {**ADAPTED, "initial_accumulator_value": [0.1, 0.5]}, (*REDUCED, FROM_NOTHING)),
    _optimizer("Adadelta", {**ADAPTED, "rho": [0.95, 0.75]}),
    _optimizer("Adamax", {**ADAPTED, **BETAS}),
    _optimizer("Nadam", {**ADAPTED, **BETAS}),
    _optimizer("Lion", {**RATE, "beta_1": [0.9, 0.75], "beta_2": [0.99, 0.875]}),
    _optimizer(
        "Ftrl",
        {
            **RATE,
            "learning_rate_power": [-0.5, -0.75],
            "initial_accumulator_value": [0.1, 0.5],
            "l1_regularization_strength": [0.0, 0.25],
            "l2_regularization_strength": [0.0, 0.25],
            "l2_shrinkage_regularization_strength": [0.0, 0.25],
            "beta": [0.0, 0.5],
        },
    ),
)
OPTIMIZER_CASES = {layer.layer: layer for layer in OPTIMIZERS}


def optimizer_cases(name: str, profile: str = "standard") -> Iterator[Case]:
    """The declared cases of an optimizer."""
    return reduced_cases(OPTIMIZER_CASES[name], profile, options_in_float32=False)


def draw_steps(case: Case, seed: int) -> Steps:
    """Variables and gradients in the dtype of the case."""
    rng = np.random.default_rng(case.seed(seed))
    shapes = (case.shape, SECOND)
    variables = tuple(rng.normal(0, SMALL if case.call.get("gradients") == "falling" else 1, shape) for shape in shapes)
    steps = range(case.call.get("steps", STEPS))
    gradients = tuple(tuple(_gradient(rng, case, step, n, shape) for n, shape in enumerate(shapes)) for step in steps)
    drawn: Steps = cast(Steps(variables, gradients), case.dtype)
    return drawn


def _gradient(rng: np.random.Generator, case: Case, step: int, number: int, shape: tuple[int, ...]) -> Array | None:
    """Gradients of different size in every step, one element always 0 and others sometimes; then what `gradients` makes of them."""
    kind = case.call.get("gradients")
    gradient = rng.normal(0, SCALES[step % len(SCALES)], shape)
    gradient[rng.random(shape) < 0.15] = 0
    gradient.flat[-1] = 0
    if kind == "missing" and number == 1 and step != 1:
        return None
    return gradient * {"tiny": 1e-6, "huge": 1e5, "zero": 0.0, "falling": 4.0**-step}.get(kind or "", 1.0)
