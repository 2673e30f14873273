"""How a record ends a test of pytest: a pass returns, unsupported skips, everything else fails with an explanation."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import asdict

import pytest

from conformance.base.record import BLOCKED, PASSED, SKIPPED, UNSUPPORTED, Record
from conformance.implementations import IN_PROCESS, TIMEOUT
from conformance.judging.session import Session
from conformance.plugin import RECORD
from conformance.plugin.xfail import KnownFailures


def end_test(item: pytest.Function, session: Session, known: KnownFailures, record: Record, message: Callable[[], str]) -> None:
    """Attach a record to the test and end it as its status says; a known failure ends as pytest's xfail, or its xpass."""
    __tracebackhide__ = True
    record = known.marked(record)
    item.user_properties.append((RECORD, asdict(record)))
    if record.known_failure and record.status == PASSED:
        item.add_marker(pytest.mark.xfail(reason=record.known_failure))
    if record.fails_as_known:
        pytest.xfail(record.known_failure)
    if record.status == UNSUPPORTED and not session.must_support:
        pytest.skip(f"unsupported: {record.message}")
    if record.status in (SKIPPED, BLOCKED):
        pytest.skip(record.message)
    if record.status != PASSED:
        pytest.fail(message(), pytrace=False)


def again(item: pytest.Function, session: Session) -> str:
    """The command that runs a test alone."""
    pyargs = item.config.getoption("pyargs")
    suite = item.module.__name__ if pyargs else os.path.relpath(item.path)
    return shlex.join(
        [
            "pytest",
            *(["--pyargs"] if pyargs else []),
            *([] if session.iut == "reference" else [f"--iut={session.iut}"]),
            *([] if session.mode == IN_PROCESS else [f"--conform-iut-mode={session.mode}"]),
            *([] if session.timeout == TIMEOUT else [f"--conform-timeout={session.timeout:g}"]),
            *([] if session.oracle.live else [f"--conform-oracle={session.oracle_name}"]),
            *([f"--conform-seed={session.seed}"] if session.seed else []),
            f"{suite}::{item.nodeid.partition('::')[2]}",
        ]
    )
