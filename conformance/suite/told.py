"""What came of the questions of a check, and what a report says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from conformance.base.record import PASSED, SKIPPED, UNSUPPORTED, Record
from conformance.base.report import Report
from conformance.cases.case import Case
from conformance.judging.details import in_detail
from conformance.judging.exact import ExactResult
from conformance.judging.judge import CaseResult
from conformance.judging.session import ExactExplanation, Explanation
from conformance.judging.verdict import SINGLE_ONLY
from conformance.suite.diagnoses import Diagnoses

NOT_TOLD = (PASSED, UNSUPPORTED, SKIPPED)


class Told:
    """The records of a run, and what is told of those that are no pass, or a narrow one; of all where `whole` asks for it.

    Of records that come from elsewhere, `again` asks the case of an id once more when that is to be told.
    """

    def __init__(self, records: Sequence[Record] = (), *, whole: bool = False, again: Callable[[str], Told] | None = None) -> None:
        self.records, self.whole, self.again = list(records), whole, again
        self.explanations: dict[str, Callable[[], str]] = {}
        self.passed: set[str] = set()

    def is_settled(self, kind: str, question: tuple[Any, ...]) -> bool:
        """Whether an answer has been given before: a gradient that is Keras's is that of Keras's forward pass, which is asked as well."""
        return kind == "properties" and isinstance(question[0], Case) and f"test_backward[{question[0].id}]" in self.passed

    def settle(self, record: Record, explanation: Callable[[], str]) -> None:
        """Keep a record; what explains a pass is let go, since it holds all arrays of the case."""
        self.records.append(record)
        if record.status == PASSED:
            self.passed.add(record.id)
        if self.whole or record.status not in NOT_TOLD or SINGLE_ONLY in record.remarks:
            self.explanations[record.id] = explanation

    def report(self, iut: str, **others: Any) -> Report:
        """The report of what was gathered."""
        results = {name: told.result for name, told in self.explanations.items() if isinstance(told, Explanation)}
        details = {name: partial(in_detail, result, iut) for name, result in results.items()}
        explanations = {one.id: partial(self._explained, one) for one in self.records if self.whole or one.status not in NOT_TOLD}
        return Report(self.records, explanations=explanations, details=details, diagnose=Diagnoses(self._result_of), **others)

    def _explained(self, record: Record) -> str:
        found = self._explanation_of(record.id)
        return f"{record.id}: {record.message}" if found is None else found()

    def _explanation_of(self, name: str) -> Callable[[], str] | None:
        if name not in self.explanations and self.again is not None:
            self.explanations |= self.again(name).explanations
        return self.explanations.get(name)

    def _result_of(self, name: str) -> CaseResult | ExactResult | None:
        found = self._explanation_of(name)
        return found.result if isinstance(found, Explanation | ExactExplanation) else None
