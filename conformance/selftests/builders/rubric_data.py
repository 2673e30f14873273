"""Writes the data of the rubrics that are shipped: a few samples, their classes, and what live Keras predicts.

``python -m conformance.selftests.builders.rubric_data`` from the top of a checkout.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from conformance.oracle.live.whole_model import keras_probabilities
from conformance.studies.data.datasets import load
from conformance.studies.data.inputs import test_inputs
from conformance.studies.data.paths import checkpoints_dir
from conformance.studies.experiments.grid import find

RUBRICS = Path("fixtures/rubrics")
DATA = {"digits-cnn": "digits.npz", "reviews-lstm": "reviews.npz"}
SAMPLES = 64


def main() -> None:
    """Write the files, and say which."""
    for name, file in DATA.items():
        row = find(name)
        x, y = test_inputs(row, load(row.dataset))
        path = checkpoints_dir() / name / "model.keras"
        predicted = keras_probabilities(path, x[:SAMPLES])
        np.savez_compressed(RUBRICS / file, x=x[:SAMPLES], y=y[:SAMPLES], keras=predicted)
        print(f"{RUBRICS / file}: {SAMPLES} samples of {x.shape[1:]}, {x.dtype}")


if __name__ == "__main__":
    main()
