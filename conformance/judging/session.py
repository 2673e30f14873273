"""Where a question is put to an implementation and to the oracle, and what came of it is written down."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from conformance.base.record import FAILED, PASSED, TIMEOUT, Record
from conformance.cases.case import Case
from conformance.cases.questions import Answer, Question
from conformance.implementations import IN_PROCESS
from conformance.implementations.protocol import Implementation, implementation_of
from conformance.judging.again import ANOTHER_ANSWER, same_answer
from conformance.judging.exact import ExactResult
from conformance.judging.explain import explain
from conformance.judging.judge import CaseResult, asked_again, judge_backward, judge_case, still_fails
from conformance.judging.refusal import ask
from conformance.judging.shrink import script, simplify
from conformance.oracle.protocol import LIVE, Oracle, oracle

Settle = Callable[[Record, Callable[[], str]], None]
Diagnose = Callable[[CaseResult | ExactResult], Sequence[str]]


def no_diagnosis(result: CaseResult | ExactResult) -> Sequence[str]:
    """Nobody asked for one."""
    return ()


@dataclass
class Session:
    """Settings of a run, the implementation under test and the oracle.

    ``cross_checked`` are implementations on which live Keras and the recorded vectors must agree in every declared case.
    ``diagnose`` says which mistakes would give a wrong answer; it comes from the front, since the faults stand above this room.
    ``first`` holds how each question of a case ended when it was put first, by part and id: it must not end otherwise later.
    """

    iut: str = "reference"
    oracle_name: str = LIVE
    seed: int = 0
    profile: str = "standard"
    strict: bool = False
    must_support: bool = False
    data: str | None = None
    require_data: bool = False
    cross_checked: Sequence[Implementation] = ()
    mode: str = IN_PROCESS
    timeout: float | None = None
    diagnose: Diagnose = no_diagnosis
    first: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.implementation = implementation_of(self.iut, self.mode, self.timeout)
        self.oracle: Oracle = oracle(self.oracle_name)


@dataclass(frozen=True)
class Explanation:
    """How the failure of a judged case is told: called, it gives the text. Who wants to know more finds the case in it."""

    runner: CaseRunner
    result: CaseResult
    kind: str

    def __call__(self) -> str:
        """The failure in words."""
        return self.runner.explanation(self.result, self.kind)


@dataclass(frozen=True)
class ExactExplanation:
    """The same for an answer that is right or wrong as a whole, which `text` tells."""

    result: ExactResult
    text: Callable[[], str]

    def __call__(self) -> str:
        """The failure in words."""
        return self.text()


@dataclass
class CaseRunner:
    """The place of one question.

    Attributes
    ----------
    session : Session
    identifier : str
        The question's name, as records have it: ``test_forward[Dense-batch-float64]``.
    again : callable
        The command that asks it alone.
    settle : callable (record, message)
        What is done with the record; the message explains a failure.
    explain : callable
        How a failure is told, see :func:`conformance.judging.explain.explain`.
    """

    session: Session
    identifier: str
    again: Callable[[], str]
    settle: Settle
    explain: Callable[..., str] = explain

    @property
    def oracle(self) -> Oracle:
        """Where expected values come from."""
        return self.session.oracle

    def judge_case(self, case: Case) -> CaseResult:
        """Judge a case without consequences."""
        return self.kept(judge_case(case, self.session.implementation, self.oracle, self.session.seed, strict=self.session.strict))

    def judge_backward(self, case: Case) -> CaseResult:
        """Judge the backward pass of a case without consequences."""
        return self.kept(judge_backward(case, self.session.implementation, self.oracle, self.session.seed, strict=self.session.strict))

    def kept(self, result: CaseResult) -> CaseResult:
        """The result, remembered if its question was never put before."""
        self.session.first.setdefault(result.key, result.verdict.status)
        return result

    def ask(self, question: Question) -> Answer:
        """Ask the implementation directly."""
        return ask(self.session.implementation, question)

    def exact(self, result: ExactResult, difference: str) -> tuple[str, str]:
        """Status and message of a question whose answer is right or wrong as a whole; `difference` tells what is wrong, if anything."""
        answer = result.answer
        if answer.status != PASSED:
            return answer.status, answer.message
        if not same_answer(answer, self.ask(result.question)):
            return FAILED, f"{result.question.function} {ANOTHER_ANSWER}"
        return (FAILED if difference else PASSED), difference

    def looks_like(self, result: ExactResult, message: str) -> str:
        """Lines that name the mistakes which give a wrong answer of which `message` tells; empty where there are none."""
        likely = self.session.diagnose(result) if result.answer.status == PASSED and not message.endswith(ANOTHER_ANSWER) else ()
        return "".join(f"\n  looks like   {sentence}" for sentence in likely)

    def explanation(self, result: CaseResult, kind: str) -> str:
        """The failure in words."""
        verdict, printed = result.verdict, result.answer.printed
        likely = self.session.diagnose(result) if verdict.status == FAILED and verdict.steady else ()
        return self.explain(result.layer, result.case, kind, verdict, self.again(), printed, likely)

    def shrunk_script(self, result: CaseResult) -> str:
        """The failing call with values as simple as they get, as a script."""
        session, arrays = self.session, result.arrays
        if result.verdict.status != TIMEOUT:  # each attempt would take that long again
            fails = functools.partial(still_fails, result, session.implementation, self.oracle, strict=session.strict)
            arrays = simplify(arrays, fails)
        question, expectation = asked_again(result, self.oracle, arrays)
        text = script(result.layer, result.case, question, expectation.outputs, session.iut)
        return f"\n  the same without the suite:\n\n{text}\n"

    def seed_of(self, name: str) -> int:
        """A seed that follows from a name and the run's seed."""
        return int.from_bytes(hashlib.sha256(f"{self.session.seed}:{name}".encode()).digest()[:8], "big")
