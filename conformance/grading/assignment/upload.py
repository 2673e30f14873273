"""What a platform takes, as files by name, and the steps by which it gets there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import packages_distributions

from conformance.grading.assignment.plan import REQUIREMENTS, SECRET, Assignment
from conformance.grading.assignment.wheel import FILE_NAME, FOR_MODELS
from conformance.grading.assignment.wheel import REQUIREMENTS as NEEDED


@dataclass(frozen=True)
class Upload:
    """The part of an assignment that is for one platform.

    Attributes
    ----------
    files : mapping of name to bytes
        Below the assignment's folder.
    steps : str
        What the staff has to do, in Markdown.
    programs : tuple of str
        Those of the files that are run.
    """

    files: Mapping[str, bytes]
    steps: str
    programs: tuple[str, ...] = ()


def carried(assignment: Assignment, wheel: bytes) -> dict[str, bytes]:
    """What every upload has: the wheel, the packages that it needs, the rubric with its files, the secret."""
    models = [FOR_MODELS] if any(item.model for item in assignment.rubric.items) else []
    homes = packages_distributions()
    allowed = [homes.get(name, [name])[0] for name in assignment.rubric.limits.packages if name != "numpy"]
    needed = "# What grading imports beside the wheel, and what submissions may import.\n" + "".join(
        f"{one}\n" for one in (*NEEDED, *models, *allowed)
    )
    secret = {SECRET: assignment.secret.encode()} if assignment.secret else {}
    return {FILE_NAME: wheel, REQUIREMENTS: needed.encode(), **assignment.files, **secret}


def below(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files in a folder."""
    return {f"{folder}/{name}": content for name, content in files.items()}
