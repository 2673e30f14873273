"""Masks that layers make: of ids, of values, of the masks of several inputs."""

from conformance.checks import mask


def test_mask(question, conform):
    mask.check(conform, *question)
