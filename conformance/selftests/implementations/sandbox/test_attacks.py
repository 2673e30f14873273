"""The attack set: each attack gets nothing and harms nothing, and honest submissions beside it get all."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from conformance.base.call import Question
from conformance.base.record import ERROR, PASSED, TIMEOUT
from conformance.implementations.messages import TEXT_AT_MOST
from conformance.implementations.process import python_process
from conformance.implementations.sandbox.launcher import ENDINGS, SandboxImplementation
from conformance.implementations.sandbox.limits import Limits
from conformance.selftests.implementations.sandbox.attacks import GOT, GROUPS, NUMBERS_OF, source
from conformance.selftests.implementations.sandbox.builder import needs_locks

of_this_machine = pytest.mark.skipif(platform.machine() != NUMBERS_OF, reason=f"the attacks make system calls of {NUMBERS_OF}")
pytestmark = [needs_locks, of_this_machine]

PROJECT = Path(__file__).resolve().parents[4]
INSTALLED = Path(np.__file__).resolve().parents[1]
PLACES = [Path("/tmp"), Path("/dev/shm"), Path("/var/tmp")]
TIGHT = Limits(forbidden=("np.convolve", "sliding_window_view", "np.dot", "scipy"), call=0.4, start=2.0, idle=1.0, memory=400)
X = np.linspace(-1.0, 1.0, 6).reshape(2, 3)
RELU, TANH = Question("relu", (X,)), Question("tanh", (X,))
HONEST = "import numpy as np\ndef relu(x): return np.maximum(x, 0)\ndef tanh(x): return np.tanh(x)\n"
REAL = [
    *[("escape", name) for name in ("run a program", "fork", "UDP", "a program from memory", "kill the parent", "limits of the parent")],
    *[("read", name) for name in ("a file of another", "recorded answers", "the parent's variables", "a link", "the source of the suite")],
    *[("delegate", name) for name in ("SciPy", "convolve", "windows", "a library by its file", "the reference")],
    *[("poison", name) for name in ("write grades", "cut grades while reading", "make grades unreadable", "change times")],
]
"""Attacks that get what they want where nothing is locked: the test of them all is one."""


@pytest.fixture
def victim(tmp_path):
    """A folder of somebody else that everybody may read and write."""
    folder = tmp_path / "victim"
    folder.mkdir()
    for path, text in ((folder / "grades.csv", "name,points\n"), (folder / "secret.txt", "the expected values")):
        path.write_text(text)
        path.chmod(0o666)
    for above in (folder, *folder.parents[:3]):  # as far as they are those of this run
        if above != Path("/tmp"):
            above.chmod(0o777)
    return folder


@pytest.fixture
def poison(tmp_path):
    """A name that an attack leaves somewhere, if it can."""
    name = f"conform-{tmp_path.name}"
    yield name
    for place in PLACES:  # for the next run, where one got that far
        left = place / name
        left.rmdir() if left.is_dir() else left.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A submission that runs beside all the attacks."""
    path = tmp_path_factory.mktemp("honest") / "layers.py"
    path.write_text(HONEST)
    implementation = SandboxImplementation(str(path), TIGHT)
    yield implementation
    implementation.close()


def attacker(group, name, folder, victim, poison="conform-poison"):
    path = folder / "layers.py"
    library = next(INSTALLED.glob("scipy/special/*.so"))
    constants = {"VICTIM": victim, "PROJECT": PROJECT, "POISON": poison, "INSTALLED": INSTALLED, "LIBRARY": library}
    path.write_text(source(group, name, **{key: str(value) for key, value in constants.items()}))
    return str(path)


def state(folder):
    """All that can be changed of a folder's files."""
    status = {path: path.lstat() for path in sorted(folder.rglob("*"))}
    return {path: (path.is_file() and path.read_bytes(), one.st_mode, one.st_mtime_ns, one.st_nlink) for path, one in status.items()}


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, attacks in GROUPS.items() for name in attacks])
def test_an_attack_gets_nothing_and_harms_nothing(group, name, tmp_path, victim, poison, honest):
    implementation = SandboxImplementation(attacker(group, name, tmp_path, victim, poison), TIGHT)
    before = state(tmp_path)
    try:
        first = implementation.ask(RELU)
        after = implementation.ask(TANH)
        ending = implementation.ending
    finally:
        implementation.close()
    assert state(tmp_path) == before, "a file was changed"
    assert not [place / poison for place in PLACES if (place / poison).exists()], "something was left behind"
    told = f"{first.message} {first.printed}"
    assert first.status in (ERROR, TIMEOUT) or _is_wrong(first), f"it got {first.value}"
    assert len(told) <= 2 * TEXT_AT_MOST + 1, f"a text of {len(told)} characters is told"
    assert all(character.isprintable() or character in "\n\t" for character in told), f"it tells {told!r}"
    assert ending in ENDINGS, f"it ended as {ending}"
    for question, answer in (("itself", after), ("another", honest.ask(TANH))):
        right = answer.status == PASSED and np.array_equal(answer.value, np.tanh(X))
        spoiled = question == "itself" and name in SPOILS_ITSELF
        assert right or spoiled, f"after it, {question} answers {answer}"


SPOILS_ITSELF = {
    *("another comparison", "the functions that answer", "as if it were passed", "no way back", "many files", "a thread that goes on"),
    *("nothing to answer", "objects by pickle", "a class of another", "many names", "an array of all memory", "a frame too many"),
}
"""What an attack breaks of its own process stays broken: that is its own loss."""


def _is_wrong(answer):
    """Whether a value is not the right one, nor the sign of success."""
    value = answer.value
    if not isinstance(value, np.ndarray) or value.shape != X.shape or value.dtype != X.dtype:
        return True
    return not (value == GOT).all() and not np.allclose(value, np.maximum(X, 0))


@pytest.mark.parametrize(("group", "name"), REAL)
def test_the_attacks_are_real(group, name, tmp_path, victim, monkeypatch):
    monkeypatch.chdir(tmp_path)
    implementation = python_process(attacker(group, name, tmp_path, victim), 60.0)
    try:
        answer = implementation.ask(RELU)
    finally:
        implementation.close()
    got = answer.status == PASSED and np.array_equal(answer.value, np.full_like(X, GOT))
    assert got, f"it gets nothing even where nothing is locked: {answer}"
