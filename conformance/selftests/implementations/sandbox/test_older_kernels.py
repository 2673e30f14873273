"""The first version of Landlock, which knows neither truncating nor TCP nor signals: the filter of system calls closes what it leaves."""

from __future__ import annotations

import re

import pytest

from conformance.implementations.sandbox.launcher import SandboxImplementation
from conformance.selftests.implementations.sandbox import test_attacks
from conformance.selftests.implementations.sandbox.attacks import GROUPS
from conformance.selftests.implementations.sandbox.test_attacks import RELU, TIGHT, attacker, state
from conformance.selftests.implementations.sandbox.test_sandbox import weakened

pytestmark = test_attacks.pytestmark
victim = test_attacks.victim
LEFT = [
    *[("escape", name) for name in ("TCP", "an abstract socket", "kill the parent", "signal when there is input", "run a program")],
    *[("poison", name) for name in GROUPS["poison"] if name.startswith("cut")],
    ("read", "a file of another"),
]


@pytest.mark.parametrize(("group", "name"), LEFT)
def test_an_attack_gets_nothing_where_landlock_knows_little(group, name, tmp_path, victim, monkeypatch):
    weakened(monkeypatch, "landlock.version = lambda: 1")
    implementation = SandboxImplementation(attacker(group, name, tmp_path, victim), TIGHT)
    before = state(tmp_path)
    try:
        answer = implementation.ask(RELU)
        assert implementation.usage.locks.startswith("Landlock 1, "), f"{implementation.usage.locks} is not the oldest"
        # Of another user's files only the lock keeps it away; its own folder is cut as well where that is nobody's.
        copy = [path.read_text() for path in implementation._copy.folder.iterdir()]
    finally:
        implementation.close()
    assert answer.status == "error" and re.search("not permitted|denied", answer.message), f"{answer}"
    assert state(tmp_path) == before and all(copy), "a file was cut"
