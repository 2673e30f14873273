"""What `conform check` says of names that are nearly right, and of files that are none of Python's."""

from __future__ import annotations

import types

import pytest

import conformance
import reference
from conformance.cases import NAMES
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.process import python_process
from conformance.selftests.builders.place import Place, said
from conformance.selftests.cli.test_check import RIGHT
from conformance.suite.check import own_layers
from conformance.suite.names import functions_of, remarks


def remarked(*names, has=(), classes=(), layers=NAMES):
    """The remarks on an object with functions and classes of these names."""
    space = {**dict.fromkeys((*names, *has), len), **dict.fromkeys(classes, int)}
    return remarks(ModuleImplementation("mine", space), layers)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dense", "dense_forward"),
        ("Dense_forward", "dense_forward"),
        ("denseForward", "dense_forward"),
        ("dense_layer", "dense_forward"),
        ("dense_foward", "dense_forward"),
        ("desnse_forward", "dense_forward"),
        ("dense_bwd", "dense_backward"),
        ("forward_dense", "dense_forward"),
        ("Conv2D_forward", "conv2d_forward"),
        ("conv2D", "conv2d_forward"),
        ("Relu", "relu"),
        ("relu_grad", "relu_backward or re_lu_backward"),
        ("lstm_fwd", "lstm_forward"),
        ("batchnorm_forward", "batch_normalization_forward"),
        ("batchNormalization", "batch_normalization_forward"),
        ("maxpool2d", "max_pooling2d_forward"),
        ("GlobalAvgPool2D_forward", "global_average_pooling2d_forward"),
        ("adam", "adam_step"),
        ("SimpleRNN_forward", "simple_rnn_forward"),
        ("meanSquaredError", "mean_squared_error"),
    ],
)
def test_a_name_that_is_near_gets_the_right_one(name, meant):
    assert remarked(name) == [f"{name} is not asked: did you mean {meant}?"], f"{name} means {meant}"


@pytest.mark.parametrize("name", ["lstm_cell", "im2col", "pad", "softmax_stable", "one_hot", "normalize", "layer", "rnn_forward", "norm"])
def test_a_helper_is_nobodys_mistake(name):
    assert remarked(name) == [], f"{name} is close to nothing"


def test_classes_are_told_of_adapters_in_one_line():
    lines = remarked("Relu", classes=("Dense", "LSTMLayer", "Layer", "Model"))
    assert len(lines) == 2 and lines[0].startswith("Relu is not asked"), f"a function keeps its own line: {lines}"
    assert "reached through an adapter" in lines[1] and lines[1].endswith("Here: Dense, LSTMLayer."), f"layers are named: {lines}"


def test_a_class_whose_layer_functions_serve_needs_no_adapter():
    named = ("Activation_ReLU", "Layer_Dense")
    assert remarked(has=("relu", "dense_forward"), classes=named) == [], "functions serve both"
    for has, told in ((("relu",), "Here: Layer_Dense."), (("dense_forward",), "Here: Activation_ReLU.")):
        (line,) = remarked(has=has, classes=named)
        assert line.endswith(told), f"the one that no function serves is told of: {line}"


def test_a_gradient_that_a_layer_shares_with_a_function_is_that_of_the_function():
    space = {"softmax": reference.softmax, "softmax_backward": reference.softmax_backward}
    mine = ModuleImplementation("mine", space)
    assert own_layers(mine, NAMES) == ["softmax"], "an activation's gradient makes a row of a layer"
    space["softmax_forward"] = reference.softmax_forward
    assert set(own_layers(mine, NAMES)) == {"softmax", "Softmax"}, "the layer is there with its forward pass"


def test_what_is_there_by_its_right_name_needs_no_remark():
    assert remarked("dense", "relu", has=("dense_forward",), classes=("Dense",)) == [], "the file has the function that is asked"
    assert remarked("lstm", layers=["Dense"]) == [], "only layers that are asked about are looked for"


def test_the_right_names_are_those_that_are_looked_for():
    every = [function for layer in NAMES for function in functions_of(layer)]
    assert remarked(*every) == [], "no right name is remarked upon"


def test_a_module_names_what_it_defines_itself(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from numpy import ndarray as Dense\nfrom json import dumps as dense\ndef Relu(x): pass\nclass LSTM: pass\n_g = Relu\n")
    wanted = {"Relu": False, "LSTM": True}
    assert ModuleImplementation(str(path)).names() == wanted, "what is imported is no name of the file's"
    there = python_process(str(path), 60)
    assert there.names() == wanted, "a process of its own says the same"
    there.close()
    assert ModuleImplementation("mine", types.SimpleNamespace(Relu=len, LSTM=int, x=1)).names() == wanted, "an object as well"


@pytest.mark.parametrize("mode", ["inprocess", "process"])
def test_near_names_are_told_beside_valid_functions(tmp_path, mode):
    place = Place(tmp_path)
    place.write("my_layers.py", RIGHT + "def dense(x, kernel, bias): return x\nclass LSTM: pass\n")
    result = place.python("-m", "conformance", "check", "my_layers.py", "--mode", mode)
    assert result.returncode == 0, f"what is there is right: {said(result)}"
    for sentence in ("dense is not asked: did you mean dense_forward?", "an adapter: functions like lstm_forward", "Here: LSTM."):
        assert sentence in result.stdout, f"{sentence!r} is missing: {result.stdout}"
    report = conformance.check(place.folder / "my_layers.py", mode=mode)
    assert len(report.notes) == 2 and report.notes[0] in str(report), "a report has the lines, too"


FOLDER = "layers is a folder: name the file with the functions, such as layers/dense.py"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("work.ipynb", "work.ipynb is a notebook: save its functions as a .py file, or call conformance.check in the notebook"),
        ("layers", FOLDER),
        ("layers/", FOLDER.replace("layers is", "layers/ is")),
        ("notes.txt", "notes.txt is not a Python file: the name of one ends in .py"),
    ],
)
def test_what_is_no_python_file_is_said_in_a_sentence(tmp_path, name, sentence):
    place = Place(tmp_path)
    (place.folder / "layers").mkdir()
    for file in ("work.ipynb", "notes.txt", "layers/dense.py", "layers/_private.py"):
        place.write(file, "{}")
    result = place.python("-m", "conformance", "check", name)
    assert (result.returncode, result.stderr) == (2, f"{sentence}.\n"), said(result)


def test_a_package_that_cannot_be_imported_is_there_all_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {"half": "import nothing_of_this_name", "odd": "def f(:"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)
        (tmp_path / name / "dense.py").write_text("")
        with pytest.raises(conformance.base.errors.UnimportableError, match=f"{name}.dense cannot be imported: .*Error"):
            conformance.check(f"{name}.dense")
