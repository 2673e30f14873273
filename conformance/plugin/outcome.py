"""How a record ends a test of pytest: a pass returns, unsupported skips, everything else fails with an explanation."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import pytest

from conformance.base.record import BLOCKED, PASSED, SKIPPED, UNSUPPORTED, Record
from conformance.plugin.xfail import KnownFailures

Keep = Callable[[dict[str, Any]], None]


def end_test(
    item: pytest.Function | None, known: KnownFailures, must_support: bool, keep: Keep, record: Record, message: Callable[[], str]
) -> None:
    """Keep a record and end its test as its status says; a known failure ends as pytest's xfail, or its xpass."""
    __tracebackhide__ = True
    record = known.marked(record)
    keep(asdict(record))
    if item is not None and record.known_failure and record.status == PASSED:
        item.add_marker(pytest.mark.xfail(reason=record.known_failure))
    if record.fails_as_known:
        pytest.xfail(record.known_failure)
    if record.status == UNSUPPORTED and not must_support:
        pytest.skip(f"unsupported: {record.message}")
    if record.status in (SKIPPED, BLOCKED):
        pytest.skip(record.message)
    if record.status != PASSED:
        pytest.fail(message(), pytrace=False)


def again(item: pytest.Function, options: Sequence[str] | None = None) -> str:
    """The command that runs a test alone: one of the suite with `options`, a user's own with none."""
    pyargs = ["--pyargs"] if options is not None and item.config.getoption("pyargs") else []
    place = item.module.__name__ if pyargs else os.path.relpath(item.path)
    return shlex.join(["pytest", *pyargs, *(options or ()), f"{place}::{item.nodeid.partition('::')[2]}"])
