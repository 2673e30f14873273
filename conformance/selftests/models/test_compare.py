"""`conform compare`: small models that Keras saved, an implementation with a mistake in one layer, and what the report says of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from conformance.base.record import ERROR, FAILED, PASSED
from conformance.implementations.module import ModuleImplementation
from conformance.models import divergence
from conformance.models import judge as whole_model
from conformance.models import outputs as comparison
from conformance.models.compare import Result, compare_files
from conformance.models.data import UnusableError
from conformance.models.divergence import Divergence, Finding, LayerFindings
from conformance.oracle.live import whole_model as oracle
from conformance.reporting.comparison import headline, markdown
from conformance.selftests.builders.comparing import NO_BIAS, RAISES, SAMPLES, compared, invoke, save_models, write_implementation
from conformance.studies.data.paths import checkpoints_dir
from conformance.suite.trained_models import judged


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_models(folder)
    return folder


@pytest.fixture
def implementation(tmp_path: Path) -> Callable[..., str]:
    return partial(write_implementation, tmp_path)


def layers_of(result: Result) -> Divergence:
    assert result.layers is not None, f"the layers can be compared: {result.no_layers}"
    return result.layers


def by_path(result: Result) -> dict[str, LayerFindings]:
    return {layer.path: layer for layer in layers_of(result).layers}


def firsts(result: Result) -> tuple[str | None, str | None]:
    forced, free = layers_of(result).first_forced, layers_of(result).first_free
    return (forced.path if forced else None), (free.path if free else None)


# Agreement


LAYERS = {
    "cnn": ["edges", "pool", "flat", "hidden", "dropout", "classes"],
    "text": ["words", "first", "second", "positive"],
    "two": ["reader", "shared", "shared[1]", "wide", "narrow"],
    "nested": ["inner/e", "inner/d", "inner[1]/e", "inner[1]/d", "last"],
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_reference_agrees(saved: Path, name: str) -> None:
    result = compared(saved, name)
    assert result.agrees, f"the reference computes what Keras computes: {headline(result)}"
    assert all(output.within and not output.wide for output in result.outputs), "every output keeps a bound that excludes something"
    assert {layer.path for layer in layers_of(result).layers} == set(LAYERS[name]), "every call of every layer is compared, by its path"
    for layer in layers_of(result).layers:
        for finding in (layer.forced, layer.free):
            assert finding is not None and not finding.diverges, f"{layer.path} of the reference is off: {finding}"
            assert 0 < finding.allowed < 1e-4, f"the bound of {layer.path} is one of rounding: {finding.allowed}"
    assert [(check.size, check.samples) for check in result.batches] == [(1, 32), (7, SAMPLES), (32, SAMPLES), (None, SAMPLES)], "batches"
    assert result.parameters == oracle.keras_model(saved / f"{name}.keras").count_params(), "the parameters are those of Keras"


def test_the_scores_are_those_of_scikit_learn_on_the_predictions_of_both(saved: Path, implementation: Any) -> None:
    result = compared(saved, "cnn", implementation(NO_BIAS.format(units=4)))
    labels = np.load(saved / "cnn.npz")["y"]
    predicted = oracle.keras_probabilities(saved / "cnn.keras", np.load(saved / "cnn.npz")["x"]).argmax(1)
    record = result.classes
    assert record is not None, f"a softmax and labels give scores: {result.no_classes}"
    occurring = sorted({one["class"] for one in record["per_class"]})
    wanted = f1_score(labels, predicted, labels=[int(n) for n in occurring], average="macro", zero_division=0)
    assert record["keras_macro_f1"] == pytest.approx(wanted, abs=1e-6), "macro-F1 of Keras, over the classes that occur"
    assert record["accuracies"][0] == pytest.approx(accuracy_score(labels, predicted)), "accuracy of Keras"
    assert record["reference_macro_f1"] != record["keras_macro_f1"], "the implementation has a score of its own"
    assert record["disagreements"] == result.agreement[0] > 0, "samples that get another class are counted"  # type: ignore[index]
    assert result.agreement[1] > 0, "and those among them that are no near ties"  # type: ignore[index]


def test_a_class_that_does_not_occur_lowers_no_score(saved: Path, tmp_path: Path) -> None:
    x = np.load(saved / "cnn.npz")["x"]
    predicted = oracle.keras_probabilities(saved / "cnn.keras", x).argmax(1)
    assert len(set(predicted)) > 2, "the model names several classes"
    chosen = predicted != predicted.max()
    np.savez(tmp_path / "some.npz", x=x[chosen], y=predicted[chosen])
    result = compare_files(saved / "cnn.keras", tmp_path / "some.npz", "reference")
    assert result.classes is not None and result.classes["keras_macro_f1"] == 1.0, "the mean is over the classes that occur"


def test_one_sigmoid_unit_names_two_classes(saved: Path) -> None:
    result = compared(saved, "text")
    with np.load(saved / "text.npz") as data:
        probability = oracle.keras_outputs(saved / "text.keras", {"ids": data["ids"]})[0][:, 0]
        wanted = f1_score(data["y"][:, 0], probability > 0.5, average="macro")
    assert result.classes is not None, "a sigmoid unit and labels give scores"
    assert result.classes["keras_macro_f1"] == pytest.approx(wanted, abs=1e-6), "class 1 is that of probabilities over a half"


def test_outputs_without_classes_are_compared_by_value_alone(saved: Path) -> None:
    result = compared(saved, "two")
    assert [output.name for output in result.outputs] == ["wide", "narrow"], "outputs go by the layers that make them"
    assert (result.classes, result.agreement) == (None, None), "there are no classes to agree on"
    assert "2 outputs" in markdown(result), "and the report says why"


def test_labels_make_classes_of_logits(saved: Path, tmp_path: Path) -> None:
    with np.load(saved / "nested.npz") as data:
        np.savez(tmp_path / "labelled.npz", x=data["x"], y=np.arange(SAMPLES) % 2, z=np.ones(1))
    result = compare_files(saved / "nested.keras", tmp_path / "labelled.npz", "reference")
    assert result.classes is not None, "with labels the largest of several values names the class"
    assert compared(saved, "nested").agreement is None, "without them they are numbers"
    assert "Nothing was made of these arrays of `labelled.npz`: `z`." in markdown(result), "an array that nothing asks for is named"


# The first diverging layer


@pytest.mark.parametrize(("name", "units", "path"), [("cnn", 7, "hidden"), ("two", 4, "shared"), ("nested", 5, "inner/e")])
def test_a_mistake_in_one_layer_is_named_in_both_ways(saved: Path, implementation: Any, name: str, units: int, path: str) -> None:
    result = compared(saved, name, implementation(NO_BIAS.format(units=units)))
    assert not result.agrees, "a layer without its bias is not what Keras computes"
    forced, free = firsts(result)
    assert str(forced).startswith(path), f"teacher-forced, the first diverging layer is {forced}"
    assert free == forced, f"free-running, it is {free}"
    wrong = {layer.path.replace("[1]", "") for layer in layers_of(result).wrong}
    assert wrong == {path}, f"no other layer is wrong by itself, on Keras's own activations: {wrong}"
    last = layers_of(result).layers[-1]
    assert last.free is not None and last.free.diverges, "what comes after it diverges when the model runs freely"


def test_only_the_output_behind_the_mistake_is_beyond_its_bound(saved: Path, implementation: Any) -> None:
    result = compared(saved, "two", implementation(NO_BIAS.format(units=2)))
    assert [output.within for output in result.outputs] == [True, False], "the outputs are judged one by one"
    assert firsts(result) == ("narrow", "narrow"), "and the layer is named"


def test_a_layer_that_ignores_its_mask_is_named(saved: Path, implementation: Any) -> None:
    ignoring = "def lstm_forward(x, *weights, mask=None, **options):\n    return reference.lstm_forward(x, *weights, **options)\n"
    assert firsts(compared(saved, "text", implementation(ignoring))) == ("first", "first"), "the LSTM makes the mistake"


@pytest.mark.parametrize("mask", ["None", "np.ones(np.shape(x), bool)"])
def test_a_layer_that_makes_another_mask_is_named_and_not_the_one_that_uses_it(saved: Path, implementation: Any, mask: str) -> None:
    result = compared(saved, "text", implementation(f"def embedding_compute_mask(x, mask=None, **options):\n    return {mask}\n"))
    assert firsts(result) == ("words", "words"), "the Embedding makes the mask"
    found = by_path(result)
    assert "mask" in found["words"].forced.said, f"it is said what is wrong: {found['words'].forced}"
    assert not found["first"].forced.diverges, "given Keras's mask, the LSTM is right"
    assert found["first"].free is not None and found["first"].free.diverges, "given the other one, it is off"


def test_a_layer_that_raises_is_named_and_those_after_it_are_judged(saved: Path, implementation: Any) -> None:
    result = compared(saved, "cnn", implementation(RAISES))
    assert "dense_forward raised ValueError: seven is too many" in result.broken, f"the reason is told: {result.broken}"
    assert "'hidden'" in result.broken, f"and the layer: {result.broken}"
    assert firsts(result) == ("hidden", "hidden"), "it is the first diverging layer"
    classes = by_path(result)["classes"]
    assert not classes.forced.diverges, "on Keras's activations the layers after it are right"
    assert classes.free is None, "a free run ends where it raises"
    assert "| not reached" in markdown(result), "which the table says"


def test_a_layer_of_another_shape_is_named(saved: Path, implementation: Any) -> None:
    result = compared(saved, "cnn", implementation("def flatten_forward(x, **options):\n    return x.reshape(len(x), -1)[:, 1:]\n"))
    assert firsts(result)[0] == "flat", "teacher-forced, the layer of another shape is the first"
    assert "gives the shape" in by_path(result)["flat"].forced.said, "both shapes are told"


def test_a_shape_that_only_the_output_has_is_told(saved: Path, implementation: Any) -> None:
    column = "def dense_forward(x, kernel, bias, **options):\n    return reference.dense_forward(x, kernel, bias, **options)[..., 0]\n"
    result = compared(saved, "text", implementation(column))
    assert result.broken == "Its output 'positive' has the shape (70,), that of Keras (70, 1).", "with both shapes"
    assert firsts(result) == ("positive", "positive"), "and its layer is named"


def test_an_answer_that_is_not_a_number_is_no_agreement(saved: Path, implementation: Any) -> None:
    spoilt = "def flatten_forward(x, **options):\n    y = reference.flatten_forward(x)\n    y[3, 0] = np.nan\n    return y\n"
    result = compared(saved, "cnn", implementation(spoilt))
    assert result.outputs[0].largest == np.inf, "NaN is infinitely far from a number"
    assert "not finite" in markdown(result), "and shown as what it is"


def test_the_sentence_tells_both_ways_apart() -> None:
    good, bad = Finding(0, 1), Finding(2, 1)
    a, b = (LayerFindings(name, "Dense", forced, free) for name, forced, free in (("a", good, bad), ("b", bad, bad)))
    assert Divergence((a, b), 1).sentence == (
        "teacher-forced, the first diverging layer is 'b' (Dense): off by 2.0e+00, allowed 1.0e+00; "
        "free-running, the first diverging layer is 'a' (Dense): off by 2.0e+00, allowed 1.0e+00"
    ), "each way has its own first layer"
    assert "teacher-forced, no layer diverges; free" in Divergence((a,), 1).sentence, "a way without one says so"
    assert Divergence((), 1).sentence.startswith("no layer diverges"), "nothing is made up"


# Batches


def test_an_answer_that_depends_on_the_batch_is_found(saved: Path, implementation: Any) -> None:
    centred = """
def flatten_forward(x, **options):
    y = reference.flatten_forward(x)
    return y if len(y) != 7 else y - y.mean(0) * np.float32(1e-3)
"""
    result = compared(saved, "cnn", implementation(centred))
    assert [check.size for check in result.batches if check.finding.diverges] == [7], "only batches of seven differ"
    assert not result.agrees, "which is no agreement"
    assert "depends on how many samples" in headline(result), "and is said"


def test_batches_that_cannot_be_asked_are_told(saved: Path, implementation: Any) -> None:
    squeezed = "def flatten_forward(x, **options):\n    return reference.flatten_forward(np.squeeze(x))\n"
    result = compared(saved, "cnn", implementation(squeezed))
    assert result.batches[0].finding.said, "a batch of one fails"
    assert not any(check.finding.said for check in result.batches[1:]), "the others do not"


def test_no_batch_is_larger_than_said_and_no_more_samples_are_asked_one_by_one(saved: Path, tmp_path: Path, monkeypatch: Any) -> None:
    with np.load(saved / "nested.npz") as data:
        np.savez(tmp_path / "large.npz", x=np.concatenate([data["x"]] * 9))
    asked: list[int] = []
    asking = comparison._asked

    def noting(predict: Callable[[Any], Any]) -> Any:
        def noted(x: Any) -> Any:
            asked.append(len(x))
            return predict(x)

        return asking(noted)

    monkeypatch.setattr(comparison, "_asked", noting)
    result = compare_files(saved / "nested.keras", tmp_path / "large.npz", "reference")
    assert asked.count(1) == 32, f"batches of one are tried on 32 samples, not {asked.count(1)}"
    assert max(asked) == 256, f"never all of {9 * SAMPLES} samples at once, but {max(asked)}"
    assert layers_of(result).samples < 9 * SAMPLES, "the layers are compared on a part"
    assert f"| all at once  |       256 | {'0':<20} | yes" in markdown(result), "and the report says on how many"


# An implementation with a model of its own


OWN_MODEL = """
import reference
print("noise")
class Own:
    def __init__(self, path):
        self.model = reference.load_model(path)
    def predict(self, x):
        return self.model.predict(x)
def load_model(path):
    return Own(path)
"""


def test_an_implementation_may_have_a_model_of_its_own_and_no_layers(saved: Path, implementation: Any) -> None:
    result = compared(saved, "two", implementation(OWN_MODEL, alone=True))
    assert result.agrees, f"its predictions are those of Keras: {headline(result)}"
    assert result.layers is None, "it has no layer functions"
    assert "there is no function lstm_forward, for 'reader' (LSTM)" in result.no_layers, f"which is said: {result.no_layers}"
    assert "The layers cannot be compared one by one" in markdown(result), "in the report as well"


def test_a_model_of_its_own_that_fails_is_a_difference(saved: Path, implementation: Any) -> None:
    result = compared(saved, "two", implementation(OWN_MODEL.replace("return self.model", "return 1 / 0 or self.model"), alone=True))
    assert not result.agrees, "what raises does not compute what Keras computes"
    assert "ZeroDivisionError" in headline(result), f"the reason is told: {headline(result)}"
    result = compared(saved, "two", implementation(OWN_MODEL.replace("predict(x)\n", "predict(x)[0]\n"), alone=True))
    assert result.broken == "It gives 1 output, Keras 2.", "an output too few is told"


# The command and the report


def cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def tables(text: str) -> list[list[str]]:
    return [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]


REPORTED = [*((name, "") for name in LAYERS), ("two", NO_BIAS.format(units=4)), ("cnn", NO_BIAS.format(units=4)), ("cnn", RAISES)]


@pytest.mark.parametrize(("name", "fault"), REPORTED, ids=[*LAYERS, "two-wrong", "cnn-wrong", "cnn-raising"])
def test_the_report_is_markdown_with_whole_tables(saved: Path, implementation: Any, name: str, fault: str) -> None:
    result = compared(saved, name, implementation(fault))
    text = markdown(result)
    assert text.endswith("\n") and not text.endswith("\n\n"), "it ends with one line end"
    assert "\n\n\n" not in text, "no empty part"
    found = tables(text)
    assert len(found) >= 2, f"the report has its tables: {text}"
    for block in found:
        assert {cells(line) for line in block} == {cells(block[0])}, f"every row has a cell for every column: {block}"
        assert re.fullmatch(r"\|(:?-+:?\|)+", block[1]), f"the second line separates the header: {block[1]}"
        assert len(block) > 2, f"no table is empty: {block}"
    headings = re.findall(r"^## (.*)", text, re.M)
    outputs = ["Outputs", "Classes", "Batch sizes"] if result.outputs else []
    assert headings == [*outputs, "Layers", "What was compared", "How to read this"], f"the parts in their order: {headings}"
    assert "nan" not in text.lower().replace("nanmax", ""), "no figure is missing"


def test_the_command_explains_itself() -> None:
    result = invoke("--help")
    assert result.exit_code == 0, "help is not a mistake"
    assert all(word in result.stdout for word in ("MODEL.keras", "DATA.npz", "--iut", "--output", "Ends with 0")), (
        "what it takes and returns"
    )


def test_the_command_prints_the_report_and_ends_with_0_when_they_agree(saved: Path) -> None:
    result = invoke(saved / "cnn.keras", saved / "cnn.npz")
    assert result.exit_code == 0, f"the reference agrees: {result.output}"
    assert result.stdout.startswith("# Keras and `reference` on `cnn.keras`\n\n**They agree**: on 70 samples"), "report and verdict"
    assert "teacher-forced **none**, free-running **none**" in result.stdout, "no layer diverges"
    assert "Both name the same class for every one of 70 samples." in result.stdout, "agreement in words"


def test_the_command_writes_the_report_and_ends_with_1_when_they_differ(saved: Path, implementation: Any, tmp_path: Path) -> None:
    report = tmp_path / "new" / "report.md"
    mine = implementation("print('noise')\n" + NO_BIAS.format(units=7))
    result = invoke(saved / "cnn.keras", saved / "cnn.npz", "--iut", mine, "--output", report)
    assert result.exit_code == 1, f"a difference ends with 1: {result.output}"
    assert result.stdout.startswith("**They differ.** Output `classes` is off by up to"), f"the verdict is printed: {result.stdout}"
    assert "goes wrong by itself is `hidden` (Dense)" in result.stdout, "with the layer"
    assert result.stdout.endswith(f"\n{report}: written\n"), "and where the report is"
    assert "noise" not in result.stdout, "what the implementation prints is no part of it"
    text = report.read_text()
    assert "teacher-forced **`hidden` (Dense)**, free-running **`hidden` (Dense)**" in text, "the report names the first diverging layer"
    assert re.search(r"^\| `hidden` +\| Dense +\| \*\*\d", text, re.M), "its difference is marked"


def test_the_report_has_no_path_that_breaks_a_table(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a|b"
    folder.mkdir()
    for name in ("nested.keras", "nested.npz"):
        os.link(saved / name, folder / name)
    text = markdown(compare_files(folder / "nested.keras", folder / "nested.npz", "reference"))
    block = tables(text)[-1]
    assert {cells(line) for line in block} == {4}, f"a bar in a path does not end a cell: {block}"


# The test of trained models


def judge_of(implementation: str) -> Any:
    session = SimpleNamespace(implementation=ModuleImplementation(implementation), data=None, profile="standard")
    return SimpleNamespace(session=session, identifier="test_model[digits-cnn]")


@pytest.mark.skipif(not (Path(__file__).parents[3] / "fixtures").is_dir(), reason="the checkpoints are only in a checkout")
def test_the_test_of_a_trained_model_names_the_first_diverging_layer(implementation: Any) -> None:
    model = whole_model.load_model(checkpoints_dir() / "digits-cnn" / "model.keras")
    dense = next(layer for layer in model.layers if layer.class_name == "Dense")
    units = dense.weights[0].shape[1]
    record = judged("digits-cnn", judge_of(implementation(NO_BIAS.format(units=units))))
    assert record.status == FAILED, f"a model without a bias fails: {record.message}"
    wanted = f"the first diverging layer, teacher-forced and free-running, is {dense.name!r} (Dense): off by"
    assert wanted in record.message, f"the message names the layer: {record.message}"
    record = judged("digits-cnn", judge_of(implementation(RAISES.replace("== 7", f"== {units}"))))
    assert record.status == ERROR, "what raises is an error"
    assert record.message.endswith(f"in layer {dense.name!r} (Dense)"), f"which names its layer: {record.message}"
    record = judged("digits-cnn", judge_of("reference"))
    assert (record.status, "diverging" in record.message) == (PASSED, False), f"nothing diverges in the reference: {record.message}"


def test_layers_that_cannot_be_compared_never_break_the_message(monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    monkeypatch.setattr(whole_model, "find_divergence", lambda *_: 1 / 0)
    said = whole_model.diverging_layers(ModuleImplementation("reference"), saved / "cnn.keras", np.load(saved / "cnn.npz")["x"])
    assert said == "its layers cannot be compared one by one: ZeroDivisionError: division by zero", "the reason takes its place"
    with pytest.raises(UnusableError):
        compare_files(saved / "missing.keras", saved / "cnn.npz", "reference")
    assert divergence.plain(NotImplementedError("two\nlines")) == "two lines", "a reason is one line"
