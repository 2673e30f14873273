"""An implementation that is a program, or Python code in a process of its own: asked in frames over its standard input and output.

Whatever it does - hang, crash, write nonsense - becomes the answer to the question that was asked; the next question starts it afresh.
"""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from conformance.base.call import REFUSED, Answer, Question
from conformance.base.errors import ImplementationError, UnimportableError
from conformance.base.record import ERROR, PASSED, TIMEOUT, UNSUPPORTED
from conformance.implementations import EXEC
from conformance.implementations.frames import Frame, ProtocolError, decode, encode, read_json
from conformance.implementations.messages import PROTOCOL, TEXT_AT_MOST, Packer, answer_of, question_metadata, readable, text_of
from conformance.implementations.program import EndedError, Program

CHILD = "conformance.implementations.child"
STARTS = 3
"""A program that never comes to describe itself is started so often and no more."""
TIMEOUTS = 3
"""A function that gives no answer in time so often is not asked any more."""
STARTING = 60.0
"""Seconds that a program has at least to start and describe itself, Python code to be imported."""
PREDICTING = 10
"""A prediction has so many times as long as a call of a layer: it is asked for thousands of samples at once."""

T = TypeVar("T")


@dataclass(frozen=True)
class Described:
    """What a program says of itself: its functions, operations beyond those that every program has, the options that functions take."""

    functions: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)


class BrokenError(Exception):
    """No usable reply came; what the question is answered with instead."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.message)
        self.answer = answer


class ProcessImplementation:
    """The functions of a program that is started at the first question and kept until :meth:`close` or the end of this process.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    spec : str
        What messages call it.
    timeout : float
        Seconds that a call may take.
    variables : mapping, optional
        Environment variables that it has beside those of this process.
    """

    starting = STARTING
    starts: int | None = None

    @property
    def attempts(self) -> int:
        """How often a function may give no answer before it is not asked any more."""
        return TIMEOUTS

    def __init__(self, command: Sequence[str], spec: str, timeout: float, variables: Mapping[str, str] | None = None) -> None:
        self.command, self.spec, self.timeout, self.variables = list(command), spec, timeout, variables or {}
        self._program: Program | None = None
        self._description = Described()
        self._asked = self._failed_starts = 0
        self._timeouts: Counter[str] = Counter()
        self._refusals: dict[tuple[Any, ...], Answer] = {}
        self._given_up: Answer | None = None

    def ask(self, question: Question) -> Answer:
        """Make one call; whatever becomes of the program becomes an answer.

        A function that did not answer in time three times is not called any more: each case would take that long again.
        """
        name = question.function
        missing = self._missing(name)
        if missing is not None or self._timeouts[name] >= self.attempts:
            times = "in time" if self._timeouts[name] == 1 else f"{self._timeouts[name]} times"
            return missing or Answer(ERROR, message=f"{name} is not asked: it did not answer {times}")
        answer = self._put(question, answer_of)
        self._timeouts[name] += answer.status == TIMEOUT
        return answer

    def refusal(self, question: Question) -> Answer | None:
        """The answer to a question about a function that there is not, or, where the program can tell, about arguments it does not take."""
        missing = self._missing(question.function) or self._lacking(question)
        if missing is not None or "refusal" not in self._description.operations:
            return missing
        # The names alone tell whether a call is possible, so that each combination of them is asked about once.
        key = (question.function, len(question.positional), *question.keywords)
        if key not in self._refusals:
            names = Question(question.function, (None,) * len(question.positional), dict.fromkeys(question.keywords))
            self._refusals[key] = self._put(names, answer_of, op="refusal")
        answer = self._refusals[key]
        return None if answer.status == PASSED else answer

    def has(self, name: str) -> bool:
        """Whether the program has a function; :class:`UnimportableError` where it cannot be asked."""
        try:
            self._start()
        except BrokenError as error:
            raise UnimportableError(f"{self.spec} cannot be used: {error}") from None
        if "has" not in self._description.operations:
            return name in self._description.functions
        answer = self._put(Question(name, ()), answer_of, op="has")
        if answer.status != PASSED:
            raise UnimportableError(answer.message, answer.printed)
        return answer.value is True

    def names(self) -> dict[str, bool]:
        """The names of its functions, and whether each is a class, where it tells that; ``UnimportableError`` as :meth:`has`."""
        self.has("")
        if "names" not in self._description.operations:
            return dict.fromkeys(self._description.functions, False)
        named = self._put(Question("names", ()), answer_of, op="names").value
        return {str(name): kind is True for name, kind in named.items()} if isinstance(named, dict) else {}

    def overwrites(self, question: Question, other: Question) -> bool:
        """Whether an answer that is kept changes by the next one; a program that sends its answers away cannot do that."""
        self._missing(question.function)
        if "overwrites" not in self._description.operations:
            return False
        answer = self._put(question, answer_of, op="overwrites", other=other)
        if answer.status != PASSED:
            raise ImplementationError(answer.message)
        return answer.value is True

    def predictor(self, path: Path) -> Callable[[Any], Any] | None:
        """The program's own ``predict``, where it names ``load_model`` among its functions."""
        if not self.has("load_model"):
            return None

        def predict(x: Any) -> Any:
            answer = self._put(Question("predict", (x,)), answer_of, op="predict", path=str(path.absolute()))
            if answer.status == UNSUPPORTED:
                raise NotImplementedError(answer.message)
            if answer.status != PASSED:
                raise ImplementationError(answer.message)
            return answer.value

        return predict

    def close(self) -> None:
        """End the program, which may first end by itself."""
        atexit.unregister(self.close)
        self._stop(gently=True)

    def _missing(self, name: str) -> Answer | None:
        """The answer about a function that the program does not have, or that cannot be asked; None where the program decides itself."""
        try:
            self._start()
        except BrokenError as error:
            return error.answer
        if "has" in self._description.operations or name in self._description.functions:
            return None
        return Answer(UNSUPPORTED, message=f"{self.spec} has no function {name}")

    def _lacking(self, question: Question) -> Answer | None:
        """The answer about options that the program does not name among those of the function, if it names any."""
        taken = self._description.options.get(question.function)
        lacking = [] if taken is None else [name for name in question.keywords if name not in taken]
        return Answer(UNSUPPORTED, message=f"{question.function} {REFUSED}{', '.join(lacking)}") if lacking else None

    def _put(self, question: Question, read: Callable[[Frame], Answer], other: Question | None = None, **metadata: str) -> Answer:
        """Send a question, with `metadata` beside or instead of its own, and read the reply."""
        packer = Packer(exact=True)
        try:
            texts = question_metadata(question, packer)
            if other is not None:
                texts |= {"other": question_metadata(other, packer, "other", "other/")["other"]}
            request = Frame({**texts, **metadata}, packer.tensors)
            self._start()
            return self._exchange(question.function, request, read, self.timeout * (PREDICTING if "path" in metadata else 1))
        except ProtocolError as error:
            return Answer(ERROR, message=f"{question.function} cannot be asked: {error}")
        except BrokenError as error:
            return error.answer

    def _start(self) -> None:
        """Start the program and let it describe itself, if it does not run."""
        if self._given_up is not None:
            raise BrokenError(self._given_up)
        if self._program is not None:
            return
        if not self._asked:
            atexit.register(self.close)
        try:
            self._program = self._launch()
            self._description = self._exchange("describe", Frame({"op": "describe"}), _description, max(self.timeout, self.starting))
            self._failed_starts = 0
        except (OSError, BrokenError) as error:
            self._failed_starts += 1
            answer = error.answer if isinstance(error, BrokenError) else Answer(ERROR, message=f"{self.spec} cannot be started: {error}")
            self._given_up = answer if self._failed_starts == (self.starts or STARTS) else None
            raise BrokenError(answer) from None

    def _launch(self) -> Program:
        """Start the program."""
        return Program(self.command, {**os.environ, **self.variables})

    def _exchange(self, what: str, message: Frame, read: Callable[[Frame], T], seconds: float) -> T:
        """One request and its reply; a program that does not keep to the protocol is ended."""
        self._asked += 1
        number = str(self._asked)
        request = encode(Frame({**message.metadata, "id": number}, message.tensors))
        program = self._program
        assert program is not None
        try:
            reply = decode(program.exchange(request, seconds))
            if text_of(reply, "id") != number:
                raise ProtocolError(f"the reply has the id {reply.metadata['id'][:40]!r}, the question has {number!r}")
            return read(reply)
        except TimeoutError as error:
            so_far = f": {error}" if str(error) else ""
            answer = Answer(TIMEOUT, message=f"{what} gave no answer within {seconds:g} s{so_far}")
        except EndedError as error:
            answer = Answer(ERROR, message=f"the program ended during {what}: {error}")
        except ProtocolError as error:
            answer = Answer(ERROR, message=f"{what}: {readable(str(error)[:TEXT_AT_MOST])}")
        except BaseException:
            self._stop()
            raise
        words = program.last_words()
        self._stop()
        raise BrokenError(Answer(answer.status, message=answer.message, printed=words))

    def _stop(self, *, gently: bool = False) -> None:
        program, self._program = self._program, None
        if program is not None:
            program.close(gently=gently)


def python_process(spec: str, timeout: float) -> ProcessImplementation:
    """A Python module or file in a process of its own, which finds modules where this process finds them, in the same order."""
    # -P: nothing is found in the working folder before it is looked for elsewhere.
    command = [sys.executable, "-P", "-m", CHILD, spec]
    path = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    return ProcessImplementation(command, spec, timeout, {"PYTHONPATH": path})


def program_process(spec: str, timeout: float) -> ProcessImplementation:
    """The program that ``exec:COMMAND`` names, its words as a shell would split them."""
    return ProcessImplementation(shlex.split(spec.removeprefix(EXEC)), spec, timeout)


def find(spec: str) -> str | None:
    """Why there is no program that ``exec:COMMAND`` could mean, or None."""
    try:
        command = shlex.split(spec.removeprefix(EXEC))
    except ValueError as error:
        return f"the command cannot be split into words ({error})"
    if not command:
        return "there is no command after exec:"
    if shutil.which(command[0]) is not None:
        return None
    return f"{command[0]} is not executable" if os.path.exists(command[0]) else f"there is no program {command[0]}"


def _description(reply: Frame) -> Described:
    """What a program tells of itself; one that speaks another protocol cannot be asked."""
    if text_of(reply, "status") != PASSED:
        raise ProtocolError(f"the program does not describe itself: {reply.metadata.get('message', '')[:TEXT_AT_MOST]}")
    protocol = text_of(reply, "protocol")
    if protocol != PROTOCOL:
        raise ProtocolError(f"the program speaks protocol {protocol[:40]!r}, the suite {PROTOCOL!r}")
    text_of(reply, "functions")
    names = {key: read_json(reply.metadata.get(key, "[]"), key) for key in ("functions", "operations")}
    for key, listed in names.items():
        if not _are_names(listed):
            raise ProtocolError(f"{key} is not a list of names")
    options = read_json(reply.metadata.get("options", "{}"), "options")
    if not isinstance(options, dict) or not all(map(_are_names, options.values())):
        raise ProtocolError("options is not an object with a list of names for each function")
    return Described(frozenset(names["functions"]), frozenset(names["operations"]), options)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
