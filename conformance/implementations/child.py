"""``python -m conformance.implementations.child SPEC``: Python code behind frames, in a process of its own.

Loads neither Keras nor the rest of the suite, only what the implementation itself imports.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, TextIO, cast

from conformance.base.call import Answer
from conformance.base.errors import UnimportableError, plain, reason
from conformance.base.record import ERROR, PASSED, UNSUPPORTED
from conformance.implementations.frames import Frame, encode, read_frame
from conformance.implementations.launcher import end_with
from conformance.implementations.messages import PROTOCOL, Kept, answer_frame, dumps, printable, question_of, text_of
from conformance.implementations.module import ModuleImplementation, load

Others = Mapping[str, Callable[[], Any]]
NO_OTHERS: Others = {}
KEPT_AT_MOST = 1000
GONE = "was kept in a process that has ended, or too long ago"


class Objects:
    """Objects of the implementation's own classes that it returned: a state of an optimizer, which the next step gets again."""

    def __init__(self) -> None:
        self.by_handle: dict[str, Any] = {}
        self.count = 0

    def keep(self, value: Any) -> str:
        """The handle of a value, which is kept: not for ever, since nobody says when it is not needed any more."""
        self.count += 1
        handle = f"{printable(type(value).__name__)}/{os.getpid()}-{self.count}"
        self.by_handle[handle] = value
        if len(self.by_handle) > KEPT_AT_MOST:
            del self.by_handle[next(iter(self.by_handle))]
        return handle

    def restored(self, value: Any) -> Any:
        """A value with every object in the place of its handle; ``KeyError`` where there is none any more."""
        if isinstance(value, Kept):
            return self.by_handle[value.handle]
        if type(value) in (tuple, list):
            return type(value)(map(self.restored, value))
        return {name: self.restored(item) for name, item in value.items()} if type(value) is dict else value



def serve(implementation: ModuleImplementation, requests: BinaryIO, replies: BinaryIO, others: Others = NO_OTHERS) -> None:
    """Answer one request after the other until there are no more; `others` are further operations, which take no arguments."""
    models: dict[str, Callable[[Any], Any]] = {}
    kept = Objects()
    while (request := read_frame(requests)) is not None:
        number = text_of(request, "id")
        try:
            op = text_of(request, "op")
            if op in others:
                told = answer_frame(number, Answer(PASSED, others[op]()))
            else:
                told = _reply(implementation, request, models, kept, number)
            reply = encode(told)
        except Exception as error:
            reply = encode(answer_frame(number, Answer(ERROR, message=f"its answer cannot be sent: {plain(error)}")))
        replies.write(reply)
        replies.flush()


def _reply(
    implementation: ModuleImplementation, request: Frame, models: dict[str, Callable[[Any], Any]], kept: Objects, number: str
) -> Frame:
    op = text_of(request, "op")
    if op == "describe":
        return _description(implementation.spec, number)
    if op == "predict":
        return answer_frame(number, _predicted(implementation, request, models))
    question = question_of(request)
    if op == "names":
        return answer_frame(number, Answer(PASSED, implementation.names()))
    if op == "has":
        return answer_frame(number, _has(implementation, question.function))
    if op == "refusal":
        return answer_frame(number, implementation.refusal(question) or Answer(PASSED))
    if op == "overwrites":
        return answer_frame(number, Answer(PASSED, implementation.overwrites(question, question_of(request, "other"))))
    try:
        question = replace(question, positional=tuple(map(kept.restored, question.positional)))
    except KeyError as error:
        return answer_frame(number, Answer(ERROR, message=f"{question.function} cannot be asked: {error.args[0]} {GONE}"))
    return answer_frame(number, implementation.ask(question), kept.keep)


def _description(spec: str, number: str) -> Frame:
    """Import the implementation, and say what can be asked; why it cannot be imported is the answer to every question."""
    try:
        namespace = load(spec)
    except UnimportableError:
        namespace = None
    # Looking up a name may run code in anything but a module, so that others are only asked by name.
    named = vars(namespace) if isinstance(namespace, ModuleType) else {}
    functions = sorted(name for name, value in named.items() if callable(value) and not name.startswith("_"))
    operations = dumps(["has", "names", "refusal", "overwrites"])
    about = {"protocol": PROTOCOL, "name": spec, "functions": dumps(functions), "operations": operations}
    return Frame({"id": number, "status": PASSED, **about})


def _has(implementation: ModuleImplementation, name: str) -> Answer:
    try:
        return Answer(PASSED, implementation.has(name))
    except UnimportableError as error:
        return Answer(ERROR, message=str(error), printed=error.excerpt)


def _predicted(implementation: ModuleImplementation, request: Frame, models: dict[str, Callable[[Any], Any]]) -> Answer:
    """What the implementation's own model predicts; the model is kept for the next batch."""
    path = text_of(request, "path")
    try:
        if path not in models:
            models.clear()
            predict = implementation.predictor(Path(path))
            if predict is None:
                return Answer(UNSUPPORTED, message=f"{implementation.spec} has no function load_model")
            models[path] = predict
        return Answer(PASSED, models[path](*question_of(request).positional))
    except NotImplementedError as error:
        return Answer(UNSUPPORTED, message=str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Answer(ERROR, message=reason(error))


def pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes for requests and replies, taken away from everything that prints or reads."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    # Last words are worth most when the process ends before it would write them.
    cast(TextIO, sys.stdout).reconfigure(line_buffering=True)  # type: ignore[attr-defined]
    return requests, replies


def main(spec: str) -> None:
    """Serve until the input ends."""
    end_with(os.getppid())
    serve(ModuleImplementation(spec), *pipes())


if __name__ == "__main__":
    main(sys.argv[1])
