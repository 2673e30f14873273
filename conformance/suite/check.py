"""The suite in one call, without pytest: everything that recorded vectors can answer about the layers of an implementation.

Needs NumPy and safetensors alone: no Keras, no TensorFlow, no pytest. The questions are those of the suite, and so are the verdicts.
"""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from conformance import checks
from conformance.base.errors import UnimportableError
from conformance.base.record import Record
from conformance.base.report import Report
from conformance.base.words import listed
from conformance.cases import ALL, NAMES, known_layer
from conformance.cases.case import Case, FunctionCases
from conformance.cases.losses import LOSS_CASES
from conformance.cases.optimizers import OPTIMIZER_CASES
from conformance.cases.questions import function_name
from conformance.implementations import EXEC, IN_PROCESS, MODES, PROCESS, SANDBOX
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.protocol import Implementation, find, implementation_of
from conformance.judging.accepted import never_asked, never_met
from conformance.judging.sentences import in_sentences
from conformance.judging.session import CaseRunner, Session
from conformance.oracle.protocol import RECORDED
from conformance.oracle.recorded.vectors import folder, recorded_layers
from conformance.suite.names import functions_of, own_functions_of, remarks
from conformance.suite.parts import records_of_parts, worth
from conformance.suite.told import Told

ANSWERED = tuple(kind for kind in checks.KINDS if kind != "drawn")
"""Kinds of questions that recorded vectors can answer."""


class NothingToAskError(ValueError):
    """There is no function of any layer that is asked about, or none can be called as it is wanted."""


class NoSuchCaseError(NothingToAskError):
    """There is no case of the id that is asked about."""


def check(
    what: Any,
    layers: Sequence[str] | None = None,
    *,
    case: str | None = None,
    edge: bool = False,
    mode: str | None = None,
    timeout: float | None = None,
    workers: int = 1,
    say: Callable[[str], None] = lambda text: None,
) -> Report:
    """Judge an implementation of layers by recorded answers of Keras.

    Functions are found by name: ``dense_forward``, ``lstm_backward``, ``relu`` ... Gradients are asked of a layer that has a backward pass.

    Parameters
    ----------
    what : module, str, path, mapping or object
        The functions: a module, its name, a file (``"my_layers.py"``, ``"my_layers.py:ATTRIBUTE"``), a mapping of names to functions, or
        any object that has them as attributes; or a program, ``"exec:COMMAND"``.
    layers : sequence of str, optional
        Keras class names, names of activation functions, losses, optimizers. Without it all that `what` has functions of.
    case : str, optional
        Only the case of this id, as a failure names it.
    edge : bool
        Whether a failure of an edge case counts: see :attr:`Report.ok`.
    mode : {"inprocess", "process", "sandbox"}, optional
        Where Python code runs: in this process, or in one of its own, which may crash and hang, or in one that can do nothing but compute
        (a single file, or a package; Linux). In this one, unless `timeout` is given.
    timeout : float, optional
        Seconds that a call may take in a process of its own or a program, 60 if not given; or that it may compute in the sandbox, 2 if not.
    workers : int
        In how many processes many layers of what has a name are asked at most, each of which imports it.
    say : callable, optional
        Told what is being asked.

    Returns
    -------
    Report
        ``report.ok`` where something was answered and nothing is wrong; ``print(report)`` tells the rest.

    Raises
    ------
    ValueError
        If a layer is unknown (near matches are named), `what` has no function of any, there is no such case, or it cannot run so.
    UnimportableError
        If `what` is not there, or cannot be imported.
    VectorsError
        If the recorded vectors are missing or damaged.
    SandboxError
        If the sandbox is asked for and cannot be made here.
    """
    mode = mode_of(mode, timeout)
    implementation = _implementation(what, mode, timeout)
    subject = Subject(implementation, what, mode, timeout)
    try:
        return _checked(subject, layers, case, edge, say, workers)
    finally:
        implementation.close()


@dataclass(frozen=True)
class Subject:
    """What is checked: the implementation that is at hand, what it was given as, and where it runs."""

    implementation: Implementation
    what: Any
    mode: str
    timeout: float | None

    def session(self) -> Session:
        """What all questions share: the implementation, and what was recorded of Keras."""
        session = Session(iut=self.implementation.spec, oracle_name=RECORDED)
        session.implementation = self.implementation
        return session

    def told(self, layers: Sequence[str], case: str | None = None, say: Callable[[str], None] = lambda text: None) -> Told:
        """What becomes of the questions about some layers, or of one case of theirs."""
        implementation, session = self.implementation, self.session()
        told = Told(whole=case is not None)
        for layer in layers:
            say(f"{layer} ...")
            differentiable = layer in (*ALL, *LOSS_CASES) and implementation.has(function_name(layer, "backward"))
            for kind, identifier, question in questions([layer], session.profile, ANSWERED):
                name = f"test_{kind}[{identifier}]"
                needed = differentiable or not gradients_are_asked(kind, question)
                if needed and (case in (name, identifier) or (case is None and not told.is_settled(kind, question))):
                    again = partial(self._again, layer, name if kind == "backward" else identifier)
                    checks.KINDS[kind].check(CaseRunner(session, name, again, told.settle, in_sentences), *question)
        say("")
        return told

    def _again(self, layer: str, identifier: str) -> str:
        """How a case is asked alone: by the command, where the implementation has a name that another process finds."""
        spec = self.implementation.spec
        if not isinstance(self.what, str | os.PathLike):
            return f"conformance.check({spec}, layers=[{layer!r}], case={identifier!r})"
        said = self.mode == SANDBOX or (self.mode == PROCESS and not self.timeout)  # which a timeout asks for by itself
        how = [*(["--mode", self.mode] if said else []), *(["--timeout", f"{self.timeout:g}"] if self.timeout else [])]
        return shlex.join(["conform", "check", spec, "--layers", layer, "--case", identifier, *how])


def records_of(spec: str, layers: Sequence[str], mode: str, timeout: float | None) -> list[Record]:
    """The records of some layers of an implementation that has a name, and nothing else."""
    implementation = _implementation(spec, mode, timeout)
    try:
        return Subject(implementation, spec, mode, timeout).told(layers).records
    finally:
        implementation.close()


def _checked(
    subject: Subject, layers: Sequence[str] | None, case: str | None, edge: bool, say: Callable[[str], None], workers: int
) -> Report:
    """The report on an implementation that is at hand."""
    started = time.monotonic()
    implementation = subject.implementation
    spec = implementation.spec
    wanted = [known_layer(name) for name in ([layers] if isinstance(layers, str) else layers or NAMES)]
    own, unrecorded = _recorded(own_layers(implementation, wanted))
    notes = [*remarks(implementation, wanted), *unrecorded]
    if not own:
        raise NothingToAskError(_nothing_found(spec, wanted, notes))
    parts = min(workers, worth(own)) if case is None and isinstance(subject.what, str | os.PathLike) else 1
    if parts > 1:
        say(f"{len(own)} layers in {parts} processes ...")
        found = records_of_parts(spec, own, {"mode": subject.mode, "timeout": subject.timeout}, parts)
        told = Told(found, again=lambda name: subject.told([next(one.layer for one in found if one.id == name)], name))
        say("")
    else:
        told = subject.told(own, case, say)
    if not told.records:
        raise NoSuchCaseError(f"no case of {', '.join(own)} has the id {case}.")
    session = subject.session()
    facts = {"iut": spec, "oracle": RECORDED, "keras": session.oracle.keras, "seed": session.seed, "profile": session.profile}
    there = recorded_layers(folder())
    absent = [name for name in wanted if name in there and name not in own and name in ALL and not isinstance(ALL[name], FunctionCases)]
    others = {"facts": facts, "absent": absent, "edge": edge, "notes": notes, "never_met": _never_met(told.records, implementation)}
    return told.report(spec, seconds=time.monotonic() - started, **others)


def _recorded(layers: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those of some layers of which answers are recorded here, and a sentence on the others: a course's package has some layers alone."""
    there = recorded_layers(folder()) if layers else ()
    others = [name for name in layers if name not in there]
    said = f"Not asked, since no answers are recorded here: {listed(others)}."
    return [name for name in layers if name in there], [said] if others else []


def _never_met(records: Sequence[Record], implementation: Implementation) -> list[str]:
    """Pairs of options that the implementation takes, each with the layer in which no case had both of them answered."""
    declared = {**ALL, **LOSS_CASES, **OPTIMIZER_CASES}
    said: list[str] = []
    for name in dict.fromkeys(record.layer for record in records if record.layer in declared):
        layer, own = declared[name], [record for record in records if record.layer == name]
        unasked = never_asked(layer, own, implementation, function_name(name))
        pairs = never_met(layer, own, unasked)
        said += [f"{one} and {other} ({name})" for one, other in pairs]
        met = {option for pair in pairs for option in pair}
        said += [f"{option} and any other ({name})" for option in unasked if option not in met]
    return said


def mode_of(mode: str | None, timeout: float | None) -> str:
    """Where code runs: as it is said, else in this process, and in one of its own where a call may only take so long."""
    return mode or (PROCESS if timeout is not None else IN_PROCESS)


def own_layers(implementation: Implementation, layers: Sequence[str]) -> list[str]:
    """Those of some layers that an implementation has any function of; ``UnimportableError`` where that cannot be found out."""
    return [name for name in layers if any(implementation.has(function) for function in own_functions_of(name))]


def questions(layers: Sequence[str], profile: str, kinds: Sequence[str]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Every question of these kinds about these layers, layer by layer: its kind, its id, and what the check of that kind takes.

    ``ValueError`` names a kind that there is not.
    """
    unknown = [kind for kind in kinds if kind not in checks.KINDS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a kind of question; known are {', '.join(checks.KINDS)}")
    for layer in layers:
        for kind in kinds:
            yield from ((kind, identifier, question) for identifier, question in checks.KINDS[kind].cases([layer], profile))


def gradients_are_asked(kind: str, question: tuple[Any, ...]) -> bool:
    """Whether a question is about a backward pass, which most files do not have."""
    return kind == "backward" or (kind == "properties" and isinstance(question[0], Case)) or (kind == "repeated" and "backward" in question)


def _implementation(what: Any, mode: str, timeout: float | None) -> Implementation:
    """The functions behind a name or a path, or of an object that is at hand."""
    if mode not in MODES:
        raise NothingToAskError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if timeout is not None and not 0 < timeout < math.inf:
        raise NothingToAskError(f"timeout must be a positive number of seconds, got {timeout!r}")
    spec = os.fspath(what) if isinstance(what, str | os.PathLike) else getattr(what, "__name__", type(what).__name__)
    if mode == IN_PROCESS and timeout is not None and not spec.startswith(EXEC):
        raise NothingToAskError(f"a timeout needs mode {PROCESS!r}: a call in this process cannot be stopped")
    if not isinstance(what, str | os.PathLike):
        if mode != IN_PROCESS:
            raise NothingToAskError(f"{spec} is an object of this process: another runs what has a name, a file or a module")
        return ModuleImplementation(spec, what)
    complaint = find(spec, mode)
    if complaint:
        raise UnimportableError(complaint)
    return implementation_of(spec, mode, timeout)


def _nothing_found(spec: str, layers: Sequence[str], notes: Sequence[str]) -> str:
    """What to say of an implementation in which no function has a name that is asked for."""
    wanted = [function for layer in layers for function in functions_of(layer)]
    return "\n".join([f"{spec} has no function that could be checked: names are like {', '.join(wanted[:3])}.", *notes])
