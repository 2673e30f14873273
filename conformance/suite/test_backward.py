"""Every declared case that has gradients: the backward pass against Keras's automatic differentiation."""

from conformance.checks import backward


def test_backward(question, conform):
    backward.check(conform, *question)
