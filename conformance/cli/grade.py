"""The command ``conform grade``: submissions of a class, graded in the sandbox."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from conformance.cli.exits import DONE, stop

UNLOCKED, GRADER_FAILED = 3, 4
SECRET = "CONFORM_SECRET"


def grade_command(
    submissions: Annotated[Path, typer.Argument(metavar="SUBMISSIONS", help="A folder of files, folders and archives; or one of these.")],
    rubric: Annotated[Path | None, typer.Option("--rubric", metavar="FILE.toml", help="What is asked (default: the course's own).")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where tables and pages are written.")] = Path("grades"),
    jobs: Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Submissions at once (default: one a core).")] = -1,
    table: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the table of grades there as well.")] = None,
    seed: Annotated[str, typer.Option("--seed", metavar="random|INT", help="Of hidden cases, where there is no secret.")] = "0",
    secret: Annotated[
        Path | None, typer.Option("--secret-file", metavar="FILE", help=f"The course's secret, by which hidden cases are drawn (or {SECRET}).")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue in DIR: what is graded there already is kept.")] = False,
    adapter: Annotated[Path | None, typer.Option("--adapter", metavar="FILE.py", help="Layer functions that call a submission's own.")] = None,
    sandbox: Annotated[str, typer.Option("--sandbox", metavar="none", help="none: no locks, for submissions that you trust.")] = "sandbox",
) -> None:
    """Grade submissions that nobody has to trust: points by the rubric, and for each a page that says what is wrong and why.

    Ends with 0 when all is graded, with 2 when something here is not usable, with 3 when the sandbox cannot be had, with 4 when the
    harness failed for a submission.
    """
    from dataclasses import replace

    from tqdm import tqdm

    from conformance.base.errors import SandboxError
    from conformance.grading.batch import UnfinishedError, grade_all
    from conformance.grading.grader import OPEN, SANDBOXED, SANDBOXES, Terms
    from conformance.grading.intake import IntakeError, find_submissions
    from conformance.grading.result import GRADER_ERROR
    from conformance.grading.rubric import RubricError, default_rubric, read_rubric
    from conformance.implementations.sandbox.launcher import locks

    if sandbox not in SANDBOXES:
        raise stop(f"--sandbox: there is none of the name {sandbox!r}; there are {' and '.join(SANDBOXES)}.")
    try:
        asked = default_rubric() if rubric is None else read_rubric(rubric)
        if adapter is not None and not adapter.is_file():
            raise stop(f"--adapter: there is no file {adapter}.")
        asked = asked if adapter is None else replace(asked, adapter=adapter)
        found = find_submissions(submissions, file=asked.file)
        key = _secret(secret, seed)
        if sandbox == SANDBOXED:
            locks()
    except (RubricError, IntakeError) as error:
        raise stop(f"{error}.") from None
    except SandboxError as error:
        raise stop(f"{error}; nothing was graded. --sandbox=none runs submissions without locks: only those that you trust.", UNLOCKED) from None
    try:
        with tqdm(total=len(found), unit="submission", disable=None) as bar:
            results = grade_all(found, Terms(asked, sandbox, key), out, jobs=jobs, resume=resume, done=lambda result: bar.update())
        if table is not None:
            table.write_bytes((out / "grades.csv").read_bytes())
    except UnfinishedError as error:
        raise stop(f"--out: {error}.") from None
    except OSError as error:
        raise stop(f"{error.filename or out} cannot be written: {error.strerror or error}. What was graded before is kept.") from None
    failed = [result.submission for result in results if result.status == GRADER_ERROR]
    typer.echo(f"{len(results)} graded: {out / 'grades.csv'}, and a page for each in {out / 'submissions'}")
    if sandbox == OPEN:
        typer.echo("Without the sandbox: any submission could have changed anything, its own grade among it.")
    if failed:
        raise stop(f"The harness failed for {len(failed)} of them, the first is {failed[0]!r}: see its record.", GRADER_FAILED)
    raise typer.Exit(DONE)


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
