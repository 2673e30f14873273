"""``conform check``: what a student reads, how it ends, and that NumPy and safetensors are all it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from conformance.base.record import EDGE, PASSED, Record
from conformance.base.report import Report
from conformance.cases import LAYERS_OF, NAMES
from conformance.checks import KINDS
from conformance.cli import check
from conformance.judging.session import CaseRunner, Session
from conformance.oracle.protocol import RECORDED
from conformance.selftests.builders.place import HIDING, ROOT, Place, said
from conformance.suite.check import ANSWERED, questions
from conformance.suite.check import check as suite_check
from conformance.suite.told import Told

ABSENT = {"keras", "tensorflow", "h5py", "hypothesis", "sklearn", "scipy", "tabulate", "tqdm", "typer", "click", "pooch", "pytest"}
RIGHT = """
import numpy as np

def flatten_forward(x, data_format="channels_last"):
    if data_format == "channels_first" and x.ndim > 2:
        x = np.moveaxis(x, 1, -1)
    return x.reshape(len(x), int(np.prod(x.shape[1:])))
"""
WRONG = RIGHT + """
def dense_forward(x, kernel, bias=None):
    return x @ kernel
"""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def checked(place, text, *arguments):
    place.write("my_layers.py", text)
    return place.python("-m", "conformance.cli.check", "my_layers.py", *arguments)


def test_what_is_right_ends_with_0(place):
    result = checked(place, RIGHT)
    assert result.returncode == 0, said(result)
    assert re.search(r"^Flatten +\d+ +0 +0$", result.stdout, re.MULTILINE), f"the row of the layer: {result.stdout}"
    count = re.search(r"Nothing is wrong: (\d+) of \1 cases passed", result.stdout)
    assert count, f"and the sum: {result.stdout}"
    assert result.stdout.endswith(f"\nFlatten ({count[1]} cases) is right.\n"), f"and a sentence at the end: {result.stdout}"
    assert "Not in my_layers.py: Dense, Embedding" in result.stdout, "what was not there to be checked is told"


def test_what_is_wrong_is_told_in_sentences_and_ends_with_1(place):
    result = checked(place, WRONG)
    assert result.returncode == 1, said(result)
    row = re.search(r"^Dense +(\d[\d ]+)$", result.stdout, re.MULTILINE)
    passed, wrong, *edge, unsupported = map(int, row[1].split())
    assert min(passed, wrong, unsupported) > 0, f"cases without a bias pass, others fail: {result.stdout}"
    assert f"Dense: {wrong} of {passed + wrong + sum(edge) + unsupported} cases are wrong.\n" in result.stdout, result.stdout
    for sentence in (
        "does not give what Keras gives: all 18 values are off.",
        "Keras gives 0.0897104 there, your function gives -0.773736.",
        " cases: you would get exactly these values when the bias is left out.",
        "Dense          activation\n",
        " cases) is right. Begin with Dense: mend its first mistake and check again.\n",
    ):
        assert sentence in result.stdout, f"{sentence!r} is missing: {result.stdout}"


def test_gradients_are_checked_where_there_is_a_backward_pass(place):
    text = "def dense_backward(grad_output, x, kernel, bias):\n"
    text += "    return grad_output @ kernel.T, x.T @ grad_output / len(x), grad_output.sum(0) / len(x)\n"
    result = checked(place, text, "--layers", "Dense")
    assert result.returncode == 1, said(result)
    for sentence in (
        "The backward pass of Dense (units=6, features; input of shape (3, 5), float64) does not give what Keras gives: all ",
        "values are off in the gradient of ",
        " cases: you would get exactly these values when the gradients of the weights are divided by the batch size.",
        "--layers Dense --case 'test_backward[Dense-units=6-features-float64]'",
    ):
        assert sentence in result.stdout, f"{sentence!r} is missing: {result.stdout}"
    alone = checked(place, text, "--layers", "Dense", "--case", "test_backward[Dense-units=6-features-float64]")
    assert "1 case is wrong: 0 of 1 case passed" in alone.stdout, said(alone)


def test_the_printed_command_asks_the_case_alone(place):
    result = checked(place, WRONG)
    command = re.search(r"To run this case alone: conform check my_layers\.py (.*)", result.stdout)
    alone = checked(place, WRONG, *command[1].split())
    assert alone.returncode == 1 and "1 case is wrong: 0 of 1 case passed" in alone.stdout, said(alone)


def test_all_shows_every_failing_case(place):
    short, full = checked(place, WRONG, "--layers", "Dense"), checked(place, WRONG, "--layers", "Dense", "--all")
    count = int(re.search(r"Dense: (\d+) of \d+ cases are wrong", full.stdout)[1])
    assert len(set(re.findall(r"^    also (\S+):", full.stdout, re.MULTILINE))) > count / 2, f"a line for each of {count}: {full.stdout}"
    assert "    also " not in short.stdout and short.stdout.count("\n") < 30, f"which the short answer leaves out: {short.stdout}"


def test_a_case_alone_is_shown_with_all_its_numbers_and_a_script(place):
    result = checked(place, WRONG, "--layers", "Dense", "--case", "Dense-units=6-features-float64")
    assert result.returncode == 1, said(result)
    shown = ("kernel: float64, shape (5, 6)\n  [[", "\nexpected: float64, shape (3, 6)\n", "\ngot: float64", "when the bias is left out.\n")
    for part in shown:
        assert part in result.stdout, f"{part!r} is missing: {result.stdout}"
    place.write("shown.py", result.stdout.partition("The same without the suite:\n")[2].partition("1 case is wrong")[0])
    alone = place.python("shown.py")
    assert alone.returncode == 0 and "-0.7737" in alone.stdout, f"the script shows the mistake by itself: {said(alone)}"
    right = checked(place, RIGHT, "--case", "test_forward[Flatten-images-float64]")
    assert right.returncode == 0 and "test_forward[Flatten-images-float64]: passed\n" in right.stdout and "got: float64" in right.stdout


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--edge"], 1)])
def test_edge_failures_count_where_that_is_asked_for(monkeypatch, capsys, arguments, code):
    report = Report([Record("t[Dense-nan]", "Dense", "forward", "failed", level=EDGE), Record("t[Dense-a]", "Dense", "forward", "passed")])
    monkeypatch.setattr(check, "check", lambda *_, edge, **others: replace(report, edge=edge))
    assert check.main(["reference", *arguments]) == code, f"an edge failure alone ends with {code}"
    assert ("At the edge" in capsys.readouterr().out) is not bool(arguments), "and stands apart where it does not count"


@pytest.mark.parametrize(
    ("terminal", "variables", "shown"),
    [(True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals(monkeypatch, capsys, terminal, variables, shown):
    for name, value in {"NO_COLOR": "", "TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(check, "check", lambda *_, **others: Report([Record("t[Dense-a]", "Dense", "forward", "passed")]))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert check.main(["reference"]) == 0
    assert ("\033[" in capsys.readouterr().out) is shown, f"a terminal: {terminal}, {variables}"


def test_what_waits_names_only_what_its_own_cases_are_built_on(place):
    text = "from reference import simple_rnn_forward as right, bidirectional_forward as both\n"
    text += "def simple_rnn_forward(*a, **k):\n    y = right(*a, **k)\n    return y + 1 if not isinstance(y, tuple) else y\n"
    text += "def bidirectional_forward(*a, **k):\n    return [both(*a, **k)]\n"
    report = conformance_check(place, text)
    wrong = report.by_layer()["Bidirectional"].failed()
    blocked = {record.options["layer"] for record in wrong if record.status == "blocked" and "layer" in record.options}
    failed = {record.options["layer"] for record in wrong if record.status == "failed" and "layer" in record.options}
    assert (blocked, failed) == ({"SimpleRNN"}, {"LSTM", "GRU"}), "a case with LSTM has nothing to do with a wrong SimpleRNN"


def conformance_check(place, text):
    place.write("my_layers.py", text)
    return suite_check(place.folder / "my_layers.py", ["SimpleRNN", "Bidirectional"])


@pytest.mark.parametrize("arguments", [[], ["--layers", "Dense"]])
def test_numpy_and_safetensors_are_enough(place, arguments):
    place.customize(HIDING.format(hidden=ABSENT))
    result = checked(place, WRONG, *arguments)
    assert result.returncode == 1, f"an answer is given: {said(result)[-2000:]}"
    assert ("Flatten " in result.stdout) is not bool(arguments), "only the layers that were asked for"


OF_EVERY_FAMILY = (
    *("Embedding", "Dropout", "Activation", "Add", "BatchNormalization", "Conv1D", "MaxPooling1D", "LSTM", "TimeDistributed"),
    *("softmax", "TextVectorization", "categorical_crossentropy", "Adam"),
)
"""Where the suite runs with live Keras, every recorded case of every layer must come to the verdict of Keras (see ``cross_check``)."""


def test_the_reference_passes_what_is_recorded_of_every_family_and_every_kind(capsys):
    assert all(set(layers) & set(OF_EVERY_FAMILY) for layers in LAYERS_OF.values()), "a family has no layer here"
    asked = {kind for kind, _, _ in questions(OF_EVERY_FAMILY, "standard", ANSWERED)}
    assert asked == set(ANSWERED), f"no question of the kinds {set(ANSWERED) - asked}"
    assert check.main(["reference", "--layers", ",".join(OF_EVERY_FAMILY)]) == 0, f"the reference fails: {capsys.readouterr().out[-3000:]}"


@pytest.mark.parametrize("kind", ["mask", "stateful", "text", "loss", "optimizer"])
def test_the_reference_passes_what_live_keras_does_not_check_in_passing(kind):
    session = Session(oracle_name=RECORDED)
    told = Told()
    for _, identifier, question in questions(NAMES, "standard", [kind]):
        KINDS[kind].check(CaseRunner(session, identifier, str, told.settle), *question)
    wrong = [record.id for record in told.records if record.status != PASSED]
    assert told.records and not wrong, f"{len(wrong)} of {len(told.records)} are not what is recorded, the first {wrong[:3]}"


@pytest.mark.parametrize(
    ("text", "arguments", "sentence"),
    [
        ("def dense_foward(x, kernel, bias): return x", [], "dense_foward is not asked: did you mean dense_forward?"),
        ("x = 1", ["--layers", "LSTM"], "no function that could be checked: names are like lstm_forward"),
        (RIGHT, ["--layers", "Flaten"], "--layers: 'Flaten' is not a layer that the suite has cases for; did you mean Flatten?"),
        (RIGHT, ["--case", "nothing"], "--case: no case of Flatten has the id nothing."),
        (RIGHT, ["--lairs", "Dense"], "unrecognized arguments: --lairs"),
    ],
)
def test_what_cannot_be_asked_ends_with_2(place, text, arguments, sentence):
    result = checked(place, text, *arguments)
    assert result.returncode == 2 and sentence in result.stderr, said(result)


def test_a_file_that_is_not_there(place):
    result = place.python("-m", "conformance.cli.check", "yours.py")
    assert (result.returncode, result.stderr) == (2, "there is no file yours.py.\n"), said(result)


UNIMPORTABLE = {
    "syntax": (
        "import numpy as np\n\ndef dense_forward(x, kernel bias):\n    pass\n",
        "SyntaxError: invalid syntax (my_layers.py, line 3).\n\n    def dense_forward(x, kernel bias):\n" + " " * 32 + "^^^^\n",
    ),
    "exception": (
        "import numpy as np\nKERNEL = np.zeros((2, 3)) @ np.zeros((2, 3))\n",
        "(my_layers.py, line 2).\n\n    KERNEL = np.zeros((2, 3)) @ np.zeros((2, 3))\n" + " " * 13 + "~" * 17 + "^" + "~" * 17 + "\n",
    ),
    "helper": (
        "import helper\n",
        "ZeroDivisionError: division by zero (helper.py, line 2).\n\n    return 1 / 0\n" + " " * 11 + "~~^~~\n",
    ),
    "exit": ("import sys\nsys.exit('two\\nlines')\n", "SystemExit: two lines (my_layers.py, line 2).\n\n    sys.exit('two\\nlines')\n"),
}


@pytest.mark.parametrize(("kind", "mode"), [*((kind, "inprocess") for kind in UNIMPORTABLE), ("exception", "process")])
def test_a_file_that_cannot_be_imported_is_one_message_with_its_line(place, kind, mode):
    text, told = UNIMPORTABLE[kind]
    place.write("helper.py", "def f():\n    return 1 / 0\nf()\n")
    result = checked(place, text, "--mode", mode)
    assert result.returncode == 2 and not result.stdout, said(result)
    assert result.stderr.startswith("my_layers.py cannot be imported: ") and result.stderr.endswith(told), said(result)


def test_what_is_built_on_a_wrong_layer_waits(place):
    text = "from reference import lstm_forward as right, bidirectional_forward as both\n"
    text += "def lstm_forward(*a, **k):\n    y = right(*a, **k)\n    return y + 1 if not isinstance(y, tuple) else y\n"
    text += "def bidirectional_forward(*a, **k):\n    return [both(*a, **k)]\n"
    result = checked(place, text, "--layers", "LSTM,Bidirectional")
    assert result.returncode == 1, said(result)
    waiting = r"\nBidirectional: \d+ of \d+ cases are wrong.\n  \d+ cases wait for LSTM, which is wrong as well: begin there.\n"
    assert re.search(waiting, result.stdout), said(result)
    assert "it returns a list where an array is expected" in result.stdout, f"and its own mistake is told: {said(result)}"
    assert "Begin with LSTM" in result.stdout and "GRU" not in result.stdout.partition("Not in")[0], "what is not in the file is no cause"


def test_watching_checks_again_when_a_file_beside_it_is_saved(place):
    place.write("my_layers.py", "from helper import flatten_forward\n")
    place.write("helper.py", RIGHT.replace("x.shape[1:])", "x.shape[2:])"))
    command = [sys.executable, "-u", "-m", "conformance.cli.check", "my_layers.py", "--layers", "Flatten", "--watch"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (place.library, ROOT)))}
    with subprocess.Popen(command, cwd=place.folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert any("Watching" in line for line in until(process, "Watching")), "it waits after the first answer"
            place.write("helper.py", RIGHT)
            second = until(process, "Watching")
        finally:
            process.kill()
    assert any("Nothing is wrong" in line for line in second), f"the second answer is about the file as it is now: {second}"


def until(process, word):
    """The lines up to one with this word."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            break
    return lines
