"""Many submissions at once: graded side by side, kept one by one as they are done, and continued where a run was ended."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from conformance.grading.formats import file_name, write_all
from conformance.grading.formats.writing import write_class, write_submission
from conformance.grading.grader import Terms, facts_of, grade, nothing
from conformance.grading.intake import IntakeError, Submission, unpacked
from conformance.grading.result import GRADER_ERROR, VISIBLE, Result
from reference.saving.files import write_document

KEPT = "records"
"""The folder in which each result is kept as it was computed, for tables, pages and a later run."""
NOT_YET = "It was not graded: the run ended before it was its turn. `--resume` continues it."
LOST = "The process that graded it ended, twice. That is not your fault; a person has to look."


class UnfinishedError(ValueError):
    """The folder has results of an earlier run, and nobody said what is to become of them."""


def grade_all(
    submissions: Sequence[Submission],
    terms: Terms,
    out: Path,
    *,
    jobs: int = -1,
    resume: bool = False,
    shown: Sequence[str] = (VISIBLE,),
    done: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Grade all submissions and write everything about them.

    Before anything runs every submission has a result of nothing earned; then each is replaced, whole, when it is there. What ends this
    process loses what is being graded at that moment, and no more. The processes are joblib's: inside ``joblib.parallel_config("dask")``
    they are those of a cluster.

    Parameters
    ----------
    submissions, terms
    out : path
        An empty folder, or one that is made; with `resume` that of the run that is continued.
    jobs : int
        How many are graded at once; -1 is one a core.
    resume : bool
        Whether what is kept in `out`, of the same files and the same rubric, is left as it is.
    shown : sequence of str
        The visibilities of the items that students may see by now.
    done : callable (result)
        Told of each result when it is there.

    Returns
    -------
    list of Result
        In the order of the submissions.

    Raises
    ------
    UnfinishedError
        If `out` has results and `resume` is False.
    OSError
        If `out` cannot be written. What was written before is whole.
    """
    kept = out / KEPT
    if kept.is_dir() and any(kept.glob("[!.]*.json")) and not resume:
        raise UnfinishedError(f"{out} has the results of an earlier run; --resume continues it, or name another folder")
    kept.mkdir(parents=True, exist_ok=True)
    for half in kept.glob(".*.json"):  # what a run that was killed was about to write
        half.unlink()
    names = _names(submissions)
    found = _kept(submissions, terms, kept, names) if resume else {}
    start = {one.name: found.get(one.name) or nothing(one, terms, GRADER_ERROR, NOT_YET) for one in submissions}
    write_all(list(start.values()), terms.rubric, out, shown)
    for result in _graded([one for one in submissions if one.name not in found], terms, jobs):
        write_document(kept / f"{names[result.submission]}.json", result.as_json())
        write_submission(result, terms.rubric, out, names[result.submission], shown)
        start[result.submission] = result
        done(result)
    results = [start[one.name] for one in submissions]
    write_class(sorted(results, key=lambda result: result.submission), terms.rubric, out)
    return results


def _names(submissions: Sequence[Submission]) -> dict[str, str]:
    """A name for the files of each submission."""
    taken: set[str] = set()
    return {one.name: file_name(one.name, taken) for one in sorted(submissions, key=lambda one: one.name)}


def _kept(submissions: Sequence[Submission], terms: Terms, kept: Path, names: dict[str, str]) -> dict[str, Result]:
    """The results of an earlier run that are still those of these files and this rubric."""
    found = {}
    for one in submissions:
        path = kept / f"{names[one.name]}.json"
        try:
            result = Result.from_json(json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        same = facts_of(terms).items() <= result.facts.items() and result.submission == one.name and result.sha256 == _digest(one)
        if same and result.sha256 and result.status != GRADER_ERROR:
            found[one.name] = result
    return found


def _digest(submission: Submission) -> str:
    """Of the files as they are now; empty where they cannot be taken."""
    with tempfile.TemporaryDirectory(prefix="conform-grade-") as home:
        try:
            return unpacked(submission, Path(home) / "files").sha256
        except IntakeError:
            return ""


def _graded(submissions: Sequence[Submission], terms: Terms, jobs: int) -> Iterator[Result]:
    """The results as they come. Where a process of joblib's ends, what had none yet is graded again, one by one."""
    left = {one.name: one for one in submissions}
    # Removed here, since joblib's processes are ended at once where the run is.
    with tempfile.TemporaryDirectory(prefix="conform-run-", ignore_cleanup_errors=True) as home:
        os.chmod(home, 0o755)  # a submission is another user there
        try:
            calls = (delayed(_graded_in)(home, one, terms) for one in submissions)
            for result in Parallel(n_jobs=jobs, return_as="generator_unordered")(calls):
                del left[result.submission]
                yield result
        except TerminatedWorkerError:
            for one in list(left.values()):
                try:
                    yield from Parallel(n_jobs=2)([delayed(_graded_in)(home, one, terms)])
                except TerminatedWorkerError:
                    yield nothing(one, terms, GRADER_ERROR, LOST)


def _graded_in(home: str, submission: Submission, terms: Terms) -> Result:
    """The result of a submission that is unpacked and copied below a folder; on another machine, which has none, where it is usual."""
    usual = tempfile.tempdir
    tempfile.tempdir = home if os.path.isdir(home) else usual
    try:
        return grade(submission, terms)
    finally:
        tempfile.tempdir = usual
