"""What a row's model is fed: float32 images, or token ids by the reference's text vectorization (no TensorFlow)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conformance.studies.data.datasets import Dataset, held_out, joined
from conformance.studies.data.paths import checkpoints_dir
from conformance.studies.data.subwords import make_vocabulary, subword_ids
from conformance.studies.experiments.row import FOLDS, Row
from reference.layers.text_vectorization import text_vectorization_adapt, text_vectorization_forward
from reference.saving.files import write_text

VOCABULARY_FILE = "vocabulary.txt"


@dataclass(frozen=True, eq=False)
class Inputs:
    """A data set as one row's models read it.

    Attributes
    ----------
    dataset : Dataset
    vocabulary : list of str, or None for images
        ``vocabulary[id]`` is the term of a token id; 0 is the padding, 1 the unknown term.
    stored : dict of split to ndarray
        Token ids (int64), or the pixels as the data set stores them.
    """

    dataset: Dataset
    vocabulary: list[str] | None
    stored: dict[str, np.ndarray]

    @classmethod
    def of(cls, row: Row, dataset: Dataset, vocabulary: list[str] | None = None) -> Inputs:
        """The inputs of all three splits; without a vocabulary, one is made from the training texts."""
        if row.fold is not None:
            dataset = held_out(dataset, row.fold, FOLDS)
        if row.refit_of:
            dataset = joined(dataset)
        texts = {"train": dataset.x_train, "valid": dataset.x_valid, "test": dataset.x_test}
        if not row.is_text:
            return cls(dataset, None, texts)
        if vocabulary is None:
            vocabulary = _vocabulary(row, dataset.x_train)
        return cls(dataset, vocabulary, {split: token_ids(row, texts[split], vocabulary) for split in texts})

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample, without the batch axis."""
        return self.stored["train"].shape[1:]

    def batch(self, split: str, rows: Any) -> np.ndarray:
        """Samples of a split (an index array or a slice), as the model takes them."""
        chosen = self.stored[split][rows]
        return self.dataset.images(chosen) if self.vocabulary is None else chosen

    def labels(self, split: str) -> np.ndarray:
        """The labels of a split, int64."""
        return {"train": self.dataset.y_train, "valid": self.dataset.y_valid, "test": self.dataset.y_test}[split]


def _vocabulary(row: Row, texts: list[str]) -> list[str]:
    return make_vocabulary(texts, row.subwords) if row.subwords else text_vectorization_adapt(texts, max_tokens=row.max_tokens)


def token_ids(row: Row, texts: list[str], vocabulary: list[str]) -> np.ndarray:
    """The texts as ids, int64, shape (texts, ``row.sequence_length``), with subwords (.., slots); a shorter text ends in zeros."""
    if row.subwords:
        return subword_ids(texts, vocabulary, row.subwords, row.sequence_length)
    return np.asarray(text_vectorization_forward(texts, vocabulary, output_sequence_length=row.sequence_length))


def write_vocabulary(path: Path, vocabulary: list[str]) -> None:
    """One term a line, UTF-8; line *i* is token id *i*, so the first line is empty (the padding)."""
    write_text(path, "".join(f"{term}\n" for term in vocabulary))


def read_vocabulary(path: Path) -> list[str]:
    """The vocabulary of :func:`write_vocabulary`; only a line feed ends a line."""
    return path.read_bytes().decode().split("\n")[:-1]


def test_inputs(
    row: Row,
    dataset: Dataset,
    checkpoints: Path | None = None,  # noqa: PT028
) -> tuple[np.ndarray, np.ndarray]:
    """The test split as the row's trained model is fed it, and its labels.

    Texts are turned into token ids with the vocabulary stored beside the checkpoint; images are float32 in [0, 1].
    """
    if not row.is_text:
        return dataset.images(dataset.x_test), dataset.y_test
    vocabulary = read_vocabulary((checkpoints or checkpoints_dir()) / row.name / VOCABULARY_FILE)
    return token_ids(row, dataset.x_test, vocabulary), dataset.y_test


test_inputs.__test__ = False  # type: ignore[attr-defined]  # its name begins like a test's; pytest must not collect it
