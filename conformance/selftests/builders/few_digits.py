"""A small data set for trainings of a second."""

import dataclasses

from conformance.studies.data import datasets


def few_digits():
    """A hundred of the digits in each split; the last batch is a part of one."""
    data = datasets.load("digits")
    parts = {f"{axis}_{split}": getattr(data, f"{axis}_{split}")[:100] for axis in "xy" for split in datasets.SPLITS}
    return dataclasses.replace(data, **parts)
