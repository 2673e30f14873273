"""What the trainings of :mod:`.gap_runs` say: means, intervals, and the part of the gap that each cause explains.

Pure functions of the records. Intervals are those of :mod:`conformance.studies.analysis.bootstrap`; trainings of one seed share their first
weights and their batches, so the variance of the seeds is that of the differences seed by seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np

from conformance.base.arrays import Array
from conformance.studies.analysis.bootstrap import DIGITS, DRAWS, Estimate, macro_f1, sample_draws
from conformance.studies.experiments.gap_faults import FAULTS
from conformance.studies.experiments.gap_runs import FAMILIES, KERAS, NUMPY, OPTIMIZERS, SCRATCH, STUDY

Facts = Mapping[str, Any]

CAUSES = {"model": (STUDY, SCRATCH), "optimizer": ("adam", "sgd"), "code": (KERAS, NUMPY)}
"""What differs between the study's two trainings that are not a mistake: on the side that scored well, and on the other."""
BASE = list(product(CAUSES["model"], CAUSES["optimizer"], CAUSES["code"]))


class GapCell(NamedTuple):
    """What a cell scored.

    Attributes
    ----------
    seeds : array (seeds,)
    scores : array (seeds,)
        Macro-F1 on the test split.
    drawn : array (seeds, draws)
        Macro-F1 on the sentences of each draw.
    diverged : tuple of int
        The seeds whose loss did not stay finite.
    """

    seeds: tuple[int, ...]
    scores: Array
    drawn: Array
    diverged: tuple[int, ...]


Key = tuple[str, str, str, str, str]


def cells(records: Sequence[Facts], labels: str) -> dict[Key, GapCell]:
    """By (family, model, optimizer, side, fault): the scores of every run that is there, by seed."""
    true = np.array([int(one) for one in labels])
    weights = sample_draws(len(true))
    found: dict[Key, dict[int, tuple[float, Array]]] = {}
    diverged: dict[Key, list[int]] = {}
    for record in records:
        run = record["run"]
        predicted = np.array([int(one) for one in record["test_predictions"]])
        both = macro_f1(true, predicted, np.vstack([np.ones(len(true), weights.dtype), weights]))
        key = (run["family"], run["model"], run["optimizer"], run["side"], run["fault"])
        found.setdefault(key, {})[run["seed"]] = (float(both[0]), both[1:])
        diverged.setdefault(key, []).extend([run["seed"]] * record["diverged"])
    made = {}
    for key, by_seed in found.items():
        seeds = sorted(by_seed)
        scores, drawn = (np.array([by_seed[seed][n] for seed in seeds]) for n in (0, 1))
        made[key] = GapCell(tuple(seeds), scores, drawn, tuple(sorted(diverged[key])))
    return made


def common_seeds(made: Mapping[Key, GapCell], family: str) -> tuple[int, ...]:
    """The seeds for which all eight trainings without a mistake are there."""
    here = [set(made[family, *key, ""].seeds) if (family, *key, "") in made else set() for key in BASE]
    return tuple(sorted(set.intersection(*here)))


def combined(made: Mapping[Key, GapCell], seeds: Sequence[int], terms: Mapping[Key, float]) -> Estimate:
    """A sum of means of cells over these seeds, each with its factor: a difference, or a share of one."""
    by_seed, drawn = np.zeros(len(seeds)), np.zeros(DRAWS)
    for key, factor in terms.items():
        places = [made[key].seeds.index(seed) for seed in seeds]
        by_seed += factor * made[key].scores[places]
        drawn += factor * made[key].drawn[places].mean(axis=0)
    return Estimate.of(float(by_seed.mean()), drawn, [by_seed], len(seeds))


def causes(made: Mapping[Key, GapCell], family: str) -> dict[str, Estimate]:
    """The gap between the two trainings, and how much of it each cause explains: the average over all orders of changing them.

    Shapley 1953: the parts add up to the gap.
    """
    seeds = common_seeds(made, family)
    names = list(CAUSES)
    orders = list(permutations(names))
    found = {}
    for name in names:
        terms: dict[Key, float] = {}
        for order in orders:
            changed = set(order[: order.index(name)])
            for after, factor in ((changed, 1.0), (changed | {name}, -1.0)):
                model, optimizer, side = (CAUSES[one][one in after] for one in names)
                key = (family, model, optimizer, side, "")
                terms[key] = terms.get(key, 0.0) + factor / len(orders)
        found[name] = combined(made, seeds, terms)
    good, bad = ((family, *(CAUSES[one][n] for one in names), "") for n in (0, 1))
    return {"gap": combined(made, seeds, {good: 1.0, bad: -1.0}), **found}  # type: ignore[dict-item]


def score_range(cell: GapCell, seeds: Sequence[int]) -> dict[str, float]:
    """Macro-F1 of a cell over these seeds: the mean, the least and the largest."""
    chosen = cell.scores[[cell.seeds.index(seed) for seed in seeds]]
    return {
        name: round(float(value), DIGITS) for name, value in (("mean", chosen.mean()), ("least", chosen.min()), ("largest", chosen.max()))
    }


def right_scores(made: Mapping[Key, GapCell], family: str) -> dict[str, dict[str, float]]:
    """The study's two trainings with right gradients: Keras's model with Adam, the from-scratch one in NumPy with SGD."""
    keys = {KERAS: (family, STUDY, "adam", KERAS, ""), SCRATCH: (family, SCRATCH, "sgd", NUMPY, "")}
    return {name: score_range(made[key], common_seeds(made, family)) for name, key in keys.items()}


def code_differences(made: Mapping[Key, GapCell]) -> list[dict[str, Any]]:
    """In every cell: macro-F1 of the reference's training less that of Keras's, over the seeds that have both."""
    rows = []
    for family, model, optimizer in product(FAMILIES, CAUSES["model"], OPTIMIZERS):
        keras, own = ((family, model, optimizer, side, "") for side in (KERAS, NUMPY))
        if seeds := _seeds_of_both(made, keras, own):
            found = combined(made, seeds, {keras: -1.0, own: 1.0})
            rows.append(
                {
                    "family": family,
                    "model": model,
                    "optimizer": optimizer,
                    "seeds": list(seeds),
                    f"{KERAS}_macro_f1": score_range(made[keras], seeds)["mean"],
                    f"{NUMPY}_macro_f1": score_range(made[own], seeds)["mean"],
                    "difference": found.to_json(),
                    "half_width": round((found.high - found.low) / 2, DIGITS),
                    "contains_0": not found.shown,
                }
            )
    return rows


def fault_effects(made: Mapping[Key, GapCell]) -> list[dict[str, Any]]:
    """What each mistake costs the from-scratch model: macro-F1 with right gradients less that with it, over the seeds that have both."""
    rows = []
    for family, optimizer, fault in product(FAMILIES, reversed(OPTIMIZERS), FAULTS):
        right, wrong = ((family, SCRATCH, optimizer, NUMPY, one) for one in ("", fault))
        if seeds := _seeds_of_both(made, right, wrong):
            cost = combined(made, seeds, {right: 1.0, wrong: -1.0})
            rows.append(
                {
                    "family": family,
                    "optimizer": optimizer,
                    "fault": fault,
                    "seeds": list(seeds),
                    "right_macro_f1": score_range(made[right], seeds)["mean"],
                    "score": score_range(made[wrong], seeds),
                    "diverged": len(set(made[wrong].diverged) & set(seeds)),
                    "cost": cost.to_json(),
                    "shown": cost.shown,
                }
            )
    return rows


def _seeds_of_both(made: Mapping[Key, GapCell], one: Key, other: Key) -> tuple[int, ...]:
    return tuple(sorted(set(made[one].seeds) & set(made[other].seeds))) if one in made and other in made else ()
