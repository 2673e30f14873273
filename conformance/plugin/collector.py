"""The collector that turns reports into records, in one process or from workers, and writes what is made of them at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from conformance.base.record import CORE, ERROR, Record
from conformance.base.report import Report
from conformance.cases import NAMES
from conformance.plugin import xfail
from conformance.plugin.ending import ended
from conformance.plugin.settings import Settings
from conformance.plugin.summary import summary_lines, write_results
from conformance.suite import KINDS

WORKERS_END_WITHIN = 1
"""Seconds that the workers of pytest-xdist have to end after Ctrl-C."""


class Collector:
    """Gathers the records that reports carry; `kept` takes them out, each with the facts of its run where that is not the suite's.

    `whole` says whether the arguments of the command line stand for the whole suite, `of_suite` whether a report is of a test of it.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        kept: Callable[..., list[Any]],
        whole: bool,
        of_suite: Callable[[pytest.TestReport], bool] = lambda report: False,
    ) -> None:
        self.config, self.settings, self.kept, self.whole, self.of_suite = config, settings, kept, whole, of_suite
        self.runs: dict[tuple[tuple[str, Any], ...], dict[str, Record]] = {}
        self.silent = 0
        self.sentences: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the records that a test attached to itself."""
        records = self.kept(report)
        if report.when == "call" and not report.failed and not records and self.of_suite(report):
            self.silent += 1
        for facts, values in records:
            self._add(facts, Record(**{**values, "needs": tuple(values["needs"]), "remarks": tuple(values["remarks"])}))
        if report.failed and report.when not in ("setup", "call", "teardown"):
            self._died(report)

    def _died(self, report: pytest.TestReport) -> None:
        """The record of a case in which a worker died: nothing is left of it but its name."""
        name = report.nodeid.rpartition("::")[2]
        test, _, case = name.partition("[")
        layer = case.rstrip("]").partition("-")[0]
        if layer in NAMES:
            kind, level = test.removeprefix("test_"), self._level(test, layer, case)
            self._add({}, Record(name, layer, kind, ERROR, message=str(report.longrepr), level=level))

    def _level(self, test: str, layer: str, case: str) -> str:
        """The level of the question of this test; core where the suite has none of that name."""
        kind = KINDS.get(test.removeprefix("test_"))
        asked = dict(kind.cases([layer], self.settings.profile)) if kind else {}
        question = asked.get(case.removesuffix("]"))
        return kind.level_of(*question) if kind and question else CORE

    def _add(self, facts: Mapping[str, Any], record: Record) -> None:
        self.runs.setdefault(tuple(facts.items()), {})[record.id] = record

    @property
    def reports(self) -> list[Report]:
        """A report for each thing that was judged; one without records where nothing was."""
        runs = sorted((self.runs or {(): {}}).items())
        return [Report([record for _, record in sorted(found.items())], dict(facts) or self.settings.facts) for facts, found in runs]

    def pytest_keyboard_interrupt(self) -> None:
        """Let workers have a second to end: one in an endless loop hears nothing, and would be waited for much longer."""
        xdist = sys.modules.get("xdist.workermanage")
        if xdist is not None:
            xdist.NodeManager.EXIT_TIMEOUT = WORKERS_END_WITHIN

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write ``--conform-json`` and ``--conform-markdown``, and let the run end as its records say."""
        if self.config.option.collectonly:
            return
        targets = self.settings.json, self.settings.markdown
        unwritten = write_results(self.reports, *targets) if any(targets) else []
        judged = [*self.runs.get((), {}).values()]
        others = [record for facts, run in self.runs.items() if facts for record in run.values()]
        session.exitstatus, self.sentences = ended(int(session.exitstatus), judged, others, self.silent, unwritten)

    def pytest_terminal_summary(self, terminalreporter: Any, exitstatus: int) -> None:
        """One line of counts, a line for every layer that is not all passed, and what became of the known failures."""
        if not self.runs and not self.sentences:
            return
        terminalreporter.section("conformance")
        lines = [line for report in self.reports if report.records for line in summary_lines(report)]
        if self.settings.xfail.entries:
            failed = len(terminalreporter.stats.get("failed", []))
            why = narrowed(self.config.option, self.settings, self.whole, exitstatus, failed)
            found = [record for run in self.runs.values() for _, record in sorted(run.items())]
            lines += xfail.summary_lines(self.settings.xfail, found, why)
        lines += self.sentences
        for line in lines:
            terminalreporter.write_line(line)


def narrowed(options: Any, settings: Settings, whole: bool, exitstatus: int, failed: int) -> str:
    """What keeps a run from asking about everything, in words; empty where nothing does."""
    reasons = {
        "-k": options.keyword,
        "-m": options.markexpr,
        "--deselect": options.deselect,
        "--ignore": options.ignore or options.ignore_glob,
        "--last-failed": getattr(options, "lf", False),
        "--stepwise": getattr(options, "stepwise", False),
        "--conform-layers": settings.layers,
        "--conform-profile=smoke": settings.profile == "smoke",
        "the tests that were named": not whole,
        "--maxfail": options.maxfail and failed >= options.maxfail,
        "its interruption": exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
    }
    return ", ".join(reason for reason, holds in reasons.items() if holds)
