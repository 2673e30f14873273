"""The suite's own cases: enough of them, every pair of options covered, sizes and masks that can tell right from wrong."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from conformance.base.arrays import Arrays
from conformance.base.errors import NotDiscriminatingError
from conformance.cases import ALL, NAMES, known_layer
from conformance.cases.case import Case, FunctionCases, declared_cases, make_case
from conformance.cases.draw import draw_arrays
from conformance.cases.pairwise import _indices
from conformance.cases.text import text_cases
from conformance.judging.discriminating import check_discriminating
from conformance.oracle.expectation import Expectation

STANDARD = {name: list(declared_cases(layer)) for name, layer in ALL.items()}
LAYERS = [name for name, layer in ALL.items() if not isinstance(layer, FunctionCases)]
DIGEST = (
    "import hashlib; from conformance.cases import ALL; from conformance.cases.case import declared_cases;"
    "print(hashlib.sha256('\\n'.join(c.id for l in ALL.values() for c in declared_cases(l)).encode()).hexdigest())"
)


def _expectation(*outputs):
    return Expectation(outputs, tuple(y.dtype for y in outputs), tuple, tuple)


def test_indices_are_those_of_randrange():
    sizes = [1, 2, 3, 7, 8, 30]
    drawn, wanted = random.Random(3), random.Random(3)
    for _ in range(50):
        found = _indices(drawn.getrandbits, [(size, size.bit_length()) for size in sizes])
        assert found == [*map(wanted.randrange, sizes)], "a table of pairs would be another one, and so would be what is recorded"


def test_there_are_at_least_800_layer_cases():
    count = sum(len(STANDARD[name]) for name in LAYERS) + sum(1 for _ in text_cases())
    assert count >= 800, f"the layers without activation functions have only {count} declared cases"


@pytest.mark.parametrize("name", ALL)
def test_ids_are_distinct(name):
    ids = [case.id for case in STANDARD[name]]
    assert len(set(ids)) == len(ids), f"{name} has two cases of one id"


def test_ids_do_not_depend_on_the_hash_seed():
    here = hashlib.sha256("\n".join(case.id for cases in STANDARD.values() for case in cases).encode()).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    other = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == here, "another process collects other cases: workers of one run would disagree"


@pytest.mark.parametrize("name", LAYERS)
def test_every_pair_of_values_that_keras_accepts_is_tried(name):
    layer = ALL[name]
    factors = {**layer.sizes, **layer.options, **layer.call}
    tried = set()
    for case in STANDARD[name]:
        values = {factor: {**case.config, **case.call}.get(factor, options[0]) for factor, options in factors.items()}
        tried.update(itertools.combinations(((factor, str(value)) for factor, value in values.items()), 2))
    for (first, a), (second, b) in itertools.combinations(factors.items(), 2):
        for left, right in itertools.product(a, b):
            pair = ((first, str(left)), (second, str(right)))
            if pair not in tried:
                assert not _possible_somewhere(layer, {first: left, second: right}), f"{name}: no case combines {pair}"


def _possible_somewhere(layer, wanted):
    """Whether any of a thousand draws of the other factors makes the pair possible; other draws than those that made the table."""
    factors = {"input": list(layer.inputs), **layer.sizes, **layer.options, **layer.call}
    draw = random.Random(1)
    for _ in range(1000):
        row = {name: draw.choice(values) for name, values in factors.items()} | wanted
        config = {name: row[name] for name in (*layer.sizes, *layer.options) if name in layer.sizes or row[name] != factors[name][0]}
        call = {name: row[name] for name in layer.call if row[name] != factors[name][0]}
        case = make_case(layer, config, layer.inputs[row["input"]], call, "float32", "")
        if any(layer.possible(config, case.shape, call, dtype) for dtype in ("float32", "float64")):
            return True
    return False


@pytest.mark.parametrize("name", LAYERS)
def test_inputs_have_unequal_sizes_and_equal_ones_on_purpose(name):
    shapes = [shape for shape in ALL[name].inputs.values() if len(shape) > 1]
    unequal = [shape for shape in shapes if len(set(shape)) == len(shape)]
    assert len(unequal) * 2 >= len(shapes), f"{name}: most inputs have axes of one size, which hides swapped axes"
    if name in ("Dense", "Embedding", "Flatten", "Conv2D", "MaxPooling2D", "LSTM", "Bidirectional"):
        assert any(len(set(shape)) == 1 for shape in shapes), f"{name}: no input has all sizes equal, where broadcasting mistakes show"
    assert any(case.shape[0] == 1 for case in STANDARD[name]) or name == "Activation", f"{name}: no case has a batch of one"


@pytest.mark.parametrize("name", ["LSTM", "Bidirectional"])
def test_recurrent_cases_have_one_step_many_steps_and_all_kinds_of_masks(name):
    steps = {case.shape[1] for case in STANDARD[name]}
    assert 1 in steps and max(steps) > 32, f"{name} is tried on {sorted(steps)} steps"
    gaps = {"leading": False, "trailing": False, "interior": False}
    for case in STANDARD[name]:
        if "mask" not in case.call:
            continue
        for row in np.reshape(draw_arrays(ALL[name], case, case.seed()).arguments["mask"], case.shape[:2]) != 0:
            kept = np.flatnonzero(row)
            if kept.size:
                gaps["leading"] |= kept[0] > 0
                gaps["trailing"] |= kept[-1] < row.size - 1
                gaps["interior"] |= kept.size < kept[-1] - kept[0] + 1
    assert all(gaps.values()), f"{name}: masks have these gaps: {gaps}"


def test_convolution_cases_have_the_geometries_where_mistakes_show():
    found = dict.fromkeys(("unequal padding", "stride does not divide", "kernel over stride", "stride over kernel", "non-square"), False)
    for case in STANDARD["Conv2D"]:
        first = case.config.get("data_format") == "channels_first"
        spatial = case.shape[2:] if first else case.shape[1:-1]
        strides, dilation = case.config.get("strides", (1, 1)), case.config.get("dilation_rate", (1, 1))
        kernel = case.config["kernel_size"]
        found["non-square"] |= kernel[0] != kernel[1]
        for size, k, s, d in zip(spatial, kernel, strides, dilation, strict=True):
            found["kernel over stride"] |= k > s > 1
            found["stride over kernel"] |= s > k
            found["stride does not divide"] |= bool(size % s)
            if case.config.get("padding") == "same":
                found["unequal padding"] |= max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0) % 2 == 1
    assert all(found.values()), f"Conv2D cases lack a geometry: {found}"


def test_arrays_follow_from_the_id_and_the_seed_alone():
    layer, case = ALL["LSTM"], STANDARD["LSTM"][-1]
    first, again = (draw_arrays(layer, case, case.seed(0)) for _ in range(2))
    assert np.array_equal(first.x, again.x), "the same case drew two inputs"
    assert not np.array_equal(first.x, draw_arrays(layer, case, case.seed(1)).x), "another run seed drew the same input"
    assert case.seed() != STANDARD["LSTM"][0].seed(), "two cases share a seed"


WEAK = {
    "a bias of zeros": lambda w: (w[0], w[1], np.zeros_like(w[2])),
    "equal gates": lambda w: (np.tile(w[0][:, :1], (1, w[0].shape[1])), w[1], w[2]),
    "a symmetric recurrent kernel": None,
    "saturated outputs": None,
    "a palindrome": None,
    "inputs of one sign": None,
    "a mask that hides nothing": None,
}


@pytest.mark.parametrize("weakness", WEAK)
def test_a_weak_case_is_refused(weakness):
    layer = ALL["LSTM"]
    case = Case("LSTM", {"units": 4}, (3, 6, 4), {"mask": "gap"} if "mask" in weakness else {}, "float64", "weak")
    arrays = draw_arrays(layer, case, 7)
    outputs = _expectation(np.full((3, 4), 0.99) if weakness == "saturated outputs" else np.full((3, 4), 0.3))
    x, weights, arguments = arrays.x, arrays.weights, arrays.arguments
    if WEAK[weakness] is not None:
        weights = WEAK[weakness](weights)
    elif weakness == "a palindrome":
        x = x + x[:, ::-1]
    elif weakness == "inputs of one sign":
        x = np.abs(x)
    elif weakness == "a mask that hides nothing":
        arguments = {"mask": np.ones((3, 6), bool)}
    elif weakness == "a symmetric recurrent kernel":
        layer, case = ALL["Dense"], Case("Dense", {"units": 4}, (3, 4), {}, "float64", "weak")
        arrays = draw_arrays(layer, case, 7)
        x, arguments = arrays.x, arrays.arguments
        kernel = arrays.weights[0] + np.triu(arrays.weights[0], 1).T - np.tril(arrays.weights[0], -1)
        weights = (kernel, arrays.weights[1])
    with pytest.raises(NotDiscriminatingError):
        check_discriminating(layer, case, Arrays(x, weights, arguments), outputs)


def test_an_unknown_layer_is_named_with_near_ones():
    with pytest.raises(ValueError, match="did you mean LSTM"):
        known_layer("Lstm")
    assert known_layer("TextVectorization") in NAMES, "text vectorization can be chosen as well"
