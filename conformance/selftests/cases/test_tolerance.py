"""What is allowed around a gradient: float32 code is right in float64 cases as well, as far as float32 goes, and a mistake is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance.base.arrays import cast
from conformance.cases import ALL
from conformance.cases.gradients import Backward, backward_cases, draw_backward
from conformance.cases.tolerance import responses_of_gradients, rounding_of_gradients


def gradients(backward):
    """What right code without any special care gives, in the dtype of its arguments."""
    (grad,), x, (gamma, _) = backward.grads, backward.arrays.x, backward.arrays.weights
    root = np.sqrt(x.var(-1, keepdims=True) + np.asarray(1e-3, x.dtype))
    normal, inner = (x - x.mean(-1, keepdims=True)) / root, grad * gamma
    dx = (inner - inner.mean(-1, keepdims=True) - normal * (inner * normal).mean(-1, keepdims=True)) / root
    return dx, (grad * normal).sum(0), grad.sum(0)


def test_float32_code_is_right_about_a_large_mean():
    """Around 100 half of the digits of a float64 input are lost when it is rounded and its mean is taken in float32."""
    layer = ALL["LayerNormalization"]
    case = next(case for case in backward_cases(layer, "standard") if case.call.get("values") == "large_mean")
    for seed in range(20):
        backward = draw_backward(layer, case, seed)
        single = Backward(cast(backward.arrays, "float32"), cast(backward.grads, "float32"))
        exact = gradients(backward)
        allowed = rounding_of_gradients(responses_of_gradients(gradients, case, backward, exact), backward, exact)
        for name, want, got, room in zip(("x", "gamma", "beta"), exact, gradients(single), allowed, strict=True):
            share = np.max(np.abs(got - want) / room)
            assert share <= 1, f"seed {seed}: float32 code is off by {share:.3g} times what is allowed in the gradient of {name}"
        off = replace(backward, arrays=replace(backward.arrays, x=backward.arrays.x + 0.05 * (np.arange(40) == 3)))
        assert np.max(np.abs(gradients(off)[1] - exact[1]) / allowed[1]) > 10, f"seed {seed}: a value that is off by 0.05 is not seen"
