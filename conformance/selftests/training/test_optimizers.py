"""The reference's optimizers beyond what the suite asks: gradients of a few rows, exactness, errors; and learning-rate schedules."""

import numpy as np
import pytest

import reference
from conformance.cases.optimizers import OPTIMIZER_CASES, function_of
from conformance.oracle.environment import import_keras, tensorflow

TABLE, BIAS = (3, 4), (5,)
CLIPS = {"plain": {}, "clipnorm": {"clipnorm": 0.7}, "global": {"global_clipnorm": 0.7}, "value": {"clipvalue": 0.3}}
EXACT = 1e-13


def gradients(rng, rows):
    """Of a table, some of its rows with an index that comes twice, or whole; and of a vector."""
    of_table = (np.array([0, 2, 0]), rng.normal(size=(3, 4))) if rows else rng.normal(size=TABLE)
    return [of_table, rng.normal(size=BIAS)]


def tensor(gradient):
    tf = tensorflow()
    if isinstance(gradient, tuple):
        return tf.IndexedSlices(tf.constant(gradient[1]), tf.constant(gradient[0]), tf.constant(TABLE))
    return tf.constant(gradient)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("name", OPTIMIZER_CASES)
def test_steps_with_repeated_rows_are_those_of_keras(name, clip):
    rng = np.random.default_rng(3)
    keras_optimizer = getattr(import_keras().optimizers, name)(**CLIPS[clip])
    variables = [rng.normal(size=TABLE), rng.normal(size=BIAS)]
    keras_variables, state = [tensorflow().Variable(variable) for variable in variables], None
    for number in range(3):
        # A gradient of rows, then a whole one, so that both meet the same state.
        given = gradients(rng, rows=number != 1)
        keras_optimizer.apply([tensor(gradient) for gradient in given], keras_variables)
        variables, state = getattr(reference, function_of(name))(variables, given, state, **CLIPS[clip])
        apart = max(np.max(np.abs(ours - theirs)) for ours, theirs in zip(variables, keras_variables, strict=True))
        assert apart < EXACT, f"after step {number + 1} of {name} a variable is off by {apart:.2g}"


def test_the_square_of_a_repeated_row_is_the_sum_of_squares():
    rows = (np.array([0, 0]), np.array([[1.0], [2.0]]))
    (moved,), _ = reference.adam_step([np.zeros((1, 1))], [rows], None, learning_rate=0.1)
    assert abs(moved[0, 0] + 0.1 * 3 / np.sqrt(5)) < 1e-5, f"D18: Keras steps by 0.134, this by {-moved[0, 0]}"


def test_a_step_changes_none_of_its_arguments():
    variables, given = [np.ones(3)], [np.full(3, 0.5)]
    first, state = reference.adam_step(variables, given)
    kept = [array.copy() for array in (first[0], state["slots"][0]["momentum"])]
    reference.adam_step(first, given, state)
    assert np.array_equal(variables[0], np.ones(3)) and np.array_equal(given[0], np.full(3, 0.5)), "variables or gradients were changed"
    assert np.array_equal(first[0], kept[0]) and np.array_equal(state["slots"][0]["momentum"], kept[1]), "the state was changed"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"clipnorm": 1.0, "clipvalue": 1.0}, ValueError),
        ({"gradient_accumulation_steps": 1}, ValueError),
        ({"decay": 0.1}, TypeError),
    ],
)
def test_options_that_keras_refuses_are_refused(options, error):
    with pytest.raises(error):
        reference.sgd_step([np.ones(2)], [np.ones(2)], None, **options)


@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_a_limit_that_is_not_positive_clips_nothing(clip):
    (want,), _ = reference.sgd_step([np.zeros(2)], [np.array([3.0, -4.0])])
    for limit in (0, -1.0):
        (got,), _ = reference.sgd_step([np.zeros(2)], [np.array([3.0, -4.0])], **{clip: limit})
        assert np.array_equal(got, want), f"{clip}={limit} clips nothing in Keras, here it makes {got} of {want}"


def test_a_step_needs_a_gradient():
    with pytest.raises(ValueError, match="at least that is not None"):
        reference.sgd_step([np.ones(2)], [None], None)
    with pytest.raises(ValueError, match="without one this is Adam"):
        reference.adamw_step([np.ones(2)], [np.ones(2)], None, weight_decay=None)


RATE = {"initial_learning_rate": 0.1}
SCHEDULES = [
    ("ExponentialDecay", {**RATE, "decay_steps": 7, "decay_rate": 0.9}),
    ("ExponentialDecay", {**RATE, "decay_steps": 7, "decay_rate": 0.9, "staircase": True}),
    ("InverseTimeDecay", {**RATE, "decay_steps": 7, "decay_rate": 0.9}),
    ("InverseTimeDecay", {**RATE, "decay_steps": 7, "decay_rate": 0.9, "staircase": True}),
    ("PolynomialDecay", {**RATE, "decay_steps": 7, "power": 1.7}),
    ("PolynomialDecay", {**RATE, "decay_steps": 7, "cycle": True, "end_learning_rate": 0.01}),
    ("CosineDecay", {**RATE, "decay_steps": 7, "alpha": 0.2}),
    ("CosineDecay", {"initial_learning_rate": 0.01, "decay_steps": 7, "alpha": 0.1, "warmup_target": 0.1, "warmup_steps": 5}),
    ("CosineDecayRestarts", {**RATE, "first_decay_steps": 3}),
    ("CosineDecayRestarts", {**RATE, "first_decay_steps": 4, "t_mul": 1.0, "m_mul": 0.8, "alpha": 0.1}),
    ("CosineDecayRestarts", {**RATE, "first_decay_steps": 3, "t_mul": 1.5, "m_mul": 0.8, "alpha": 0.1}),
    ("PiecewiseConstantDecay", {"boundaries": [3.7, 10], "values": [0.1, 0.05, 0.01]}),
]


@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=[f"{n}-{name}" for n, (name, _) in enumerate(SCHEDULES)])
def test_schedules_are_those_of_keras(name, options):
    keras_schedule = getattr(import_keras().optimizers.schedules, name)(**options)
    function = getattr(reference, "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:])
    for step in range(24):
        wanted, got = np.asarray(keras_schedule(np.int64(step))), function(step, **options)
        # A power or a cosine is rounded differently in the last digits, and near the end of a wave it is what is left of 1 - 1.
        assert abs(got - wanted) <= 1e-6 * (wanted + 0.01), f"step {step}: {got}, in Keras {wanted}"
        assert isinstance(got, np.float32), f"a {type(got).__name__} is returned"


@pytest.mark.parametrize("name", ["exponential_decay", "inverse_time_decay"])
def test_a_schedule_needs_a_time(name):
    with pytest.raises(ValueError, match="must be positive"):
        getattr(reference, name)(0, initial_learning_rate=0.1, decay_steps=0, decay_rate=0.9)
