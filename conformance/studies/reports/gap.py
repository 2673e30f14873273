"""``reports/training_gap.md``: why a from-scratch training scored below Keras, cause by cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.reporting.tables import code, table
from conformance.studies.analysis import gap as analysis
from conformance.studies.analysis.bootstrap import DRAWS, Estimate
from conformance.studies.experiments.gap_faults import FAULTS
from conformance.studies.experiments.gap_runs import FAMILIES, KERAS, NUMPY, SCRATCH, STUDY
from conformance.studies.reports.experiment_tables import interval

Summary = Mapping[str, Any]

PUBLISHED = {"rnn": (0.6105, 0.3556), "lstm": (0.6275, 0.2572)}
"""Macro-F1 of study B: trained with Keras, trained with its own code."""
TITLES = {"rnn": "SimpleRNN", "lstm": "LSTM"}
MODEL = {STUDY: "Keras model of the study", SCRATCH: "from-scratch model of the study"}
OPTIMIZER = {"adam": "Adam 0.001", "sgd": "SGD 0.001"}
CAUSE = {"model": "the smaller model", "optimizer": "SGD in the place of Adam", "code": "NumPy in the place of Keras"}

HOW_TO_READ = """\
A published study (B) trains recurrent models on NusaX-Senti twice: with Keras and Adam, and, with layers written from scratch, a smaller
model with SGD. From scratch it scores far lower, and it names the optimizer as the reason. Three things differ at once, and a fourth may:
the model, the optimizer, the code, and mistakes in the gradients of that code. Here each changes alone. All trainings of a seed start
from the same weights of their model, see the same batches in the same order and drop the same values, whether Keras trains or the NumPy
reference; 10 epochs, batches of 32, learning rate 0.001 for both optimizers, float32.

Intervals are of 95 %: the test sentences are drawn again ({draws:,} bootstrap draws, the same sentences on both sides of a difference), and
the scatter of the seeds is added, with Student's quantile, for they are few. The test split has {sentences} sentences: both are what limits
everything below. An effect counts as shown where the interval leaves out 0 and there are two seeds at least. Ranges are from the least to
the largest score of any seed. Nothing is corrected for the number of comparisons. {seeds}"""

MODELS = """\
Models: Embedding(256), then SimpleRNN(128), Bidirectional(64), Bidirectional(64), or LSTM(128), LSTM(128), Bidirectional(128) (Keras
model); SimpleRNN(128), SimpleRNN(128), Bidirectional(32), or Bidirectional(64), Bidirectional(32) (from scratch); Dropout 0.5 after each,
Dense(3).
The study does not say what its from-scratch models drop, so embedding and dropout are those of its Keras models."""


FAULT_INTRO = """\
The from-scratch model, trained in NumPy with one mistake switched on; the forward pass stays right. **Cost** is macro-F1 with right
gradients less that with the mistake, over the seeds that were trained with both; below 0 the mistake helped. **Diverged** counts the
seeds whose loss did not stay finite: such a model names the first class for every sentence."""


def summary(records: Sequence[Mapping[str, Any]], labels: str) -> dict[str, Any]:
    """What ``data/training_gap.json`` holds: every figure of the report."""
    made = analysis.cells(records, labels)
    families = {}
    for family in FAMILIES:
        seeds = analysis.common_seeds(made, family)
        if seeds:
            found = {name: one.to_json() for name, one in analysis.causes(made, family).items()}
            scores = analysis.right_scores(made, family)
            families[family] = {"seeds": list(seeds), "published": list(PUBLISHED[family]), "scores": scores, "causes": found}
    return {
        "sentences": len(labels),
        "data_sha256": sorted({record["data_sha256"] for record in records}),
        "versions": sorted({" ".join(f"{name} {one}" for name, one in record["versions"].items()) for record in records}),
        "families": families,
        "code": analysis.code_differences(made),
        "faults": analysis.fault_effects(made),
    }


def markdown(found: Summary) -> str:
    """The report of a :func:`summary`."""
    parts = ["# Why training from scratch scored below Keras", _how_to_read(found), "## In short"]
    parts += [_conclusion(found, family) for family in found["families"]]
    parts += ["## The same training in Keras and in NumPy", _code_table(found), _code_sentence(found)]
    parts.append("## Model, optimizer and code")
    parts.append(
        "The gap between Keras's training of its model with Adam and NumPy's of the smaller one with SGD, and what each cause takes of it: "
        "the average over all six orders of changing them one after another (Shapley), so that the parts add up."
    )
    parts += [_cause_table(found), "## Mistakes in the gradients", _fault_intro(found), _fault_table(found), "## What was measured", MODELS]
    parts.append(f"Data: SHA-256 {', '.join(code(one[:16]) for one in found['data_sha256'])}. Versions: {'; '.join(found['versions'])}.")
    return "\n\n".join(parts) + "\n"


def _how_to_read(found: Summary) -> str:
    complete = ", ".join(f"{TITLES[family]} {len(one['seeds'])}" for family, one in found["families"].items())
    seeds = f"Seeds for which all eight trainings without a mistake are there: {complete or 'none yet'}."
    return HOW_TO_READ.format(draws=DRAWS, sentences=found["sentences"], seeds=seeds)


def _conclusion(found: Summary, family: str) -> str:
    """What the records say of one family, in words that follow from the intervals."""
    own = found["families"][family]
    causes = {name: Estimate(**one) for name, one in own["causes"].items()}
    good, bad = own["published"]
    gap = causes.pop("gap")
    said = [
        f"Published: {good:.4f} with Keras, {bad:.4f} from scratch, a gap of {good - bad:.2f}. Measured here with right gradients on both "
        f"sides: a gap of {gap}, {gap.seeds} seeds."
    ]
    said += [_cause_sentence(CAUSE[name], one, gap) for name, one in causes.items()]
    for name, words, published in (
        (KERAS, "As in the study with Keras and Adam", good),
        (SCRATCH, "As from scratch, with right gradients", bad),
    ):
        one = own["scores"][name]
        fits = "within" if one["least"] <= published <= one["largest"] else "outside of"
        said.append(f"{words}, the seeds score {_range(one)}; the study's {published:.4f} lies {fits} that range.")
    said += _fault_conclusion(found, family)
    return f"**{TITLES[family]}**\n\n" + "\n".join(f"- {sentence}" for sentence in said)


def _cause_sentence(words: str, one: Estimate, gap: Estimate) -> str:
    if not one.shown:
        return f"Of {words} no effect is shown ({one})."
    if one.value < 0:
        return f"{words[0].upper()}{words[1:]} works the other way: it raises the score ({one})."
    return f"{words[0].upper()}{words[1:]} accounts for {one}, {_share(one.value, gap.value)}."


def _fault_conclusion(found: Summary, family: str) -> list[str]:
    """Which mistakes change the score, and which would make it the published one with the study's optimizer, SGD."""
    of_family = [row for row in found["faults"] if row["family"] == family]
    own = {name: [row for row in of_family if row["optimizer"] == name] for name in ("sgd", "adam")}
    said = [_costs(rows, name) for name, rows in own.items() if rows]
    bad = PUBLISHED[family][1]
    fitting = [code(row["fault"]) for row in own["sgd"] if row["score"]["least"] <= bad <= row["score"]["largest"]]
    if own["sgd"]:
        said.append(f"With SGD the study's {bad:.4f} lies within the range of the seeds with {', '.join(fitting) or 'none of them'}.")
    return said


def _costs(rows: Sequence[Mapping[str, Any]], optimizer: str) -> str:
    costly = [row for row in rows if row["shown"] and row["cost"]["value"] > 0]
    helpful = [row for row in rows if row["shown"] and row["cost"]["value"] < 0]
    said = f"Of {len(rows)} mistakes in the gradients, tried with {OPTIMIZER[optimizer].split()[0]}, {_listed(costly) or 'none'} "
    said += "lowers the score" if len(costly) < 2 else "lower the score"
    if helpful:
        said += f", and {_listed(helpful)} {'raises' if len(helpful) == 1 else 'raise'} it"
    return f"{said}."


def _listed(rows: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{code(row['fault'])} (by {abs(row['cost']['value']):.2f}{', diverging' * bool(row['diverged'])})" for row in rows)


def _code_table(found: Summary) -> str:
    headers = ["model", "", "optimizer", "seeds", "macro-F1 Keras", "macro-F1 NumPy", "difference", "half-width", "interval contains 0"]
    rows = [
        [
            MODEL[row["model"]],
            TITLES[row["family"]],
            OPTIMIZER[row["optimizer"]],
            len(row["seeds"]),
            f"{row[f'{KERAS}_macro_f1']:.4f}",
            f"{row[f'{NUMPY}_macro_f1']:.4f}",
            interval(row["difference"]),
            f"{row['half_width']:.3f}",
            "yes" if row["contains_0"] else "**no**",
        ]
        for row in found["code"]
    ]
    return table(headers, rows)


def _code_sentence(found: Summary) -> str:
    rows = found["code"]
    apart = [row for row in rows if not row["contains_0"]]
    if not rows:
        return "No cell has both sides yet."
    width = max(row["half_width"] for row in rows)
    if apart:
        cells = "; ".join(f"{TITLES[row['family']]}, {MODEL[row['model']]}, {OPTIMIZER[row['optimizer']]}" for row in apart)
        scattered = sum(row["half_width"] > 0 for row in rows)
        return (
            f"**Keras and NumPy differ in {len(apart)} of {len(rows)} cells by more than the intervals explain: {cells}.** Of {scattered} "
            f"intervals of 95 % at least one leaves out 0 with a probability of {100 * (1 - 0.95**scattered):.0f} % where nothing differs. "
            "In float64 [small models with these layers](training.md) train alike to the last digits, so rounding is the likely cause; "
            "these models themselves were not trained in float64."
        )
    return (
        f"In none of the {len(rows)} cells can the two be told apart; a difference of more than {width:.3f} would have shown in each. "
        "Trainings in float32 part by rounding, those with SimpleRNN soonest, and then end at different weights as two seeds do."
    )


def _cause_table(found: Summary) -> str:
    rows = []
    for family, own in found["families"].items():
        causes = {name: Estimate(**one) for name, one in own["causes"].items()}
        gap = causes.pop("gap")
        good, bad = own["published"]
        rows.append([TITLES[family], "**the whole gap**", str(gap), "100 %", f"{good - bad:.4f}", "yes" if gap.shown else "no"])
        for name, one in causes.items():
            rows.append([TITLES[family], CAUSE[name], str(one), _share(one.value, gap.value, ""), "", "yes" if one.shown else "no"])
    return table(["family", "cause", "macro-F1", "of the gap", "published", "shown"], rows)


def _fault_intro(found: Summary) -> str:
    named = "\n".join(f"- {code(name)}: {fault.says}." for name, fault in FAULTS.items())
    return f"{FAULT_INTRO}\n\n{named}"


def _fault_table(found: Summary) -> str:
    headers = ["family", "optimizer", "mistake", "seeds", "macro-F1 right", "with the mistake", "diverged", "cost", "shown"]
    rows = [
        [
            TITLES[row["family"]],
            OPTIMIZER[row["optimizer"]],
            code(row["fault"]),
            len(row["seeds"]),
            f"{row['right_macro_f1']:.4f}",
            _range(row["score"]),
            row["diverged"],
            interval(row["cost"]),
            "yes" if row["shown"] else "no",
        ]
        for row in found["faults"]
    ]
    return table(headers, rows)


def _range(one: Mapping[str, float]) -> str:
    return f"{one['mean']:.3f} ({one['least']:.3f} to {one['largest']:.3f})"


def _share(part: float, whole: float, words: str = " of the gap") -> str:
    return f"{100 * part / whole:.0f} %{words}" if whole else "-"
