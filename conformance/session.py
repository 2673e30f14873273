"""What the suite's tests use: a judge that turns a case into a pytest outcome and a record."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from conformance.cases.case import Case
from conformance.contract import Question, forward_question
from conformance.examination import Examination, examine, still_fails
from conformance.explain import explain
from conformance.implementations import IN_PROCESS, TIMEOUT
from conformance.implementations.implementation import implementation_of
from conformance.oracle.live import expect
from conformance.plugin import RECORD
from conformance.record import Record
from conformance.statuses import BLOCKED, FAILED, PASSED, SKIPPED, UNSUPPORTED
from conformance.statuses import TIMEOUT as TIMED_OUT
from conformance.xfail import NONE, KnownFailures


class Session:
    """Settings of a run and the implementation under test."""

    def __init__(
        self,
        *,
        iut: str,
        seed: int,
        strict: bool,
        must_support: bool,
        data: str | None,
        require_data: bool,
        known: KnownFailures = NONE,
        mode: str = IN_PROCESS,
        timeout: float = TIMEOUT,
    ) -> None:
        self.implementation = implementation_of(iut, mode, timeout)
        self.mode, self.timeout = mode, timeout
        self.known = known
        self.iut, self.seed, self.strict, self.must_support = iut, seed, strict, must_support
        self.data, self.require_data = data, require_data


@dataclass
class Judge:
    """Judges for one test item."""

    session: Session
    item: pytest.Function

    def check(self, case: Case, kind: str = "forward") -> None:
        """Judge a case: a pass returns, unsupported skips, everything else fails with an explanation."""
        __tracebackhide__ = True
        examination = self.examine(case)
        self.settle(examination.record(self.identifier, kind), lambda: self.explanation(examination, kind))

    def examine(self, case: Case) -> Examination:
        """Judge a case without consequences."""
        return examine(case, self.session.implementation, self.session.seed, strict=self.session.strict)

    def ask(self, question: Question) -> Any:
        """Ask the implementation directly."""
        return self.session.implementation.ask(question)

    def settle(self, record: Record, message: Callable[[], str]) -> None:
        """Attach a record to the test and end the test as its status says; a known failure ends as pytest's xfail, or its xpass."""
        __tracebackhide__ = True
        record = self.session.known.marked(record)
        self.item.user_properties.append((RECORD, asdict(record)))
        if record.known_failure and record.status == PASSED:
            self.item.add_marker(pytest.mark.xfail(reason=record.known_failure))
        if record.fails_as_known:
            pytest.xfail(record.known_failure)
        if record.status == UNSUPPORTED and not self.session.must_support:
            pytest.skip(f"unsupported: {record.message}")
        if record.status in (SKIPPED, BLOCKED):
            pytest.skip(record.message)
        if record.status != PASSED:
            pytest.fail(message(), pytrace=False)

    def explanation(self, examination: Examination, kind: str) -> str:
        """The failure in words."""
        likely = self._likely(examination)
        verdict, answer = examination.verdict, examination.answer
        return explain(examination.layer, examination.case, kind, verdict, self.again, answer.printed, likely)

    def minimal_script(self, examination: Examination) -> str:
        """The failing call with values as simple as they get, as a script."""
        from conformance.minimal import script, simplify

        session, arrays = self.session, examination.arrays
        if examination.verdict.status != TIMED_OUT:  # each attempt would take that long again
            arrays = simplify(arrays, lambda tried: still_fails(examination, session.implementation, tried, strict=session.strict))
        expectation = expect(examination.layer, examination.case, arrays)
        question = forward_question(examination.layer, examination.case, arrays, expectation.arguments)
        text = script(examination.layer, examination.case, question, expectation.outputs, session.iut)
        return f"\n  the same without the suite:\n\n{text}\n"

    def seed_of(self, name: str) -> int:
        """A seed that follows from a name and the run's seed."""
        return int.from_bytes(hashlib.sha256(f"{self.session.seed}:{name}".encode()).digest()[:8], "big")

    @property
    def identifier(self) -> str:
        """The test's name without its file."""
        return self.item.name

    @property
    def again(self) -> str:
        """The command that runs this test alone."""
        pyargs = self.item.config.getoption("pyargs")
        suite = self.item.module.__name__ if pyargs else os.path.relpath(self.item.path)
        return shlex.join(
            [
                "pytest",
                *(["--pyargs"] if pyargs else []),
                *([] if self.session.iut == "reference" else [f"--iut={self.session.iut}"]),
                *([] if self.session.mode == IN_PROCESS else [f"--conform-iut-mode={self.session.mode}"]),
                *([] if self.session.timeout == TIMEOUT else [f"--conform-timeout={self.session.timeout:g}"]),
                *([f"--conform-seed={self.session.seed}"] if self.session.seed else []),
                f"{suite}::{self.item.nodeid.partition('::')[2]}",
            ]
        )

    def _likely(self, examination: Examination) -> list[str]:
        if examination.verdict.status != FAILED:
            return []
        from conformance.faults import consistent_faults

        return consistent_faults(examination)
