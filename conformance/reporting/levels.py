"""``docs/levels.md``: what is core and what is edge, from the rules that decide.

``python -m conformance.reporting.levels`` writes the page anew.
"""

from __future__ import annotations

from pathlib import Path

from conformance.cases.level import OTHER_RANKS, RANKS, RULES
from conformance.reporting.tables import code, table
from reference.saving.files import write_text

PAGE = Path(__file__).resolve().parents[1] / "docs" / "levels.md"
HEAD = """\
# Core and edge

Every question of the suite has a level. *Core* is what everybody means by a layer. *Edge* is an unusual input, for which many layers that
are right have no code: a layer can be right in every sense that a course or a paper asks for and fail there. The reference is held to both.

A question is of the edge if one of these rules is met, which look at what it asks (options, shapes, values, masks), never at its name.
(The page is written by `python -m conformance.reporting.levels` from the rules in `conformance/cases/level.py`.)"""
REST = """\
All else is core. That includes sizes of one (to squeeze a batch of one is a common mistake), huge and tiny numbers (overflow is a mistake,
too), samples that are masked as a whole, `channels_first`, strides larger than the kernel, values at a kink in a *forward* pass. Drawn
cases, masks, sequences in two halves, equations between answers and `check_grads` go by the same rules; texts, whole models, dropout's
statistics and the repeated call are core."""
USE = """\
## Where the level shows

- `conform check` ends with 1 for core failures alone; edge failures are shown last, and count with `--edge`.
- pytest: a question of the edge has the marker `edge`, so that `-m "not edge"` asks the core alone; the last lines of a run count both
  (`3 core failures, 9 edge`).
- `--conform-json`: each record has `"level": "core"` or `"level": "edge"`. `--conform-markdown`: the columns *edge cases* and *edge
  failures*.
- `conformance.check(...)` and any `Report`: `report.by_level()` is a report for each level; for grades `report.score(rubric, level="core")`
  counts the core alone, `report.score(rubric)` all cases."""


def page() -> str:
    """The page."""
    rules = [[rule.name, rule.sentence, code(rule.example)] for rule in RULES]
    ranks = [[code(layer), _ranks(ordinary)] for layer, ordinary in sorted(OTHER_RANKS.items())]
    parts = [
        HEAD,
        table(["edge", "what makes it so", "for example"], rules),
        REST,
        "## Ordinary ranks",
        "How many axes an input ordinarily has, the batch among them. Any other number is an unusual rank.",
        table(["layer", "axes"], [*ranks, ["all others", _ranks(RANKS)]]),
        USE,
    ]
    return "\n\n".join(parts) + "\n"


def _ranks(ordinary: tuple[int, ...]) -> str:
    *first, last = map(str, ordinary)
    return f"{', '.join(first)} or {last}" if first else last


if __name__ == "__main__":
    write_text(PAGE, page())
