"""Two sample implementations in styles of their own, reached through adapters: what they have passes, everything else is unsupported.

``study_a.py`` has plain functions of one sample with weights for each gate, ``study_b.py`` layer classes and a model that takes its
weights from Keras. Both are right, so no case of theirs may fail or end in an error.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import reference
from conformance.base.record import PASSED, UNSUPPORTED
from conformance.cases import ALL
from conformance.cases.case import Case, declared_cases
from conformance.implementations.module import ModuleImplementation, load
from conformance.judging.judge import CaseResult, judge_again, judge_case
from conformance.judging.verdict import SINGLE_ONLY, Verdict
from conformance.models.functions import predictor
from conformance.oracle.recorded.reader import Recorded
from conformance.suite.trained_models import judged

SAMPLES = Path(__file__).resolve().parents[3] / "fixtures" / "implementations"
ADAPTERS = {name: SAMPLES / f"{name}_adapter.py" for name in ("study_a", "study_b")}
LINES_AT_MOST = 60
ORACLE = Recorded()
IMPORTS = {"study_a": {"numpy"}, "study_b": {"numpy", "os", "sklearn.metrics", "reference.saving.reader"}}
MEANING = 1e-11
"""As for the declared cases: the largest error of float64 arithmetic, relative to 1 + the expected value."""


class _Every:
    """A container of everything."""

    def __contains__(self, value: object) -> bool:
        return True


EVERY: Container[Any] = _Every()
NOTHING: Container[Any] = ()


@dataclass(frozen=True)
class Rule:
    """What a sample has of a layer beside Keras's defaults and all sizes; a case that asks for anything else is unsupported.

    Attributes
    ----------
    options : mapping of option to values
    call : mapping of a way to call to values
    without : callable (case) -> bool
        Combinations of these that it does not have.
    """

    options: Mapping[str, Container[Any]] = field(default_factory=dict)
    call: Mapping[str, Container[Any]] = field(default_factory=dict)
    without: Callable[[Case], bool] = lambda case: False


VALUES = {"values": EVERY}
PADDING = ("valid", "same", "SAME")
UNPASSED = {"unroll": EVERY, "dropout": EVERY, "recurrent_dropout": EVERY}
"""Options of recurrent layers that do not reach an implementation outside training, which neither sample has."""
CELLS = ("LSTM", "SimpleRNN")
NONLINEAR = ("linear", "relu", "sigmoid", "tanh", "softmax")
STATES = {"return_sequences": EVERY, "return_state": EVERY}
B_RECURRENT = {**UNPASSED, **STATES, "go_backwards": EVERY, "use_bias": EVERY, "activation": NONLINEAR}
FUNCTION = Rule(call=VALUES)

RULES: dict[str, dict[str, Rule]] = {
    "study_a": {
        "Dense": Rule({"use_bias": EVERY, "activation": ("linear", "relu", "softmax")}, VALUES),
        "Conv2D": Rule({"padding": PADDING, "strides": EVERY, "use_bias": EVERY, "activation": ("linear", "relu")}, VALUES),
        "MaxPooling2D": Rule({"pool_size": EVERY, "strides": EVERY}, VALUES),
        "AveragePooling2D": Rule({"pool_size": EVERY, "strides": EVERY}, VALUES),
        "GlobalAveragePooling2D": Rule({}, VALUES),
        "Flatten": Rule({}, VALUES),
        "Dropout": Rule({"noise_shape": EVERY}, VALUES),
        "Embedding": Rule({"mask_zero": EVERY}, VALUES),
        "SimpleRNN": Rule({**UNPASSED, **STATES}, VALUES),
        "LSTM": Rule({**UNPASSED, **STATES}, VALUES),
        "Bidirectional": Rule({**UNPASSED, "layer": CELLS, "return_sequences": EVERY, "zero_output_for_mask": EVERY}, VALUES),
        "ReLU": FUNCTION,
        "Softmax": FUNCTION,
        **dict.fromkeys(("relu", "sigmoid", "softmax"), FUNCTION),
    },
    "study_b": {
        "Dense": Rule({"use_bias": EVERY, "activation": NONLINEAR}, VALUES),
        "Conv2D": Rule({"padding": PADDING, "strides": EVERY, "use_bias": EVERY, "activation": NONLINEAR}, VALUES),
        "MaxPooling2D": Rule({"pool_size": EVERY, "strides": EVERY, "padding": PADDING}, VALUES),
        "AveragePooling2D": Rule({"pool_size": EVERY, "strides": EVERY, "padding": PADDING}, VALUES),
        "GlobalAveragePooling2D": Rule({}, VALUES),
        "Flatten": Rule({}, VALUES),
        "Activation": Rule({"activation": NONLINEAR}, VALUES),
        "Dropout": Rule(
            {"noise_shape": EVERY}, {**VALUES, "training": EVERY}, lambda case: {"noise_shape", "training"} <= {*case.config, *case.call}
        ),
        "Embedding": Rule({"mask_zero": EVERY}, VALUES),
        "SimpleRNN": Rule(B_RECURRENT, {**VALUES, "initial_state": EVERY}),
        "LSTM": Rule(B_RECURRENT, {**VALUES, "initial_state": EVERY}),
        "Bidirectional": Rule(
            {**B_RECURRENT, "layer": CELLS, "backward_layer": EVERY, "go_backwards": NOTHING, "zero_output_for_mask": EVERY},
            {**VALUES, "initial_state": EVERY},
        ),
        "ReLU": FUNCTION,
        "Softmax": FUNCTION,
        **dict.fromkeys(("linear", "relu", "sigmoid", "softmax", "tanh"), FUNCTION),
    },
}


def _wanted(rule: Rule | None, case: Case) -> str:
    """The status that a case should have."""
    if rule is None or rule.without(case):
        return UNSUPPORTED
    sizes, defaults = ALL[case.layer].sizes, ALL[case.layer].options
    for name, value in case.config.items():
        if name in rule.options:
            if value not in rule.options[name]:
                return UNSUPPORTED
        elif name not in sizes and not (name in defaults and value == defaults[name][0]):
            return UNSUPPORTED
    return PASSED if all(value in rule.call.get(name, NOTHING) for name, value in case.call.items()) else UNSUPPORTED


def _results(case: Case, samples: Sequence[str]) -> Iterator[tuple[str, Verdict]]:
    """Each sample with its verdict on a case; the same question for all."""
    asked: CaseResult | None = None
    for sample in samples:
        implementation = ModuleImplementation(str(ADAPTERS[sample]))
        if asked is None or asked.expectation is None:
            asked = judge_case(case, implementation, ORACLE, 0, strict=False)
            yield sample, asked.verdict
        else:
            yield sample, judge_again(asked, implementation, strict=False)


def _wrong(layer: str, samples: Sequence[str]) -> tuple[list[str], set[tuple[str, str]]]:
    """A sentence for every case with a status that the table does not give it, and all statuses that were seen of each sample."""
    sentences, seen = [], set()
    for case in declared_cases(ALL[layer], "smoke"):
        for sample, verdict in _results(case, samples):
            wanted = _wanted(RULES[sample].get(layer), case)
            seen.add((sample, verdict.status))
            if verdict.status != wanted:
                sentences.append(f"{case.id} is {verdict.status} for {sample} and should be {wanted}: {verdict.sentence}")
            if SINGLE_ONLY in verdict.remarks:
                sentences.append(f"{case.id} passed for {sample}, which computes in float64, as {SINGLE_ONLY}")
    return sentences, seen


@pytest.mark.parametrize("layer", ALL)
def test_every_case_has_the_status_of_the_table(layer):
    sentences, seen = _wrong(layer, list(RULES))
    assert not sentences, f"{len(sentences)} cases are judged wrongly:\n" + "\n".join(sentences)
    for sample, rules in RULES.items():
        assert layer not in rules or (sample, PASSED) in seen, f"{layer} of {sample} passed nothing"


@pytest.mark.parametrize("sample", RULES)
def test_a_sample_does_not_have_every_layer(sample):
    assert set(ALL) - set(RULES[sample]), f"{sample} has every layer: nothing is left that could be unsupported"


@pytest.mark.parametrize("sample", RULES)
def test_the_table_names_layers_that_the_suite_has(sample):
    unknown = set(RULES[sample]) - set(ALL)
    assert not unknown, f"the suite has no cases for {sorted(unknown)}"


@pytest.mark.parametrize("sample", RULES)
def test_an_adapter_is_short(sample):
    lines = [line for line in ADAPTERS[sample].read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= LINES_AT_MOST, f"{ADAPTERS[sample].name} has {len(lines)} lines, more than {LINES_AT_MOST}"


@pytest.mark.parametrize("sample", IMPORTS)
def test_samples_import_neither_keras_nor_the_suite(sample):
    allowed = IMPORTS[sample]
    tree = ast.parse((SAMPLES / f"{sample}.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == allowed, f"{sample}.py imports {sorted(imported)}, not {sorted(allowed)}"


def _off(got, expected):
    """The largest error of an array, relative to 1 + the expected value."""
    assert got.shape == expected.shape, f"the shape is {got.shape}, expected {expected.shape}"
    return float(np.max(np.abs(got - expected) / (1 + np.abs(expected))))


def test_the_lstm_of_study_a_returns_the_last_state_all_states_and_all_cells():
    rng = np.random.default_rng(7)
    steps, features, units = 6, 3, 4
    x = rng.normal(size=(1, steps, features))
    weights = [rng.normal(0, 0.6, shape) for shape in ((features, 4 * units), (units, 4 * units), (4 * units,))]
    adapter = load(str(ADAPTERS["study_a"]))
    last, hidden, cells = adapter.study_a.lstm(x[0], adapter.gates(*weights))
    assert last.shape == (units,), f"the last hidden state has the shape {last.shape}"
    assert _off(last, reference.lstm_forward(x, *weights)[0]) < MEANING, "the last hidden state is another one than the reference's"
    every = reference.lstm_forward(x, *weights, return_sequences=True)[0]
    assert _off(hidden, every) < MEANING, "the hidden states are others than the reference's"
    ends = [reference.lstm_forward(x[:, : step + 1], *weights, return_state=True) for step in range(steps)]
    assert _off(cells, np.concatenate([c for _, _, c in ends])) < MEANING, "the cell states are others than the reference's"


def _redraw(model):
    """Every weight drawn anew, so that no bias is zero, and of a size that gives the samples different classes."""
    rng = np.random.default_rng(9)
    scales = [0.3 if weight.ndim == 1 else 1.5 / np.sqrt(np.prod(weight.shape[:-1])) for weight in model.get_weights()]
    model.set_weights([rng.normal(0, scale, weight.shape) for scale, weight in zip(scales, model.get_weights(), strict=True)])
    return model


def _cnn(layers, double):
    return [
        layers.Input((9, 8, 3), dtype="float64"),
        layers.Conv2D(5, (3, 2), padding="same", activation="relu", **double),
        layers.AveragePooling2D(2, strides=1, padding="same", **double),
        layers.Conv2D(4, 3, strides=(2, 1), use_bias=False, **double),
        layers.ReLU(**double),
        layers.MaxPooling2D((2, 3), **double),
        layers.Flatten(**double),
        layers.Dropout(0.5, **double),
        layers.Dense(6, activation="tanh", **double),
        layers.Dense(4, **double),
        layers.Softmax(**double),
    ]


def _text(layers, double):
    return [
        layers.Input((7,), dtype="int32"),
        layers.Embedding(12, 5, **double),
        layers.SimpleRNN(6, return_sequences=True, **double),
        layers.Dropout(0.3, **double),
        layers.Bidirectional(layers.LSTM(4, return_sequences=True, **double), **double),
        layers.LSTM(3, return_sequences=True, go_backwards=True, **double),
        layers.Bidirectional(layers.SimpleRNN(4, **double), **double),
        layers.Dense(3, activation="softmax", **double),
    ]


def _text_that_both_have(layers, double):
    return [
        layers.Input((7,), dtype="int32"),
        layers.Embedding(12, 5, **double),
        layers.SimpleRNN(4, return_sequences=True, **double),
        layers.Bidirectional(layers.LSTM(4, **double), **double),
        layers.Dense(3, activation="softmax", **double),
    ]


def _cnn_that_both_have(layers, double):
    return [
        layers.Input((9, 8, 3), dtype="float64"),
        layers.Conv2D(5, (3, 2), padding="same", activation="relu", **double),
        layers.MaxPooling2D(2, **double),
        layers.Conv2D(6, 2, **double),
        layers.AveragePooling2D((2, 1), **double),
        layers.GlobalAveragePooling2D(**double),
        layers.Dropout(0.5, **double),
        layers.Dense(4, activation="softmax", **double),
    ]


NETWORKS = {"cnn": _cnn, "text": _text, "cnn_of_both": _cnn_that_both_have, "text_of_both": _text_that_both_have}
DOUBLE = {"dtype": "float64"}


@dataclass(frozen=True)
class Network:
    """A Keras model of random weights, the file it was saved to, inputs and random class numbers for them."""

    model: Any
    path: Path
    x: Any
    y: Any


@pytest.fixture(scope="module")
def keras():
    from conformance.oracle.environment import import_keras

    return import_keras()


@pytest.fixture(scope="module")
def networks(keras, tmp_path_factory):
    rng = np.random.default_rng(11)
    folder = tmp_path_factory.mktemp("networks")
    made = {}
    for name, layers in NETWORKS.items():
        model = _redraw(keras.Sequential(layers(keras.layers, DOUBLE)))
        model.save(folder / f"{name}.keras")
        # A Sequential model rounds its inputs to float32 before its first layer sees them.
        images = rng.normal(size=(13, *model.input_shape[1:])).astype("float32")
        x = images if "cnn" in name else rng.integers(0, 12, (13, 7))
        made[name] = Network(model, folder / f"{name}.keras", x, rng.integers(0, model.output_shape[-1], 13))
    return made


@pytest.fixture(scope="module")
def study_b():
    return load(str(ADAPTERS["study_b"])).study_b


@pytest.mark.parametrize("source", ["model", "path"])
@pytest.mark.parametrize("name", NETWORKS)
def test_study_b_predicts_what_keras_predicts(networks, study_b, name, source):
    network = networks[name]
    model = study_b.Model.load_from_keras(getattr(network, source))
    expected = network.model.predict(network.x, verbose=0)
    assert np.unique(expected.argmax(axis=1)).size > 1, f"all samples of {name} get one class: the comparison could not tell much"
    for batch_size in (5, 32):
        off = _off(model.predict(network.x, batch_size=batch_size), expected)
        assert off < MEANING, f"{name} from a {source}, {batch_size} samples at a time, differs from Keras by {off:.1e}"


@pytest.mark.parametrize("sample", RULES)
@pytest.mark.parametrize("name", [name for name in NETWORKS if name.endswith("_of_both")])
def test_whole_models_run_on_the_functions_of_a_sample(networks, sample, name):
    network = networks[name]
    got = predictor(ModuleImplementation(str(ADAPTERS[sample])), network.path)(network.x)
    off = _off(got, network.model.predict(network.x, verbose=0))
    assert off < MEANING, f"{name} on {sample} differs from Keras by {off:.1e}"


@pytest.mark.parametrize("sample", RULES)
@pytest.mark.parametrize(("checkpoint", "status", "said"), [("digits-cnn", PASSED, ""), ("reviews-lstm", UNSUPPORTED, "mask")])
def test_trained_models_are_judged_like_layers(sample, checkpoint, status, said):
    session = SimpleNamespace(implementation=ModuleImplementation(str(ADAPTERS[sample])), data=None, profile="standard")
    record = judged(checkpoint, SimpleNamespace(session=session, identifier=checkpoint))
    assert record.status == status, f"{checkpoint} is {record.status} for {sample} and should be {status}: {record.message}"
    assert said in record.message, f"{checkpoint} is {status} for {sample}, but for another reason than {said!r}: {record.message}"


@pytest.mark.parametrize("name", NETWORKS)
def test_study_b_evaluates_as_keras_does(networks, study_b, name):
    network = networks[name]
    scores = study_b.Model.load_from_keras(network.model).evaluate(network.x, network.y, batch_size=4)
    network.model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = network.model.evaluate(network.x, network.y, verbose=0)
    assert 0 < accuracy < 1, f"Keras's accuracy on random labels is {accuracy}: the comparison could not tell much"
    # Keras keeps the means of both in float32.
    assert scores["loss"] == pytest.approx(loss, rel=1e-5), f"the loss is {scores['loss']}, Keras's {loss}"
    assert scores["accuracy"] == pytest.approx(accuracy, rel=1e-5), f"the accuracy is {scores['accuracy']}, Keras's {accuracy}"
    predicted = network.model.predict(network.x, verbose=0).argmax(axis=1)
    per_class = []
    for number in np.union1d(predicted, network.y):
        hits = np.sum((predicted == number) & (network.y == number))
        per_class.append(2 * hits / (np.sum(predicted == number) + np.sum(network.y == number)))
    wanted = np.mean(per_class)
    assert scores["macro_f1"] == pytest.approx(wanted), f"macro-F1 is {scores['macro_f1']}, by its definition {wanted}"


@pytest.mark.parametrize("name", NETWORKS)
def test_study_b_compares_itself_with_keras(networks, study_b, keras, name):
    network = networks[name]
    own = study_b.Model.load_from_keras(network.model)
    same = own.compare_with_keras(network.model, network.x)
    assert same["agreement"] == 1, f"only {same['agreement']} of the samples get Keras's class"
    assert same["largest_difference"] < MEANING, f"a probability differs from Keras's by {same['largest_difference']:.1e}"
    other = keras.models.clone_model(network.model)
    other.set_weights([-weight for weight in network.model.get_weights()])
    before, after = (model.predict(network.x, verbose=0) for model in (network.model, other))
    share = np.mean(before.argmax(axis=1) == after.argmax(axis=1))
    assert share < 1, "the other model gives all samples the same class: the comparison could not tell much"
    found = own.compare_with_keras(other, network.x)
    assert found["agreement"] == pytest.approx(share), f"{found['agreement']} agree with another model, not {share}"
    largest = np.max(np.abs(before - after))
    assert found["largest_difference"] == pytest.approx(largest), f"the largest difference is {found['largest_difference']}, not {largest}"


def test_study_b_gives_two_probabilities_for_one_sigmoid(keras, study_b):
    layers = [keras.Input((4,), dtype="float64"), keras.layers.Dense(1, activation="sigmoid", **DOUBLE)]
    network = _redraw(keras.Sequential(layers))
    x = np.random.default_rng(3).normal(size=(6, 4)).astype("float32")
    (p,) = network.predict(x, verbose=0).T
    got = study_b.Model.load_from_keras(network).predict_proba(x)
    assert _off(got, np.stack([1 - p, p], axis=1)) < MEANING, f"the probabilities are {got}, Keras's output {p}"


def test_study_b_computes_in_the_dtype_of_the_weights(keras, study_b):
    network = _redraw(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")]))
    model = study_b.Model.load_from_keras(network)
    for dtype in ("float32", "float64"):
        got = model.predict(np.ones((2, 4), dtype)).dtype
        assert got == np.float32, f"a float32 model answers to {dtype} inputs in {got}"


def _two_layers(layers, **options):
    """A Bidirectional layer whose two halves are of different kinds."""
    return layers.Bidirectional(
        layers.SimpleRNN(3, return_sequences=True, dtype="float64"),
        backward_layer=layers.LSTM(4, return_sequences=True, go_backwards=True, dtype="float64", **options),
        dtype="float64",
    )


def test_study_b_runs_two_layers_of_different_kinds_both_ways(keras, study_b):
    network = _redraw(keras.Sequential([keras.Input((5, 2), dtype="float64"), _two_layers(keras.layers)]))
    x = np.random.default_rng(3).normal(size=(6, 5, 2)).astype("float32")
    off = _off(study_b.Model.load_from_keras(network).predict(x), network.predict(x, verbose=0))
    assert off < MEANING, f"a SimpleRNN forward and an LSTM backward differ from Keras by {off:.1e}"


REFUSED = {
    "mask_zero": lambda layers: [layers.Input((7,)), layers.Embedding(5, 3, mask_zero=True)],
    "groups": lambda layers: [layers.Input((6, 7, 4)), layers.Conv2D(4, 2, groups=2)],
    "channels_first": lambda layers: [layers.Input((3, 6, 7)), layers.MaxPooling2D(2, data_format="channels_first")],
    "gelu": lambda layers: [layers.Input((5,)), layers.Dense(3, activation="gelu")],
    "recurrent_activation": lambda layers: [layers.Input((5, 2)), layers.Bidirectional(layers.LSTM(3, recurrent_activation="tanh"))],
    "merge_mode": lambda layers: [layers.Input((5, 2)), layers.Bidirectional(layers.SimpleRNN(3), merge_mode="sum")],
    "biases": lambda layers: [layers.Input((5, 2)), _two_layers(layers, use_bias=False)],
    "GRU": lambda layers: [layers.Input((5, 2)), layers.GRU(3)],
}
"""What the model of study B does not take over from Keras, by the word that its sentence holds."""


@pytest.mark.parametrize("word", REFUSED)
def test_study_b_refuses_what_it_does_not_have(keras, study_b, word):
    with pytest.raises(NotImplementedError) as refused:
        study_b.Model.load_from_keras(keras.Sequential(REFUSED[word](keras.layers)))
    assert word in str(refused.value), f"the sentence does not name {word}: {refused.value}"


def test_study_b_refuses_models_that_are_no_chain(keras, study_b):
    x = keras.Input((4,))
    with pytest.raises(NotImplementedError) as refused:
        study_b.Model.load_from_keras(keras.Model(x, [keras.layers.Dense(2)(x), keras.layers.Dense(3)(x)]))
    assert "Functional" in str(refused.value), f"the sentence does not name the kind of model: {refused.value}"
