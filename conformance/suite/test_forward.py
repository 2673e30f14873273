"""Every declared case of every layer: the forward pass against Keras."""

from conformance.checks import forward


def test_forward(question, conform):
    forward.check(conform, *question)
