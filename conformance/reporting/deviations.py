"""``reports/keras_deviations.md``: where Keras does other than it says, which cases meet it, and what they expect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from conformance.cases import ALL
from conformance.cases.case import Case, declared_cases
from conformance.oracle.deviations.registry import DEVIATIONS, VERIFIED_WITH, Deviation
from conformance.reporting.tables import code, escaped, table

EXAMPLES = 3
INTRODUCTION = f"""\
Keras is the oracle of this suite, and in a few places it departs from its own documentation, or one of its modes of execution from
another. Each is a case of its own: its number stands in the test's name, and what is expected there is said below. The functions show
a deviation with Keras alone and return True while it occurs; the project's own tests run every one of them. All were seen to occur with
Keras {VERIFIED_WITH}, TensorFlow backend, CPU, oneDNN on. Numbers that are missing belong to layers that the suite does not cover yet."""


def cases_by_deviation(profile: str = "standard") -> dict[str, list[Case]]:
    """The declared cases that meet each deviation."""
    met: dict[str, list[Case]] = {}
    for layer in ALL.values():
        for case in declared_cases(layer, profile):
            if case.deviation:
                met.setdefault(case.deviation, []).append(case)
    return met


def markdown(deviations: Iterable[Deviation] = DEVIATIONS, met: Mapping[str, Sequence[Case]] | None = None) -> str:
    """The report of a registry and of the cases that meet its entries."""
    deviations = list(deviations)
    met = cases_by_deviation() if met is None else met
    overview = [[f"[{one.id}](#{one.id.lower()})", one.where, len(met.get(one.id, [])), one.expected] for one in deviations]
    parts = ["# Deviations of Keras", INTRODUCTION, table(["id", "where", "cases", "the suite expects"], overview)]
    return "\n\n".join([*parts, *(_section(one, met.get(one.id, [])) for one in deviations)]) + "\n"


def _section(one: Deviation, cases: Sequence[Case]) -> str:
    lines = [
        f"- **Where:** {one.where}",
        f"- **Documented:** {one.documented}",
        f"- **What happens:** {one.happens}",
        f"- **The suite expects** {one.expected}.",
        f"- **Cases:** {_cases(cases)}",
        f"- Occurs with Keras {VERIFIED_WITH}.",
    ]
    return f"## {one.id}\n\n" + "\n".join(lines) + f"\n\n```python\n{one.script}\n```"


def _cases(cases: Sequence[Case]) -> str:
    if not cases:
        return "none carries its number."
    layers = {layer: [case for case in cases if case.layer == layer] for layer in dict.fromkeys(case.layer for case in cases)}
    said = [f"{len(own)} of {escaped(layer)}" for layer, own in layers.items()]
    ordered = [sorted(own, key=lambda case: len(case.id)) for own in layers.values()]
    shown = [code(own[n].id) for n in range(EXAMPLES) for own in ordered if n < len(own)][:EXAMPLES]
    return f"{', '.join(said)}; {'such as ' if len(cases) > len(shown) else ''}{', '.join(shown)}."
