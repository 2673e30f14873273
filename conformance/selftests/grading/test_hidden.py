"""Hidden cases: other arrays and sizes, the same for the same seed, fair to everybody, and answered as Keras would."""

from __future__ import annotations

import functools
import itertools
import json
from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import pytest

import reference
from conformance import checks
from conformance.base.arrays import same
from conformance.base.errors import SuiteError
from conformance.base.record import CORE, EDGE, FAILED, PASSED, UNSUPPORTED, Record
from conformance.cases import ALL, layer_cases
from conformance.cases.case import DTYPES, Case, declared_cases
from conformance.cases.draw import draw_arrays
from conformance.cases.gradients import backward_cases
from conformance.cases.losses import LOSS_CASES, loss_cases
from conformance.grading import hidden, new_cases
from conformance.grading.hidden import ask_hidden, asked_about, case_seed, hidden_cases, hidden_session, made_again, who_answers
from conformance.grading.rubric import Item
from conformance.implementations.module import ModuleImplementation
from conformance.judging.session import CaseRunner, Session
from conformance.oracle.environment import missing_package
from conformance.oracle.expectation import Expectation
from conformance.oracle.protocol import LIVE, RECORDED, REFERENCE, oracle
from conformance.oracle.recorded.reader import Recorded
from conformance.oracle.reference import Reference
from conformance.oracle.reference import _loss as losses_of_reference
from conformance.suite.check import questions
from conformance.suite.told import Told

NAMES = (*ALL, *LOSS_CASES)
RIGHT = {name: value for name, value in vars(reference).items() if callable(value)}
SEED = 20261201


def item(*layers: str, **more: Any) -> Item:
    return Item("week-3", 1.0, layers=layers, **{"hidden": 5, **more})


def told(space: object, one: Item, seed: int = SEED) -> Told:
    session = hidden_session(Session(oracle_name=RECORDED), seed, REFERENCE)
    session.implementation = ModuleImplementation("mine", space) if not isinstance(space, str) else ModuleImplementation(space)
    found = Told()
    ask_hidden(session, one, found.settle)
    return found


def statuses(found: Told) -> Counter[str]:
    return Counter(record.status for record in found.records)


# -- which cases there are


def test_the_seed_follows_from_secret_assignment_and_submission_and_from_nothing_less():
    seeds = {case_seed(*one) for one in [(b"s", "a", "1"), (b"t", "a", "1"), (b"s", "b", "1"), (b"s", "a", "2"), (b"s", "a1", "")]}
    assert len(seeds) == 5, "two submissions share their hidden cases"
    assert case_seed(b"s", "a", "1") == case_seed(b"s", "a", "1"), "the same submission gets other cases when it is graded again"
    assert json.loads(json.dumps(float(max(seeds)))) == max(seeds) < 2**53, "a reader of JSON that has only floats loses the seed"


def test_every_layer_and_pass_has_as_many_cases_as_are_wanted_and_the_reference_passes():
    for name in NAMES:
        found = told("reference", item(name, hidden=1))
        wanted = {part: 1 for _, part in asked_about(item(name)) if new_cases._bases(name, part, ())}
        assert Counter(record.kind for record in found.records) == wanted, f"{name} has other numbers of hidden cases"
        assert {record.status for record in found.records} <= {PASSED}, f"{[(one.id, one.message) for one in found.records]}"
        assert {record.level for record in found.records} <= {CORE}, f"{name}: a hidden case is of the edge"


def test_only_sparsemax_has_no_hidden_cases_since_keras_always_deviates():
    without = [name for name in NAMES if not any(new_cases._bases(name, part, ()) for _, part in asked_about(item(name)))]
    assert without == ["sparsemax"], f"{without} have no hidden cases"


@pytest.mark.parametrize("name", ["Dense", "LSTM", "Conv2D", "MaxPooling2D", "mean_squared_error"])
def test_arrays_and_sizes_are_those_of_no_declared_case(name):
    layer = layer_cases(name)
    declared = list(loss_cases(name) if name in LOSS_CASES else declared_cases(layer, "standard"))
    known = {repr((case.shape, sorted(case.config.items()))) for case in declared}
    shapes: list[bool] = []
    for part in (part for _, part in asked_about(item(name))):
        for one in islice(hidden_cases(item(name), name, part, new_cases.JUDGED, SEED), 20):
            case = one.question[-1]
            shapes.append(repr((case.shape, sorted(case.config.items()))) in known)
            if name in ALL and part == "forward":
                x = draw_arrays(layer, case, case.seed(SEED)).x
                others = [draw_arrays(layer, other, other.seed()).x for other in declared if other.shape == case.shape]
                assert not any(same(x, other) for other in others), f"{one.identifier} has the arrays of a declared case"
    assert np.mean(shapes) < 0.2, "most hidden cases have the sizes of declared ones"


def test_a_hidden_case_has_no_defect_tie_kink_or_number_that_is_none():
    for name in NAMES:
        for part in (part for _, part in asked_about(item(name))):
            for case in filter(None, (new_cases.new_case(item(name), name, part, SEED, number) for number in range(6))):
                assert case.deviation is None, f"{case.id} meets a defect of Keras"
                values = case.call.get("values", "ordinary")
                assert values in new_cases.ORDINARY, f"{case.id} has {values}"


def test_sizes_lie_within_the_ranges_of_drawn_cases():
    for name in ("Dense", "Conv2D", "LSTM", "Embedding", "AveragePooling1D"):
        layer = layer_cases(name)
        for number in range(200):
            case = new_cases.new_case(item(name), name, "forward", SEED, number)
            if case is not None and len(case.shape) == len(layer.drawn["shape"]):
                first = case.config.get("data_format") == "channels_first"
                shape = (case.shape[0], *case.shape[2:], case.shape[1]) if first else case.shape
                inside = [low <= size <= high for size, (low, high) in zip(shape, layer.drawn["shape"], strict=True)]
                assert all(inside), f"{case.id}: {shape} lies outside {layer.drawn['shape']}"


def test_what_is_asked_follows_from_the_seed():
    def asked(seed: int) -> list[bytes]:
        seen: list[bytes] = []

        def dense_forward(x, kernel, bias=None):
            seen.append(x.tobytes() + kernel.tobytes())
            return dense_without_activation(x, kernel, bias)

        told({"dense_forward": dense_forward}, item("Dense", passes=("forward",)), seed)
        return seen

    one, again, other = asked(1), asked(1), asked(2)
    assert one == again and len(one) >= 5, "the same seed asks with other arrays"
    assert not {*one} & {*other}, "another seed asks with the same arrays"


def test_another_seed_asks_other_cases_and_the_same_seed_the_same():
    one, again, other = (told("reference", item("LSTM", "Dense"), seed) for seed in (1, 1, 2))
    assert [record.id for record in one.records] == [record.id for record in again.records], "the same seed asks other cases"
    assert [record.options for record in one.records] != [record.options for record in other.records], "another seed asks the same options"


def test_a_case_is_made_again_from_seed_and_id():
    wanted = item("Conv2D", "mean_squared_error")
    for layer, part in asked_about(wanted):
        one = next(hidden_cases(wanted, layer, part, new_cases.JUDGED, SEED))
        again = made_again(wanted, SEED, one.identifier)
        assert again == one, f"{one.identifier} is made again as {again}"
        case = again.question[-1]
        questions = [new_cases.question_of(part, case, seed) for seed in (SEED, SEED, SEED + 1)]
        arrays = [(question.positional, dict(question.keywords)) for question in questions]
        assert same(arrays[0], arrays[1]), "the arrays of a case are others when it is made again"
        assert not same(arrays[0], arrays[2]), "the arrays do not depend on the seed"


def test_a_hidden_case_is_that_of_one_item_alone():
    found = told("reference", item("Dense", "mean_squared_error", hidden=1))
    assert {hidden.item_of(record.id) for record in found.records} == {"week-3"}, f"{[record.id for record in found.records]}"
    assert hidden.item_of("test_forward[Dense-features-float64]") is None, "a declared case is that of one item"


@pytest.mark.parametrize("identifier", ["", "hidden_forward[week-3-LSTM-0-float64]", "hidden_mask[week-3-Dense-0-float64]",
                                        "hidden_forward[week-4-Dense-0-float64]", "test_forward[Dense-features-float64]"])  # fmt: skip
def test_an_id_that_is_none_of_the_item_is_said_so(identifier):
    with pytest.raises(ValueError, match="week-3 has no hidden case"):
        made_again(item("Dense"), SEED, identifier)


def test_options_and_passes_are_those_of_the_item():
    found = told("reference", item("Conv2D", passes=("forward",), options={"padding": ("same",), "strides": ("2*",)}, hidden=8))
    assert len(found.records) == 8, f"{len(found.records)} cases instead of 8"
    for record in found.records:
        assert record.kind == "forward", f"{record.id} is of a pass that was not wanted"
        assert record.options["padding"] == "same" and record.options["strides"].startswith("2"), f"{record.options}"
    sized = told("reference", item("Dense", options={"units": ("6",)}))
    assert {record.options["units"] for record in sized.records} == {"6"}, "a size that the rubric names is drawn"
    assert not told("reference", item("Dense", level=EDGE)).records, "an item of the edge asks cases of the core"
    assert not told("reference", item("Dense", hidden=0)).records, "hidden = 0 asks hidden cases"
    assert not told("reference", item("Dense", options={"padding": ("same",)})).records, "an option that Dense has not is asked"


# -- who is asked what


def dense_without_activation(x, kernel, bias=None):
    return x @ kernel + (0 if bias is None else bias)


def test_only_options_that_are_taken_are_asked():
    found = told({"dense_forward": dense_without_activation}, item("Dense", passes=("forward",)))
    assert statuses(found) == {PASSED: 5}, f"{[(one.id, one.message) for one in found.records]}"


def test_what_is_not_there_counts_as_many_cases():
    found = told({"dense_forward": dense_without_activation}, item("Dense"))
    assert statuses(found) == {PASSED: 5, UNSUPPORTED: 5}, f"{statuses(found)}"
    assert {one.kind for one in found.records if one.status == UNSUPPORTED} == {"backward"}, "the missing pass is not the one that costs"


def test_refusing_every_call_counts_as_many_cases():
    def dense_forward(x, kernel, bias=None):
        raise NotImplementedError("not these numbers")

    found = told({"dense_forward": dense_forward}, item("Dense", passes=("forward",)))
    assert statuses(found) == {UNSUPPORTED: 5}, f"{statuses(found)}"


def test_a_value_that_is_refused_gives_way_to_another_case():
    def dense_forward(x, kernel, bias=None, activation=None):
        if activation not in (None, "relu"):
            raise NotImplementedError(activation)
        return reference.dense_forward(x, kernel, bias, activation=activation)

    found = told({"dense_forward": dense_forward}, item("Dense", passes=("forward",), hidden=3))
    assert len(found.records) == 3, f"{len(found.records)} cases instead of 3"
    assert statuses(found)[PASSED] >= 1, "none of the cases is one that it takes"


# -- what hidden cases catch


class Memory:
    """What somebody has who copied the recorded answers: right for every declared case of a layer, and nothing else."""

    def __init__(self, name: str) -> None:
        self.known: dict[bytes, object] = {}
        recorded, layer = Recorded(), layer_cases(name)
        for case in declared_cases(layer, "standard"):
            (arrays,) = recorded.draws(layer, case, 0)
            value = recorded.expect(layer, case, arrays).outputs
            self.known[self.key(arrays.x)] = value[0].astype(case.dtype)

    @staticmethod
    def key(x: object) -> bytes:
        return np.asarray(x).tobytes()

    def dense_forward(self, x, kernel, bias=None, activation=None):
        return self.known.get(self.key(x), np.zeros((*x.shape[:-1], kernel.shape[1]), x.dtype))


def both(space: object, one: Item) -> list[Record]:
    """The records of the declared cases of an item's layers and passes, and those of its hidden ones."""
    session = Session(oracle_name=RECORDED)
    session.implementation = ModuleImplementation("mine", space)
    declared = Told()
    for kind, identifier, question in questions(one.layers, "standard", one.passes):
        checks.KINDS[kind].check(CaseRunner(session, f"test_{kind}[{identifier}]", str, declared.settle), *question)
    return [*declared.records, *told(space, one).records]


def test_somebody_who_remembers_the_recorded_answers_passes_no_hidden_case():
    wanted = item("Dense", passes=("forward",), hidden=10)
    records = both({"dense_forward": remembered_dense().dense_forward}, wanted)
    hidden_ones = [record for record in records if hidden.item_of(record.id)]
    assert {record.status for record in hidden_ones} == {FAILED} and len(hidden_ones) == 10, f"{[(r.id, r.status) for r in hidden_ones]}"
    assert sum(record.status == PASSED for record in records) > 20, "nothing is remembered"


@functools.cache
def remembered_dense() -> Memory:
    return Memory("Dense")


def wrong(**functions: object) -> dict[str, object]:
    return {**RIGHT, **functions}


def no_bias(x, kernel, bias=None, activation=None):
    return reference.dense_forward(x, kernel, None, activation=activation)


def other_gates(x, kernel, recurrent_kernel, bias=None, **options):
    def swapped(weight):
        parts = np.split(weight, 4, axis=-1)
        return np.concatenate([parts[0], parts[1], parts[3], parts[2]], axis=-1)

    return reference.lstm_forward(x, *(None if one is None else swapped(one) for one in (kernel, recurrent_kernel, bias)), **options)


def half_the_gradient(grad_output, x, kernel, bias=None, **options):
    grad_x, *others = reference.dense_backward(grad_output, x, kernel, bias, **options)
    return (grad_x / 2, *others)


def mean_for_sum(y_true, y_pred, **options):
    return reference.mean_squared_error(y_true, y_pred, **options) * 1.001


@pytest.mark.parametrize(
    ("layer", "part", "functions"),
    [
        ("Dense", "forward", {"dense_forward": no_bias}),
        ("LSTM", "forward", {"lstm_forward": other_gates}),
        ("Dense", "backward", {"dense_backward": half_the_gradient}),
        ("mean_squared_error", "loss", {"mean_squared_error": mean_for_sum}),
    ],
)
def test_a_mistake_is_caught_by_hidden_cases_alone(layer, part, functions):
    found = told(wrong(**functions), item(layer, passes=(part,)))
    assert statuses(found)[FAILED] >= 3, f"{statuses(found)}"
    failed = next(record for record in found.records if record.status == FAILED)
    text = found.report("mine").explanations[failed.id]()
    assert "hidden case" in text and hidden.AGAIN in text, f"the explanation is {text!r}"


def test_a_mistake_is_named_as_in_declared_cases():
    found = told(wrong(lstm_forward=other_gates), item("LSTM", passes=("forward",)))
    report = found.report("mine")
    named = [sentence for sentences in report.diagnose(report.records).values() for sentence in sentences]
    assert any("gate" in sentence for sentence in named), f"{named}"


# -- who answers


def test_the_reference_answers_as_was_recorded_with_the_same_tolerance():
    mine, recorded = Reference(), Recorded()
    for name in ("Dense", "Conv1D", "LSTM", "Bidirectional", "BatchNormalization", "Softmax", "gelu", "AveragePooling2D", "Embedding"):
        layer = layer_cases(name)
        cases = [case for case in declared_cases(layer) if new_cases._is_fair(layer, "forward", case) and not case.call.get("training")]
        for case in cases[::9]:
            (arrays,) = recorded.draws(layer, case, 0)
            _assert_alike(case, mine.expect(layer, case, arrays), recorded.expect(layer, case, arrays))
        for case in [case for case in backward_cases(layer, "standard") if new_cases._is_fair(layer, "backward", case)][::9]:
            backward = recorded.backward(layer, case, 0)
            _assert_alike(case, mine.gradients(layer, case, backward), recorded.gradients(layer, case, backward))
    for name in ("mean_squared_error", "categorical_crossentropy"):
        for case in list(loss_cases(name))[::9]:
            other = recorded.loss(case, 0)
            one = losses_of_reference(case, other.arrays)  # not drawn again: of exp the last digit depends on the processor
            _assert_alike(case, one.value, other.value)
            _assert_alike(case, one.gradient, other.gradient)


def _assert_alike(case: Case, mine: Expectation, theirs: Expectation) -> None:
    assert mine.dtypes == theirs.dtypes, f"{case.id}: dtypes are {mine.dtypes}, recorded {theirs.dtypes}"
    assert [y.shape for y in mine.outputs] == [y.shape for y in theirs.outputs], f"{case.id}: other shapes than recorded"
    rules = ["rounding"] if case.dtype == "float32" else ["meaning", "rounding"]
    for rule in rules:
        for one, other in zip(getattr(mine, rule)(), getattr(theirs, rule)(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, err_msg=f"{case.id}: {rule} allows something else")
    allowed = theirs.meaning() if case.dtype == "float64" else theirs.rounding()
    for one, other, room in zip(mine.outputs, theirs.outputs, allowed, strict=True):
        assert np.all(np.abs(one - other) <= room), f"{case.id}: the reference's value is not Keras's"


def test_nothing_of_keras_is_told_where_the_reference_answers():
    layer = layer_cases("Dense")
    case = next(iter(declared_cases(layer)))
    expectation = Reference().expect(layer, case, draw_arrays(layer, case, 1))
    assert expectation.keras is None and expectation.keras_ratio is None, "the reference's answer is told as Keras's"


@pytest.mark.parametrize("ask", [
    lambda one: one.mask(None), lambda one: one.stateful(None, 0), lambda one: one.text({}), lambda one: one.steps(None, 0)
])  # fmt: skip
def test_what_is_only_recorded_is_not_made_of_the_reference(ask):
    with pytest.raises(SuiteError, match="no expected values of"):
        ask(Reference())


def test_a_gradient_that_is_no_slope_makes_no_case(monkeypatch):
    one = next(hidden_cases(item("Dense"), "Dense", "backward", new_cases.JUDGED, SEED))
    case = one.question[-1]
    assert new_cases.is_sound("backward", case, SEED, Reference()), "the case is not sound from the beginning"
    monkeypatch.setattr(reference, "dense_backward", half_the_gradient_of(reference.dense_backward))
    assert not new_cases.is_sound("backward", case, SEED, Reference()), "half the gradient is taken for the slope"


def half_the_gradient_of(right):
    return lambda *arguments, **options: (right(*arguments, **options)[0] / 2, *right(*arguments, **options)[1:])


def test_arrays_that_cannot_tell_right_from_wrong_make_no_case(monkeypatch):
    one = next(hidden_cases(item("Dense"), "Dense", "forward", new_cases.JUDGED, SEED))
    case = one.question[-1]
    assert new_cases.is_sound("forward", case, SEED, Reference()), "the case is not sound from the beginning"
    monkeypatch.setattr("conformance.cases.draw.draw_weight", lambda rng, name, shape: np.ones(shape))
    assert not new_cases.is_sound("forward", case, SEED, Reference()), "weights that are all 1 make a case"


def test_a_case_in_which_the_reference_does_not_keep_what_is_allowed_is_none(monkeypatch):
    right = reference.dense_forward

    def rough(x, *weights, **options):
        return right(x, *weights, **options) + (x.dtype == np.float32)

    cases = [one.question[-1] for one in islice(hidden_cases(item("Dense"), "Dense", "forward", new_cases.JUDGED, SEED), 12)]
    monkeypatch.setattr(reference, "dense_forward", rough)
    sound = {dtype: [new_cases.is_sound("forward", case, SEED) for case in cases if case.dtype == dtype] for dtype in DTYPES}
    assert all(sound["float64"]) and sound["float64"], "what is right in float64 makes no case"
    assert not any(sound["float32"]) and sound["float32"], "a case is asked in which the reference itself is off"


def test_a_case_that_turns_on_the_last_digit_is_none(monkeypatch):
    one = next(hidden_cases(item("LSTM"), "LSTM", "forward", new_cases.JUDGED, SEED))
    case = one.question[-1]
    assert new_cases.is_sound("forward", case, SEED, Reference()), "the case is not sound from the beginning"
    monkeypatch.setattr("conformance.cases.tolerance.ILL_CONDITIONED", 1e-12)
    assert not new_cases.is_sound("forward", case, SEED, Reference()), "an ill-conditioned case is asked"


def test_one_oracle_answers_and_the_report_says_which(monkeypatch):
    for missing, wanted, said in (("tensorflow", REFERENCE, "own NumPy functions"), (None, LIVE, "Keras 3")):
        monkeypatch.setattr(hidden, "missing_package", lambda missing=missing: missing)
        assert who_answers() == wanted, f"with {missing or 'nothing'} missing {who_answers()} answers"
        session = hidden_session(Session(oracle_name=RECORDED), 1, REFERENCE)
        session.oracle_name = wanted
        assert said in hidden.answered_by(session), f"{hidden.answered_by(session)}"
    assert isinstance(oracle(REFERENCE), Reference), "the name of the oracle does not make it"


# -- beside live Keras


@pytest.mark.skipif(missing_package() is not None, reason="live Keras answers beside the reference, and is not installed")
def test_live_keras_comes_to_the_same_verdicts():
    broken = ModuleImplementation("fixtures/implementations/broken.py")
    sessions = [hidden_session(Session(oracle_name=RECORDED), SEED, name) for name in (REFERENCE, LIVE)]
    counted: Counter[str] = Counter()
    for name in ("Dense", "Conv2D", "LSTM", "Flatten", "relu", "mean_squared_error"):
        one = item(name)
        for (layer, part), implementation in itertools.product(asked_about(one), (new_cases.JUDGED, broken)):
            for case in islice(hidden_cases(one, layer, part, implementation, SEED), 2):
                verdicts = []
                for session in sessions:
                    session.implementation = implementation
                    settled = hidden._asked(session, case)
                    assert settled is not None, f"{session.oracle_name} does not judge by {case.identifier}"
                    verdicts.append(settled[0].status)
                assert verdicts[0] == verdicts[1], f"{case.identifier} of {implementation.spec}: {verdicts}"
                counted[verdicts[0]] += 1
    assert counted[PASSED] > 20 and counted[FAILED] >= 3, f"{counted}"
