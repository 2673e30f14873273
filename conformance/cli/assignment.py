"""The command ``conform assignment``: all that an assignment needs, ready to hand out and to upload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conformance.cli.exits import stop


def assignment_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the assignment: letters, digits, - and _.")],
    platform: Annotated[
        str, typer.Option("--platform", metavar="PLATFORM", help="gradescope, classroom50, prairielearn, or folder: a script of its own.")
    ],
    layers: Annotated[str, typer.Option("--layers", metavar="NAMES", help="By Keras class name, comma-separated: Dense,Conv2D,LSTM.")] = "",
    rubric: Annotated[Path | None, typer.Option("--rubric", metavar="FILE.toml", help="Yours (default: drafted for the layers).")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where it is written (default: NAME).")] = None,
) -> None:
    """Write a starter file, a rubric, a page for students, and what a platform takes, which carries all that grading needs."""
    from conformance.base.errors import VectorsError
    from conformance.grading.assignment.plan import AssignmentError
    from conformance.grading.assignment.writing import write_assignment

    place = Path(name) if out is None else out
    try:
        names = [one.strip() for one in layers.split(",") if one.strip()]
        written = write_assignment(name, names, platform, place, rubric)
    except (AssignmentError, VectorsError) as error:
        raise stop(f"{error}.") from None
    except OSError as error:
        raise stop(f"--out: {error.filename or place} cannot be written: {error.strerror or error}.") from None
    typer.echo(f"{len(written)} files in {place}: {place / 'STAFF.md'} says what to do with them.")
