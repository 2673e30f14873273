"""One submission from its files to its result. Nothing of it is imported in this process, and nothing that it does ends it."""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.base.errors import SandboxError, UnimportableError, reason
from conformance.base.words import listed
from conformance.grading.asking import ask
from conformance.grading.flags import flags
from conformance.grading.hidden import case_seed, hidden_session
from conformance.grading.intake import IntakeError, Submission, unpacked
from conformance.grading.models import model_result
from conformance.grading.points import blank, item_result
from conformance.grading.result import CRASHED, GRADER_ERROR, OK, REJECTED, TIMED_OUT, UNGRADABLE, Result, Timing
from conformance.grading.rubric import Item, Rubric
from conformance.implementations.process import ProcessImplementation, python_process
from conformance.implementations.sandbox.launcher import SandboxImplementation
from conformance.judging.session import Session
from conformance.oracle.protocol import RECORDED, REFERENCE
from conformance.suite.names import functions_of

ADAPTER_NAME, SUBMISSION_NAME = "adapter.py", "submission.py"
SANDBOXED, OPEN = "sandbox", "none"
SANDBOXES = (SANDBOXED, OPEN)
"""Where a submission runs: locked in, or in an ordinary process, which is only for submissions that are trusted."""


@dataclass(frozen=True)
class Terms:
    """What all submissions of a batch have in common.

    Attributes
    ----------
    rubric : Rubric
    sandbox : str
        One of :data:`SANDBOXES`.
    seed : bytes
        What hidden cases are drawn by, beside the assignment and the submission: a secret of the course.
    oracle : str
        Who answers hidden cases, see :func:`conformance.grading.hidden.who_answers`.
    """

    rubric: Rubric
    sandbox: str = SANDBOXED
    seed: bytes = field(default=b"", repr=False)
    oracle: str = REFERENCE


def grade(submission: Submission, terms: Terms) -> Result:
    """What a submission gets.

    Raises
    ------
    SandboxError
        If it cannot be locked in here; nothing of it has run. Every other mishap becomes a result.
    """
    started = time.monotonic()
    at = datetime.now(UTC).isoformat(timespec="seconds")
    usage = {"computed": 0.0}
    try:
        with tempfile.TemporaryDirectory(prefix="conform-grade-") as home:
            result = _graded(submission, terms, Path(home), usage)
    except SandboxError:
        raise
    except Exception as error:
        result = nothing(submission, terms, GRADER_ERROR, f"The harness failed, which is not your fault: {reason(error)}")
    return replace(result, timing=Timing(round(time.monotonic() - started, 3), round(usage["computed"], 3), at))


def nothing(submission: Submission, terms: Terms, status: str, why: str, **others: Any) -> Result:
    """The result of a submission that could not be asked anything: every item with nothing earned."""
    items = tuple(blank(item) for item in terms.rubric.items)
    return Result(submission.name, status, why, items, facts=facts_of(terms), **others)


def facts_of(terms: Terms) -> dict[str, Any]:
    """What is the same for a batch: the rubric, versions, and what hidden cases are drawn by, which tells no secret."""
    return {
        "assignment": terms.rubric.name,
        "rubric_sha256": hashlib.sha256(terms.rubric.text.encode()).hexdigest(),
        "conformance": __version__,
        "sandbox": terms.sandbox,
        "drawn_by": hashlib.sha256(b"conform" + terms.seed).hexdigest()[:16],
    }


def _graded(submission: Submission, terms: Terms, home: Path, usage: dict[str, float]) -> Result:
    rubric = terms.rubric
    try:
        taken = unpacked(submission, home / "files")
    except IntakeError as error:
        return nothing(submission, terms, error.status, str(error))
    noticed = flags(taken.folder)
    spec = taken.file
    if rubric.adapter is not None:
        spec = _adapted(taken.folder, taken.file, rubric.adapter)
    implementation = _implementation(spec, taken.folder, terms)
    session = Session(iut=spec, oracle_name=RECORDED)
    session.implementation = implementation
    seed = case_seed(terms.seed, rubric.name, taken.sha256)
    # Only then, since live Keras takes seconds to come.
    hidden = hidden_session(session, seed, terms.oracle) if any(item.hidden for item in rubric.items) else session
    try:
        implementation.has("")
        items = tuple(_items(session, hidden, rubric.items))
        status, why = _ending(implementation, "", attempted(implementation))
        absent = _nothing_there(implementation, rubric) if status == OK else ""
        why, noticed = " ".join(filter(None, (absent, why))), (*noticed, *([NO_FUNCTION] if absent else []))
    except UnimportableError as error:
        items = tuple(blank(item) for item in rubric.items)
        status, why = _ending(implementation, error.in_full, [])
    finally:
        implementation.close()
        used = getattr(implementation, "usage", None)
        usage["computed"] = used.computed if used else 0.0
    drawn = {"hidden_seed": str(seed)} if any(item.hidden for item in rubric.items) else {}
    facts = {**facts_of(terms), **drawn, "oracle": RECORDED, "keras": session.oracle.keras, "locks": used.locks if used else "none"}
    return Result(submission.name, status, why, items, taken.sha256, noticed, facts)


def _items(session: Session, hidden: Session, items: Sequence[Item]) -> list[Any]:
    """The result of each item, in the order of the rubric."""
    asked = ask(session, hidden, [item for item in items if item.model is None])
    return [item_result(item, asked) if item.model is None else model_result(item, session.implementation) for item in items]


def _adapted(folder: Path, file: str, adapter: Path) -> str:
    """Put the course's adapter beside the submission, which it imports as ``submission``."""
    source = folder / file
    if source.name != SUBMISSION_NAME:
        source.rename(folder / SUBMISSION_NAME)
    (folder / ADAPTER_NAME).write_bytes(adapter.read_bytes())
    return ADAPTER_NAME


def _implementation(spec: str, folder: Path, terms: Terms) -> ProcessImplementation:
    if terms.sandbox == SANDBOXED:
        return SandboxImplementation(spec, terms.rubric.limits, folder)
    return python_process(str(folder / spec), terms.rubric.limits.call)


DESCRIBE, IMPORT, ERROR = "describe", " cannot be imported: ", re.compile(r"\A.*? cannot be imported: \w+: ")
"""The question that waits for the import, and how what went wrong with an import begins."""
SLOW = "Some calls took too long and were stopped; their cases count as not passed. What answered was graded."
ENDED = "Some calls ended the process that they ran in; their cases count as not passed. What answered was graded."
NO_FUNCTION = "no function that is asked for; where it has others, or classes, an adapter can call them"
PLURALS, MOST_NAMES = {"class": "classes", "function": "functions"}, 5
WORDS: dict[str, Callable[[str], str]] = {
    UNGRADABLE: lambda why: why.replace(IMPORT, " cannot be imported, so nothing could be asked: ", 1),
    REJECTED: lambda why: f"Your file needs what this assignment does not allow: {ERROR.sub('', why)}",
    TIMED_OUT: lambda why: "Your file takes too long to import, so nothing could be asked." if DESCRIBE in why else why or SLOW,
    CRASHED: lambda why: why.replace(f"during {DESCRIBE}", "while your file was imported") or ENDED,
}
"""What a student is told of how it ended."""


def _nothing_there(implementation: ProcessImplementation, rubric: Rubric) -> str:
    """A sentence where it has no function at all that is asked for, with what it has; else empty."""
    wanted = dict.fromkeys(function for item in rubric.items for layer in item.layers for function in functions_of(layer))
    if rubric.adapter is not None or not wanted or any(map(implementation.has, [*wanted, "load_model"])):
        return ""
    there = implementation.names()
    kinds = {"class": [one for one, is_class in there.items() if is_class], "function": [one for one in there if not there[one]]}
    said = [f"the {kind if len(own) == 1 else PLURALS[kind]} {listed(own, MOST_NAMES)}" for kind, own in kinds.items() if own]
    has = f"it has {listed(said)}" if said else "it has no function at all"
    return f"It has none of the functions that are asked for, such as {next(iter(wanted))}: {has}."


def attempted(implementation: ProcessImplementation) -> list[str]:
    """What it tried that is not allowed, where that is known."""
    return implementation.attempted() if isinstance(implementation, SandboxImplementation) else []


def _ending(implementation: ProcessImplementation, why: str, tried: Sequence[str]) -> tuple[str, str]:
    """How it ended, and that in words for the student, with what it tried in vain."""
    ending = getattr(implementation, "ending", UNGRADABLE if why else OK)
    if ending == OK and why:
        ending = UNGRADABLE
    said = [WORDS[ending](why)] if ending in WORDS else []
    return ending, " ".join([*said, *([f"It tried what this assignment does not allow: {'; '.join(tried)}."] if tried else [])])
