"""What is expected, in another order of axes or turned round along them, is called so, whatever its shape."""

from __future__ import annotations

import numpy as np
import pytest

import reference
from conformance.cases import layer_cases
from conformance.cases.case import declared_cases
from conformance.cases.gradients import backward_cases
from conformance.faults import consistent_faults
from conformance.implementations.module import ModuleImplementation
from conformance.judging.judge import judge_backward, judge_case
from conformance.oracle.recorded.reader import Recorded

ORACLE = Recorded()


def kernel_gradient(change):
    def function(*arguments, **options):
        grad_x, grad_kernel, *others = reference.conv2d_backward(*arguments, **options)
        return grad_x, change(grad_kernel), *others

    return function


def told(function, word):
    implementation = ModuleImplementation("mine", {"conv2d_backward": function})
    case = next(case for case in backward_cases(layer_cases("Conv2D"), "standard") if word in case.id)
    return consistent_faults(judge_backward(case, implementation, ORACLE, 0, strict=False))


@pytest.mark.parametrize("word", ["kernel_size=3x2", "kernel_size=3x3"])
def test_swapped_axes_of_a_gradient_are_named_whatever_the_shape(word):
    found = told(kernel_gradient(lambda g: g.transpose(1, 0, 2, 3)), word)
    assert found == ["axes 0 and 1 of the gradient of kernel are swapped"], f"{word}: {found}"


def test_axes_that_all_stand_elsewhere_are_named_with_their_order():
    found = told(kernel_gradient(lambda g: g.transpose(3, 2, 0, 1)), "kernel_size=3x2")
    assert found == ["the axes of the gradient of kernel stand in the order 3, 2, 0, 1 of those that are expected"], found


def test_what_is_turned_round_is_named():
    forward = reference.rms_normalization_forward
    functions = {"rms_normalization_forward": lambda *arguments, **options: forward(*arguments, **options)[:, ::-1]}
    case = next(case for case in declared_cases(layer_cases("RMSNormalization")) if len(case.shape) == 4)
    result = judge_case(case, ModuleImplementation("mine", functions), ORACLE, 0, strict=False)
    assert consistent_faults(result) == ["the output is the expected one in the opposite order along axis 1"], consistent_faults(result)


@pytest.mark.parametrize("change", [lambda g: g + 1, lambda g: g[:-1], lambda g: g * np.nan, lambda g: np.zeros_like(g)])
def test_what_is_no_rearrangement_is_not_called_one(change):
    assert not [said for said in told(kernel_gradient(change), "kernel_size=3x2") if "axes" in said or "order" in said]
