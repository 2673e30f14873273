"""The initializers: their distributions, their parameters and names against Keras's own, and what they refuse."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance.selftests.builders.drawing import replace_distributions
from reference import initializers
from reference.saving.new_weights import ALIASES, FUNCTIONS, initializer_of

DRAWN = (400, 1000)
FALSE_ALARM = 1e-6
"""How often a test of a distribution may fail by chance; the seeds are fixed, so that it does so always or never."""
FARTHEST = math.sqrt(math.log(2 / FALSE_ALARM) / (2 * math.prod(DRAWN)))
"""Between the true distribution function and that of so many draws, by the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart."""

SHAPES = ((), (7,), (5, 4), (0, 3), (3, 4, 6), (3, 2, 4, 6), (2, 3, 2, 5, 4))
SCALINGS: list[dict[str, Any]] = [
    *({"name": name} for name in FUNCTIONS if name.startswith(("glorot", "he_", "lecun"))),
    *(
        {"name": "variance_scaling", "scale": 1.7, "mode": mode, "distribution": distribution}
        for mode in initializers.MODES
        for distribution in ("uniform", "truncated_normal", "untruncated_normal", "normal")
    ),
    {"name": "glorot_uniform", "input_axes": [0, 1], "output_axes": [-1]},
    {"name": "he_normal", "input_axes": [0, 1]},
    {"name": "random_normal"},
    {"name": "truncated_normal", "mean": 0.3, "stddev": 0.2},
    {"name": "random_uniform"},
]


@pytest.fixture(scope="module")
def keras() -> Any:
    from conformance.oracle.environment import import_keras

    return import_keras()


def of_keras(keras: Any, name: str) -> Any:
    return keras.src.initializers.ALL_OBJECTS_DICT[name]


# Distributions


def normal(z: np.ndarray) -> np.ndarray:
    return np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in z])


def truncated(z: np.ndarray) -> np.ndarray:
    low, high = normal(np.array([-2.0, 2.0]))
    return np.clip((normal(z) - low) / (high - low), 0, 1)


def uniform(z: np.ndarray) -> np.ndarray:
    return np.clip((z + 1) / 2, 0, 1)


FAN_IN, FAN_OUT = DRAWN
DISTRIBUTIONS: dict[str, tuple[dict[str, Any], Callable[[np.ndarray], np.ndarray], float, float]] = {
    "random_normal": ({"mean": 0.3, "stddev": 2.0}, normal, 0.3, 2.0),
    "truncated_normal": ({"mean": 0.3, "stddev": 2.0}, truncated, 0.3, 2.0),
    "random_uniform": ({"minval": -0.5, "maxval": 1.5}, uniform, 0.5, 1.0),
    "glorot_uniform": ({}, uniform, 0.0, math.sqrt(6 / (FAN_IN + FAN_OUT))),
    "glorot_normal": ({}, truncated, 0.0, math.sqrt(2 / (FAN_IN + FAN_OUT)) / initializers.STDDEV_WITHIN_2),
    "he_uniform": ({}, uniform, 0.0, math.sqrt(6 / FAN_IN)),
    "he_normal": ({}, truncated, 0.0, math.sqrt(2 / FAN_IN) / initializers.STDDEV_WITHIN_2),
    "lecun_uniform": ({}, uniform, 0.0, math.sqrt(3 / FAN_IN)),
    "lecun_normal": ({}, truncated, 0.0, math.sqrt(1 / FAN_IN) / initializers.STDDEV_WITHIN_2),
    "variance_scaling": ({"mode": "fan_out", "distribution": "untruncated_normal"}, normal, 0.0, math.sqrt(1 / FAN_OUT)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_draws_from_its_distribution(name: str) -> None:
    options, distribution, center, scale = DISTRIBUTIONS[name]
    values = getattr(initializers, name)(DRAWN, seed=5, dtype="float64", **options)
    z = np.sort((values.ravel() - center) / scale)
    expected, count = distribution(z), np.arange(z.size)
    apart = max(np.max(expected - count / z.size), np.max((count + 1) / z.size - expected))
    assert apart <= FARTHEST, f"{name}: the distribution function is {apart:.4f} away, by chance no more than {FARTHEST:.4f}"
    limit = np.inf if distribution is normal else 2.0 if distribution is truncated else 1.0
    assert np.abs(z).max() <= limit * (1 + 1e-12), f"{name} draws {np.abs(z).max():.4f}, its limit is {limit}"


def test_the_scaled_normal_distributions_have_the_variance_they_are_named_for() -> None:
    """The constant of Keras is the standard deviation of a normal distribution that is cut at 2."""
    z = np.linspace(-2, 2, 200_001)
    density = np.exp(-(z**2) / 2)
    assert abs(np.sqrt(np.sum(z**2 * density) / np.sum(density)) - initializers.STDDEV_WITHIN_2) < 1e-5


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_seed_decides_the_values_and_the_dtype_rounds_them(name: str) -> None:
    draw, shape = getattr(initializers, name), (5, 1, 8) if name == "stft" else (5, 8)
    single, double = draw(shape, seed=3, dtype="float32"), draw(shape, seed=3, dtype="float64")
    assert (single.shape, single.dtype, double.dtype) == (shape, np.float32, np.float64), f"{name} gives {single.shape}, {single.dtype}"
    assert single.tobytes() == draw(shape, seed=3).tobytes(), f"{name} gives something else for the same seed"
    assert np.array_equal(single, double.astype(np.float32)), f"{name} draws something else in float64"
    assert single.flags.c_contiguous, f"{name} gives an array whose last axis is not the inner one"
    fixed = name in ("zeros", "ones", "constant", "identity", "stft")
    assert fixed or not np.array_equal(single, draw(shape, seed=4)), f"{name} gives the same for another seed"
    generator = np.random.default_rng(3)
    first, second = draw(shape, seed=generator), draw(shape, seed=generator)
    assert np.array_equal(first, single) and (fixed or not np.array_equal(first, second)), f"{name}: a generator goes on"


# Against Keras


@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda one: "-".join(map(str, one.values())))
def test_the_parameters_are_those_of_keras(scaling: dict[str, Any], keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each asks of its distribution, exactly: limits, means and standard deviations."""
    asked: list[Any] = []
    replace_distributions(keras, monkeypatch, lambda ours, *given: asked.append((ours, *given)))
    name, options = scaling["name"], {key: value for key, value in scaling.items() if key != "name"}
    for shape in SHAPES[2 if options.get("output_axes") else 0 :]:
        asked.clear()
        getattr(initializers, name)(shape, **options)
        of_keras(keras, name)(**options)(shape)
        (_, *ours), (_, *theirs) = asked
        assert ours == theirs, f"{name} {shape} draws from {ours}, Keras from {theirs}"


def test_the_fans_are_those_of_keras(keras: Any) -> None:
    want = keras.src.initializers.random_initializers.compute_fans
    axes: list[tuple[Any, Any]] = [(None, None), ([0], None), (None, [0]), ([0], [-1]), ([0, 1], [-1]), ([], [])]
    for shape in SHAPES:
        for given in axes[: None if len(shape) > 1 else 1]:
            got = initializers.compute_fans(shape, *given)
            assert got == want(shape, *given), f"the fans of {shape} by {given} are {got}, Keras's {want(shape, *given)}"


def test_the_names_and_the_defaults_are_those_of_keras(keras: Any) -> None:
    theirs = keras.src.initializers.ALL_OBJECTS_DICT
    missing = {name for name in theirs if name.lower() != "initializer"} - {*FUNCTIONS, *ALIASES}
    assert not missing, f"these names of Keras are not known: {missing}"
    for name in {*FUNCTIONS, *ALIASES} & set(theirs):
        own = inspect.signature(getattr(initializers, ALIASES.get(name, name))).parameters
        for option, parameter in inspect.signature(theirs[name].__init__).parameters.items():
            if option not in ("self", "args", "kwargs"):
                assert own[option].default == parameter.default, f"{name}: {option} is {own[option].default}, in Keras {parameter.default}"


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("constant", {"value": -0.375}, (2, 3)),  # Keras rounds it to float32 first, in float64 too
        ("identity", {"gain": 1.5}, (3, 5)),
        ("zeros", {}, (2, 3)),
        ("ones", {}, (4,)),
        *(("stft", {"window": window, "periodic": periodic}, (8, 1, 5)) for window in initializers.WINDOWS for periodic in (False, True)),
        ("stft", {"side": "imag", "scaling": "spectrum"}, (9, 1, 4)),
        ("stft", {"scaling": None}, (1, 1, 2)),
        ("stft", {"window": None}, (5, 1, 3)),
        ("stft", {"window": [0.1, 0.5, 0.2]}, (3, 1, 3)),
    ],
)
def test_what_is_not_drawn_has_the_values_of_keras(name: str, options: dict[str, Any], shape: Any, keras: Any) -> None:
    got, want = getattr(initializers, name)(shape, dtype="float64", **options), of_keras(keras, name)(**options)(shape, dtype="float64")
    assert np.abs(got - np.asarray(want)).max() <= 1e-12, f"{name} {options} is not what Keras gives"


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (2, 3, 4), (1, 6), (2, 2, 2, 20)], ids=str)
def test_orthogonal_is_that_of_keras_for_the_same_normal_numbers(shape: Any, keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signs are what a decomposition alone leaves open."""
    monkeypatch.setattr(
        keras.src.initializers.random_initializers.random,
        "normal",
        lambda flat, seed, dtype: keras.ops.convert_to_tensor(np.random.default_rng(9).standard_normal(flat), dtype),
    )
    want = np.asarray(keras.initializers.Orthogonal(gain=1.3)(shape, dtype="float64"))
    got = initializers.orthogonal(shape, gain=1.3, seed=9, dtype="float64")
    assert np.abs(got - want).max() < 1e-12, f"orthogonal {shape} is {np.abs(got - want).max():.1e} away from Keras's"
    matrix = got.reshape(-1, shape[-1])
    product = matrix @ matrix.T if len(matrix) < shape[-1] else matrix.T @ matrix
    assert np.abs(product - 1.69 * np.eye(len(product))).max() < 1e-12, "rows or columns, whichever are fewer, are orthogonal"


# Bad input


@pytest.mark.parametrize(
    ("name", "shape", "options", "said"),
    [
        ("zeros", (3, -1), {}, r"shape is \(3, -1\)"),
        ("glorot_uniform", (2.0, 3), {}, r"shape is \(2\.0, 3\)"),
        ("ones", (True,), {}, r"shape is \(True,\)"),
        ("he_normal", 5, {}, "shape is 5"),
        ("lecun_normal", "ab", {}, "shape is 'ab'"),
        ("random_normal", (2,), {"dtype": "int32"}, "dtype is int32"),
        ("random_normal", (2,), {"stddev": math.nan}, "stddev is nan"),
        ("random_uniform", (2,), {"maxval": "1"}, "maxval is '1'"),
        ("constant", (2,), {"value": [1.0]}, r"value is \[1\.0\]"),
        ("variance_scaling", (2,), {"scale": 0}, "scale must be positive, got 0"),
        ("variance_scaling", (2,), {"mode": "fan"}, "mode is 'fan', not one of fan_in, fan_out, fan_avg"),
        ("variance_scaling", (2,), {"distribution": "cauchy"}, "distribution is 'cauchy'"),
        ("identity", (2, 3, 4), {}, "identity makes matrices"),
        ("orthogonal", (4,), {}, "orthogonal takes shapes of two or more axes"),
        ("stft", (4, 3), {}, "stft takes shapes of three axes"),
        ("stft", (4, 1, 3), {"window": "kaiser"}, "window 'kaiser' is not supported"),
        ("stft", (4, 1, 3), {"window": [1.0]}, r"the window has the shape \(1,\), the kernel 4 steps"),
        ("stft", (4, 1, 3), {"side": "left"}, "side is 'left'"),
    ],
)
def test_bad_input_is_refused(name: str, shape: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        getattr(initializers, name)(shape, **options)


@pytest.mark.parametrize(
    ("identifier", "said"),
    [
        ("glorot_unifrom", "initializer 'glorot_unifrom' is not one of Keras's own; near are glorot_uniform"),
        ("", "initializer '' is not one of Keras's own; near are none"),
        ({"class_name": "Zeros", "registered_name": "mine>Zeros"}, "'mine>Zeros' is not one of Keras's own"),
        ({"class_name": "HeNormal", "config": {"scale": 2}}, "initializer HeNormal takes no option scale"),
        ({"class_name": "HeNormal", "config": {"shape": 2}}, "initializer HeNormal takes no option shape"),
        ({"class_name": "HeNormal", "config": {"seed": 1.5}}, r"initializer HeNormal: seed is 1\.5"),
    ],
)
def test_what_names_no_initializer_is_refused(identifier: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        initializer_of(identifier)
