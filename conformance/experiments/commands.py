"""The command ``conform train``: make the checkpoints of the declared rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conformance.experiments import grid
from conformance.experiments.datasets import load
from conformance.experiments.downloads import DataError
from conformance.experiments.paths import cache_dir, checkpoints_dir


def train_command(
    tasks: Annotated[list[str] | None, typer.Argument(metavar="TASK", help="Rows to train; all of them without any.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder with the data sets; without it CONFORM_DATA, or a download.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Train again what is finished.")] = False,
    list_only: Annotated[bool, typer.Option("--list", help="Name the rows and what became of them, and train nothing.")] = False,
) -> None:
    """Train the declared models with Keras and leave their checkpoints in fixtures/checkpoints/.

    A training that was interrupted continues after its last whole epoch; a row that is finished is skipped.
    """
    try:
        rows = [grid.find(name) for name in dict.fromkeys(tasks or grid.NAMES)]
        checkpoints = checkpoints_dir()
    except (KeyError, FileNotFoundError) as error:
        raise _stop(str(error.args[0]), 2) from None
    if list_only:
        for row in rows:
            typer.echo(_line(row, checkpoints))
        return
    failures = [sentence for row in rows if (sentence := _train_one(row, checkpoints, data, force))]
    if failures:
        raise _stop("\n".join(dict.fromkeys(failures)), 1)


def _train_one(row: grid.Row, checkpoints: Path, data: Path | None, force: bool) -> str | None:
    """Train a row unless it is finished; returns the sentence that says why it could not be."""
    from conformance.experiments.models import ParameterTotalError
    from conformance.experiments.trainer import finished, train

    if not force and finished(row, checkpoints):
        typer.echo(_line(row, checkpoints))
        return None
    try:
        train(row, load(row.dataset, data), checkpoints, cache_dir() / "training", force=force)
    except DataError as error:
        return str(error)
    except (ParameterTotalError, RuntimeError) as error:
        return f"{row.name}: {error}"
    typer.echo(_line(row, checkpoints))
    return None


def _line(row: grid.Row, checkpoints: Path) -> str:
    """One line about a row: its name, and its figure or what is missing."""
    from conformance.experiments.trainer import finished

    manifest = finished(row, checkpoints)
    if manifest is None:
        state = "is there, and not of this row as it is declared" if (checkpoints / row.name).is_dir() else "not trained"
    else:
        score = manifest["keras"]["test"]["macro_f1"]
        state = f"test macro-F1 {score:.4f}, {manifest['epochs_run']} epochs, {manifest['dataset']['title']}"
    return f"{row.name:<24} {row.parameters:>9,} parameters   {state}"


def _stop(sentence: str, code: int) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(code)
