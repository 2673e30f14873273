"""How commands end, and the option that many of them share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

DONE, DIFFERENT, USAGE = 0, 1, 2
DATA_HELP = "Folder with the data sets; without it CONFORM_DATA, or a download."
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help=DATA_HELP)]


def stop(sentence: str, code: int = USAGE) -> typer.Exit:
    """What to raise to end a command, the reason told."""
    typer.echo(sentence, err=True)
    return typer.Exit(code)


@contextmanager
def refused(*errors: type[Exception], code: int = USAGE) -> Iterator[None]:
    """End the command with the sentence of such an error, if one comes."""
    try:
        yield
    except errors as error:
        raise stop(str(error.args[0] if isinstance(error, KeyError) else error), code) from None


def need_keras(command: str) -> None:
    """End a command that needs TensorFlow and Keras, where they are not installed."""
    from conformance.oracle.environment import refusal

    if sentence := refusal(command):
        raise stop(sentence)
