"""How certain a macro-F1 is: from the samples of the test split, drawn again, and from the seeds of the training.

The samples are a sample: they are drawn again (bootstrap, Efron 1979), the same ones for every model, so that a difference between two
models is one of pairs. The seeds are a sample, too, and few. Drawing them again as well would make intervals that are too narrow: five
values drawn from five scatter less than five new ones. So the variance of the seeds is estimated from their scatter and added to that of
the draws, and the quantile is Student's, with the degrees of freedom of Welch and Satterthwaite. The draws come from a frozen stream of
NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2, t

from conformance.base.arrays import Array

DRAWS = 2000
DIGITS = 4


class Estimate(NamedTuple):
    """A number with its interval, and from how many seeds both come."""

    value: float
    low: float
    high: float
    seeds: int = 0

    @classmethod
    def of(
        cls, value: float, drawn: Array, groups: Sequence[Array], seeds: int, error: float = 0.05, alike: Sequence[Array] = ()
    ) -> Estimate:
        """A number with the interval that :func:`half_width` gives."""
        half = half_width(drawn, groups, error, alike)
        return cls(value, value - half, value + half, seeds)

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @property
    def within_scores(self) -> list[float]:
        """The interval, rounded, as far as scores go."""
        return [round(max(self.low, 0.0), DIGITS), round(min(self.high, 1.0), DIGITS)]

    @property
    def shown(self) -> bool:
        """Whether the interval leaves out 0, and knows of more than one seed."""
        return self.seeds > 1 and self.is_apart

    @property
    def is_apart(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0

    def to_json(self) -> dict[str, float]:
        """Rounded."""
        return {**{name: round(getattr(self, name), DIGITS) for name in ("value", "low", "high")}, "seeds": self.seeds}


def sample_draws(count: int) -> Array:
    """How often each sample is in each draw, float32 (draws, samples)."""
    drawn = np.random.RandomState(0).randint(count, size=(DRAWS, count))
    return np.stack([np.bincount(one, minlength=count).astype(np.float32) for one in drawn])


def macro_f1(true: Array, predicted: Array, weights: Array, classes: int = 3) -> Array:
    """Macro-F1 with every sample counted as often as the weights (draws, samples) say; a class that is nowhere scores 0.

    Whole weights are counted exactly in float32 as well, up to 2**24.
    """
    is_true, is_predicted = (ids[:, None] == np.arange(classes) for ids in (true, predicted))
    hits = (weights @ (is_true & is_predicted).astype(weights.dtype)).astype(np.float64)
    named = (weights @ (is_true.astype(weights.dtype) + is_predicted)).astype(np.float64)
    return np.asarray(np.divide(2 * hits, named, out=np.zeros_like(hits), where=named > 0).mean(axis=1))


def half_width(drawn: Array, groups: Sequence[Array], error: float = 0.05, alike: Sequence[Array] = ()) -> float:
    """Half of an interval of a mean over seeds, or of a sum or difference of such means.

    ``t * sqrt(v_samples + v_1 + v_2 + ...)`` with ``v_i = variance of group i / its seeds``; the degrees of freedom of Student's t are
    ``v**2 / sum(v_i**2 / (seeds_i - 1))``, v being the sum in the root (Welch 1947). The scatter of a single seed is not known: it is
    taken from the groups in `alike` that have several, as :func:`typical_variance` says; where none has, it adds nothing.

    Parameters
    ----------
    drawn : array (draws,)
        The value on the samples of every draw.
    groups : sequence of arrays (seeds,)
        Values by seed; seeds of different groups have nothing to do with one another.
    error : float
        How often the interval may miss: 0.05 for one of 95 %.
    alike : sequence of arrays (seeds,)
        Groups whose seeds are taken to scatter as a single one does.
    """
    of_seeds = [(float(one.var(ddof=1)) / len(one), len(one) - 1) for one in groups if len(one) > 1]
    if singles := sum(len(one) == 1 for one in groups):
        typical, freedom = typical_variance(alike)
        of_seeds += [(singles * typical, freedom)] if freedom else []
    variance = float(drawn.var(ddof=1)) + sum(part for part, _ in of_seeds)
    uncertain = sum(part**2 / own for part, own in of_seeds)
    degrees = variance**2 / uncertain if uncertain else np.inf
    return float(t.ppf(1 - error / 2, degrees)) * float(np.sqrt(variance))


def typical_variance(groups: Sequence[Array]) -> tuple[float, int]:
    """The variance of seeds in those groups that have several, and their degrees of freedom together; zeros where none has.

    The median, so that one row whose trainings fail now and then does not speak for all; each variance is divided by the median that an
    estimate with so few degrees of freedom has where the true variance is 1.
    """
    several = [one for one in groups if len(one) > 1]
    if not several:
        return 0.0, 0
    free = np.array([len(one) - 1 for one in several])
    return float(np.median([one.var(ddof=1) for one in several] * free / chi2.median(free))), int(free.sum())
