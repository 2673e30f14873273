"""Classifiers without a net, trained on the same splits: what a net must beat to be worth its parameters.

Options are chosen by macro-F1 as those of the nets on the same data are: for texts by cross-validation on training and validation split, in
the same parts, for images on the validation split after training on the training split. The chosen classifier is fitted on the training
split, and once more on both splits, and names a class for every sample of the test split each time: a net is compared with what was
fitted on the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from conformance.studies.data.datasets import Dataset, joined, parts
from conformance.studies.data.inputs import Inputs
from conformance.studies.data.log_count_ratios import log_count_ratios
from conformance.studies.experiments import grid
from conformance.studies.experiments.row import FOLDS

DIGITS = 6
SHRUNK = 4
"""Images are shrunk to the means of squares of so many pixels a side."""
PREDICTIONS = {False: "test_predictions", True: "refit_test_predictions"}
"""Where a record has the classes of the test split, by whether both splits were fitted."""
READER = "nusax-lstm-128"
"""A row that reads texts as all of them do; what is said of padding is said of its token ids."""


@dataclass(frozen=True)
class Baseline:
    """A classifier.

    Attributes
    ----------
    name, title : str
        The key of its record, and the words for a table.
    dataset : str
    make : callable
        Makes the scikit-learn estimator, not trained.
    tried : mapping
        Of each option of the estimator to the values to choose from.
    folds : int
        Over so many parts of training and validation split the options are cross-validated; 0 chooses on the validation split.
    """

    name: str
    title: str
    dataset: str
    make: Callable[[], Any]
    tried: Mapping[str, list[float]]
    folds: int = FOLDS

    def is_stored(self, record: Mapping[str, Any], sha256: str | None) -> bool:
        """Whether a record is of this classifier as it is declared, on these data."""
        own = (self.name, dict(self.tried), self.folds, sha256)
        same = tuple(record.get(key) for key in ("baseline", "tried", "folds", "dataset_sha256")) == own
        return same and all(key in record for key in PREDICTIONS.values())


class LogCountRatios(TransformerMixin, BaseEstimator):
    """A scikit-learn transformer: each feature of a two-class problem times its log-count ratio for the class 1."""

    def fit(self, present: Any, labels: np.ndarray) -> LogCountRatios:
        """Count, over texts with labels 0 and 1."""
        self.ratios_ = log_count_ratios(present, labels, 2)[:, 1]
        return self

    def transform(self, present: Any) -> Any:
        """The features, weighted."""
        return present.multiply(self.ratios_).tocsr()


def _logistic(**tfidf: Any) -> Any:
    return make_pipeline(TfidfVectorizer(**tfidf), LogisticRegression(max_iter=1000))


_most_frequent = partial(DummyClassifier, strategy="most_frequent")
_characters = partial(_logistic, analyzer="char_wb", ngram_range=(2, 5))


def _ratios() -> Any:
    one_class = make_pipeline(LogCountRatios(), LogisticRegression(max_iter=1000))
    return make_pipeline(CountVectorizer(binary=True, ngram_range=(1, 2)), OneVsRestClassifier(one_class))


def _naive_bayes() -> Any:
    return make_pipeline(CountVectorizer(), MultinomialNB())


def _pixels() -> Any:
    return make_pipeline(FunctionTransformer(shrunken), StandardScaler(), LogisticRegression(max_iter=500, tol=1e-3))


def shrunken(images: np.ndarray) -> np.ndarray:
    """Images (images, height, width, channels) as rows of the means of their squares of 4 by 4 pixels."""
    count, height, width, channels = images.shape
    squares = images.reshape(count, height // SHRUNK, SHRUNK, width // SHRUNK, SHRUNK, channels)
    return squares.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)


# From 1e5 to 1e7 cross-validation is flat: with TF-IDF, weights that nothing keeps small are no worse.
STRENGTHS = {"logisticregression__C": [0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5]}
RATIO_STRENGTHS = {"onevsrestclassifier__estimator__logisticregression__C": [0.01, 0.1, 1.0, 10.0, 100.0]}
SMOOTHINGS = {"multinomialnb__alpha": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]}
PIXEL_STRENGTHS = {"logisticregression__C": [0.001, 0.01, 0.1, 1.0, 10.0]}
BASELINES: tuple[Baseline, ...] = (
    Baseline("nusax-most-frequent", "always the most frequent class", "nusax", _most_frequent, {}),
    Baseline("nusax-words", "logistic regression on TF-IDF of words", "nusax", _logistic, STRENGTHS),
    Baseline("nusax-characters", "logistic regression on TF-IDF of 2 to 5 characters", "nusax", _characters, STRENGTHS),
    Baseline("nusax-ratios", "logistic regression on log-count ratios of words and pairs", "nusax", _ratios, RATIO_STRENGTHS),
    Baseline("nusax-naive-bayes", "multinomial naive Bayes on words", "nusax", _naive_bayes, SMOOTHINGS),
    Baseline("cifar10-most-frequent", "always the most frequent class", "cifar10", _most_frequent, {}, folds=0),
    Baseline("cifar10-pixels", "logistic regression on 8×8 pixels", "cifar10", _pixels, PIXEL_STRENGTHS, folds=0),
)


def measured(baseline: Baseline, dataset: Dataset) -> dict[str, Any]:
    """The record of a classifier: what was chosen, and which class it gives to each sample of the test split.

    Parameters
    ----------
    baseline : Baseline
    dataset : Dataset
        The data set that it names.
    """
    both = joined(dataset)
    validation = PredefinedSplit([-1] * len(dataset.y_train) + [0] * len(dataset.y_valid))
    split = parts(both.y_train, baseline.folds) if baseline.folds else validation
    search = GridSearchCV(baseline.make(), dict(baseline.tried), scoring="f1_macro", cv=split, refit=False)
    search.fit(both.x_train, both.y_train)
    chosen, again = (
        baseline.make().set_params(**search.best_params_).fit(fitted.x_train, fitted.y_train).predict for fitted in (dataset, both)
    )
    return {
        "baseline": baseline.name,
        "tried": dict(baseline.tried),
        "folds": baseline.folds,
        "chosen": search.best_params_,
        "dataset_sha256": dataset.sha256,
        "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "selection_macro_f1": round(float(search.best_score_), DIGITS),
        **{PREDICTIONS[refit]: "".join(map(str, predict(dataset.x_test))) for refit, predict in ((False, chosen), (True, again))},
    }


def padding(dataset: Dataset) -> dict[str, Any]:
    """How much of what a recurrent net reads of the test texts is padding: its share of all positions, and the median of the words."""
    read = Inputs.of(grid.find(READER), dataset).stored["test"]
    words = np.count_nonzero(read, axis=1)
    return {
        "dataset_sha256": dataset.sha256,
        "positions": read.shape[1],
        "median_words": float(np.median(words)),
        "share": round(1 - float(words.sum()) / read.size, DIGITS),
    }
