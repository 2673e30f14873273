"""An assignment written to a folder: what students get, what the staff keeps, what is uploaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from conformance.base.files import unwritable
from conformance.grading.assignment import classroom50, folder, gradescope, prairielearn
from conformance.grading.assignment.asked import asked_cases
from conformance.grading.assignment.handout import handed_out
from conformance.grading.assignment.plan import RUBRIC, SECRET, Assignment, AssignmentError, plan
from conformance.grading.assignment.upload import Upload, below
from conformance.grading.assignment.wheel import wheel
from reference.saving.files import write_whole

PLATFORMS: dict[str, Callable[[Assignment, bytes, Mapping[str, bytes]], Upload]] = {
    "gradescope": gradescope.upload,
    "classroom50": classroom50.upload,
    "prairielearn": prairielearn.upload,
    "folder": folder.upload,
}
PUBLIC = ("classroom50",)
"""Platforms on which students can read what is uploaded."""
STUDENTS, STAFF = "students", "STAFF.md"
ABOUT = """\
# {title}: for the staff

`students/` is for them: the starter file, a page on what is asked and counted, and a package with which they check themselves, which has
the recorded answers of {layers}. `rubric.toml` says what is asked and what it is worth; after a change of it make the rest again:

```
conform assignment {name} --platform {platform} --rubric {out}/rubric.toml --out {out}
```

## {platform}

{steps}
## What students can know

The package has this project's own layers in it, as everybody can read them: who copies them hands in right answers, and that is for you to
see. Nothing of a submission is believed; `conformance/docs/grading.md` of the project says what the sandbox protects against.{secret}
"""
KEPT = """ `secret` draws the
cases that nobody can know before: keep it to yourself, and keep it, since the same secret draws the same cases again."""


def write_assignment(name: str, layers: Sequence[str], platform: str, out: Path, rubric: Path | None = None) -> list[str]:
    """Write all that an assignment needs.

    Parameters
    ----------
    name : str
    layers : sequence of str
        Keras class names; may be empty where there is a rubric.
    platform : str
        One of :data:`PLATFORMS`.
    out : path
        An empty folder, or one that is made; or that of an earlier time, where `rubric` is the one in it.
    rubric : path, optional

    Returns
    -------
    list of str
        The names of the files in `out`.

    Raises
    ------
    AssignmentError
        If something that was asked for cannot be.
    OSError
        If a file cannot be written.
    """
    _check(platform, out, rubric)
    kept = out / SECRET
    assignment = plan(name, layers, rubric, kept.read_text().strip() if kept.is_file() else "", platform in PUBLIC)
    items = assignment.rubric.items
    students = handed_out(assignment, wheel(assignment.layers))
    upload = PLATFORMS[platform](assignment, wheel(assignment.layers, asked_cases(items, assignment.layers)), students)
    secret = {SECRET: assignment.secret.encode()} if assignment.secret else {}
    about = ABOUT.format(
        title=assignment.title,
        layers=", ".join(assignment.layers),
        name=name,
        platform=platform,
        out=out,
        steps=upload.steps,
        secret=KEPT if secret else "",
    )
    files = {**below(STUDENTS, students), **assignment.files, **secret, STAFF: about.encode(), **upload.files}
    for file, content in files.items():
        path = out / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
        path.chmod(0o600 if file == SECRET else 0o755 if file in upload.programs else 0o644)
    return list(files)


def _check(platform: str, out: Path, rubric: Path | None) -> None:
    """Refuse before anything is computed."""
    if platform not in PLATFORMS:
        raise AssignmentError(f"--platform: there is none of the name {platform!r}; there are {', '.join(PLATFORMS)}")
    again = rubric is not None and rubric.resolve() == (out / RUBRIC).resolve()
    if out.exists() and not out.is_dir():
        raise AssignmentError(f"--out: {out} is not a folder")
    if out.is_dir() and any(out.iterdir()) and not again:
        hint = f"; --rubric {out / RUBRIC} makes it again by the rubric in it" if (out / RUBRIC).is_file() else ""
        raise AssignmentError(f"--out: {out} is not empty{hint}")
    if complaint := unwritable(out / STAFF):
        raise AssignmentError(f"--out: {complaint}")
