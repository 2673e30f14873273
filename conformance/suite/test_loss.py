"""Losses: value and gradient."""

from conformance.checks import loss


def test_loss(question, conform):
    loss.check(conform, *question)
