"""The command `conform`. What is heavy is imported inside the commands, so that help is quick and needs no TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conformance import __version__
from conformance.experiments.commands import train_command

DONE, USAGE = 0, 2

app = typer.Typer(
    help="The conformance suite for Keras layers: reports, checkpoints, what works here. (The suite itself runs as `pytest`.)",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("train")(train_command)

DATA_HELP = "Folder with the data sets; without it CONFORM_DATA, or a download."
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help=DATA_HELP)]


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options of the command itself."""
    if version:
        typer.echo(f"keras-conformance {__version__}")
        raise typer.Exit(DONE)


@app.command("report")
def report_command(
    records: Annotated[
        Path | None,
        typer.Option("--records", metavar="FILE", help="Records of a run of the suite (--conform-json); without it the stored summary."),
    ] = None,
    timings: Annotated[bool, typer.Option("--timings", help="Also time predict, into reports/data/timings.json.")] = False,
    data: Data = None,
) -> None:
    """Write reports/: score the trained models that can be scored here, keep the stored record of the others. Never trains."""
    from conformance.reporting import generate
    from conformance.reporting.conformance_report import PartialRunError

    try:
        folder = generate.reports_dir()
    except FileNotFoundError as error:
        raise _usage(str(error)) from None
    if records is not None and not records.is_file():
        raise _usage(f"--records: there is no file {records}; `pytest --conform-json={records} conformance/suite` writes it.")
    if data is not None and not data.is_dir():
        raise _usage(f"--data: there is no folder {data}.")
    try:
        generate.write_conformance(folder, records, typer.echo)
    except PartialRunError as error:
        raise _usage(f"--records: {error}.") from None
    except (ValueError, KeyError, TypeError) as error:
        if records is None:
            raise
        raise _usage(f"--records: {records} is not what --conform-json writes ({type(error).__name__}: {error}).") from None
    generate.write_deviations(folder, typer.echo)
    generate.write_macro_f1(folder, data, typer.echo)
    if timings:
        generate.write_timings(folder, data, typer.echo)


@app.command("doctor")
def doctor_command(data: Data = None) -> None:
    """Say what works on this machine: versions, TensorFlow, data sets, cores."""
    from conformance.doctor import report

    for line in report(data):
        typer.echo(line)


def _usage(sentence: str) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(USAGE)


def main() -> None:
    """Entry point of the command ``conform``."""
    app()
