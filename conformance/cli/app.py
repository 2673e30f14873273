"""The commands of `conform` that are made with typer. What is heavy is imported inside them: help is quick and needs no TensorFlow.

Help and version of `conform` itself, and the command `check`, need less and stand in :mod:`conformance.cli`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conformance.cli.assignment import assignment_command
from conformance.cli.exits import DIFFERENT, DONE, need_keras, stop
from conformance.cli.grade import grade_command
from conformance.cli.usage import HELP, has_studies

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": list(HELP)},
)
app.command("grade")(grade_command)
app.command("assignment")(assignment_command)
if has_studies():
    from conformance.cli.studies.lockstep import gap_command, lockstep_command
    from conformance.cli.studies.report import bench_command, report_command
    from conformance.cli.studies.train import train_command

    app.command("report")(report_command)
    app.command("bench")(bench_command)
    app.command("train")(train_command)
    app.command("lockstep")(lockstep_command)
    app.command("gap")(gap_command)


@app.command("compare")
def compare_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.keras", help="A model that Keras saved: .keras, .h5; or .json, with --weights.")],
    data: Annotated[Path, typer.Argument(metavar="DATA.npz", help="Its inputs: x, or arrays named as the inputs; class numbers in y.")],
    iut: Annotated[str, typer.Option("--iut", metavar="MODULE|FILE.py[:ATTR]|exec:COMMAND", help="What is compared.")] = "reference",
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE.weights.h5", help="What save_weights wrote, beside model.to_json() as MODEL.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE.md", help="Write the report there instead.")] = None,
) -> None:
    """Compare an implementation with Keras on a model and data of your own, layer by layer.

    Ends with 0 where they agree in all that can be compared, with 1 where they differ by more than float32 arithmetic explains, with 2
    where nothing can be compared.
    """
    import contextlib
    import sys
    import warnings

    from conformance.models.data import UnusableError
    from reference.saving.files import write_text

    if output is not None and any(one is not None and output.resolve() == one.resolve() for one in (model, data, weights)):
        raise stop(f"--output: {output} is what is compared; name another file for the report.")
    try:
        # What an implementation prints when it is imported is no part of the report.
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            from conformance.models.compare import compare_files
            from conformance.reporting.comparison import headline, markdown

            result = compare_files(model, data, iut, weights)
            text = markdown(result)
        if output is not None:
            write_text(output, text)
    except UnusableError as error:
        raise stop(str(error)) from None
    except OSError as error:
        raise stop(f"--output: {output} cannot be written ({error}).") from None
    typer.echo(text if output is None else f"{headline(result)}\n{output}: written", nl=output is not None)
    raise typer.Exit(DONE if result.agrees else DIFFERENT)


@app.command("record")
def record_command(
    output: Annotated[Path | None, typer.Option("--output", metavar="DIR", help="Folder (default: fixtures/vectors).")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Write nothing, only say what would change; ends with 1 if anything.")] = False,
    workers: Annotated[int | None, typer.Option("--workers", min=1, metavar="N", help="Processes (default: one a core).")] = None,
) -> None:
    """Record what live Keras answers to every declared case, and say what has changed since the last time."""
    need_keras("conform record")
    from conformance.oracle.recorded.vectors import folder
    from conformance.recording.update import lines, record, store

    place = folder() if output is None else output
    try:
        kept, sentences = record(place, workers)
        if not compare:
            store(kept, place)
    except OSError as error:
        raise stop(f"{place} cannot be written: {error}.") from None
    for line in lines(sentences) or ["Nothing has changed."]:
        typer.echo(line)
    total = sum(len(entries) for entries in kept.values())
    typer.echo(f"{total} cases {'compared with' if compare else 'recorded in'} {place}")
    raise typer.Exit(DIFFERENT if compare and sentences else DONE)
