"""``conform check FILE``: a quick look at one's own layers, against recorded vectors.

Thin over :func:`conformance.check`, and needs as little: NumPy and safetensors alone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance.base.errors import SandboxError, UnimportableError
from conformance.cases import known_layer
from conformance.implementations import MODES
from conformance.implementations.protocol import find
from conformance.oracle.recorded.vectors import VectorsError
from conformance.suite.check import NoSuchCaseError, NothingToAskError, check, mode_of
from conformance.suite.parts import PartError

DONE, WRONG, USAGE, UNLOCKED, INTERRUPTED = 0, 1, 2, 3, 130
POLL_SECONDS = 0.3
MOST_WORKERS = 8
STOPS_WITHIN = 2.0
"""Seconds that a check which is not wanted any more has to end by itself, and to end what it started."""
MODE_HELP = "inprocess (default); process: the file apart, free to crash and to hang; sandbox: where it can only compute"
TIMEOUT_HELP = "what a call may take in a process of its own (default: 60), or compute in the sandbox (default: 2)"
EPILOG = (
    "Functions are found by name (dense_forward, lstm_forward, relu ...) and compared with recorded answers of Keras. "
    "Ends with 0 when nothing is wrong but edge cases, with 1 when something is, with 2 when nothing could be asked (nothing passed and "
    "nothing failed, the file cannot be imported, an option is wrong), with 3 when --mode sandbox cannot be had here, with 130 when Ctrl-C "
    "stopped it."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _usage("\nStopped.", INTERRUPTED)


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    try:
        layers = [known_layer(name.strip()) for name in (options.layers or "").split(",") if name.strip()]
    except ValueError as error:
        return _usage(f"--layers: {error}")
    complaint = find(options.file, mode_of(options.mode, options.timeout))
    if complaint:
        return _usage(f"{complaint}.")
    if options.watch:
        return _watch(options.file, [argument for argument in arguments or sys.argv[1:] if argument != "--watch"])
    try:
        chosen = {"case": options.case, "edge": options.edge, "mode": options.mode, "timeout": options.timeout, "workers": MOST_WORKERS}
        report = check(options.file, layers, say=_progress, **chosen)
    except UnimportableError as error:
        return _usage(error.in_full)
    except NoSuchCaseError as error:
        return _usage(f"--case: {error}")
    except (NothingToAskError, PartError) as error:
        return _usage(str(error))
    except VectorsError as error:
        return _usage(f"{error}.")
    except SandboxError as error:
        return _usage(f"{error}.", UNLOCKED)
    colour = _shows_colours()
    print(report.text(every=options.all, colour=colour) if options.case is None else report.whole(colour=colour))
    return USAGE if not report.answered else DONE if report.ok else WRONG


def _parser() -> argparse.ArgumentParser:
    about = "Check a file of layer functions in seconds."
    parser = argparse.ArgumentParser(prog="conform check", description=about, epilog=EPILOG, allow_abbrev=False)
    parser.add_argument("file", metavar="FILE.py", help="the file, or an importable module; FILE.py:NAME for an object in it")
    parser.add_argument("--layers", metavar="NAMES", help="only these layers, by Keras class name, comma-separated: Dense,LSTM")
    parser.add_argument("--case", metavar="ID", help="only this case, by the id that a failure names: all its numbers, and a script")
    parser.add_argument("--mode", choices=MODES, help=MODE_HELP)
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help=TIMEOUT_HELP)
    parser.add_argument("--all", action="store_true", help="show every failing case, not one for each cause")
    parser.add_argument("--edge", action="store_true", help="let failures of edge cases (unusual input) count as others do")
    parser.add_argument("--watch", action="store_true", help="check again whenever a Python file beside it is saved, until Ctrl-C")
    return parser


def _shows_colours() -> bool:
    """Whether a terminal reads along that shows colours, and nobody asked for none (https://no-color.org)."""
    known = os.name != "nt" or "WT_SESSION" in os.environ
    return sys.stdout.isatty() and known and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def _progress(text: str) -> None:
    """What is being asked, where somebody looks on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _watch(spec: str, arguments: Sequence[str]) -> int:
    """Check in a fresh process, so that every module is read anew, whenever a Python file beside the checked one changes."""
    target = spec.partition(".py")[0] + ".py" if ".py" in spec else spec
    folder = Path(target).resolve().parent if target.endswith(".py") else Path.cwd()
    while True:
        before = _state(folder)
        with subprocess.Popen([sys.executable, "-m", "conformance.cli.check", *arguments]) as asked:
            try:
                while asked.poll() is None and _state(folder) == before:
                    time.sleep(POLL_SECONDS)
            except KeyboardInterrupt:  # a terminal tells it to the check as well, which says that it has stopped
                _end(asked)
                return INTERRUPTED
            if asked.poll() is None:  # in an endless loop, perhaps
                with contextlib.suppress(ValueError):  # Windows sends no such signal
                    asked.send_signal(signal.SIGINT)
                _end(asked)
                print("Saved while it was checked: checked again.\n", flush=True)
                continue
        print(f"Watching {folder.name}{'/' if folder.name else ''}*.py; Ctrl-C ends.\n", flush=True)
        while _state(folder) == before:
            time.sleep(POLL_SECONDS)


def _end(asked: subprocess.Popen[bytes]) -> None:
    """Give a check a moment to end by itself, and what it started, then end it."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        asked.wait(STOPS_WITHIN)
    asked.kill()


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


def _usage(sentence: str, code: int = USAGE) -> int:
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
