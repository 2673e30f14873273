"""Log-count ratios: how much more frequent a term is in the texts of a class than in those of the others.

A bag of words whose terms are weighted by these ratios is hard to beat on few texts (Wang and Manning 2012, "Baselines and Bigrams", ACL).
"""

from __future__ import annotations

from typing import Any

import numpy as np

SMOOTHING = 1.0
"""Added to each count, so that a term of one class alone has a finite ratio."""


def log_count_ratios(present: Any, labels: np.ndarray, classes: int) -> np.ndarray:
    """The ratio of each term for each class, float64, shape (terms, classes).

    ``log(p / sum(p)) - log(q / sum(q))``, where p counts the texts of the class that have the term and q all others, each plus
    :data:`SMOOTHING`.

    Parameters
    ----------
    present : array or sparse matrix of shape (texts, terms)
        1 where a text has a term, else 0.
    labels : ndarray of shape (texts,)
        Class ids.
    classes : int
    """
    inside, outside = (
        np.stack([SMOOTHING + np.asarray(present[pick(labels, own)].sum(axis=0), np.float64).ravel() for own in range(classes)], axis=1)
        for pick in (np.equal, np.not_equal)
    )
    return np.asarray(np.log(inside / inside.sum(axis=0)) - np.log(outside / outside.sum(axis=0)))
