"""Writing ``reports/``: measure what this machine can, keep the stored record of what it cannot, render everything.

Files are written only when their content changes. No net is ever trained here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.base.files import read_json
from conformance.base.report import Report
from conformance.reporting import conformance as conformance_report
from conformance.reporting import deviations as deviations_report
from conformance.studies.analysis import baselines as baseline_analysis
from conformance.studies.analysis import experiments as experiment_analysis
from conformance.studies.analysis import scoring
from conformance.studies.analysis.results import results
from conformance.studies.data.paths import checkpoints_dir, fixtures_dir, runs_dir
from conformance.studies.experiments import grid, timing
from conformance.studies.experiments.apart import apart
from conformance.studies.experiments.axes import AXES
from conformance.studies.reports import experiments as experiment_report
from conformance.studies.reports import figures
from conformance.studies.reports import gap as gap_report
from conformance.studies.reports import macro_f1 as macro_f1_report
from conformance.studies.reports import masking as masking_report
from conformance.studies.reports import summary as summary_report
from conformance.studies.reports import training as training_report
from reference.saving.files import write_document, write_text

Say = Callable[[str], None]
CONFORMANCE, MACRO_F1, TIMINGS = "conformance.json", "macro_f1.json", "timings.json"
TRAINING, GAP = "training.json", "training_gap.json"
EXPERIMENTS, CLASSES, BASELINES = "experiments.json", "classes.json", "baselines.json"
TIMED_PREDICT, TIMED_TRAINING = "conformance.studies.experiments.timing", "conformance.studies.experiments.training_timing"
"""The modules that time something."""


def reports_dir() -> Path:
    """The checkout's ``reports/`` folder; raises ``FileNotFoundError`` where there is no checkout."""
    return fixtures_dir().parent / "reports"


def write_conformance(folder: Path, records: Path | None, say: Say) -> None:
    """``conformance.md``: from the records of a run, or from the stored summary alone.

    Raises
    ------
    PartialRunError
        If the records cannot stand for the whole suite.
    """
    stored = stored_json(folder, CONFORMANCE, None)
    if records is not None:
        summary = conformance_report.stored_summary(Report.from_json(read_json(records)), stored)
    elif stored is None:
        say("There are no stored records of the suite: run it with --conform-json=FILE and give --records FILE.")
        return
    else:
        summary = stored
        say("conformance.md: rendered from the stored summary; --records FILE takes a new run.")
    _json(folder / "data" / CONFORMANCE, summary)
    _text(folder / "conformance.md", conformance_report.markdown(summary), say)


def write_macro_f1(folder: Path, data: Path | None, say: Say, checkpoints: Path | None = None) -> None:
    """``macro_f1.md``: every row with a checkpoint, scored where checkpoint, data and Keras are here, else as it is stored.

    A record of a model that is not declared any more goes.
    """
    checkpoints = checkpoints or checkpoints_dir()
    stored: list[scoring.Score] = [record for record in stored_json(folder, MACRO_F1, []) if record["model"] in grid.NAMES]
    measured, reasons = [], {}
    rows = [row for row in grid.ROWS if (checkpoints / row.name / "model.keras").is_file()]
    for row in rows:
        try:
            measured.append(scoring.score(row, checkpoints, data))
        except scoring.Unmeasurable as error:
            reasons[row.name] = str(error)
    for reason in dict.fromkeys(reasons.values()):
        names = ", ".join(name for name, own in reasons.items() if own == reason)
        say(f"{reason} The stored records stay: {names}.")
    records = scoring.updated(stored, measured, grid.NAMES)
    known = {record["model"] for record in records}
    _json(folder / "data" / MACRO_F1, records)
    _text(folder / "macro_f1.md", macro_f1_report.markdown(records, [row.name for row in rows if row.name not in known]), say)


def write_deviations(folder: Path, say: Say) -> None:
    """``keras_deviations.md``, from the registry and the declared cases."""
    _text(folder / "keras_deviations.md", deviations_report.markdown(), say)


def write_training(folder: Path, say: Say, runs: Path | None = None) -> None:
    """``training.md`` and ``training_gap.md`` with their figures, from the records of ``conform lockstep`` and ``conform gap``."""
    place = runs or runs_dir()
    manifest = _read(place / "gap" / "manifest.json")
    records = [_read(place / "gap" / name) for name in manifest["files"]] if manifest else []
    if manifest:
        found = gap_report.summary(records, manifest["test_labels"])
        _json(folder / "data" / GAP, found)
        _text(folder / "training_gap.md", gap_report.markdown(found), say)
    lockstep = _read(place / "lockstep.json")
    if lockstep:
        drawn = [
            name
            for name, draw, data in (
                (training_report.DRIFT, figures.draw_drift, training_report.drift_data(lockstep)),
                (training_report.HISTORIES, figures.draw_histories, training_report.history_data(records)),
            )
            if data and _figure(folder / name, draw, data, say)
        ]
        _json(folder / "data" / TRAINING, lockstep["rows"])
        _text(folder / "training.md", training_report.markdown(lockstep, drawn), say)
    for made, command in ((lockstep, "lockstep"), (manifest, "gap")):
        if not made:
            say(f"There are no records of `conform {command}` in {place}: its report stays as it is.")


def write_experiments(folder: Path, data: Path | None, say: Say, runs: Path | None = None) -> None:
    """The reports of the experiments with their figures, and the summary of all, from the records of ``conform train``.

    Classifiers without a net are trained where the data are and nothing is stored of them; that takes seconds.
    """
    records = experiment_analysis.read((runs or runs_dir()) / "experiments")
    found = results(records, baseline_analysis.updated(stored_json(folder, BASELINES, {}), records, data, say))
    for name, content in ((EXPERIMENTS, found.entries), (CLASSES, found.classes), (BASELINES, found.baselines)):
        _json(folder / "data" / name, content)
    shown = {experiment_report.figure_of(axis): experiment_report.figure_data(axis, records) for axis in AXES}
    drawn = [name for name, curves in shown.items() if curves and _figure(folder / name, figures.draw_curves, curves, say)]
    for family in experiment_report.TITLES:
        _text(folder / experiment_report.name_of(family), experiment_report.markdown(family, found, drawn), say)
    _text(folder / masking_report.FILE, masking_report.markdown(found, drawn), say)
    stored = [stored_json(folder, name, default) for name, default in ((CONFORMANCE, None), (MACRO_F1, []), (TRAINING, []), (GAP, None))]
    _text(folder / summary_report.FILE, summary_report.markdown(found, *stored), say)


def _figure(path: Path, draw: Callable[[Path, Any], None], data: Any, say: Say) -> bool:
    """Draw a figure unless it shows these data already; whether it is there."""
    if figures.shows(path, data):
        say(f"{path.name}: unchanged")
    elif importlib.util.find_spec("matplotlib") is None:
        say(f"{path.name} needs matplotlib, which is not installed, and stays as it is.")
    else:
        draw(path, data)
        say(f"{path.name}: written")
    return path.is_file()


def _read(path: Path) -> Any:
    """What a JSON file holds, or None where there is none."""
    return read_json(path) if path.is_file() else None


def write_timings(folder: Path, data: Path | None, say: Say, modules: Sequence[str] = (TIMED_PREDICT,)) -> None:
    """``data/timings.json``, with one thread and with all; what cannot be timed here stays as it is."""
    timed: list[dict[str, Any]] = []
    for module in modules:
        for threads in sorted({1, timing.cores()}):
            say(f"Timing with {threads} of {timing.cores()} threads; nothing else should run meanwhile.")
            found, sentences = apart(module, threads, threads, data)
            timed += found
        for sentence in sentences:
            say(sentence)
    new = {_timed(one) for one in timed}
    stored = stored_json(folder, TIMINGS, [])
    _json(folder / "data" / TIMINGS, [*timed, *(one for one in stored if _timed(one) not in new)])
    for one in timed:
        unit = "ms" if one["measures"] == "predict" else "s"
        figures = f"reference {one[f'reference_{unit}']} {unit}, Keras {one[f'keras_{unit}']} {unit}, ratio {one['ratio']}"
        say(f"{one['measures']} of {one['model']}, {one['numpy_threads']} of {one['cores']} threads: {figures}")


def _timed(one: Mapping[str, Any]) -> tuple[str, str, int]:
    """What a timing is of: records of it replace one another."""
    return one.get("measures", "predict"), one["model"], one["numpy_threads"]


def stored_json(folder: Path, name: str, default: Any) -> Any:
    """What an earlier run stored, or `default`."""
    found = _read(folder / "data" / name)
    return default if found is None else found


def _json(path: Path, value: Any) -> None:
    if not path.is_file() or read_json(path) != value:
        write_document(path, value)


def _text(path: Path, text: str, say: Say) -> None:
    changed = not path.is_file() or path.read_text(encoding="utf-8") != text
    if changed:
        write_text(path, text)
    say(f"{path.name}: {'written' if changed else 'unchanged'}")
