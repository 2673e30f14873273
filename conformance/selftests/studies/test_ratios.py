"""The part of a text model that starts at the terms' log-count ratios."""

import dataclasses

import numpy as np
import pytest

from conformance.oracle.environment import import_keras
from conformance.studies.data.datasets import Dataset
from conformance.studies.data.inputs import Inputs
from conformance.studies.data.subwords import Subwords
from conformance.studies.experiments import models, trainer
from conformance.studies.experiments.row import Recurrent, Row

WORDS = Row(
    name="rated",
    family="lstm",
    dataset="nusax",
    parameters=116,
    stack=(Recurrent(2),),
    embedding=4,
    dropout=0.0,
    sequence_length=5,
    ratios=40.0,
    epochs=1,
)
SUBWORDS = dataclasses.replace(WORDS, subwords=Subwords(3, 4, 6), skip=True, parameters=394)


def made():
    """Three classes, each with a word of its own; all share a word."""
    own, labels = ["jelek", "biasa", "bagus"], np.arange(9) % 3
    texts = [f"{own[label]} sekali" for label in labels]
    return Dataset("nusax", "made up", ("negative", "neutral", "positive"), texts, labels, texts, labels, texts, labels, "s")


@pytest.mark.parametrize("row", [WORDS, SUBWORDS], ids=["words", "sub-words"])
def test_the_last_layer_reads_the_average_of_the_ratios(row, tmp_path):
    training = trainer.Training(row, Inputs.of(row, made()), tmp_path / "state")
    read, labels = training.inputs.stored["train"], training.inputs.labels("train")
    (start,) = training.model.get_layer(models.RATIOS).get_weights()
    for term in range(2, len(start)):
        having = np.array([np.sum((read[labels == own] == term).any(axis=tuple(range(1, read.ndim)))) for own in range(3)])
        expected = np.log(1 + having) - np.log(1 + having.sum() - having)  # the classes have as many terms, so what divides is the same
        np.testing.assert_allclose(start[term] - start[term].mean(), expected - expected.mean(), atol=1e-6, err_msg=f"of the term {term}")
    assert not start[:2].any(), "padding and the unknown term say nothing"
    keras = import_keras()
    beside = keras.Model(training.model.inputs, training.model.get_layer("probabilities").input).predict_on_batch(read)
    axes = tuple(range(1, read.ndim))
    np.testing.assert_allclose(beside[:, -3:], row.ratios * start[read].mean(axis=axes), rtol=1e-5, err_msg="over all that is read")


def test_an_interrupted_training_does_not_start_at_the_ratios_again(tmp_path):
    training = trainer.Training(WORDS, Inputs.of(WORDS, made()), tmp_path / "state")
    (start,) = training.model.get_layer(models.RATIOS).get_weights()
    training.run_epoch(progress=False)
    training.save()
    again = trainer.Training(WORDS, training.inputs, tmp_path / "state")
    (resumed,) = again.model.get_layer(models.RATIOS).get_weights()
    assert not np.array_equal(resumed, start), "they are trained like the rest"
    np.testing.assert_array_equal(resumed, training.model.get_layer(models.RATIOS).get_weights()[0], err_msg="and go on where they stood")
