"""The command ``conform train``: train the declared rows, leave a record of each seed and the checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from conformance.cli.exits import Data, need_keras, refused, stop
from conformance.studies.data.paths import cache_dir, checkpoints_dir, runs_dir
from conformance.studies.experiments import grid, runs
from conformance.studies.experiments.row import Row


def train_command(
    tasks: Annotated[list[str] | None, typer.Argument(metavar="TASK", help="Rows to train; all of them without any.")] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="How many seeds (default: 5 for NusaX-Senti, else 1).")] = None,
    folds: Annotated[bool, typer.Option("--folds", help="Cross-validate on training and validation split instead.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes, each of one thread; 1 uses all threads.")] = 1,
    scheduler: Annotated[str | None, typer.Option("--scheduler", metavar="ADDRESS", help="A Dask scheduler, whose workers train.")] = None,
    data: Data = None,
    force: Annotated[bool, typer.Option("--force", help="Train again what is finished.")] = False,
    list_only: Annotated[bool, typer.Option("--list", help="Name the rows and what became of them, and train nothing.")] = False,
) -> None:
    """Train the declared models with Keras: records in fixtures/runs/experiments/, checkpoints in fixtures/checkpoints/.

    A training that was interrupted continues after its last whole epoch; a row that is finished is skipped.
    """
    from tqdm import tqdm

    with refused(KeyError, FileNotFoundError):
        rows = [grid.find(name) for name in dict.fromkeys(tasks or grid.ALL)]
        records, checkpoints = runs_dir() / "experiments", checkpoints_dir()
    if list_only:
        for row in rows:
            typer.echo(_line(row, records))
        return
    need_keras("conform train")
    places = runs.Places(records, checkpoints, cache_dir() / "training")
    wanted = _folded(rows, bool(tasks)) if folds else runs.seeded(rows, seeds)
    todo = [row for row in wanted if force or not runs.is_done(row, places)]
    if reason := runs.other_copy(todo, places.records, data):
        raise stop(reason, 1)
    failures = []
    trained = runs.train_all(todo, places, data, workers, scheduler, force)
    for sentence in tqdm(trained, total=len(todo), unit="run", disable=None if todo else True):
        if sentence:
            failures.append(sentence)
        else:
            runs.write_manifest(places.records, data)
    for row in rows:
        if runs.stored(row, records):
            typer.echo(_line(row, records))
    if failures:
        raise stop("\n".join(dict.fromkeys(failures)), 1)


def _folded(rows: list[Row], named: bool) -> list[Row]:
    """The folds of rows; a refit that is asked for by name has none."""
    refits = [f"{row.name} is fitted on both splits and has no folds; cross-validate {row.refit_of}." for row in rows if row.refit_of]
    if refits and named:
        raise stop("\n".join(refits))
    return runs.folded(rows)


def _line(row: Row, records: Path) -> str:
    """One line about a row: its name, and its figures or what is missing."""
    found = [record for seed in runs.seeds_there(row, records) if (record := runs.stored(replace(row, seed=seed), records))]
    if found:
        scores = ", ".join(f"{record['test']['macro_f1']:.4f}" for record in found)
        state = f"test macro-F1 {scores}"
    else:
        state = "not trained"
    return f"{row.name:<34} {row.parameters:>9,} parameters   {state}"
