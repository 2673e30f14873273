"""Equations between answers of the implementation itself: parts and whole, one layer in terms of another."""

from conformance.checks import properties


def test_properties(question, conform):
    properties.check(conform, *question)
