"""The commands ``conform report`` and ``conform bench``: what is measured, written into the checkout's ``reports/``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conformance.cli.exits import Data, need_keras, refused, stop


def report_command(
    records: Annotated[
        Path | None,
        typer.Option("--records", metavar="FILE", help="Records of a run of the suite (--conform-json); without it the stored summary."),
    ] = None,
    timings: Annotated[bool, typer.Option("--timings", help="Also time predict, into reports/data/timings.json.")] = False,
    data: Data = None,
) -> None:
    """Write reports/: score the trained models that can be scored here, keep the stored record of the others. Never trains a net."""
    from conformance.reporting.conformance import PartialRunError
    from conformance.studies.reports import generate

    if timings:
        need_keras("conform report --timings")
    with refused(FileNotFoundError):
        folder = generate.reports_dir()
    if records is not None and not records.is_file():
        raise stop(f"--records: there is no file {records}; `pytest --conform-json={records} conformance/suite` writes it.")
    if data is not None and not data.is_dir():
        raise stop(f"--data: there is no folder {data}.")
    try:
        generate.write_conformance(folder, records, typer.echo)
    except PartialRunError as error:
        raise stop(f"--records: {error}.") from None
    except (ValueError, KeyError, TypeError) as error:
        if records is None:
            raise
        raise stop(f"--records: {records} is not what --conform-json writes ({type(error).__name__}: {error}).") from None
    generate.write_deviations(folder, typer.echo)
    generate.write_macro_f1(folder, data, typer.echo)
    generate.write_training(folder, typer.echo)
    generate.write_experiments(folder, data, typer.echo)
    if timings:
        generate.write_timings(folder, data, typer.echo)


def bench_command(data: Data = None) -> None:
    """Time an epoch of training, NumPy beside Keras, into reports/data/timings.json; on an idle machine, else the figures mean little."""
    from conformance.studies.reports import generate

    need_keras("conform bench")
    with refused(FileNotFoundError):
        generate.write_timings(generate.reports_dir(), data, typer.echo, (generate.TIMED_TRAINING,))
