"""Entry point of the command ``conform``: help, version, ``check`` and ``doctor`` run where little is installed, all else where all is."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

from conformance import __version__
from conformance.cli.completion import show
from conformance.cli.usage import CHECKOUT, COMMANDS, COMPLETION, HELP, NEEDS, NUMPY, STUDIES, VERSION, has_studies, unknown, usage

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names; ends with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    first, rest = (given[0], given[1:]) if given else (HELP[0], [])
    if first in HELP:
        print(usage())
    elif first == VERSION:
        print(f"keras-conformance {__version__}")
    elif first == COMPLETION:
        sys.exit(show(rest, main, _available()))
    elif first == "check":
        if importlib.util.find_spec("numpy") is None:
            sys.exit(_refused(NUMPY))
        from conformance.cli.check import main as check

        sys.exit(check(rest))
    elif first == "doctor":
        from conformance.cli.doctor import main as doctor

        sys.exit(doctor(rest))
    elif first not in COMMANDS:
        sys.exit(_refused(unknown(first)))
    elif first in STUDIES and not has_studies():
        sys.exit(_refused(CHECKOUT.format(command=first)))
    elif not _is_whole():
        sys.exit(_refused(NEEDS.format(command=first)))
    else:
        from conformance.cli.app import app

        app(given, prog_name="conform")


def _is_whole() -> bool:
    """Whether this installation has more than `check` needs."""
    return importlib.util.find_spec("typer") is not None


def _available() -> list[str]:
    """The commands that this installation can run."""
    whole = [command for command in COMMANDS if has_studies() or command not in STUDIES]
    return whole if _is_whole() else ["check", "doctor"]


def _refused(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return USAGE
