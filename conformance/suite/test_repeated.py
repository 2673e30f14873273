"""The same arguments give the same answer, whatever was asked in between."""

from conformance.checks import repeated


def test_repeated(question, conform):
    repeated.check(conform, *question)
