"""All that a rubric asks of one submission, each question once, and what became of it."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from conformance import checks
from conformance.base.call import REFUSED
from conformance.base.record import PASSED, UNSUPPORTED, Record
from conformance.base.report import Report
from conformance.base.unsupported import NO_FUNCTION
from conformance.cases.case import Case
from conformance.cases.titles import in_words
from conformance.grading.hidden import answered_by, ask_hidden, item_of
from conformance.grading.new_cases import matches
from conformance.grading.rubric import ALL_LEVELS, Item
from conformance.grading.sample_by_sample import SampleBySample
from conformance.judging.sentences import in_sentences
from conformance.judging.session import CaseRunner, Session
from conformance.suite.check import ANSWERED, gradients_are_asked, questions
from conformance.suite.names import functions_of, own_functions_of
from conformance.suite.told import Told

KIND_OF = {"loss_gradient": "loss", "random": "dropout", "property": "properties"}
"""The kind of question behind a pass, where it is called otherwise."""


@dataclass
class Asked:
    """What became of the questions of a rubric, put as they are recorded, and where that failed sample by sample as well.

    Attributes
    ----------
    session : Session
        Whose implementation was asked.
    together, alone : Told
        The records of both; `alone` has those that were asked again, and pass so.
    hidden_by : str
        Who answered hidden cases, in a sentence.
    """

    session: Session
    together: Told
    alone: Told
    hidden_by: str

    @cached_property
    def report(self) -> Report:
        """The report of samples that come together."""
        return self.together.report(self.session.iut)

    @cached_property
    def report_alone(self) -> Report:
        """The report in which a case passes that does sample by sample."""
        passed = {record.id: record for record in self.alone.records if record.status == PASSED}
        return replace(self.report, records=[passed.get(record.id, record) for record in self.together.records])


def ask(session: Session, hidden: Session, items: Sequence[Item]) -> Asked:
    """Put every question that an item asks, layer by layer; those that nobody can know before in the session `hidden`."""
    by = answered_by(hidden) if any(item.hidden for item in items) else ""
    asked = Asked(session, Told(), Told(), by)
    open_items = [item for item in items if not item.hidden]
    for layer in dict.fromkeys(layer for item in open_items for layer in item.layers):
        _ask_layer(asked, layer, [item for item in open_items if layer in item.layers])
    for item in items:
        if item.hidden:
            ask_hidden(hidden, item, asked.together.settle)
            if not item.batch:
                ask_hidden(_one_by_one(hidden), item, asked.alone.settle)
    return asked


def _one_by_one(session: Session) -> Session:
    """The session in which the same implementation is asked sample by sample."""
    alone = replace(session)
    alone.implementation = SampleBySample(session.implementation)
    return alone


def _ask_layer(asked: Asked, layer: str, items: Sequence[Item]) -> None:
    session = asked.session
    has = session.implementation.has
    there = any(has(function) for function in own_functions_of(layer))
    backward = there and any(has(function) for function in functions_of(layer) if function.endswith("_backward"))
    alone, asked_alone = _one_by_one(session), not all(item.batch for item in items)
    for kind, identifier, question in _wanted(layer, tuple(items)):
        name = f"test_{kind}[{identifier}]"
        gradients = gradients_are_asked(kind, question)
        if not (backward if gradients else there):
            missing = next(function for function in functions_of(layer) if function.endswith("_backward") == gradients)
            asked.together.settle(_unasked(layer, kind, name, question, f"{session.iut}{NO_FUNCTION}{missing}"), lambda: "")
            continue
        if asked.together.is_settled(kind, question):
            continue
        _put(session, asked.together, kind, name, question)
        if kind == "forward" and asked_alone and question[0].shape[0] > 1 and _may_pass_alone(asked.together.records[-1], name):
            _put(alone, asked.alone, kind, name, question)


def _unasked(layer: str, kind: str, name: str, question: tuple[Any, ...], message: str) -> Record:
    """The record of a question about a function that there is not."""
    level, own = checks.KINDS[kind].level_of(*question), {value: key for key, value in KIND_OF.items() if key != "loss_gradient"}
    return Record(name, layer, own.get(kind, kind), UNSUPPORTED, _options(question), message=message, level=level)


def _may_pass_alone(record: Record, name: str) -> bool:
    """Whether a case that has just been asked could pass sample by sample: not one that does, or lacks an option."""
    return record.id == name and record.status != PASSED and REFUSED not in record.message


def _put(session: Session, told: Told, kind: str, name: str, question: tuple[Any, ...]) -> None:
    again = functools.partial(shlex.join, ["conform", "check", session.iut, "--case", name])
    runner = CaseRunner(session, name, again, told.settle, in_sentences)
    checks.KINDS[kind].check(runner, *question)


@functools.lru_cache(maxsize=256)
def _wanted(layer: str, items: tuple[Item, ...]) -> list[tuple[str, str, tuple[Any, ...]]]:
    """The questions about a layer that any of these items asks, the same for every submission."""
    found = []
    kinds = [kind for kind in ANSWERED if any(not item.passes or kind in map(kind_of, item.passes) for item in items)]
    for kind, identifier, question in questions([layer], "standard", kinds):
        level = checks.KINDS[kind].level_of(*question)
        if any(asks(item, kind, level, question) for item in items):
            found.append((kind, identifier, question))
    return found


def asks(item: Item, kind: str, level: str, question: tuple[Any, ...]) -> bool:
    """Whether an item asks a question, as far as that is known before there is a record of it."""
    if item.level not in (ALL_LEVELS, level) or (item.passes and kind not in map(kind_of, item.passes)):
        return False
    return not any(isinstance(part, Case) for part in question) or matches(item.options, _options(question))


def _options(question: tuple[Any, ...]) -> dict[str, str]:
    """The options of the case that a question is about, in words."""
    case = next((part for part in question if isinstance(part, Case)), None)
    return {} if case is None else {name: in_words(value) for name, value in case.options.items()}


def kind_of(name: str) -> str:
    """The kind of question behind a pass."""
    return KIND_OF.get(name, name)


def records_of(item: Item, report: Report) -> list[Record]:
    """The records that an item is about."""
    return [
        record
        for record in report.records
        if item_of(record.id) == (item.id if item.hidden else None)
        and record.layer in item.layers
        and (not item.passes or record.kind in item.passes)
        and item.level in (ALL_LEVELS, record.level)
        and matches(item.options, record.options)
    ]
