"""Entry point of the command ``conform``: ``check`` runs where little is installed, everything else where all is."""

from __future__ import annotations

import importlib.util
import sys

NEEDS = "This command needs the whole installation (`pip install keras-conformance`); here only `conform check` runs."
NUMPY = "`conform check` needs NumPy, and numpy is not installed here (`pip install numpy`)."


def main() -> None:
    """Run the command that the first argument names."""
    if sys.argv[1:2] == ["check"]:
        if importlib.util.find_spec("numpy") is None:
            print(NUMPY, file=sys.stderr)
            sys.exit(2)
        from conformance.cli.check import main as check

        sys.exit(check(sys.argv[2:]))
    if importlib.util.find_spec("typer") is None:
        print(NEEDS, file=sys.stderr)
        sys.exit(2)
    from conformance.cli.app import app

    app()
