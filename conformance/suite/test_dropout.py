"""Dropout draws its own mask: how often, how large, how independent, and how reproducible."""

from conformance.checks import dropout


def test_dropout(question, conform):
    dropout.check(conform, *question)
