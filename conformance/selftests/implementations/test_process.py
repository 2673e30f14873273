"""Implementations in a process of their own: the same answers as in this one, and a sentence for whatever a process can do wrong."""

from __future__ import annotations

import functools
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance.base.call import Question
from conformance.base.errors import ImplementationError, UnimportableError
from conformance.base.record import ERROR, PASSED, TIMEOUT, UNSUPPORTED
from conformance.cases import layer_cases
from conformance.cases.case import declared_cases
from conformance.cases.draw import draw_arrays
from conformance.cases.questions import forward_question
from conformance.implementations import process
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.process import ProcessImplementation, python_process
from conformance.implementations.program import Program
from conformance.implementations.protocol import implementation_of
from conformance.judging.verdict import judge
from conformance.oracle.expectation import Expectation

ROOT = Path(process.__file__).resolve().parents[2]
LONG = 600.0
"""Seconds after which something counts as hanging that must not hang; nothing here is judged by its speed."""
SHOULD_HAVE_ENDED = 20.0
"""Seconds after which a process that should be gone counts as running."""
X = np.arange(6.0).reshape(2, 3)
ASKED = Question("relu", (X,))

HABITS = '''
import ctypes, os, signal, subprocess, sys, time
import numpy as np
print("at import")
BUFFER = np.empty((2, 3))
def relu(x): return np.maximum(x, 0)
def exit_3(x): os.write(2, b"bye\\n"); os._exit(3)
def segfault(x): os.kill(os.getpid(), signal.SIGSEGV)
def hang(path): subprocess.Popen(["sleep", "1000"], stdout=open(path, "w")).wait()
def chatty(x): print("hello"); os.write(1, b"from C\\n" * 100000); subprocess.run(["echo", "a child"]); return x
def reading(x): return sys.stdin.read() + os.read(0, 10).decode()
def changing(x): x += 1; return x
def buffered(x): BUFFER[...] = x; return BUFFER
def unwilling(x): raise NotImplementedError("not today")
def raising(x): raise ValueError("no")
def complaining(x): os.write(2, b"e" * 200000); os._exit(1)
class Model:
    def predict(self, x): return {"y": x + 1} if isinstance(x, dict) is False else [x["a"], x["b"]]
def load_model(path):
    if path.name == "bad": raise ValueError(f"cannot read {path.name}")
    if path.name == "new": raise NotImplementedError("a new kind")
    return Model()
class State:
    def __init__(self, sums): self.sums = sums
def sgd_step(variables, gradients, state=None):
    state = State([{"sum": g + (state.sums[n]["sum"] if state else 0)} for n, g in enumerate(gradients)])
    return [v - one["sum"] for v, one in zip(variables, state.sums)], state
def many(x): return [State(x) for _ in range(1001)]
'''


@pytest.fixture(scope="module")
def habits(tmp_path_factory):
    path = tmp_path_factory.mktemp("habits") / "mine.py"
    path.write_text(HABITS)
    implementation = python_process(str(path), LONG)
    yield implementation
    implementation.close()


@pytest.fixture
def program(tmp_path):
    """A program in Python that uses nothing of the suite, made of what it does when it has read a request."""
    made = []

    def make(text, timeout=LONG):
        path = tmp_path / f"program{len(made)}.py"
        path.write_text(PROGRAM.replace("DO_IT", text.replace("\n", "\n    ")))
        made.append(ProcessImplementation([sys.executable, "-I", "-S", str(path)], "exec:mine", timeout))
        return made[-1]

    yield make
    for implementation in made:
        implementation.close()


PROGRAM = '''
import json, os, sys, time
def say(data): sys.stdout.buffer.write(data); sys.stdout.buffer.flush()
def frame(metadata, shape=None, data=b""):
    output = {} if shape is None else {"output": {"dtype": "F64", "shape": shape, "data_offsets": [0, len(data)]}}
    header = json.dumps({"__metadata__": metadata, **output}).encode()
    document = len(header).to_bytes(8, "little") + header + data
    return len(document).to_bytes(8, "little") + document
def reply(*output, **metadata): return frame({"id": number, "status": "passed", **metadata}, *output)
ONE = [1], bytes(8)
while len(length := sys.stdin.buffer.read(8)) == 8:
    document = sys.stdin.buffer.read(int.from_bytes(length, "little"))
    end = 8 + int.from_bytes(document[:8], "little")
    request = json.loads(document[8:end])
    asked = request["__metadata__"]
    number = asked["id"]
    if asked["op"] == "describe" and "describe" not in """DO_IT""":
        say(reply(protocol="1", functions='["relu", "good"]'))
        continue
    if asked.get("function") == "good":
        say(reply(request["input"]["shape"], document[end:]))
        continue
    DO_IT
'''
WRONG = {
    "early": ("say(reply(*ONE) + b'more')", "4 bytes more than the 131 that its reply announces; they begin with 'more'"),
    "another id": ("say(reply(*ONE, id='7'))", "relu: the reply has the id '7', the question has '2'"),
    "no id": ("say(frame({'status': 'passed'}))", "relu: the metadata have no id"),
    "print": ("print('Hello, world', flush=True); time.sleep(1000)", "bytes, at most 1073741824 are taken; as text these are 'Hello, w'"),
    "5 GB": ("say((5 * 2**30).to_bytes(8, 'little')); time.sleep(1000)", "relu: the frame announces 5368709120 bytes, at most 1073741824"),
    "flood": ("while True: say(b'\\0' * 1000000)", "bytes more than the 0 that its reply announces"),
    "truncated": (
        "say(reply(*ONE)[:-3]); sys.exit(4)",
        "relu: exit code 4, in the middle of its reply: 128 of the 131 bytes that it announces had come",
    ),
    "closed": ("sys.stdin.close(); os.close(1); time.sleep(1000)", "the program ended during relu: it closed its output and runs on"),
    "dtype": ("say(reply(*ONE).replace(b'F64', b'F65'))", "relu: tensor output: the dtype 'F65' is none of BOOL"),
    "error of a runtime": (
        "sys.stderr.write('TypeError: no kernel\\n    at x\\nNode.js v20\\n'); sys.stderr.flush(); sys.exit(1)",
        "the program ended during relu: exit code 1, its last line: TypeError: no kernel",
    ),
    "no message": ("say(reply(status='error'))", "(the reply has no message)"),
    "status": ("say(reply(status='fine'))", "relu: the reply has the status 'fine', which is none of passed, unsupported, error"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_program_that_breaks_the_protocol_is_an_error_and_the_next_question_is_answered(kind, program, monkeypatch):
    monkeypatch.setattr("conformance.implementations.program.END_WITHIN", 0.2)
    text, sentence = WRONG[kind]
    implementation = program(text)
    answer = implementation.ask(ASKED)
    assert answer.status == ERROR and sentence in answer.message, f"{kind}: {answer}"
    again = implementation.ask(Question("good", (X,)))
    assert again.status == PASSED and np.array_equal(again.value, X), f"after that: {again}"


def test_a_flood_by_a_program_that_reads_nothing_is_no_deadlock(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "STARTS", 1)
    implementation = ProcessImplementation([sys.executable, "-c", "import os\nwhile True: os.write(1, b'x' * 65536)"], "exec:flood", LONG)
    answer = implementation.ask(Question("relu", (np.zeros(10**6),)))
    assert answer.status == ERROR and "bytes" in answer.message, f"the flood gives {answer}"


def test_bytes_before_the_question_was_read_are_no_answer(program):
    # It answers the next question after the first eight bytes of it.
    implementation = program("say(reply(*ONE))\nsys.stdin.buffer.read(8)\nsay(reply(*ONE, id='3'))")
    assert implementation.ask(ASKED).status == PASSED, "the first question is not answered"
    answer = implementation.ask(Question("relu", (np.zeros(10**6),)))
    assert answer.status == ERROR and "before it had read the question; they begin" in answer.message, f"the early answer gives {answer}"


def test_bytes_that_no_question_asked_for_are_no_answer(program, tmp_path):
    os.mkfifo(tmp_path / "go")
    implementation = program(f"say(reply(*ONE))\nopen({str(tmp_path / 'go')!r}).read()\nsay(reply(*ONE, id='3'))")
    assert implementation.ask(ASKED).status == PASSED, "the first question is not answered"
    (tmp_path / "go").write_text("go on")
    select.select([implementation._program._out], [], [])
    answer = implementation.ask(ASKED)
    assert answer.status == ERROR and "before it had read the question" in answer.message, f"an early answer gives {answer}"


def test_a_function_that_never_answers_is_asked_three_times(tmp_path):
    """Each call would take its whole timeout again: an endless loop in one function, hundreds of times."""
    (tmp_path / "mine.py").write_text(HABITS)
    mine = python_process(str(tmp_path / "mine.py"), LONG)
    mine.ask(ASKED)  # the import has time
    mine.timeout = 0.5
    answers = [mine.ask(Question("hang", (str(tmp_path / f"pipe{n}"),))) for n in range(5)]
    mine.timeout = LONG
    others = [mine.ask(question).status for question in (ASKED, Question("no_such_function", (X,)))]
    mine.close()
    assert [one.status for one in answers] == [TIMEOUT] * 3 + [ERROR] * 2, f"it is asked on and on: {answers}"
    assert answers[-1].message == "hang is not asked: it did not answer 3 times", answers[-1]
    assert sorted(one.name for one in tmp_path.glob("pipe*")) == ["pipe0", "pipe1", "pipe2"], "the fourth call was made all the same"
    assert others == [PASSED, UNSUPPORTED], "other functions are asked as before"


def test_a_hang_is_a_timeout_and_leaves_nothing_running(habits, tmp_path):
    os.mkfifo(tmp_path / "held")
    held = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    habits.ask(ASKED)
    habits.timeout = 1
    answer = habits.ask(Question("hang", (str(tmp_path / "held"),)))
    habits.timeout = LONG
    assert (answer.status, answer.message) == (TIMEOUT, "hang gave no answer within 1 s"), f"the hang gives {answer}"
    ended, _, _ = select.select([held], [], [], SHOULD_HAVE_ENDED)
    assert ended and os.read(held, 1) == b"", "a process that the program started runs on"
    os.close(held)
    assert habits.ask(ASKED).status == PASSED, "after a hang nothing is answered"


CRASHES = {
    "exit_3": "the program ended during exit_3: exit code 3, its last line: bye",
    "segfault": "the program ended during segfault: signal SIGSEGV",
    "complaining": "the program ended during complaining: exit code 1, its last line: " + "e" * 300,
}


@pytest.mark.parametrize("name", CRASHES)
def test_a_crash_is_told_with_its_cause_and_the_run_goes_on(name, habits):
    answer = habits.ask(Question(name, (X,)))
    assert answer.status == ERROR and answer.message.startswith(CRASHES[name]), f"{name} gives {answer.message!r}"
    assert len(answer.printed) <= 2000, f"{len(answer.printed)} characters of standard error are kept"
    assert habits.ask(ASKED).status == PASSED, "after a crash nothing is answered"


def test_an_end_is_seen_although_a_grandchild_holds_the_pipe(program):
    implementation = program("import subprocess\nsubprocess.Popen(['sleep', '1000'])\nos._exit(5)")
    answer = implementation.ask(ASKED)
    assert answer.message == "the program ended during relu: exit code 5", f"the end is told as {answer.message!r}"


def test_what_is_printed_meets_no_frame(habits):
    answer = habits.ask(Question("chatty", (X,)))
    assert answer.status == PASSED and np.array_equal(answer.value, X), f"what is printed disturbs the answer: {answer.message}"
    assert answer.printed == "hello\n", f"what Python printed is {answer.printed!r}"
    assert habits.ask(Question("reading", (X,))).value == "", "the implementation reads what was meant for the protocol"


SHARED = ("relu", "changing", "unwilling", "raising", "missing", "buffered")


@pytest.mark.parametrize("name", SHARED)
def test_an_answer_is_the_same_as_in_this_process(name, habits):
    here = ModuleImplementation(habits.spec)
    for question in (Question(name, (X,)), Question(name, (X, X)), Question(name, (X,), {"zeta": 1, "alpha": 2}), Question(name, ())):
        ours, theirs = here.ask(question), habits.ask(question)
        assert repr(ours) == repr(theirs), f"{question} is answered differently"
        assert repr(here.refusal(question)) == repr(habits.refusal(question)), f"{question} is refused differently"
    other = Question(name, (X + 1,))
    assert habits.overwrites(Question(name, (X,)), other) == here.overwrites(Question(name, (X,)), other) == (name == "buffered"), (
        f"{name}: a buffer that is used again is not seen alike"
    )


@pytest.mark.parametrize("layer", ["Dense", "LSTM", "Conv2D", "Flatten", "relu"])
def test_the_broken_sample_answers_as_in_this_process(layer, monkeypatch):
    """A verdict is a function of the answer and of Keras's, so that equal answers have equal verdicts."""
    path = str(ROOT / "fixtures" / "implementations" / "broken.py")
    if not os.path.exists(path):
        pytest.skip("the samples are only in a checkout")
    here, there = ModuleImplementation(path), implementation_of(path, "process", LONG)
    declaration, statuses = layer_cases(layer), set()
    for case in declared_cases(declaration, "smoke"):
        if case.call.get("training"):
            continue  # the oracle draws a mask for these
        question = forward_question(declaration, case, draw_arrays(declaration, case, case.seed()), {})
        ours, theirs = here.ask(question), there.ask(question)
        statuses.add(ours.status)
        assert (ours.status, ours.message, ours.changed, ours.printed) == (theirs.status, theirs.message, theirs.changed, theirs.printed), (
            f"{case.id}: {ours} here, {theirs} there"
        )
        if ours.status == PASSED:
            same = ours.value.dtype == theirs.value.dtype and ours.value.tobytes() == theirs.value.tobytes()
            assert same and ours.value.shape == theirs.value.shape, f"{case.id}: another array arrives"
    there.close()
    assert PASSED in statuses, "nothing was answered"


ODD = '''
import collections, datetime, itertools
import numpy as np
class Thing: pass
class Mine(np.ndarray): pass
class Text(str): pass
Pair = collections.namedtuple("Pair", "a b")
endless = []; endless.append(endless)
deep = 1.0
for _ in range(100): deep = (deep,)
A = np.arange(6.0).reshape(2, 3)
VALUES = [
    A, A.astype("f4"), A.astype(">f8"), A.astype("f2"), A.astype(int), A > 2, A.astype(np.longdouble), A.astype(complex), A.astype(object),
    A.astype("U"), A.astype("S"), np.array([object()]), np.array([None, 1.5, "a"]), np.zeros((2, 3), "M8[s]"), np.zeros((2, 3), "V5"),
    np.zeros((2, 3), [("a", "f8"), ("b", [("c", "i4", (2,))])]), A.view(Mine), np.ma.masked_array(A, A > 2), A.T, A[:, ::-1],
    np.broadcast_to(A, (10**6, 10**6, 2, 3)), np.zeros((1,) * 20), np.zeros((0, 3)), np.float64(3), np.float32(3), np.bool_(True),
    np.str_("a"), np.datetime64("2020"), np.array(3.0), (A,), [A], (A, A), Pair(A, A), (A, 1.0), (A, [1]), {"y": A}, {1: A}, {"a"},
    None, True, 3, 2**100, 10**5000, 3.5, float("nan"), -float("inf"), 1j, "text", "\\ud800", Text("a"), b"bytes", object(), Thing(), Thing,
    len, itertools.count(), range(5), endless, deep, [[1.5] * 3] * 2, list(range(300000)), (A,) * 2000, datetime.date(2020, 1, 1), Ellipsis,
    A * np.nan, A + np.inf, type("a\\n" + "b" * 500, (), {})(), type("", (), {})(),
]
def odd(n): return VALUES[n]
'''
ODD_VALUES = 68


def test_an_odd_answer_gets_the_sentence_that_it_gets_in_this_process(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(ODD)
    here, there = ModuleImplementation(str(path)), python_process(str(path), LONG)
    values = np.arange(6.0).reshape(2, 3)
    for n in range(ODD_VALUES):
        ours, theirs = (implementation.ask(Question("odd", (n,))) for implementation in (here, there))
        for count in (1, 2):
            allowed = (np.full(values.shape, 1e-11),) * count
            rule = functools.partial(tuple, allowed)
            expectation = Expectation((values,) * count, (values.dtype,) * count, rule, rule)
            first, second = (judge(expectation, answer, "float64", strict=False) for answer in (ours, theirs))
            seen = [(v.status, _shown(v.sentence), v.ratio, v.remarks) for v in (first, second)]
            assert seen[0] == seen[1], f"value {n}, {type(ours.value).__name__}: {seen[0]} here, {seen[1]} there"
    assert here.ask(Question("odd", (ODD_VALUES,))).status == ERROR, "a value was not asked for"
    there.close()


def _shown(sentence):
    """Names of types are cut, and lose what cannot be printed; kinds of arrays are arrays; nothing else changes."""
    sentence = re.sub("one (Mine|MaskedArray)", "one ndarray", sentence)
    return "".join(c for c in sentence if c.isprintable()).replace("b" * 500, "b" * 99)


# Starting and ending


def test_code_that_cannot_be_imported_is_an_error_of_every_question(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import nothing_of_this_name\n")
    here, there = ModuleImplementation(str(path)), python_process(str(path), LONG)
    ours, theirs = here.ask(ASKED), there.ask(ASKED)
    assert theirs.status == ERROR and ours == theirs == there.refusal(ASKED), f"{ours} here, {theirs} there"
    for implementation in (here, there):
        with pytest.raises(UnimportableError, match="nothing_of_this_name"):
            implementation.has("relu")
    there.close()


def test_a_program_that_never_describes_itself_is_started_three_times(tmp_path):
    starts = tmp_path / "starts"
    command = ["sh", "-c", f"echo started >> {starts}; echo why >&2; exit 7"]
    implementation = ProcessImplementation(command, "exec:mine", LONG)
    answers = [implementation.ask(ASKED) for _ in range(6)]
    said = {answer.message for answer in answers}
    assert said == {"the program ended during describe: exit code 7, its last line: why"}, f"the answers are {said}"
    assert len(starts.read_text().split()) == 3, "it was not started three times"
    with pytest.raises(UnimportableError, match="exit code 7"):
        implementation.has("relu")


@pytest.mark.parametrize("system", [sys.platform, "another"])
def test_a_program_that_is_not_there_is_an_error_of_every_question(system, monkeypatch):
    monkeypatch.setattr(sys, "platform", system)
    for name in ("/nowhere/to/be/found", str(ROOT / "conformance" / "py.typed")):
        answer = ProcessImplementation([name], f"exec:{name}", LONG).ask(ASKED)
        assert answer.status == ERROR and "cannot be started" in answer.message, f"{name} gives {answer}"


@pytest.mark.parametrize(("about", "sentence"), [
    ("protocol='2'", "describe: the program speaks protocol '2', the suite '1'"),
    ("functions='[]'", "describe: the metadata have no protocol"),
    ("protocol='1', functions='{}'", "describe: functions is not a list of names"),
    ("status='error', message='no licence'", "describe: the program does not describe itself: no licence"),
])
def test_a_description_that_cannot_be_used_is_told(about, sentence, program):
    answer = program(f"say(reply({about})) # describe").ask(ASKED)
    assert (answer.status, answer.message) == (ERROR, sentence), f"it is told as {answer}"


def test_a_program_is_told_apart_by_its_functions(program):
    implementation = program("say(reply())")
    unsupported = (UNSUPPORTED, "exec:mine has no function lstm_forward")
    for answer in (implementation.ask(Question("lstm_forward", (X,))), implementation.refusal(Question("lstm_forward", (X,)))):
        assert (answer.status, answer.message) == unsupported, f"a missing function gives {answer}"
    assert implementation.refusal(ASKED) is None, "a function that there is was refused unasked"
    assert implementation.has("relu") and not implementation.has("lstm_forward"), "the functions are not those of the description"
    assert implementation.predictor(Path("model.keras")) is None, "a program without load_model predicts"
    assert not implementation.overwrites(Question("good", (X,)), ASKED), "what a program has sent cannot change"


def test_the_program_that_the_page_shows_describes_itself(tmp_path):
    page = (ROOT / "conformance" / "docs" / "protocol.md").read_text(encoding="utf-8")
    path = tmp_path / "shown.py"
    path.write_text(page.split("```python")[1].split("```")[0])
    implementation = ProcessImplementation([sys.executable, str(path)], "exec:shown", LONG)
    assert implementation.has("relu") and not implementation.has("tanh"), "the functions are not those of the page"
    implementation.close()


def test_a_model_of_its_own_predicts_and_fails_as_in_this_process(habits, tmp_path):
    predict = habits.predictor(tmp_path / "model")
    assert np.array_equal(predict(X)["y"], X + 1), "the model of its own predicts something else"
    first, second = predict({"a": X, "b": X + 2})
    assert np.array_equal(first, X) and np.array_equal(second, X + 2), "inputs by name arrive wrong"
    with pytest.raises(ImplementationError, match=r"^ValueError: cannot read bad$"):
        habits.predictor(tmp_path / "bad")(X)
    with pytest.raises(NotImplementedError, match=r"^a new kind$"):
        habits.predictor(tmp_path / "new")(X)


def test_a_child_imports_only_what_the_implementation_needs(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import sys\ndef loaded(): return sorted({name.partition('.')[0] for name in sys.modules})\n")
    implementation = python_process(str(path), LONG)
    loaded = implementation.ask(Question("loaded", ())).value
    implementation.close()
    heavy = {"keras", "tensorflow", "h5py", "pytest", "_pytest", "reference", "hypothesis"} & set(loaded)
    assert not heavy and "numpy" in loaded, f"the child also loads {heavy}"


def test_a_file_of_the_user_stands_in_for_no_module_of_others(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise ValueError('this is not that json')\n")
    (tmp_path / "mine.py").write_text("import numpy as np\ndef relu(x): return np.maximum(x, 0)\n")
    monkeypatch.chdir(tmp_path)
    implementation = python_process("mine.py", LONG)
    answer = implementation.ask(ASKED)
    implementation.close()
    assert answer.status == PASSED, f"the working folder is searched first: {answer.message}"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_program_ends_with_its_parent_although_it_never_reads():
    text = (
        "import os, signal, sys\nfrom conformance.implementations.program import Program\n"
        "program = Program(['sleep', '1000'], os.environ)\nprint(program._process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, f"the parent was not killed: {done}"
    pid = int(done.stdout)
    try:
        ends = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([ends], [], [], SHOULD_HAVE_ENDED)
    os.close(ends)
    assert ended, "the program outlives its parent"


def test_little_is_kept_of_what_a_program_writes_beside_its_answers():
    program = Program([sys.executable, "-c", "import os; os.write(2, b'x' * 10**6); os.write(1, bytes(8))"], os.environ)
    assert program.exchange(b"", LONG) == b"", "the empty frame is not read"
    assert len(program._words) <= 8000, f"{len(program._words)} bytes of standard error are kept"
    program.close()


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ("reply(*ONE)[:-3]", "relu gave no answer within 1 s: 128 of the 131 bytes that it announces had come"),
        ("b'hi'", "relu gave no answer within 1 s: 2 bytes came, 'hi'; a frame begins with 8, which are its length"),
    ],
)
def test_a_reply_that_stops_says_how_much_had_come(program, sent, sentence):
    implementation = program(f"say({sent}); time.sleep(1000)")
    implementation.timeout = 1
    answer = implementation.ask(ASKED)
    assert (answer.status, answer.message) == (TIMEOUT, sentence), f"half a reply gives {answer}"


def test_an_object_of_an_own_class_stays_there_and_comes_back_by_its_handle(habits, tmp_path):
    asked = Question("sgd_step", ([X], [X], None))
    for _ in range(2):
        answer = habits.ask(asked)
        assert answer.status == PASSED, f"the state cannot go there and back: {answer.message}"
        variables, state = answer.value
        assert type(state).__name__ == "State", "a sentence about it names its class"
        asked = Question("sgd_step", (variables, [X], state))
    assert np.array_equal(habits.ask(asked).value[0][0], X - X - 2 * X - 3 * X), "each step gets the sums of the one before"
    (tmp_path / "other.py").write_text(HABITS)
    other = python_process(str(tmp_path / "other.py"), LONG)
    answer = other.ask(asked)
    other.close()
    assert answer.status == ERROR and "State/" in answer.message, f"the state of another process: {answer.message}"
    assert "was kept in a process that has ended" in answer.message, f"the sentence says why: {answer.message}"


def test_objects_are_not_kept_for_ever(habits):
    first, *_, last = habits.ask(Question("many", (X,))).value
    assert "TypeError" in habits.ask(Question("relu", (last,))).message, "the last is there, and is no number"
    assert "too long ago" in habits.ask(Question("relu", (first,))).message, "of a thousand and one the first is let go"
