"""The command ``conform grade``: submissions of a class, graded in the sandbox."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from conformance.base.errors import SandboxError
from conformance.base.unsupported import table
from conformance.base.words import counted
from conformance.cli.exits import DONE, stop
from conformance.grading.grader import OPEN, SANDBOXED, SANDBOXES, Terms
from conformance.grading.hidden import who_answers
from conformance.grading.intake import IntakeError, Submission, find_submissions
from conformance.grading.result import CRASHED, GRADER_ERROR, MISSING, TIMED_OUT, VISIBILITIES, VISIBLE, Result
from conformance.grading.rubric import Rubric, RubricError, default_rubric, read_rubric
from conformance.implementations.sandbox.launcher import locks

UNLOCKED, GRADER_FAILED = 3, 4
MOST_ROWS, NAME, MISTAKE = 30, 30, 98
"""Rows that are printed, and characters of a name and of a mistake."""
EXACTLY = "You would get exactly these values when "
SECRET = "CONFORM_SECRET"
SECRET_HELP = f"The course's secret, by which hidden cases are drawn (or {SECRET})."
SHOW_HELP = "after_due_date, after_published: items of this visibility are in what students get as well."
ADAPTER_HELP = "Layer functions that call a submission's own."


def grade_command(
    submissions: Annotated[Path, typer.Argument(metavar="SUBMISSIONS", help="A folder of files, folders and archives; or one of these.")],
    rubric: Annotated[Path | None, typer.Option("--rubric", metavar="FILE.toml", help="What is asked (default: the course's own).")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where tables and pages are written.")] = Path("grades"),
    jobs: Annotated[int, typer.Option("--jobs", min=-1, metavar="N", help="Submissions at once (default: one a core).")] = -1,
    table: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the table of grades there as well.")] = None,
    seed: Annotated[str, typer.Option("--seed", metavar="random|INT", help="Of hidden cases, where there is no secret.")] = "0",
    secret: Annotated[Path | None, typer.Option("--secret-file", metavar="FILE", help=SECRET_HELP)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue in DIR: what is graded there already is kept.")] = False,
    adapter: Annotated[Path | None, typer.Option("--adapter", metavar="FILE.py", help=ADAPTER_HELP)] = None,
    show: Annotated[list[str] | None, typer.Option("--show", metavar="WHEN", help=SHOW_HELP)] = None,
    sandbox: Annotated[str, typer.Option("--sandbox", metavar="none", help="none: no locks, for submissions that you trust.")] = SANDBOXED,
) -> None:
    """Grade submissions that nobody has to trust: points by the rubric, and for each a page that says what is wrong and why.

    Ends with 0 when all is graded, with 2 when something here is not usable, with 3 when the sandbox cannot be had, with 4 when the
    harness failed for a submission.
    """
    if sandbox not in SANDBOXES:
        raise stop(f"--sandbox: there is none of the name {sandbox!r}; there are {' and '.join(SANDBOXES)}.")
    unknown = [one for one in show or () if one not in VISIBILITIES]
    if unknown:
        raise stop(f"--show: there is no visibility {unknown[0]!r}; there are {', '.join(VISIBILITIES)}.")
    if jobs == 0:
        raise stop("--jobs must be at least 1, or -1 for one a core, got 0.")
    if out.resolve().is_relative_to(submissions.resolve()):
        raise stop(f"--out: {out} lies in {submissions}, where a later run would take it for a submission; name a folder elsewhere.")
    with _usable(out):
        asked = _rubric(rubric, adapter)
        found = find_submissions(submissions, file=asked.file)
        terms = Terms(asked, sandbox, _secret(secret, seed), who_answers())
        if sandbox == SANDBOXED:
            locks()
        results = _graded(found, terms, out, jobs=jobs, resume=resume, shown=(VISIBLE, *(show or ())))
        if table is not None:
            table.write_bytes((out / "grades.csv").read_bytes())
    typer.echo("\n".join(_rows(results)))
    typer.echo(f"{counted(len(results), 'submission')} graded: {out / 'grades.csv'}, and a page for each in {out / 'submissions'}")
    if sandbox == OPEN:
        typer.echo("Without the sandbox: any submission could have changed anything, its own grade among it.")
    failed = [result.submission for result in results if result.status == GRADER_ERROR]
    if failed:
        raise stop(f"The harness failed for {len(failed)} of them, the first is {failed[0]!r}: its record says why.", GRADER_FAILED)
    raise typer.Exit(DONE)


@contextmanager
def _usable(out: Path) -> Iterator[None]:
    """End the command with a sentence where what it was given cannot be used."""
    from conformance.grading.batch import UnfinishedError

    try:
        yield
    except (RubricError, UnfinishedError) as error:
        raise stop(f"{error}.") from None
    except IntakeError as error:
        raise stop(str(error)) from None
    except SandboxError as error:
        advice = "--sandbox=none runs submissions without locks: only those that you trust"
        raise stop(f"{error}; nothing more was graded. {advice}.", UNLOCKED) from None
    except OSError as error:
        raise stop(f"{error.filename or out} cannot be written: {error.strerror or error}. What was graded before is kept.") from None


def _rubric(path: Path | None, adapter: Path | None) -> Rubric:
    asked = default_rubric() if path is None else read_rubric(path)
    if adapter is not None and not adapter.is_file():
        raise stop(f"--adapter: there is no file {adapter}.")
    return asked if adapter is None else replace(asked, adapter=adapter)


def _graded(found: list[Submission], terms: Terms, out: Path, **options: Any) -> list[Result]:
    """All results, with a bar where somebody looks on."""
    from tqdm import tqdm

    from conformance.grading.batch import grade_all

    with tqdm(total=len(found), unit="submission", disable=None) as bar:

        def done(result: Result) -> None:
            bar.update()

        return grade_all(found, terms, out, done=done, **options)


def _rows(results: Sequence[Result]) -> list[str]:
    """A line for each submission, of very many the first ones: points, how it ended, and what is behind most of what is wrong."""
    from conformance.grading.formats.escape import one_line
    from conformance.grading.formats.numbers import of_points

    rows = [("submission", "points", "status", "first mistake")]
    for result in results[:MOST_ROWS]:
        causes = (cause for item in result.items for cause in item.causes if cause.named or cause.category != MISSING)
        first = next((f"{cause.layer}: {cause.sentence.removeprefix(EXACTLY)}" for cause in causes), "")
        said = first or result.reason if result.status in (TIMED_OUT, CRASHED) else result.reason or first
        points = of_points(result.earned, result.points).removesuffix(" points")
        rows.append((one_line(result.submission, NAME), points, result.status, one_line(said, MISTAKE)))
    more = [f"and {len(results) - MOST_ROWS} more"] if len(results) > MOST_ROWS else []
    return [*table(rows, "lrll"), *more, ""]


def _secret(path: Path | None, seed: str) -> bytes:
    """What hidden cases are drawn by: the secret in a file or the environment, else a number, else something random."""
    if path is not None:
        try:
            return path.read_bytes().strip()
        except OSError as error:
            raise stop(f"--secret-file: {path} cannot be read: {error.strerror}.") from None
    if os.environ.get(SECRET):
        return os.environ[SECRET].encode()
    if seed == "random":
        return os.urandom(32)
    try:
        return str(int(seed)).encode()
    except ValueError:
        raise stop(f"--seed must be a whole number or random, got {seed!r}.") from None
