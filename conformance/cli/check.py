"""``conform check FILE``: a quick look at one's own layers, against recorded vectors.

Needs NumPy and safetensors alone: no Keras, no TensorFlow, no pytest. The questions are those of the suite, and so are the verdicts.
"""

from __future__ import annotations

import argparse
import difflib
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from conformance.base.record import BLOCKED, FAILED_STATUSES, PASSED, SKIPPED, UNSUPPORTED, Record, mark_blocked
from conformance.cases import ALL, NAMES, known_layer
from conformance.cases.case import Case
from conformance.cases.losses import LOSS_CASES
from conformance.cases.optimizers import OPTIMIZER_CASES, function_of
from conformance.cases.questions import function_name
from conformance.checks import KINDS
from conformance.implementations.module import REFUSED, UnimportableError, find, load
from conformance.judging.sentences import in_sentences
from conformance.judging.session import CaseRunner, Session
from conformance.oracle.protocol import RECORDED
from conformance.oracle.recorded.vectors import VectorsError

DONE, WRONG, USAGE = 0, 1, 2
COLUMNS = ("layer", "passed", "wrong", "not supported")
MOST_REASONS = 3
POLL_SECONDS = 0.3
NOT_ASKED = ("drawn", "model")
"""Kinds of questions that recorded vectors cannot answer."""
EPILOG = (
    "Functions are found by name (dense_forward, lstm_forward, relu ...) and compared with recorded answers of Keras. "
    "Ends with 0 when nothing is wrong, with 1 when something is, with 2 when nothing could be asked."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        layers = [known_layer(name.strip()) for name in options.layers.split(",") if name.strip()] if options.layers else list(NAMES)
    except ValueError as error:
        return _usage(f"--layers: {error}")
    complaint = find(options.file)
    if complaint:
        return _usage(f"{complaint}.")
    if options.watch:
        return _watch(options.file, [argument for argument in arguments or sys.argv[1:] if argument != "--watch"])
    try:
        return _check(options.file, layers, options.case)
    except VectorsError as error:
        return _usage(f"{error}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conform check", description="Check a file of layer functions in seconds.", epilog=EPILOG)
    parser.add_argument("file", metavar="FILE.py", help="the file, or an importable module; FILE.py:NAME for an object in it")
    parser.add_argument("--layers", metavar="NAMES", help="only these layers, by Keras class name, comma-separated: Dense,LSTM")
    parser.add_argument("--case", metavar="ID", help="only this case, by the id that a failure names")
    parser.add_argument("--watch", action="store_true", help="check again whenever a Python file beside it is saved, until Ctrl-C")
    return parser


def _check(spec: str, layers: Sequence[str], case: str | None) -> int:
    started = time.monotonic()
    session = Session(iut=spec, oracle_name=RECORDED)
    try:
        own = [name for name in layers if _has_any(session, name)]
    except UnimportableError as error:
        print(f"{error}.")
        return WRONG
    if not own:
        return _usage(_nothing_found(spec, layers))
    outcomes = list(_ask_all(session, own, case))
    if not outcomes:
        return _usage(f"--case: no case of {', '.join(own)} has the id {case}.")
    records = mark_blocked(record for record, _ in outcomes)
    explanations = {record.id: explain for record, explain in outcomes}
    for line in [*_table(records), "", *_failures(records, explanations), *_unsupported(records)]:
        print(line)
    missing = [name for name in layers if name not in own and name in ALL and not ALL[name].function]
    print(f"{_total(records)} in {time.monotonic() - started:.1f} s." + (f" Not in {spec}: {', '.join(missing)}." if missing else ""))
    return WRONG if any(record.status in (*FAILED_STATUSES, BLOCKED) for record in records) else DONE


def _has_any(session: Session, layer: str) -> bool:
    """Whether the implementation has a function of this layer."""
    return any(session.implementation.has(name) for name in _functions(layer))


def _functions(layer: str) -> list[str]:
    if layer in LOSS_CASES:
        return [layer, f"{layer}_backward"]
    if layer in OPTIMIZER_CASES:
        return [function_of(layer)]
    if layer not in ALL:
        return ["text_vectorization_forward", "text_vectorization_adapt", "text_vectorization_idf"]
    return [function_name(layer, part) for part in ("forward", "backward", *(() if ALL[layer].function else ("compute_mask",)))]


def _nothing_found(spec: str, layers: Sequence[str]) -> str:
    """What to say of a file in which no function has a name that is asked for."""
    wanted = [name for layer in layers for name in _functions(layer)]
    space = load(spec)
    there = [name for name in (space if isinstance(space, Mapping) else vars(space)) if not str(name).startswith("_")]
    near = [(name, match) for name in there for match in difflib.get_close_matches(str(name), wanted, 1, 0.75)]
    hint = f" Did you mean {near[0][1]} with {near[0][0]}?" if near else ""
    return f"{spec} has no function that could be checked: names are like {', '.join(wanted[:3])}.{hint}"


def _ask_all(session: Session, layers: Sequence[str], only: str | None) -> Iterator[tuple[Record, Callable[[], str]]]:
    """Every question about these layers, layer by layer: the record and how a failure is explained."""
    settled: list[tuple[Record, Callable[[], str]]] = []
    for layer in layers:
        _progress(f"{layer} ...")
        for kind, module in KINDS.items():
            for identifier, question in () if kind in NOT_ASKED else module.cases([layer], session.profile):
                name = f"test_{kind}[{identifier}]"
                if only in (None, name, identifier) and _is_asked(session, layer, kind, question):
                    again = partial(_again, session.iut, layer, name if kind == "backward" else identifier)
                    module.check(CaseRunner(session, name, again, lambda *outcome: settled.append(outcome), in_sentences), *question)
        yield from settled
        settled.clear()
    _progress("")


def _is_asked(session: Session, layer: str, kind: str, question: Sequence[Any]) -> bool:
    """Gradients only of what has any: most files have forward passes alone."""
    of_gradients = kind == "backward" or (kind == "properties" and isinstance(question[0], Case))
    return not of_gradients or session.implementation.has(function_name(layer, "backward"))


def _again(spec: str, layer: str, identifier: str) -> str:
    return shlex.join(["conform", "check", spec, "--layers", layer, "--case", identifier])


def _progress(text: str) -> None:
    """What is being asked, where somebody looks on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _by_layer(records: Sequence[Record]) -> dict[str, list[Record]]:
    return {name: [record for record in records if record.layer == name] for name in dict.fromkeys(record.layer for record in records)}


def _table(records: Sequence[Record]) -> list[str]:
    """A row a layer, in columns."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    for name, own in _by_layer(records).items():
        wrong = sum(record.status in (*FAILED_STATUSES, BLOCKED) for record in own)
        counts = [sum(record.status == PASSED for record in own), wrong, sum(record.status == UNSUPPORTED for record in own)]
        rows.append((name, *map(str, counts)))
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    numbers = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)][1:] for row in rows]
    lines = ["  ".join([row[0].ljust(widths[0]), *cells]) for row, cells in zip(rows, numbers, strict=True)]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _failures(records: Sequence[Record], explanations: Mapping[str, Callable[[], str]]) -> list[str]:
    """The first failure of each layer, in full; of a layer that is built on a failing one, a sentence."""
    lines = []
    for name, own in _by_layer(records).items():
        wrong = [record for record in own if record.status in FAILED_STATUSES]
        blocked = [record for record in own if record.status == BLOCKED]
        if wrong:
            count = len(wrong) + len(blocked)
            lines += [f"{name}: {_number(count, 'case')} of {len(own)} {_are(count)} wrong. The first:", ""]
            lines += [f"  {line}" for line in explanations[wrong[0].id]().splitlines()] + [""]
        elif blocked:
            lines += [f"{name}: {_number(len(blocked), 'case')} wait for {', '.join(blocked[0].needs)}, which is wrong itself.", ""]
    return lines


def _unsupported(records: Sequence[Record]) -> list[str]:
    """Why cases were not answered: all options that a signature lacks together, then the most frequent other reasons."""
    lines = []
    for name, own in _by_layer(records).items():
        messages = [record.message for record in own if record.status in (UNSUPPORTED, SKIPPED)]
        lacking = [message.partition(REFUSED)[2].split(", ") for message in messages if REFUSED in message]
        options = Counter(option for options in lacking for option in options)
        others = Counter(message for message in messages if REFUSED not in message)
        said = [f"the option{'s' * (len(options) > 1)} {', '.join(options)}"] if options else []
        said += [reason for reason, _ in others.most_common(MOST_REASONS)]
        said += [f"{len(others) - MOST_REASONS} more reasons"] if len(others) > MOST_REASONS else []
        lines += [f"{name}, {_number(len(messages), 'case')} not supported: {'; '.join(said)}."] if said else []
    return [*lines, ""] if lines else []


def _total(records: Sequence[Record]) -> str:
    wrong = sum(record.status in (*FAILED_STATUSES, BLOCKED) for record in records)
    passed = sum(record.status == PASSED for record in records)
    verdict = "Nothing is wrong" if not wrong else f"{_number(wrong, 'case')} {_are(wrong)} wrong"
    return f"{verdict}: {passed} of {_number(len(records), 'case')} passed"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _watch(spec: str, arguments: Sequence[str]) -> int:
    """Check in a fresh process, so that every module is read anew, whenever a Python file beside the checked one changes."""
    target = spec.partition(".py")[0] + ".py" if ".py" in spec else spec
    folder = Path(target).resolve().parent if target.endswith(".py") else Path.cwd()
    code = DONE
    try:
        while True:
            before = _state(folder)
            code = subprocess.run([sys.executable, "-m", "conformance.cli.check", *arguments], check=False).returncode
            print(f"Watching {folder.name}{'/' if folder.name else ''}*.py; Ctrl-C ends.\n", flush=True)
            while _state(folder) == before:
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return code


def _state(folder: Path) -> dict[str, Any]:
    """Sizes and times of the Python files in a folder."""
    found = {}
    for path in folder.glob("*.py"):
        try:
            status = path.stat()
        except OSError:  # being replaced at this moment
            continue
        found[path.name] = (status.st_mtime_ns, status.st_size)
    return found


def _usage(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    sys.exit(main())
