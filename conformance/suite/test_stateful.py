"""A sequence read in two halves, the state of the first given to the second."""

from conformance.checks import stateful


def test_stateful(question, conform):
    stateful.check(conform, *question)
