"""Optimizers: the variables after each of a few steps."""

from conformance.checks import optimizer


def test_optimizer(question, conform):
    optimizer.check(conform, *question)
