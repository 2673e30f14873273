"""One submission from its file to its points, in the sandbox."""

import json

import pytest

from conformance.grading.grader import Terms, grade
from conformance.grading.intake import Submission
from conformance.grading.result import RAISED, TOO_SLOW, WAITS, WRONG_VALUES, Result
from conformance.selftests.grading.grading import DENSE, FLATTEN, RIGHT, rubric, submission
from conformance.selftests.implementations.sandbox.builder import needs_locks

pytestmark = needs_locks
BOTH = rubric(DENSE, FLATTEN)


def graded(folder, text, terms=BOTH):
    return grade(submission(folder, text), Terms(terms))


def item(result, name):
    return next(one for one in result.items if one.id == name)


def test_what_is_right_earns_all_points(tmp_path):
    result = graded(tmp_path, RIGHT)
    assert (result.status, result.reason, result.earned, result.points) == ("ok", "", 12, 12), result
    dense = item(result, "dense")
    assert dense.passed == dense.counted > 20 and dense.right == ("Dense",) and not dense.causes, dense


def test_a_mistake_costs_its_share_and_is_named(tmp_path):
    result = graded(tmp_path, RIGHT.replace("x @ kernel + bias", "x @ kernel"))
    dense, flatten = result.items
    assert flatten.earned == 2, "another item earns what it did"
    assert dense.earned == pytest.approx(10 * dense.passed / dense.counted) and 0 < dense.passed < dense.counted, dense
    (cause,) = dense.causes
    assert cause.named and "the bias is left out" in cause.sentence and cause.category == WRONG_VALUES, cause
    assert cause.cases == dense.counts["failed"], "one cause explains all failures"
    assert "Keras gives" in cause.example and "Keras gives" not in cause.sentence, "numbers stand in the example alone"


def test_what_is_not_there_costs_and_is_said(tmp_path):
    result = graded(tmp_path, RIGHT.partition("def flatten")[0])
    dense, flatten = result.items
    assert dense.earned == 10 and flatten.earned == 0 and flatten.counted > 5, result
    assert flatten.notes == (f"There is no function flatten_forward; {flatten.counted} cases with it count as not passed.",), flatten.notes


PLAIN = "def dense_forward(x, kernel, bias):\n    return x @ kernel + bias\n"


@pytest.mark.parametrize(("required", "all_points"), [(None, False), (["use_bias"], False), ([], True)])
def test_an_option_that_is_not_required_costs_nothing(tmp_path, required, all_points):
    own = rubric({**DENSE, **({} if required is None else {"required": required})})
    (dense,) = graded(tmp_path, PLAIN, own).items
    assert (dense.earned == 10) is all_points, dense
    assert dense.counts["unsupported"] > 10, "cases with an activation or without a bias are not supported"
    assert ("costs nothing here" in dense.notes[0]) is all_points, dense.notes


def test_refusing_is_told_and_costs_where_it_is_required(tmp_path):
    text = RIGHT.replace("    return {", '    if activation == "relu":\n        raise ValueError("no relu")\n    return {')
    dense = item(graded(tmp_path, text), "dense")
    assert 0 < dense.earned < 10 and not dense.causes, "to refuse is not to be wrong"
    assert "refused: activation: relu" in dense.notes[0] and "count as not passed" in dense.notes[0], dense.notes


def test_an_option_that_need_not_be_there_costs_nothing_where_it_raises(tmp_path):
    text = RIGHT.replace("x @ kernel if bias is None else x @ kernel + bias", "x @ kernel + bias")
    optional, asked = graded(tmp_path, text, rubric({**DENSE, "required": []}, {**DENSE, "id": "all"})).items
    assert optional.earned == 10 and "refused: use_bias: False; that costs nothing here" in optional.notes[0], optional
    assert asked.earned < 10 and asked.causes[0].category == RAISED, f"where all options are asked for it is an error: {asked}"
    raises = RIGHT.replace('"relu": np.maximum(z, 0)', '"relu": z.nothing if activation == "relu" else 0')
    (needed,) = graded(tmp_path, raises, rubric({**DENSE, "required": ["activation"]})).items
    assert needed.earned < 10 and needed.causes[0].category == RAISED, f"a required option that raises is an error: {needed}"


def test_what_costs_is_told_apart_from_what_does_not(tmp_path):
    (dense,) = graded(tmp_path, PLAIN, rubric({**DENSE, "required": ["activation"]})).items
    costs, free = dense.notes
    assert "missing: activation; " in costs and "count as not passed" in costs and "bias" not in costs, dense.notes
    assert free == "Dense: missing: a call without bias; that costs nothing here.", dense.notes


def test_the_same_is_said_once(tmp_path):
    values = "x.reshape(len(x), int(np.prod(x.shape[1:])))"
    text = RIGHT.replace(f"return {values}", f"y = {values}\n    return y + np.arange(y.shape[-1]) ** 2")
    (flatten,) = graded(tmp_path, text, rubric(FLATTEN)).items
    said = [cause.sentence for cause in flatten.causes]
    assert len(said) == len(set(said)) and sum(cause.cases for cause in flatten.causes) == flatten.counts["failed"], flatten.causes


NOT_THERE = {
    "": "it has no function at all.",
    "class Dense:\n    pass\nclass Flatten:\n    pass\n": "it has the classes Dense and Flatten.",
    "class Dense:\n    pass\ndef forward(x):\n    return x\n": "it has the class Dense and the function forward.",
}


@pytest.mark.parametrize("text", NOT_THERE)
def test_a_file_without_any_function_that_is_asked_for_is_told_so(tmp_path, text):
    result = graded(tmp_path, text)
    assert (result.status, result.earned) == ("ok", 0), result
    assert result.reason == f"It has none of the functions that are asked for, such as dense_forward: {NOT_THERE[text]}", result.reason
    assert "an adapter can call them" in result.flags[-1], "a person should look"


IMPORTS = {
    "while True:\n    pass\n": "Your file takes too long to import, so nothing could be asked.",
    "import os\nos._exit(3)\n": "student.py cannot be used: the program ended while your file was imported: exit code 3.",
    "input()\n": "student.py cannot be imported, so nothing could be asked: EOFError: ",
    "import matplotlib\n": "Your file needs what this assignment does not allow: matplotlib may not be imported here, ",
}


@pytest.mark.parametrize("text", IMPORTS)
def test_what_went_wrong_with_an_import_is_said_once(tmp_path, text):
    assert graded(tmp_path, text).reason.startswith(IMPORTS[text]), "in the words of a student"


def test_samples_may_come_one_by_one_where_batches_are_not_asked_for(tmp_path):
    text = "def flatten_forward(x):\n    if len(x) != 1:\n        raise TypeError('one sample at a time')\n    return x.reshape(1, -1)\n"
    alone, together = graded(tmp_path, text, rubric({**FLATTEN, "batch": False}, {**FLATTEN, "id": "batches"})).items
    assert alone.earned == 2, f"each sample alone is right: {alone}"
    assert 0 < together.earned < 2, f"batches of one are, too, and larger ones are not: {together}"


def test_what_waits_for_another_layer_is_not_charged_twice(tmp_path):
    layers = {"id": "lstm", "points": 5, "layers": ["LSTM"], "passes": ["forward"], "options": {"return_sequences": "True"}}
    options = {"merge_mode": "sum", "layer": "LSTM"}
    both = {"id": "both", "points": 5, "layers": ["Bidirectional"], "passes": ["forward"], "options": options}
    text = (
        "import numpy as np\n"
        "def lstm_forward(x, kernel, recurrent_kernel, bias, return_sequences=False, go_backwards=False, **other):\n"
        "    return np.zeros((len(x), x.shape[1], len(recurrent_kernel)) if return_sequences else (len(x), len(recurrent_kernel)))\n"
        "def bidirectional_forward(x, forward_weights, backward_weights, layer='LSTM', merge_mode='concat', **options):\n"
        "    return lstm_forward(x, *forward_weights, **options) * 2\n"
    )
    lstm, wrapped = graded(tmp_path, text, rubric(layers, both)).items
    assert lstm.counts["failed"] > 3 and wrapped.counts["blocked"] > 3, (lstm, wrapped)
    assert wrapped.counted == wrapped.passed + wrapped.counts.get("unsupported", 0), "what waits is no part of the share"
    assert "cannot be judged before LSTM is right" in " ".join(wrapped.notes), wrapped.notes
    assert {cause.category for cause in wrapped.causes} == {WAITS}, wrapped.causes


ENDINGS = {
    "ok": (RIGHT, 12, ""),
    "ungradable": ("def dense_forward(x:\n", 0, "line 1"),
    "rejected": ("import numpy as np\nimport keras\n" + RIGHT, 0, "keras may not be imported"),
    "timeout": (RIGHT.replace("    return x.resh", "    while True:\n        pass\n    return x.resh"), 10, "took too long"),
    "crash": (RIGHT.replace("    return x.resh", "    import os\n    os._exit(0)\n    return x.resh"), 10, "ended the process"),
}


@pytest.mark.parametrize("status", ENDINGS)
def test_how_it_ended_is_said_and_what_answered_is_graded(status, tmp_path):
    text, points, said = ENDINGS[status]
    result = graded(tmp_path, text)
    assert (result.status, result.earned) == (status, points), f"{result.status}: {result.reason} {result.earned}"
    assert said in result.reason, result.reason


def test_a_function_that_never_answers_is_one_cause(tmp_path):
    (cause,) = item(graded(tmp_path, ENDINGS["timeout"][0]), "flatten").causes
    assert cause.category == TOO_SLOW and "gave no answer" in cause.sentence, cause


def test_an_exception_is_told_with_its_line(tmp_path):
    (cause,) = item(graded(tmp_path, RIGHT.replace("len(x), int", "len(x), 3, int")), "flatten").causes
    assert cause.category == RAISED and "student.py, line 9" in cause.sentence, cause


def test_what_was_tried_in_vain_is_said(tmp_path):
    text = "try:\n    import keras\nexcept ImportError:\n    pass\n" + RIGHT.replace("np.maximum(z, 0)", "np.convolve([1.0], [1.0])")
    limits = {"sandbox": {"forbidden": ["np.convolve"]}}
    result = graded(tmp_path, text, rubric(DENSE, **limits))
    assert "keras may not be imported (student.py, line 2)" in result.reason, result.reason
    assert "numpy.convolve may not be called (student.py, line 10)" in result.reason, result.reason


def test_endless_loops_in_all_functions_cost_little_more_than_one(tmp_path):
    names = ["dense", "flatten", "conv2d", "max_pooling2d", "lstm", "simple_rnn", "gru", "embedding"]
    text = "".join(f"def {name}_forward(*arguments, **options):\n    while True:\n        pass\n" for name in names)
    layers = ["Dense", "Flatten", "Conv2D", "MaxPooling2D", "LSTM", "SimpleRNN", "GRU", "Embedding"]
    items = [{"id": layer, "points": 1, "layers": [layer], "passes": ["forward"]} for layer in layers]
    answers = {"id": "dropout", "points": 1, "layers": ["Dropout"], "passes": ["forward"], "options": {"training": "False"}}
    right = "def dropout_forward(x, rate, training=False):\n    return x.copy()\n"
    result = graded(tmp_path, text + right, rubric(*items, answers))
    assert result.timing.computed < 5, f"3 s may be lost, and each of 8 functions has a moment: {result.timing}"
    assert item(result, "dropout").passed > 3, f"what answers is asked all the same: {result.items[-1]}"


def test_an_adapter_of_the_course_is_asked_in_its_place(tmp_path):
    (tmp_path / "adapter.py").write_text("from submission import Flat\ndef flatten_forward(x):\n    return Flat()(x)\n")
    text = "class Flat:\n    def __call__(self, x):\n        return x.reshape(len(x), x.size // max(len(x), 1))\n"
    own = rubric(FLATTEN, assignment={"name": "test", "adapter": str(tmp_path / "adapter.py")})
    folder = tmp_path / "handed-in"
    folder.mkdir()
    assert graded(folder, text, own).earned == 2, "its functions call the class that was submitted"


def test_a_trained_model_is_predicted_with_the_functions_of_the_submission(tmp_path, request):
    rubrics = request.config.rootpath / "fixtures" / "rubrics"
    own = {"id": "digits", "points": 4, "model": str(rubrics / "digits-cnn.keras"), "data": str(rubrics / "digits.npz")}
    right = (request.config.rootpath / "fixtures" / "submissions" / "right.py").read_text()
    (whole,) = graded(tmp_path, right, rubric(own)).items
    assert (whole.earned, whole.passed) == (4, 64) and "macro-F1" in whole.notes[0], whole
    (wrong,) = graded(tmp_path, right.replace(".max(axis=(3, 4))", ".min(axis=(3, 4))"), rubric(own)).items
    assert 0 < wrong.passed < 64 and wrong.earned == pytest.approx(4 * wrong.passed / 64), wrong
    (none,) = graded(tmp_path, RIGHT, rubric(own)).items
    assert none.earned == 0 and "needs the function conv2d_forward" in none.notes[0], none


def test_what_cannot_be_taken_is_a_result_as_well(tmp_path):
    result = grade(Submission("nobody", tmp_path / "nothing.py"), Terms(BOTH))
    assert result.status in ("ungradable", "rejected") and result.earned == 0 and len(result.items) == 2, result


def test_a_mistake_of_the_harness_is_never_the_students(tmp_path, monkeypatch):
    monkeypatch.setattr("conformance.grading.grader.ask", lambda *arguments: 1 / 0)
    result = graded(tmp_path, RIGHT)
    assert result.status == "grader_error" and "not your fault" in result.reason and "ZeroDivisionError" in result.reason, result


def test_the_result_is_plain_data_that_can_be_read_again(tmp_path):
    result = graded(tmp_path, RIGHT.replace("x @ kernel + bias", "x @ kernel"))
    assert Result.from_json(json.loads(json.dumps(result.as_json(), allow_nan=False))) == result, "nothing is lost"


def test_grading_again_gives_the_same_but_for_times(tmp_path):
    first, second = (graded(tmp_path, RIGHT.replace("x @ kernel + bias", "x @ kernel")).as_json() for _ in range(2))
    assert {**first, "timing": None} == {**second, "timing": None}, "the same files and rubric give the same result"


def test_hidden_cases_are_asked_in_place_of_those_that_can_be_read(tmp_path):
    own = rubric({**DENSE, "hidden": 3}, FLATTEN)
    answers = "import numpy as np\n" + RIGHT.partition("def flatten")[2].join(["def flatten", ""])
    hidden, flatten = graded(tmp_path, RIGHT, own).items
    assert (hidden.earned, hidden.passed, hidden.counted) == (10, 3, 3), hidden
    assert "Hidden cases were answered by" in hidden.notes[-1] and flatten.earned == 2, hidden.notes
    wrong = graded(tmp_path, answers + "def dense_forward(x, kernel, bias=None, activation='linear'):\n    return x @ kernel * 2\n", own)
    assert wrong.items[0].earned == 0, wrong
    again = graded(tmp_path, RIGHT, own)
    assert again.items[0] == hidden, "the same secret, assignment and files ask the same cases"
    assert again.facts["hidden_seed"].isdigit() and again.flags == (), "the seed is kept, and is nothing to look at"
