"""Log-count ratios as a step of a scikit-learn pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from conformance.studies.data.log_count_ratios import log_count_ratios


class LogCountRatios(TransformerMixin, BaseEstimator):
    """A scikit-learn transformer: each feature of a two-class problem times its log-count ratio for the class 1."""

    def fit(self, present: Any, labels: np.ndarray) -> LogCountRatios:
        """Count, over texts with labels 0 and 1."""
        self.ratios_ = log_count_ratios(present, labels, 2)[:, 1]
        return self

    def transform(self, present: Any) -> Any:
        """The features, weighted."""
        return present.multiply(self.ratios_).tocsr()
