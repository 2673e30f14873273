"""`conform compare`: whatever cannot be compared is one sentence and exit code 2."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.models import subject
from conformance.oracle.environment import import_keras
from conformance.selftests.builders.comparing import invoke, save_models


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_models(folder)
    return folder


BAD: dict[str, tuple[Callable[[Path, Any], tuple[Any, ...]], str]] = {}


def bad(sentence: str) -> Callable[[Any], Any]:
    """A wrong call, from (folder of the models, data of "cnn" and the temporary folder) to the arguments; and what is said of it."""

    def register(make: Any) -> Any:
        BAD[make.__name__] = (make, sentence)
        return make

    return register


def stored(tmp: Path, **arrays: Any) -> Path:
    np.savez(tmp / "data.npz", **arrays)
    return tmp / "data.npz"


@bad(r"^There is no file .*missing.keras\.$")
def no_model(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return tmp / "missing.keras", saved / "cnn.npz"


@bad(r"cnn.npz: the archive has no member config.json; a model is a .keras, .h5 or .json file\.$")
def swapped(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.npz", saved / "cnn.keras"


@bad(r"lambda.keras: no layer can be compared; layer 'lambda' \(Lambda\): class 'Lambda' is not supported; its code is never run: .*\.$")
def refused_by_the_reader(saved: Path, tmp: Path) -> tuple[Any, ...]:
    keras = import_keras()
    keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x, name="lambda")]).save(tmp / "lambda.keras")
    return tmp / "lambda.keras", saved / "cnn.npz"


@bad(r"^There is no file .*missing.npz\.$")
def no_data(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", tmp / "missing.npz"


@bad(r"data.csv is not an .npz archive; numpy.savez")
def another_kind_of_file(saved: Path, tmp: Path) -> tuple[Any, ...]:
    (tmp / "data.csv").write_text("1,2,3\n")
    return saved / "cnn.keras", tmp / "data.csv"


@bad(r"two.keras lacks the array 'x': .* the file holds 'metadata.json', 'config.json'")
def an_archive_of_other_things(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", saved / "two.keras"


@bad(r"data.npz: 'x' holds Python objects, which are not unpickled: save numbers or texts\.$")
def pickled(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, x=np.array([{"a": 1}], dtype=object))


@bad(r"data.npz: 'x' cannot be read \(")
def damaged(saved: Path, tmp: Path) -> tuple[Any, ...]:
    path = stored(tmp, x=np.load(saved / "cnn.npz")["x"])
    content = bytearray(path.read_bytes())
    content[500:600] = b"\0" * 100
    path.write_bytes(content)
    return saved / "cnn.keras", path


@bad(r"lacks the array 'x': the model takes 'image' \(which may be called 'x'\), and the file holds 'X', 'y'\.$")
def no_x(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, X=np.ones((3, 6, 5, 3)), y=np.ones(3))


@bad(r"lacks the array 'right': the model takes 'left' and 'right', and the file holds 'left', 'x'\.$")
def one_input_of_two(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "two.keras", stored(tmp, left=np.ones((3, 4)), x=np.ones((3, 6, 3)))


@bad(r"input 'image' takes arrays of the shape \(None, 6, 5, 3\), got \(3, 5, 6, 3\)\.$")
def wrong_shape(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, x=np.ones((3, 5, 6, 3)))


@bad(r"input 'image' takes float32 numbers, got an array of <U1\.$")
def texts_for_numbers(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, x=np.full((3, 6, 5, 3), "1"))


@bad(r"different numbers of samples: 'left' has 3, 'right' has 4\.$")
def unequal_inputs(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "two.keras", stored(tmp, left=np.ones((3, 4)), right=np.ones((4, 6, 3)))


@bad(r"holds no samples\.$")
def no_samples(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, x=np.ones((0, 6, 5, 3)))


@bad(r"'x' is not a finite float64 in sample 2, where nothing can be compared\.$")
def not_finite(saved: Path, tmp: Path) -> tuple[Any, ...]:
    x = np.ones((3, 6, 5, 3))
    x[2, 0, 0, 0] = np.nan
    return saved / "cnn.keras", stored(tmp, x=x)


@bad(r"'x' is not a finite float32 in sample 0, where nothing can be compared\.$")
def too_large_for_float32(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, x=np.full((3, 6, 5, 3), 1e300))


@bad(r"^Keras cannot run .*text.keras on these data: .*indices\[")
def ids_that_are_not_there(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "text.keras", stored(tmp, x=np.full((3, 8), 99))


@bad(r"data.npz: y holds 5 labels for 3 samples\.$")
def wrong_number_of_labels(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, x=np.ones((3, 6, 5, 3)), y=np.ones(5, int))


@bad(r"data.npz: y has the shape \(3, 4\); it must hold one class number for each sample")
def one_hot(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, x=np.ones((3, 6, 5, 3)), y=np.eye(4)[:3])


@bad(r"data.npz: y must hold class numbers, whole and from 0 on; it is an array of float64\.$")
def labels_between(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, x=np.ones((3, 6, 5, 3)), y=np.array([0.5, 1, 2]))


@bad(r"data.npz: y holds the class 4, and the model has 4 classes, 0 to 3\.$")
def a_class_too_many(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, x=np.ones((3, 6, 5, 3)), y=np.array([0, 1, 4]))


@bad(r"data.npz: y holds the class -1, and the model has 4 classes, 0 to 3\.$")
def a_negative_class(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", stored(tmp, x=np.ones((3, 6, 5, 3)), y=np.array([0, 1, -1]))


@bad(r"^--iut=nowhere.py: there is no file nowhere.py\.$")
def no_implementation(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", saved / "cnn.npz", "--iut=nowhere.py"


@bad(r"cannot be imported: ZeroDivisionError: division by zero \(zero.py, line 1\)\.$")
def not_importable(saved: Path, tmp: Path) -> tuple[Any, ...]:
    (tmp / "zero.py").write_text("1 / 0\n")
    return saved / "cnn.keras", saved / "cnn.npz", f"--iut={tmp / 'zero.py'}"


@bad(
    r"part.py: nothing can be compared: there is no function conv2d_forward, for 'edges' \(Conv2D\); .*flatten_forward.*; "
    r"dense_forward does not accept the option activation, for 'hidden' \(Dense\) and 'classes' \(Dense\); .*dropout_forward.*\.$"
)
def a_function_is_missing(saved: Path, tmp: Path) -> tuple[Any, ...]:
    (tmp / "part.py").write_text("def dense_forward(x, kernel, bias):\n    return x @ kernel + bias\n")
    return saved / "cnn.keras", saved / "cnn.npz", f"--iut={tmp / 'part.py'}"


@bad(r"model.weights.h5: the file holds weights alone.*--weights=FILE")
def weights_alone(saved: Path, tmp: Path) -> tuple[Any, ...]:
    import_keras().saving.load_model(saved / "cnn.keras").save_weights(tmp / "model.weights.h5")
    return tmp / "model.weights.h5", saved / "cnn.npz"


@bad(r"pipe is not a regular file")
def a_named_pipe(saved: Path, tmp: Path) -> tuple[Any, ...]:
    os.mkfifo(tmp / "pipe")
    return tmp / "pipe", saved / "cnn.npz"


@bad(r"pipe.npz is not a regular file")
def a_pipe_of_data(saved: Path, tmp: Path) -> tuple[Any, ...]:
    os.mkfifo(tmp / "pipe.npz")
    return saved / "cnn.keras", tmp / "pipe.npz"


@bad(r"is a folder, not a file\.$")
def a_folder(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return tmp, saved / "cnn.npz"


@bad(r"^--output: .*cnn.npz is what is compared; name another file")
def output_over_the_data(saved: Path, tmp: Path) -> tuple[Any, ...]:
    return saved / "cnn.keras", saved / "cnn.npz", f"--output={saved / 'cnn.npz'}"


@bad(r"^--output: .*cannot be written \(")
def output_in_a_file(saved: Path, tmp: Path) -> tuple[Any, ...]:
    (tmp / "file").write_text("")
    return saved / "nested.keras", saved / "nested.npz", f"--output={tmp / 'file' / 'report.md'}"


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_compared_is_one_sentence_and_2(saved: Path, tmp_path: Path, name: str) -> None:
    make, sentence = BAD[name]
    result = invoke(*make(saved, tmp_path))
    assert result.exit_code == 2, f"{name} cannot be compared: exit code {result.exit_code}, {result.output}"
    assert isinstance(result.exception, SystemExit), f"{name} ends in a sentence, not in {result.exception!r}"
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, f"{name} is told in one sentence: {lines}"
    assert re.search(sentence, lines[0]), f"the sentence says what is wrong: {lines[0]}"
    assert result.stdout == "", "there is no report"


def test_without_keras_the_reference_is_not_compared_with_itself(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "missing_package", lambda: "tensorflow")
    result = invoke(saved / "cnn.keras", saved / "cnn.npz")
    assert result.exit_code == 2, "there is nothing to compare the reference with"
    assert result.stderr.startswith("tensorflow is not installed here, so that the reference takes"), f"which is said: {result.stderr}"
    assert len(result.stderr.strip().splitlines()) == 1, "in one sentence"
