"""Refusing is not being wrong: which exceptions make a case unsupported, and which stay errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import conformance
from conformance.base.arrays import Arrays
from conformance.base.call import REFUSES, Answer, Question
from conformance.base.record import ERROR, FAILED, PASSED, UNSUPPORTED
from conformance.cases import ALL, NAMES, TEXT, layer_cases
from conformance.cases.case import Case, declared_cases
from conformance.cases.draw import draw_arrays
from conformance.cases.gradients import backward_cases
from conformance.cases.questions import backward_question, forward_question
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.process import python_process
from conformance.judging.judge import judge_backward, judge_case
from conformance.judging.refusal import ask
from conformance.judging.variants import acts_with, options_of, with_options
from conformance.models.functions import Functions
from conformance.oracle.recorded.reader import Recorded

ORACLE = Recorded()
HEAD = """
import numpy as np
import reference as right
TABLE = {"linear": lambda z: z, "relu": lambda z: np.maximum(z, 0)}
class Named:
    linear = staticmethod(lambda z: z)
    relu = staticmethod(lambda z: np.maximum(z, 0))
"""
DENSE = HEAD + 'def dense_forward(x, kernel, bias=None, activation="linear"):\n    z = right.dense_forward(x, kernel, bias)\n    BODY\n'
UNKNOWN = {
    "raise": 'if activation not in TABLE: raise ValueError(f"unknown activation {activation}")\n    return TABLE[activation](z)',
    "assert": "assert activation in TABLE\n    return TABLE[activation](z)",
    "key": "return TABLE[activation](z)",
    "attribute": "return getattr(Named, activation)(z)",
    "if-chain": 'if activation == "linear": y = z\n    elif activation == "relu": y = np.maximum(z, 0)\n    return y',
    "not implemented": "if activation not in TABLE: raise NotImplementedError(activation)\n    return TABLE[activation](z)",
}
"""How people write a layer that knows two activations."""
KNOWN = ("linear", "relu")


@pytest.fixture
def write(tmp_path):
    """A file with this text, which a process imports once."""

    def file(text: str) -> str:
        path = tmp_path / f"mine{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text)
        return str(path)

    return file


def arrays_of(case: Case) -> Arrays:
    return draw_arrays(ALL[case.layer], case, 1)


def outcomes(report: conformance.Report) -> Counter[str]:
    return Counter(record.status for record in report.records)


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_layer_that_refuses_activations_is_right_in_the_others(kind, write):
    report = conformance.check(write(DENSE.replace("BODY", UNKNOWN[kind])), ["Dense"])
    assert report.ok, f"{kind}: {report.failed()[0].id}: {report.failed()[0].message}"
    for record in (record for record in report.records if record.kind == "forward"):
        expected = PASSED if record.options["activation"] in KNOWN else UNSUPPORTED
        assert record.status == expected, f"{kind}: {record.id} is {record.status}: {record.message}"
    assert report.score() == report.passed / len(report.records) < 0.5, f"{kind}: what is refused leaves the denominator"
    if kind != "not implemented":
        said = {record.message for record in report.records if "activation=tanh-units=6-features-float64" in record.id}
        assert said == {f"dense_forward{REFUSES}activation='tanh'"}, f"{kind}: the refusal is told as {said}"


def test_a_mistake_is_seen_beside_refusals(write):
    report = conformance.check(write(DENSE.replace("BODY", UNKNOWN["raise"] + " + 1")), ["Dense"])
    wrong = [record for record in report.records if record.status == "failed"]
    assert len(wrong) > 30, f"refusals hide what is wrong: {outcomes(report)}"
    assert {record.options.get("activation", "linear") for record in wrong} == set(KNOWN), "a refusal stands among what is wrong"
    assert all(record.message.startswith(f"dense_forward{REFUSES}") for record in report.records if record.status == UNSUPPORTED)


WRONG = {
    "everything is refused": "raise ValueError(activation)",
    "a value is refused, and the rest is a mistake": "if activation != 'linear': raise ValueError(activation)\n    return z + None",
    "NumPy in the branch of a value": "return z if activation == 'linear' else z + np.ones((9, 9, 9, 9, 9))[..., :7]",
    "None in the branch of a value": "return z if activation == 'linear' else z + None",
    "a name in the branch of a value": "if activation == 'linear': y = z\n    elif activation == 'tanh': yy = np.tanh(z)\n    return y",
    "another key": "return z if activation == 'linear' else TABLE['nonsense'](z)",
    "a function that is not there": "return z if activation == 'linear' else np.tanhh(z)",
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_mistake_stays_an_error(kind, write):
    report = conformance.check(write(DENSE.replace("BODY", WRONG[kind])), ["Dense"], case="Dense-activation=tanh-units=6-features-float64")
    (record,) = report.records
    assert record.status == ERROR, f"{kind} is {record.status}: {record.message}"


def test_what_is_refused_without_any_option_stays_an_error(write):
    report = conformance.check(write(DENSE.replace("BODY", "raise ValueError('not today')")), ["Dense"])
    assert outcomes(report) == {ERROR: len(report.records) - 1, "blocked": 1}, f"a layer that only raises refuses: {outcomes(report)}"


LSTM = HEAD + "def lstm_forward(x, *weights, **options):\n    BODY\n    return right.lstm_forward(x, *weights, **options)\n"
BOTH = "if options.get('return_sequences') and options.get('go_backwards'): raise ValueError('not together')"
TOGETHER = {"return_sequences": True, "go_backwards": True}


def lstm_case(**config: object) -> Case:
    return Case("LSTM", {"units": 5, **config}, (3, 7, 4), {}, "float64", "of a test")


@pytest.mark.parametrize(
    ("body", "config", "status"),
    [
        (BOTH, TOGETHER, ERROR),
        (BOTH, {"return_sequences": True}, PASSED),
        (BOTH.replace(" and ", " or "), TOGETHER, UNSUPPORTED),
        (BOTH.replace(" and ", " or "), {**TOGETHER, "return_state": True}, UNSUPPORTED),
        (f"{BOTH}\n    assert 'return_state' not in options", {**TOGETHER, "return_state": True}, ERROR),
        ("assert weights[0].shape[0] < 4", {"return_sequences": True}, ERROR),
    ],
)
def test_two_values_that_are_each_taken_alone_are_no_refusal(body, config, status, write):
    case = lstm_case(**config)
    question = forward_question(ALL["LSTM"], case, arrays_of(case), {})
    answer = ask(ModuleImplementation(write(LSTM.replace("BODY", body))), question)
    assert answer.status == status, f"{config} with {body!r} is {answer.status}: {answer.message}"
    if status == UNSUPPORTED:
        assert answer.message == "lstm_forward refuses return_sequences=True and go_backwards=True", answer.message


@pytest.mark.parametrize("taken", ["dropout", "zero_output_for_mask"])
def test_an_option_that_only_acts_with_another_counts_with_it(taken, write):
    """Alone it does nothing, and nothing is refused."""
    body = f"if 'mask' in options and options.get('{taken}'): raise ValueError('not this')"
    body = body.replace("'mask'", "'training'") if taken == "dropout" else body
    value = 0.3 if taken == "dropout" else True
    call = {"training": True} if taken == "dropout" else {"mask": "gap"}
    case = Case("LSTM", {"units": 5, "return_sequences": True, taken: value}, (3, 7, 4), call, "float64", "of a test")
    question = forward_question(ALL["LSTM"], case, arrays_of(case), {})
    answer = ask(ModuleImplementation(write(LSTM.replace("BODY", body))), question)
    assert answer.status == UNSUPPORTED and answer.message == f"lstm_forward refuses {taken}={value!r}", f"{taken}: {answer}"


def test_what_an_option_acts_with_is_said_by_the_declarations():
    for name in NAMES:
        layer = layer_cases(name) if name != TEXT else None
        for option, partners in (layer.alone.acts_with if layer else {}).items():
            for part in ("forward", "backward", "compute_mask"):
                found = acts_with(Question(layer.function_name(part), ()), option)
                assert layer.layer == "Activation" or found == set(partners), f"{option} of {name} ({part}) acts with {found}"
    assert acts_with(Question("lstm_forward", ()), "dropout_mask") == {"training", "dropout"}, "a mask is that of a rate"
    assert acts_with(Question("dropout_forward", ()), "seed") == {"training"}, "nothing is drawn without training"
    assert not acts_with(Question("lstm_forward", ()), "momentum"), "an option of another layer has no partner here"
    assert not acts_with(Question("text_vectorization_adapt", ()), "ngrams"), "what has no declaration has none"


LAYERS = {
    "Conv2D": (
        "def conv2d_forward(x, *weights, **options):\n    REFUSE\n    return right.conv2d_forward(x, *weights, **options)\n",
        {
            "padding": 'assert options.get("padding", "valid") in ("valid",)',
            "groups": 'if options.get("groups", 1) != 1: raise ValueError("one group")',
            "data_format": 'if "data_format" in options: raise ValueError("channels last")',
            "use_bias": 'if len(weights) < 2: raise ValueError("a bias is needed")',
        },
    ),
    "GRU": (
        "def gru_forward(x, *weights, **options):\n    REFUSE\n    return right.gru_forward(x, *weights, **options)\n",
        {
            "reset_after": 'if "reset_after" in options: raise ValueError("reset_after")',
        },
    ),
    "SimpleRNN": (
        "def simple_rnn_forward(x, *weights, **options):\n    REFUSE\n    return right.simple_rnn_forward(x, *weights, **options)\n",
        {"mask": 'assert "mask" not in options', "initial_state": 'assert "initial_state" not in options'},
    ),
    "BatchNormalization": (
        "def batch_normalization_forward(x, *weights, **options):\n    REFUSE\n"
        "    return right.batch_normalization_forward(x, *weights, **options)\n",
        {
            "axis": 'assert "axis" not in options',
            "training": 'if options.get("training"): raise ValueError("inference only")',
            "momentum": 'if "momentum" in options: raise ValueError("momentum")',
            "mask": 'assert not (options.get("training") and "mask" in options)',
            "scale": 'if weights[0] is None: raise ValueError("gamma is needed")',
        },
    ),
    "Bidirectional": (
        "def bidirectional_forward(x, *weights, **options):\n    REFUSE\n    return right.bidirectional_forward(x, *weights, **options)\n",
        {
            "layer": '{"LSTM": 1, "GRU": 2}[options.get("layer", "LSTM")]',
            "merge_mode": 'assert options.get("merge_mode", "concat") is not None',
            "return_state": 'assert "return_state" not in options',
        },
    ),
    "TimeDistributed": (
        "def time_distributed_forward(x, *weights, **options):\n    REFUSE\n"
        "    return right.time_distributed_forward(x, *weights, **options)\n",
        {"layer": 'if "layer" in options: raise ValueError("Dense alone")'},
    ),
    "Dropout": (
        "def dropout_forward(x, **options):\n    REFUSE\n    return right.dropout_forward(x, **options)\n",
        {"noise_shape": 'if options.get("training") and "noise_shape" in options: raise ValueError("noise_shape")'},
    ),
    "Embedding": (
        "def embedding_forward(x, table): return right.embedding_forward(x, table)\n"
        "def embedding_compute_mask(x, **options):\n    REFUSE\n    return right.embedding_compute_mask(x, **options)\n",
        {"mask_zero": 'assert "mask_zero" not in options'},
    ),
    "mean_squared_error": (
        "def mean_squared_error(y, p, **options):\n    REFUSE\n    return right.mean_squared_error(y, p, **options)\n",
        {
            "reduction": 'if options.get("reduction", 1) is None: raise ValueError("reduction")',
            "mask": 'assert "mask" not in options',
        },
    ),
    "SGD": (
        "def sgd_step(variables, gradients, state, **options):\n    REFUSE\n"
        "    return right.sgd_step(variables, gradients, state, **options)\n",
        {"nesterov": 'if options.get("momentum") and options.get("nesterov"): raise ValueError("nesterov")'},
    ),
    "TextVectorization": (
        "def text_vectorization_adapt(texts, **options):\n    REFUSE\n    return right.text_vectorization_adapt(texts, **options)\n",
        {"ngrams": 'assert "ngrams" not in options'},
    ),
    "leaky_relu": (
        "def leaky_relu(x, **options):\n    REFUSE\n    return right.leaky_relu(x, **options)\n",
        {"negative_slope": 'assert "negative_slope" not in options'},
    ),
}
"""By layer: its function, and how it refuses an option."""


@pytest.mark.parametrize(("layer", "option"), [(layer, option) for layer, (_, options) in LAYERS.items() for option in options])
def test_every_kind_of_question_knows_a_refusal(layer, option, write):
    function, refusals = LAYERS[layer]
    report = conformance.check(write(HEAD + function.replace("REFUSE", refusals[option])), [layer])
    assert report.ok, f"{report.failed()[0].id}: {report.failed()[0].message}"
    refused = [record.message for record in report.records if REFUSES in record.message]
    told = {message.partition(REFUSES)[2].partition("=")[0] for message in refused}
    assert told == {option}, f"where {option} is refused, this is said: {set(refused)}"
    assert report.passed, "nothing passed beside it"


BACKWARD = HEAD + "def lstm_backward(g, x, *weights, **options):\n    BODY\n    return right.lstm_backward(g, x, *weights, **options)\n"


@pytest.mark.parametrize("option", ["return_sequences", "return_state", "use_bias", "initial_state"])
def test_a_backward_pass_refuses_what_changes_its_output(option, write):
    """The gradients that it is asked with have other shapes without the option."""
    body = "assert len(weights) == 3" if option == "use_bias" else f"assert '{option}' not in options"
    implementation = ModuleImplementation(write(BACKWARD.replace("BODY", body)))
    seen = Counter()
    for case in backward_cases(ALL["LSTM"], "standard"):
        verdict = judge_backward(case, implementation, ORACLE, 0, strict=False).verdict
        asked = option in case.call or case.config.get(option, option == "use_bias") is not (option == "use_bias")
        assert verdict.status == (UNSUPPORTED if asked else PASSED), f"{case.id}: {verdict.status}: {verdict.sentence}"
        seen[verdict.status] += 1
    assert len(seen) == 2, f"{option} was never asked about, or always: {seen}"


INNER = (
    HEAD + "def lstm_forward(x, kernel, recurrent_kernel, bias, **options):\n"
    "    return right.lstm_forward(x, kernel, recurrent_kernel, bias, **options)\n"
    "def bidirectional_forward(x, forward_weights, backward_weights, **options):\n    BODY\n"
    "    return right.bidirectional_forward(x, forward_weights, backward_weights, **options)\n"
)
WITHOUT_BIAS = "Bidirectional-use_bias=False-units=5-sequence-float64"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("lstm_forward(x, *forward_weights)", UNSUPPORTED),
        ("kernel, recurrent_kernel, bias = forward_weights", UNSUPPORTED),
        ("bias = forward_weights[2]", UNSUPPORTED),
        ("x @ forward_weights[0] + (dict(enumerate(forward_weights)).get(2))", UNSUPPORTED),
        ("if len(forward_weights) < 3: return x", UNSUPPORTED),
        ("kernel, recurrent_kernel, bias, more = forward_weights", ERROR),
    ],
)
def test_two_weights_are_unsupported_where_the_wrapped_function_takes_three(body, status, write):
    (record,) = conformance.check(write(INNER.replace("BODY", body)), ["Bidirectional"], case=WITHOUT_BIAS).records
    assert record.status == status, f"{body} is {record.status}: {record.message}"
    if status == UNSUPPORTED:
        assert record.message == "bidirectional_forward refuses use_bias=False", record.message


@pytest.mark.parametrize("body", ["if len(forward_weights) < 3: return x", "x @ forward_weights[0] + [*forward_weights, None][2]"])
def test_two_weights_are_wrong_where_the_wrapped_function_takes_two(body, write):
    text = INNER.replace("bias, **options):", "bias=None, **options):").replace("BODY", body)
    (record,) = conformance.check(write(text), ["Bidirectional"], case=WITHOUT_BIAS).records
    assert record.status in (FAILED, ERROR), f"{body}: its own layer does without a bias, and it is {record.status}"


def test_a_weight_less_for_a_function_of_numpy_is_a_mistake(write):
    text = INNER.replace("bias, **options):", "bias=None, **options):").replace("BODY", "if len(forward_weights) < 3: np.pad(x)")
    (record,) = conformance.check(write(text), ["Bidirectional"], case=WITHOUT_BIAS).records
    assert record.status == ERROR, f"np.pad lacks an argument, which is no weight: {record.status}: {record.message}"


def test_an_option_that_slips_into_the_place_of_the_bias_is_unsupported(write):
    """``lstm_forward(x, *two, return_sequences)``: no exception, and another form."""
    half = "lstm_forward(x, *forward_weights, options.get('return_sequences', False))"
    given = "bias, return_sequences=return_sequences"
    text = INNER.replace("bias, **options", "bias, return_sequences=False", 1).replace("bias, **options", given)
    text = text.replace("BODY", f"return np.concatenate([{half}, {half}], -1)")
    case = "Bidirectional-use_bias=False-return_sequences-alone-float64"
    (record,) = conformance.check(write(text), ["Bidirectional"], case=case).records
    assert (record.status, record.message) == (UNSUPPORTED, "bidirectional_forward refuses use_bias=False"), record.message


@pytest.mark.parametrize("called", ["from student_of_lstm import forward as lstm", "cells = [student_of_lstm.forward]; lstm = cells[0]"])
def test_a_function_of_another_file_is_known_by_any_name(called, write, tmp_path):
    (tmp_path / "student_of_lstm.py").write_text("def forward(x, kernel, recurrent_kernel, bias):\n    return x\n")
    text = HEAD + "def bidirectional_forward(x, forward_weights, backward_weights, **options):\n"
    text += f"    import student_of_lstm\n    {called}\n    lstm(x, *forward_weights)\n"
    text += "    return right.bidirectional_forward(x, forward_weights, backward_weights, **options)\n"
    (record,) = conformance.check(write(text), ["Bidirectional"], case=WITHOUT_BIAS).records
    assert record.status == UNSUPPORTED, f"{called}: {record.status}: {record.message}"


BATCH_NORMALIZATION = """
import numpy as np
def batch_normalization_forward(x, gamma, beta, moving_mean, moving_varianceDEFAULT):
    return gamma * (x - moving_mean) / np.sqrt(moving_variance + 1e-3) + beta
"""


@pytest.mark.parametrize("option", ["center", "scale"])
def test_a_weight_that_is_none_is_missing_where_the_function_requires_it(option, write):
    case = Case("BatchNormalization", {option: False}, (3, 4, 5))
    required = ModuleImplementation(write(BATCH_NORMALIZATION.replace("DEFAULT", "")))
    question = forward_question(ALL["BatchNormalization"], case, arrays_of(case), {})
    answer = ask(required, question)
    assert (answer.status, answer.message.partition(REFUSES)[2]) == (UNSUPPORTED, f"{option}=False"), "it never said that it takes None"
    defaults = "gamma=None, beta=None, moving_mean=None, moving_variance=None"
    takes_none = BATCH_NORMALIZATION.replace("gamma, beta, moving_mean, moving_varianceDEFAULT", defaults)
    answer = ask(ModuleImplementation(write(takes_none)), question)
    assert answer.status == ERROR, "what None is the default of must be computed without it"


FLOATS = """
import numpy as np
def layer_normalization_forward(x, gammaDEFAULT, beta=None, epsilon=1e-3):
    x, gamma, beta = (np.asarray(one, dtype=np.float64) for one in (x, gamma, 0 if beta is None else beta))
    return gamma * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon) + beta
"""


def test_none_that_becomes_nan_is_a_missing_weight_where_the_function_requires_it(write):
    """``np.asarray(None, float)`` is NaN, and no exception says so."""
    case = Case("LayerNormalization", {"scale": False}, (3, 4, 5))
    question = forward_question(ALL["LayerNormalization"], case, arrays_of(case), {})
    assert question.positional[1] is None, "the removed gamma is None in the middle"
    answer = ask(ModuleImplementation(write(FLOATS.replace("DEFAULT", ""))), question)
    assert (answer.status, answer.message.partition(REFUSES)[2]) == (UNSUPPORTED, "scale=False"), answer
    takes_none = ModuleImplementation(write(FLOATS.replace("DEFAULT", "=None"))).ask(question)
    assert takes_none.status == PASSED and np.isnan(takes_none.value).all(), "who says that None is taken must compute without it"
    x = np.full(question.positional[0].shape, np.nan)
    of_nan = ModuleImplementation(write(FLOATS.replace("DEFAULT", ""))).ask(replace(question, positional=(x, *question.positional[1:])))
    assert of_nan.status == PASSED, "NaN that is given may well be answered with NaN"


def test_an_option_that_the_wrapped_function_does_not_take_is_unsupported(write):
    text = INNER.replace("bias, **options", "bias").replace("BODY", "lstm_forward(x, *forward_weights, **options)")
    text = text.replace("recurrent_kernel, bias, bias", "recurrent_kernel, bias")
    case = "Bidirectional-return_sequences-units=5-sequence-float64"
    (record,) = conformance.check(write(text), ["Bidirectional"], case=case).records
    said = (UNSUPPORTED, "bidirectional_forward refuses return_sequences=True")
    assert (record.status, record.message) == said, f"an option that lstm_forward lacks is {record.status}: {record.message}"


@pytest.mark.parametrize("kind", ["raise", "key"])
def test_a_process_of_its_own_is_judged_alike(kind, write):
    path = write(DENSE.replace("BODY", UNKNOWN[kind]))
    implementation = python_process(path, 60)
    case = next(case for case in declared_cases(ALL["Dense"]) if case.config.get("activation") == "tanh")
    try:
        told, here = (judge_case(case, one, ORACLE, 0, strict=False).verdict for one in (implementation, ModuleImplementation(path)))
    finally:
        implementation.close()
    assert (told.status, told.sentence) == (here.status, here.sentence) == (UNSUPPORTED, "dense_forward refuses activation='tanh'"), told


def test_a_model_with_a_refused_layer_is_not_supported(write):
    functions = Functions(ModuleImplementation(write(DENSE.replace("BODY", UNKNOWN["raise"]))))
    with pytest.raises(NotImplementedError, match="refuses activation='softmax'"):
        functions.dense_forward(np.ones((2, 3)), np.ones((3, 4)), np.ones(4), activation="softmax")


def test_nothing_is_asked_again_where_nothing_is_raised(monkeypatch):
    asked = []

    class Counted(ModuleImplementation):
        def ask(self, question):
            asked.append(question)
            return super().ask(question)

    case = next(case for case in declared_cases(ALL["Dense"]) if case.config.get("activation") == "tanh")
    judge_case(case, Counted("reference"), ORACLE, 0, strict=True)
    assert len(asked) == 1, f"a right answer was asked for {len(asked)} times"


def test_an_error_that_may_be_meant_for_nothing_is_not_asked_about():
    class Raising(ModuleImplementation):
        def ask(self, question):
            asked.append(question)
            return Answer(ERROR, message="no")

    asked = []
    answer = ask(Raising("raising"), Question("relu", (np.ones(3),), {"axis": 1}))
    assert (answer.status, len(asked)) == (ERROR, 1), "a plain error was asked about again"


def every_question() -> Iterator[tuple[str, Question]]:
    """Questions of every layer, forward and backward: each option alone, and a share of the pairs."""
    for name, layer in ALL.items():
        alone = {case.id for case in declared_cases(layer, "smoke")}
        for number, case in enumerate(declared_cases(layer)):
            if case.dtype == "float64" and (case.id in alone or number % 8 == 0):
                yield name, forward_question(layer, case, arrays_of(case), {})
        for case in backward_cases(layer, "smoke"):
            if case.dtype == "float64":
                backward = ORACLE.backward(layer, case, 0)
                yield name, backward_question(layer, case, backward.arrays, {}, backward.grads)


def test_with_all_options_a_question_is_the_same():
    for name, question in every_question():
        again = with_options(question, options_of(question))
        assert again is not None and again.keywords.keys() == question.keywords.keys(), f"{name}: {question.keywords} became {again}"
        shapes = [np.shape(one) for one in question.positional if isinstance(one, np.ndarray)]
        assert [np.shape(one) for one in again.positional if isinstance(one, np.ndarray)] == shapes, f"{name}: other shapes"


def test_without_an_option_the_reference_still_answers():
    """The arrays fit whatever is taken away: the reference, which refuses what does not, is asked."""
    right, unanswered, tried = ModuleImplementation("reference"), Counter(), 0
    for name, question in every_question():
        if right.ask(question).status != PASSED:
            continue
        for option in options_of(question):
            tried += 1
            fewer = with_options(question, options_of(question).keys() - {option})
            if fewer is None or right.ask(fewer).status != PASSED:
                unanswered[f"{name} without {option}"] += 1
    assert tried > 1000 and not unanswered, f"of {tried} questions these cannot be asked: {unanswered}"


def test_options_are_those_that_differ_from_the_defaults():
    case = lstm_case(use_bias=False, activation="relu")
    assert options_of(forward_question(ALL["LSTM"], case, arrays_of(case), {})) == {"activation": "relu", "use_bias": False}
    case = Case("Dropout", {"rate": 0.5}, (3, 4), {"training": True}, "float64", "of a test")
    question = forward_question(ALL["Dropout"], case, arrays_of(case), {})
    assert list(options_of(question)) == ["training"], "a rate, which has no default, is among the options"
    case = Case("threshold", {"threshold": 0.5, "default_value": 1.0}, (3, 4), {}, "float64", "of a test")
    assert not options_of(forward_question(ALL["threshold"], case, arrays_of(case), {})), "arguments without a default are options"
