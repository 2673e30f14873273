"""Cases that Hypothesis draws, layer by layer."""

from conformance.checks import drawn


def test_drawn(question, conform):
    drawn.check(conform, *question)
