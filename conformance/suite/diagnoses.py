"""The mistakes behind many failures at once: the whole catalogue is run on a few of them, what it finds on the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from conformance.base.record import BLOCKED, FAILED, PASSED, Record
from conformance.faults import consistent_faults
from conformance.judging.exact import ExactResult
from conformance.judging.judge import CaseResult
from conformance.judging.verdict import SINGLE_ONLY

MOST_CASES = 300
"""Failures of a function that are looked at; of more, some all along the row."""
MOST_SEARCHES, MOST_IN_VAIN = 12, 3
"""How often the whole catalogue of a function is run, and how often without finding anything."""


Result = CaseResult | ExactResult


class Diagnoses:
    """Asks the catalogue of named mistakes about failures, see :data:`conformance.base.report.Diagnose`.

    ``result_of`` gives the judged case of a record's id, or None where there is none.
    """

    def __init__(self, result_of: Callable[[str], Result | None]) -> None:
        self.result_of = result_of
        self.results: dict[str, Result] = {}
        self.found: dict[str, list[str]] = {}

    def __call__(self, records: Sequence[Record]) -> dict[str, list[str]]:
        """The mistakes that give each answer that is wrong, or right to the digits of float32 alone.

        What is not looked at, of very many, is not in the mapping.
        """
        parts: dict[str, list[Record]] = {}
        for record in records:
            result = self.result_of(record.id)
            if result is not None and (record.status in (FAILED, BLOCKED) or SINGLE_ONLY in record.remarks) and _came(result):
                self.results[record.id] = result
            part = self.results[record.id].part if record.id in self.results else ""
            parts.setdefault(part, []).append(record)
        found: dict[str, list[str]] = {record.id: [] for record in parts.pop("", [])}
        for own in parts.values():
            chosen = own[:: -(-len(own) // MOST_CASES)]
            if any(record.id not in self.found for record in chosen):
                self._look_at([record.id for record in chosen])
            found |= {record.id: self.found[record.id] for record in chosen}
        return found

    def _look_at(self, names: Sequence[str]) -> None:
        """What is known to be wrong with the function is tried first; the catalogue only where that explains nothing."""
        known: dict[str, None] = {}
        searches = in_vain = 0
        for name in names:
            result = self.results[name]
            found = consistent_faults(result, known, None) if known else []
            if not found and searches < MOST_SEARCHES and in_vain < MOST_IN_VAIN:
                found = consistent_faults(result, at_most=None)
                searches, in_vain = searches + 1, in_vain + (not found)
            known.update(dict.fromkeys(found))
            self.found[name] = found


def _came(result: Result) -> bool:
    """Whether there is an answer whose values could be compared with those of a mistake."""
    return result.answer.status == PASSED if isinstance(result, ExactResult) else result.verdict.status in (FAILED, PASSED)
