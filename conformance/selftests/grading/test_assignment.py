"""What an assignment is made of: starter file, rubric, page, wheel; and what cannot be one."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import reference
from conformance.base.errors import VectorsError
from conformance.cases import NAMES
from conformance.cli.app import app
from conformance.grading.assignment import classroom50, prairielearn, writing
from conformance.grading.assignment import wheel as wheels
from conformance.grading.assignment.asked import asked_cases
from conformance.grading.assignment.functions import functions_of, passes_of
from conformance.grading.assignment.page import page
from conformance.grading.assignment.plan import AssignmentError, plan
from conformance.grading.assignment.starter import starter
from conformance.grading.assignment.upload import carried
from conformance.grading.assignment.writing import write_assignment
from conformance.grading.rubric import read_rubric
from conformance.oracle.recorded.vectors import Family, manifest

ROOT = Path(__file__).resolve().parents[3]
LAYERS = ("Dense", "LSTM", "Embedding", "relu", "mean_squared_error", "Adam", "Flatten")


@pytest.fixture(scope="module")
def everything():
    """An assignment of all layers."""
    return plan("all", NAMES)


@pytest.fixture(scope="module")
def dense():
    return wheels.wheel(["Dense"])


@pytest.fixture
def rubric(tmp_path):
    def write(text, name="r.toml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


ITEM = '[[item]]\nid="a"\npoints=4\nlayers=["Dense"]\n'
NAMED = '[assignment]\nname="x"\n'


def source_of(assignment):
    return writing.handed_out(assignment, b"")[assignment.file].decode()


def test_the_starter_file_has_every_function_and_nothing_of_a_solution(everything):
    tree = ast.parse(source_of(everything))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    asked = {name for layer in NAMES for name in functions_of(layer, {one for passes in passes_of(layer) for one in passes})}
    assert set(functions) == asked and len(asked) > 150, "every function that is asked, and no other"
    assert [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)] == ["import numpy as np"]
    for name, node in functions.items():
        assert [type(one) for one in node.body] == [ast.Expr, ast.Raise], f"{name} has a body"
        assert ast.unparse(node.body[1]).startswith("raise NotImplementedError"), name
        told = ast.get_docstring(node) or ""
        assert told and ":mod:" not in told and ":func:" not in told and "reference." not in told, f"{name}: {told}"
        assert not any(line.rstrip() != line for line in told.splitlines()), name


def test_how_gradients_are_computed_is_not_told(everything):
    for node in ast.parse(source_of(everything)).body:
        if isinstance(node, ast.FunctionDef) and node.name.endswith("_backward"):
            told = (ast.get_docstring(node) or "").partition("\n\nReturns")[0]
            assert "@" not in told and "''" not in told and "sum" not in told and len(told) < 200, f"{node.name}: {told}"
    assert "Gradient: ``2 (p - y) / n``" in reference.mean_squared_error.__doc__, "where a loss says it, in the reference"
    assert "2 (p - y)" not in source_of(everything)


def test_the_signature_is_that_of_the_reference_with_the_options_that_are_needed():
    every = starter("t", "layers.py", {"lstm_forward": None, "conv2d_backward": None})
    assert "go_backwards=False" in every and "dropout : " not in every.partition("conv2d")[0].partition('"""')[0]
    assert "strides=(1, 1)" in every, "a backward function has the options of its forward"
    few = starter("t", "layers.py", {"lstm_forward": {"activation", "return_sequences"}})
    head = 'def lstm_forward(x, kernel, recurrent_kernel, bias=None, *, activation="tanh", return_sequences=False):'
    assert head in few
    assert "go_backwards" not in few and "recurrent_activation : " not in few and "return_sequences : bool" in few, few
    assert "activation : str, optional" in few, "of two that are told together one is left"


@pytest.mark.parametrize("file", ["layers.py"])
def test_a_starter_file_is_not_supported_throughout(file, tmp_path):
    (tmp_path / file).write_text(source_of(plan("one", ["Dense", "relu", "Flatten"])), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "check", str(tmp_path / file)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Nothing could be asked" in done.stdout and "Traceback" not in done.stdout + done.stderr


def test_a_drafted_rubric_is_a_rubric(everything, tmp_path):
    (tmp_path / "r.toml").write_bytes(everything.files["rubric.toml"])
    found = read_rubric(tmp_path / "r.toml")
    assert {layer for item in found.items for layer in item.layers} == set(NAMES)
    assert all(item.bonus == item.id.endswith("-gradients") for item in found.items)
    assert [item.id for item in found.items if item.hidden] == ["unseen"], "cases that nobody can know before"
    assert everything.secret and not plan("x", ["Dense"], public=True).secret, "drawn by a secret, where there can be one"
    assert tomllib.loads(everything.files["rubric.toml"].decode())["assignment"]["file"] == "layers.py"


def test_the_page_says_what_is_asked_counted_and_allowed(tmp_path):
    text = '[assignment]\nname="x"\ntitle="Week | 3"\nfile="mine.py"\n[sandbox]\nforbidden=["np.convolve"]\npackages=["numpy","tqdm"]\n'
    item = '[[item]]\nid="a"\ntitle="A | B"\npoints=4\nlayers=["Dense"]\npasses=["forward"]\nlevel="edge"\n'
    item += 'feedback="none"\nrequired=["use_bias"]\noptions={activation=["None", "linear","relu"]}\n'
    hidden = '[[item]]\nid="b"\npoints=1.5\nlayers=["LSTM"]\nbonus=true\nvisibility="after_published"\n'
    (tmp_path / "r.toml").write_text(text + item + hidden, encoding="utf-8")
    told = page(plan("x", [], tmp_path / "r.toml"))
    for part in (
        "# Week | 3",
        "- Dense: `dense_forward`\n",
        "- LSTM: `lstm_forward` and `lstm_backward`",
        "`mine.py`",
        "conform check mine.py --layers Dense",
        "| A \\| B | 4 | unusual input",
        "; needed options: use_bias; activation only linear or relu | how many cases passed",
        "| b | 1.5 (bonus) | ordinary input",
        "nothing before the course publishes it",
        "4 points can be earned, and 1.5 more as a bonus",
        "`numpy` and `tqdm`",
        "You may not call `np.convolve`",
    ):
        assert part in told, f"{part!r} is not in the page:\n{told}"


def test_the_wheel_is_one_that_pip_takes(dense):
    assert dense == wheels.wheel(["Dense"]), "the same files, the same bytes"
    with zipfile.ZipFile(io.BytesIO(dense)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    rows = dict(row.split(",", 1) for row in contents[f"{wheels.INFO}/RECORD"].decode().splitlines())
    assert set(rows) == set(contents)
    for name, content in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert name.endswith("RECORD") or rows[name] == f"sha256={digest},{len(content)}", name
    parts = {part for name in contents for part in name.split("/")[:-1]}
    assert not {"selftests", "studies", "_samples", "docs", "__pycache__"} & parts, "what grading has no use for"
    assert {"conformance/grading/batch.py", "reference/layers/dense.py", "conformance/cli/grade.py", "reference/py.typed"} <= set(contents)
    assert len(dense) < 3_000_000


def test_the_wheel_has_the_recorded_answers_of_the_chosen_layers(dense, tmp_path):
    with zipfile.ZipFile(io.BytesIO(dense)) as archive:
        archive.extractall(tmp_path)
    place = tmp_path / "conformance" / "_vectors"
    files = manifest(place)["files"]
    assert list(files) == ["core.safetensors"] and files["core.safetensors"]["layers"] == ["Dense"]
    found = Family(place / "core.safetensors", files["core.safetensors"]["sha256"])
    whole = Family(ROOT / "fixtures" / "vectors" / "core.safetensors")
    entries = {entry.key: entry for entry in found.entries()}
    assert set(entries) == {(case["kind"], case["id"]) for case in whole.cases if case["layer"] == "Dense"}
    for key in list(entries)[::50]:
        same = whole.entry(*key)
        assert entries[key].facts == same.facts
        assert {name: array.tobytes() for name, array in entries[key].tensors.items()} == {
            name: array.tobytes() for name, array in same.tensors.items()
        }, "the same bits"


def test_a_grader_carries_the_cases_that_are_asked(rubric, tmp_path):
    """Both passes of an id, since a backward case has the arrays of its forward; all where more than the declared may be asked."""
    item = '[[item]]\nid="{0}"\npoints=1\nlayers=["{0}"]\npasses=["forward"]\noptions={{activation="relu"}}\n'
    more = item.format("LSTM") + "hidden = 3\n" + item.format("GRU").replace('["forward"]', '["forward", "repeated"]')
    found = plan("x", [], rubric(NAMED + item.format("Dense") + more))
    asked = asked_cases(found.rubric.items, found.layers)
    assert set(asked) == {"Dense"} and not any("tanh" in one or "sigmoid" in one for one in asked["Dense"])
    with zipfile.ZipFile(io.BytesIO(wheels.wheel(["Dense"], asked))) as archive:
        archive.extractall(tmp_path)
    kept = list(Family(tmp_path / "conformance" / "_vectors" / "core.safetensors").entries())
    whole = Family(ROOT / "fixtures" / "vectors" / "core.safetensors").cases
    assert {entry.key for entry in kept} == {(case["kind"], case["id"]) for case in whole if case["id"] in asked["Dense"]}
    assert {entry.facts["kind"] for entry in kept} == {"forward", "backward"} and 0 < len(kept) < len(whole) / 10


def test_what_the_wheel_needs_is_what_the_project_needs():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {*wheels.REQUIREMENTS, wheels.FOR_MODELS} <= set(declared["dependencies"])
    assert declared["requires-python"].startswith(wheels.PYTHON)
    script = (
        "import sys; import conformance.grading.batch, conformance.cli.app, conformance.grading.assignment.gradescope, safetensors.numpy;"
        "homes = {name.split('.')[0]: getattr(one, '__file__', '') or '' for name, one in list(sys.modules.items())};"
        "print([name for name, home in homes.items() if 'site-packages' in home])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    ours = {one.partition(">")[0].replace("-", "_") for one in declared["dependencies"]} | {"sklearn", "tensorflow", "keras", "matplotlib"}
    needed = {one.partition(">")[0] for one in (*wheels.REQUIREMENTS, wheels.FOR_MODELS)}
    assert set(ast.literal_eval(done.stdout)) & ours <= needed, "grading imports what is not installed with it"


def test_an_upload_installs_what_submissions_may_import(tmp_path):
    text = '[assignment]\nname="x"\n[sandbox]\npackages=["numpy","sklearn","tqdm"]\n[[item]]\nid="a"\npoints=4\nlayers=["Dense"]\n'
    (tmp_path / "r.toml").write_text(text, encoding="utf-8")
    files = carried(plan("x", [], tmp_path / "r.toml"), b"")
    assert "scikit-learn\n" in files["requirements.txt"].decode(), "by the name that pip knows"
    assert "tensorflow" not in files["requirements.txt"].decode().lower().replace("nothing of tensorflow", "")


@pytest.mark.parametrize(
    ("name", "layers", "text", "sentence"),
    [
        ("../up", ["Dense"], None, "NAME must be .* got '../up'"),
        ("", ["Dense"], None, "NAME must be"),
        ("a b", ["Dense"], None, "NAME must be"),
        ("x", ["Dence"], None, "--layers: 'Dence' is not a layer .* did you mean Dense"),
        ("x", [], None, "--layers: name at least one"),
        ("x", ["LSTM"], NAMED + ITEM, "the rubric asks for Dense, which is not among them"),
        ("x", [], NAMED + ITEM + "pionts = 3\n", "--rubric: .*there is no 'pionts' .* did you mean points"),
        ("x", [], "[", "--rubric: .* is no TOML"),
        ("x", [], NAMED + '[[item]]\nid="a"\npoints=4\nmodel="r.toml"\ndata="r.toml"\n', "the rubric asks for models alone"),
    ],
)
def test_what_cannot_be_an_assignment_is_refused_in_a_sentence(name, layers, text, sentence, rubric, tmp_path):
    with pytest.raises(AssignmentError, match=sentence):
        write_assignment(name, layers, "folder", tmp_path / "out", None if text is None else rubric(text))
    assert not (tmp_path / "out").exists(), "nothing is written"


def test_files_that_a_rubric_names_come_along_or_are_refused(rubric, tmp_path):
    (tmp_path / "course").mkdir()
    (tmp_path / "adapter.py").write_text("from submission import *\n", encoding="utf-8")
    inside = rubric('[assignment]\nname="x"\nadapter="adapter.py"\n' + ITEM)
    assert plan("x", [], inside).files["adapter.py"] == b"from submission import *\n"
    outside = rubric('[assignment]\nname="x"\nadapter="../adapter.py"\n' + ITEM, "course/r.toml")
    with pytest.raises(AssignmentError, match=r"adapter\.py does not lie in the rubric's folder"):
        plan("x", [], outside)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "wheel", lambda *_: b"wheel")
    out = tmp_path / "out"
    write_assignment("x", ["Dense"], "folder", out)
    secret = (out / "secret").read_text()
    (out / "rubric.toml").write_text((out / "rubric.toml").read_text().replace("points = 10", "points = 7"))
    with pytest.raises(AssignmentError, match=r"out is not empty; --rubric .*rubric\.toml makes it again"):
        write_assignment("x", ["Dense"], "folder", out)
    write_assignment("x", [], "folder", out, out / "rubric.toml")
    assert "points = 7" in (out / "rubric.toml").read_text() == (out / "grader" / "rubric.toml").read_text(), "what was changed stays"
    assert (out / "secret").read_text() == secret == (out / "grader" / "secret").read_text(), "so the same hidden cases are drawn"
    assert (out / "secret").stat().st_mode & 0o077 == 0, "which is nobody else's to read"
    assert secret not in "".join(path.read_text() for path in (out / "students").iterdir()), "nor the students'"


@pytest.mark.parametrize("platform", ["gradescop", "moodle"])
def test_a_platform_that_there_is_not(platform, tmp_path):
    with pytest.raises(AssignmentError, match=f"{platform}'; there are gradescope, classroom50, prairielearn, folder"):
        write_assignment("x", ["Dense"], platform, tmp_path / "out")


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AssignmentError, match="is not a folder"):
        write_assignment("x", ["Dense"], "folder", tmp_path / "file")
    with pytest.raises(AssignmentError, match="cannot be written"):
        write_assignment("x", ["Dense"], "folder", Path("/proc/x"))


def test_what_classroom_50_does_not_take(rubric, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "wheel", lambda *_: b"wheel")
    with pytest.raises(AssignmentError, match="Classroom 50 publishes what is uploaded; set hidden = 0"):
        write_assignment("x", [], "classroom50", tmp_path / "out", rubric(NAMED + ITEM + "hidden = 3\n"))
    monkeypatch.setattr(classroom50, "LARGEST", 100)
    with pytest.raises(AssignmentError, match="of which Classroom 50 takes 10; choose fewer layers"):
        write_assignment("x", ["Dense"], "classroom50", tmp_path / "out")


def test_the_question_of_prairielearn_is_described_as_its_schema_wants():
    found = prairielearn.info(plan("x", ["Dense"]))
    options = found["externalGradingOptions"]
    assert found["type"] == "v3" and found["gradingMethod"] == "External" and options["timeout"] <= 600
    assert found["uuid"] == prairielearn.info(plan("x", ["LSTM"]))["uuid"] != prairielearn.info(plan("y", ["LSTM"]))["uuid"]
    known = {"image", "entrypoint", "serverFilesCourse", "timeout", "enableNetworking", "environment", "comment", "enabled"}
    assert set(options) <= known and json.dumps(found)


def test_scripts_are_bash(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "wheel", lambda *_: b"wheel")
    for platform in writing.PLATFORMS:
        write_assignment("x", ["Dense"], platform, tmp_path / platform)
    with zipfile.ZipFile(tmp_path / "gradescope" / "autograder.zip") as archive:
        assert {"setup.sh", "run_autograder"} <= set(archive.namelist()), "at the root of the archive"
        archive.extractall(tmp_path / "zip")
    scripts = [*(tmp_path / "zip").glob("setup.sh"), *(tmp_path / "zip").glob("run_autograder"), *tmp_path.glob("*/**/*.sh")]
    assert len({path.name for path in scripts}) == 4
    for path in scripts:
        assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0, path
        assert path.is_relative_to(tmp_path / "zip") or path.stat().st_mode & 0o111, f"{path} can be run"


def test_the_command_says_what_it_wrote_and_what_is_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(writing, "wheel", lambda *_: b"wheel")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        app(["assignment", "week3", "--layers", "Dense, LSTM", "--platform", "gradescope"], prog_name="conform")
    assert ended.value.code == 0 and "week3/STAFF.md says what to do" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        app(["assignment", "week3", "--layers", "Dense", "--platform", "gradescope"], prog_name="conform")
    assert ended.value.code == 2 and "week3 is not empty" in capsys.readouterr().err

    def broken(*_):
        raise VectorsError("there are no recorded vectors")

    monkeypatch.setattr(writing, "wheel", broken)
    with pytest.raises(SystemExit) as ended:
        app(["assignment", "week4", "--layers", "Dense", "--platform", "folder"], prog_name="conform")
    assert ended.value.code == 2 and "there are no recorded vectors." in capsys.readouterr().err
