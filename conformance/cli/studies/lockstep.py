"""The commands ``conform lockstep`` and ``conform gap``: trainings with Keras and in NumPy, recorded for the reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conformance.cli.exits import Data, need_keras, refused
from conformance.studies.data.downloads import DataError
from conformance.studies.data.paths import runs_dir


def lockstep_command(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds.")] = 5,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Default: fixtures/runs/lockstep.json.")] = None,
) -> None:
    """Train small models with Keras and in NumPy in step, in float64 and float32, and record how far the two part."""
    from reference.saving.files import write_document

    path = output or _runs() / "lockstep.json"
    need_keras("conform lockstep")
    from conformance.studies.experiments.lockstep import measure

    found = measure(range(seeds))
    write_document(path, found)
    for row in found["rows"]:
        figures = f"losses differ by {row['max_loss_difference']:.0e}, weights by {row['max_weight_difference']:.0e}"
        typer.echo(f"{row['model']}, {row['optimizer']}, {row['dtype']}: {figures}")
    typer.echo(f"{path}: written")


def gap_command(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="Where the runs are kept (default: fixtures/runs/gap).")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds.")] = 5,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes, each of one thread.")] = 1,
    data: Data = None,
    list_only: Annotated[bool, typer.Option("--list", help="Name the runs that are missing, and train nothing.")] = False,
) -> None:
    """Train the runs that take apart why training from scratch scored below Keras: hours. What is finished is not trained again."""
    from tqdm import tqdm

    from conformance.studies.experiments import gap_runs, gap_training

    place = folder or _runs() / "gap"
    with refused(DataError, code=1):
        todo = gap_training.missing(list(gap_runs.runs(range(seeds))), place, data)
    if list_only:
        for run in todo:
            typer.echo(run.name)
        return
    if todo:
        need_keras("conform gap")
    for run in tqdm(gap_training.train_all(todo, place, data, workers), total=len(todo), unit="run", disable=None):
        tqdm.write(run.name)
        gap_training.write_manifest(place, data)
    typer.echo(f"{place}: nothing is missing for {seeds} seeds")


def _runs() -> Path:
    with refused(FileNotFoundError):
        return runs_dir()
