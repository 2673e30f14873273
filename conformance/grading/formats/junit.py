"""A report as JUnit writes it, in XML, for what reads nothing else: a test case for each item that a student may see."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from conformance.grading.formats.blocks import as_plain
from conformance.grading.formats.escape import MOST_NAME, one_line
from conformance.grading.formats.numbers import is_full, of_points, written
from conformance.grading.formats.told import nothing_asked, of_item, of_status, shown_items, title_of
from conformance.grading.result import GRADER_ERROR, OK, VISIBLE, ItemResult, Result
from conformance.grading.rubric import Rubric


def document(result: Result, rubric: Rubric, shown: Sequence[str] = (VISIBLE,)) -> str:
    """The whole report: an item that did not earn all its points is a failure, one that the harness failed on an error."""
    items = shown_items(result, shown)
    errors = len(items) if result.status == GRADER_ERROR else 0
    failures = 0 if errors else sum(not is_full(item) for item in items)
    counts = {"tests": str(len(items)), "failures": str(failures), "errors": str(errors), "skipped": "0"}
    whole = ElementTree.Element("testsuites", {"name": one_line(rubric.name, MOST_NAME), **counts})
    suite = ElementTree.SubElement(whole, "testsuite", {"name": one_line(result.submission, MOST_NAME), **counts})
    _properties(suite, {"status": result.status, "sha256": result.sha256})
    for item in items:
        _case(suite, item, result, rubric)
    ElementTree.indent(whole)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(whole, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, item: ItemResult, result: Result, rubric: Rubric) -> None:
    case = ElementTree.SubElement(suite, "testcase", {"classname": one_line(rubric.name, MOST_NAME), "name": one_line(title_of(item))})
    _properties(case, {"id": item.id, "earned": written(item.earned, 4), "points": written(item.points, 4)})
    if result.status == GRADER_ERROR or not is_full(item):
        about = of_status(result, rubric) if nothing_asked(result) else of_item(item)
        wrong = "error" if result.status == GRADER_ERROR else "failure"
        said = "not graded" if wrong == "error" else of_points(item.earned, item.points)
        told = {"message": said, "type": "points lost" if result.status == OK else result.status}
        ElementTree.SubElement(case, wrong, told).text = as_plain(about)


def _properties(parent: ElementTree.Element, values: dict[str, str]) -> None:
    own = ElementTree.SubElement(parent, "properties")
    for name, value in values.items():
        ElementTree.SubElement(own, "property", {"name": name, "value": one_line(value)})
