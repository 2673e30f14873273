"""What students get: the starter file, the page, and the wheel by which they check themselves."""

from __future__ import annotations

from conformance.grading.assignment.functions import asked_passes, functions_of, kept_options
from conformance.grading.assignment.page import page
from conformance.grading.assignment.plan import Assignment
from conformance.grading.assignment.starter import starter
from conformance.grading.assignment.wheel import FILE_NAME

PAGE = "ASSIGNMENT.md"


def handed_out(assignment: Assignment, wheel: bytes) -> dict[str, bytes]:
    """The files by name."""
    items = assignment.rubric.items
    names = {name: kept_options(items, layer) for layer in assignment.layers for name in functions_of(layer, asked_passes(items, layer))}
    source = starter(assignment.title, assignment.file, names)
    return {assignment.file: source.encode(), PAGE: page(assignment).encode(), FILE_NAME: wheel}
