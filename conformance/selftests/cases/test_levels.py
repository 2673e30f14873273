"""Core and edge: the table of rules, read against the issue it comes from, against the arrays that are drawn, and against its page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from conformance.base.record import CORE, EDGE, LEVELS, Record
from conformance.cases import ALL, NAMES
from conformance.cases.case import Case, declared_cases
from conformance.cases.draw import draw_arrays
from conformance.cases.level import RULES, level
from conformance.cases.losses import LOSS_CASES, draw_loss
from conformance.cases.optimizers import OPTIMIZER_CASES, draw_steps
from conformance.cases.strategies import run_drawn
from conformance.checks import KINDS
from conformance.checks.loss import DIRECTIONS
from conformance.implementations.module import ModuleImplementation
from conformance.judging.session import CaseRunner, Session
from conformance.reporting import levels

# (layer, configuration, shape, call, direction): one line for each thing that is said to be of the edge, and what is core beside it.
OF_THE_EDGE: dict[str, tuple[Any, ...]] = {
    "an empty batch": ("Conv2D", {"filters": 2, "kernel_size": (2, 2)}, (0, 5, 5, 3), {}, "forward"),
    "no features": ("Dense", {"units": 3}, (2, 0), {}, "forward"),
    "int32 to MaxPooling": ("MaxPooling2D", {}, (2, 4, 4, 3), {"values": "integers"}, "forward"),
    "booleans to Flatten": ("Flatten", {}, (2, 4, 4), {"values": "booleans"}, "forward"),
    "no gradient of whole numbers": ("LSTM", {"units": 3}, (2, 4, 4), {"values": "integers"}, "backward"),
    "ids that are floats": ("Embedding", {"input_dim": 5, "output_dim": 2}, (2, 4), {"values": "float_ids"}, "forward"),
    "ids that are negative": ("Embedding", {"input_dim": 5, "output_dim": 2}, (2, 4), {"values": "negative_ids"}, "backward"),
    "ids of a kind that nobody knows": ("Embedding", {"input_dim": 5, "output_dim": 2}, (2, 4), {"values": "ids_out_of_range"}, "forward"),
    "ids that are not (batch, time)": ("Embedding", {"input_dim": 5, "output_dim": 2}, (2, 3, 4), {}, "forward"),
    "labels that are floats": ("sparse_categorical_crossentropy", {}, (6, 4), {"labels": "floats"}, "forward"),
    "Dense of one axis": ("Dense", {"units": 3}, (4,), {}, "forward"),
    "Flatten of five axes": ("Flatten", {}, (2, 2, 2, 2, 2), {}, "backward"),
    "Masking of images": ("Masking", {}, (2, 3, 3, 2), {}, "forward"),
    "a loss of one axis": ("mean_squared_error", {}, (4,), {"labels": "vector"}, "forward"),
    "a mask of integers": ("LSTM", {"units": 3}, (2, 4, 4), {"mask": "gap_integers"}, "forward"),
    "a mask of floats": ("GlobalAveragePooling1D", {}, (2, 4, 4), {"mask": "gap_floats"}, "backward"),
    "a mask of rank 3": ("Bidirectional", {"layer": "GRU", "units": 3}, (2, 4, 4), {"mask": "gap_3d"}, "forward"),
    "a Softmax mask of numbers": ("Softmax", {}, (2, 4), {"mask": "numbers"}, "forward"),
    "NaN": ("Add", {}, (2, 4), {"values": "nan"}, "forward"),
    "NaN below a mask": ("GRU", {"units": 3}, (2, 6, 4), {"mask": "every_third", "values": "nan_at_masked_steps"}, "forward"),
    "infinities": ("relu", {}, (2, 4), {"values": "infinite"}, "forward"),
    "ties backward": ("MaxPooling1D", {}, (2, 4, 4), {"values": "ties"}, "backward"),
    "kinks backward": ("relu", {}, (2, 4), {"values": "kinks"}, "backward"),
    "an activation at its kink": (
        "Dense", {"units": 3, "activation": "relu", "use_bias": False}, (2, 4), {"values": "zero_sample"}, "backward"
    ),
    "equal rivals backward": ("categorical_hinge", {}, (6, 4), {"values": "at_margin"}, "backward"),
    "a kernel larger than the image": ("Conv2D", {"filters": 2, "kernel_size": (2, 6), "padding": "same"}, (2, 5, 5, 3), {}, "forward"),
    "the same, channels first": (
        "Conv1D", {"filters": 2, "kernel_size": (4,), "padding": "same", "data_format": "channels_first"}, (2, 5, 3), {}, "forward"
    ),
    "a default pool larger than the image": ("MaxPooling2D", {"padding": "same"}, (2, 1, 5, 3), {}, "backward"),
    "the same at every step": (
        "TimeDistributed", {"layer": "Conv2D", "filters": 2, "kernel_size": (3, 3), "padding": "same"}, (2, 9, 2, 5, 3), {}, "forward"
    ),
    "padding in capitals": ("AveragePooling2D", {"pool_size": (2, 2), "padding": "SAME"}, (2, 4, 4, 3), {}, "forward"),
    "a rate of 1": ("Dropout", {"rate": 1.0}, (2, 4), {"training": True}, "forward"),
    "recurrent_dropout of 1": ("GRU", {"units": 3, "recurrent_dropout": 1.0}, (2, 4, 4), {"training": True}, "backward"),
    "Concatenate along the batch": ("Concatenate", {"axis": 0}, (2, 4), {}, "forward"),
    "the same from behind": ("Concatenate", {"axis": -3}, (2, 4, 4), {}, "backward"),
    "probabilities of 0 and 1": ("binary_crossentropy", {}, (6, 4), {"values": "extremes"}, "backward"),
    "the logarithm of 0": ("kl_divergence", {}, (6, 4), {"labels": "some_zero"}, "forward"),
    "a vector of zeros brought to length 1": ("UnitNormalization", {}, (2, 4), {"values": "masked_steps"}, "forward"),
    "weights of zero": ("hinge", {}, (6, 4), {"sample_weight": "zeros"}, "forward"),
    "a missing gradient": ("Adam", {}, (3, 4), {"gradients": "missing"}, "step"),
    "inputs that are broadcast": ("Add", {}, (2, 3, 4), {"others": "row"}, "forward"),
    "gradients that are added up again": ("Add", {}, (2, 3, 4), {"others": "first_is_row"}, "backward"),
    "labels without the last axis": ("binary_crossentropy", {}, (5, 1), {"labels": "flat"}, "forward"),
    "predictions without it": ("mean_squared_error", {}, (5,), {"labels": "upright"}, "backward"),
    "one label for a row": ("mean_absolute_error", {}, (6, 4), {"labels": "first_column"}, "forward"),
    "class ids in a column": ("sparse_categorical_crossentropy", {}, (6, 4), {"labels": "column"}, "forward"),
    "a class for each step": ("sparse_categorical_crossentropy", {"from_logits": True}, (3, 5, 4), {}, "backward"),
    "0 and 1 for a hinge": ("squared_hinge", {}, (6, 4), {}, "forward"),
    "the gradient of a division": ("categorical_crossentropy", {"label_smoothing": 0.1}, (6, 4), {}, "backward"),
    "gradients of zero": ("SGD", {"clipnorm": 0.5}, (3, 4), {"gradients": "zero"}, "step"),
}
OF_THE_CORE: dict[str, tuple[Any, ...]] = {
    "a batch of one": ("Conv2D", {"filters": 2, "kernel_size": (2, 2)}, (1, 5, 5, 3), {}, "forward"),
    "one step": ("LSTM", {"units": 3}, (2, 1, 4), {}, "backward"),
    "one unit": ("Dense", {"units": 1}, (2, 4), {}, "forward"),
    "Dense of images": ("Dense", {"units": 3}, (2, 3, 3, 4), {}, "backward"),
    "Flatten of sequences": ("Flatten", {}, (2, 3, 4), {}, "forward"),
    "a convolution at every step": (
        "TimeDistributed", {"layer": "Conv2D", "filters": 2, "kernel_size": (3, 3)}, (2, 2, 4, 5, 3), {}, "forward"
    ),
    "huge numbers": ("softmax", {}, (2, 4), {"values": "huge"}, "backward"),
    "huge logits": ("categorical_crossentropy", {"from_logits": True}, (6, 4), {"values": "huge"}, "forward"),
    "tiny gradients": ("Adam", {}, (3, 4), {"gradients": "tiny"}, "step"),
    "fully masked samples": ("GRU", {"units": 3}, (3, 4, 4), {"mask": "all_masked"}, "backward"),
    "a fully masked row": ("Softmax", {}, (2, 4), {"mask": "row_masked"}, "forward"),
    "channels first": ("MaxPooling2D", {"data_format": "channels_first"}, (2, 3, 4, 4), {}, "forward"),
    "strides beyond the kernel": ("Conv2D", {"filters": 2, "kernel_size": (2, 2), "strides": (4, 4)}, (2, 5, 5, 3), {}, "backward"),
    "a kernel as large as the image": ("Conv2D", {"filters": 2, "kernel_size": (5, 5)}, (2, 5, 5, 3), {}, "forward"),
    "a dilated kernel": (
        "Conv1D", {"filters": 2, "kernel_size": (3,), "dilation_rate": (4,), "padding": "causal"}, (2, 5, 3), {}, "forward"
    ),
    "ties forward": ("MaxPooling1D", {}, (2, 4, 4), {"values": "ties"}, "forward"),
    "kinks forward": ("relu", {}, (2, 4), {"values": "kinks"}, "forward"),
    "where there is no kink": ("tanh", {}, (2, 4), {"values": "kinks"}, "backward"),
    "ids of int64": ("Embedding", {"input_dim": 5, "output_dim": 2}, (2, 4), {"values": "ids_int64"}, "forward"),
    "repeated ids": ("Embedding", {"input_dim": 5, "output_dim": 2}, (2, 4), {"values": "repeated_ids"}, "backward"),
    "a mask": ("LSTM", {"units": 3}, (2, 4, 4), {"mask": "gap"}, "backward"),
    "Concatenate along features": ("Concatenate", {"axis": -2}, (2, 4, 4), {}, "forward"),
    "a rate of 0": ("Dropout", {"rate": 0.0}, (2, 4), {"training": True}, "forward"),
    "a loss of sequences": ("huber", {}, (3, 5, 4), {"mask": "gap"}, "forward"),
    "vectors of zeros for what has an epsilon": ("RMSNormalization", {}, (2, 4), {"values": "masked_steps"}, "forward"),
    "inputs of one shape": ("Add", {}, (2, 3, 4), {"others": "three"}, "backward"),
    "what is longer and concatenated": ("Concatenate", {"axis": 1}, (2, 3, 4), {"others": "longer"}, "forward"),
    "one class": ("binary_crossentropy", {}, (5, 1), {}, "backward"),
    "signs for a hinge": ("hinge", {}, (6, 4), {"labels": "signs"}, "backward"),
    "one-hot labels for a hinge": ("categorical_hinge", {}, (6, 4), {}, "backward"),
    "a gradient along rows": ("sparse_categorical_crossentropy", {}, (6, 4), {}, "along rows"),
    "the gradient of logits": ("sparse_categorical_crossentropy", {"from_logits": True}, (6, 4), {}, "backward"),
    "some weights of zero": ("mean_squared_error", {"reduction": "mean"}, (6, 4), {"sample_weight": "some_zero"}, "forward"),
}


@pytest.mark.parametrize("said", OF_THE_EDGE)
def test_what_is_of_the_edge(said):
    layer, config, shape, call, direction = OF_THE_EDGE[said]
    assert level(Case(layer, config, shape, call), direction) == EDGE, f"{said} is of the edge"


@pytest.mark.parametrize("said", OF_THE_CORE)
def test_what_is_core(said):
    layer, config, shape, call, direction = OF_THE_CORE[said]
    assert level(Case(layer, config, shape, call), direction) == CORE, f"{said} is core"


def test_a_defect_of_keras_is_of_the_edge_and_a_title_is_not():
    case = Case("Dense", {"units": 3}, (2, 4), title="empty_batch-nan-padding=SAME")
    assert level(case) == CORE, "the level does not hang on a name"
    assert level(replace(case, deviation="D1")) == EDGE, "where Keras departs from its documentation nobody is right by accident"


# Every question of the suite


@cache
def declared() -> list[tuple[str, str, Case]]:
    """(kind, direction, case) of all declared cases: of layers, functions, losses and optimizers."""
    return list(_declared())


def _declared() -> Iterator[tuple[str, str, Case]]:
    for kind, direction in (("forward", "forward"), ("backward", "backward"), ("optimizer", "step")):
        yield from ((kind, direction, case) for _, (case,) in KINDS[kind].cases(NAMES, "standard"))
    for _, (part, case) in KINDS["loss"].cases(NAMES, "standard"):
        yield f"loss {'value' if part == 'value' else 'gradient'}", DIRECTIONS[part], case


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_example_of_a_rule_meets_it_and_no_other(rule):
    kind, _, identifier = rule.example.removeprefix("test_").removesuffix("]").partition("[")
    asked = dict(KINDS[kind].cases([identifier.partition("-")[0]], "standard"))
    assert identifier in asked, f"{rule.example} is a question of the suite"
    assert KINDS[kind].level_of(*asked[identifier]) == EDGE, f"{rule.example} is of the edge"
    direction = "backward" if kind == "backward" or identifier.endswith("-gradient") else "forward"
    met = [one.name for one in RULES if one.meets(asked[identifier][-1], direction)]
    assert met == [rule.name], f"{rule.example} shows one rule: without it the question would be core"


CORE_WORDS = {
    "values": {
        "ordinary", "wide", "tiny", "huge", "negative", "positive", "ties", "kinks", "masked_steps", "minus_zero", "large_mean",
        "ids_int64", "repeated_ids", "ids_with_zeros", "equal", "at_delta", "at_margin", "zero_sample",
    },
    "mask": {"gap", "right", "left", "all_masked", "full", "last_axis", "row_masked"},
    "labels": {"soft", "opposite", "signs", "one_sign", "some_zero"},
    "sample_weight": {"samples", "column", "some_zero"},
    "gradients": {"tiny", "huge", "falling"},
}  # fmt: skip


@pytest.mark.parametrize("argument", CORE_WORDS)
def test_every_word_for_values_is_decided_on_purpose(argument):
    found = {case.call[argument] for _, direction, case in declared() if argument in case.call and level(case, direction) == CORE}
    new = found - CORE_WORDS[argument]
    assert not new, f"core are cases with a word that is new: if that is right say so here, else give it a rule: {new}"


def test_the_arrays_of_core_cases_hold_nothing_unusual():
    for _, direction, case in declared():
        if case.dtype == "float64" and direction == "forward" and case.layer in ALL and level(case) == CORE:
            arrays = draw_arrays(ALL[case.layer], case, case.seed())
            for x in arrays.x if isinstance(arrays.x, tuple) else (arrays.x,):
                assert x.size, f"{case.id} is core and has an empty input"
                if case.layer == "Embedding":
                    whole = x.dtype.kind == "i" and x.ndim == 2 and x.min() >= 0 and x.max() < case.config["input_dim"]
                    assert whole, f"{case.id} is core and looks up something else than rows (batch, time) of the table"
                else:
                    assert x.dtype.kind == "f" and np.isfinite(x).all(), f"{case.id} is core and has {x.dtype}, NaN or infinities"
            mask = arrays.arguments.get("mask")
            if mask is not None:
                assert mask.dtype == bool, f"{case.id} is core and has a mask of {mask.dtype}"
                assert mask.ndim == 2 or case.layer == "Softmax", f"{case.id} is core and has a mask of rank {mask.ndim}"
                divides = case.layer in ("BatchNormalization", "GlobalAveragePooling1D")
                assert mask.any() or not divides, f"{case.id} is core and has the mean of nothing"


def test_the_arrays_of_core_losses_and_optimizers_hold_nothing_unusual():
    for _, direction, case in declared():
        if case.layer in LOSS_CASES and level(case, direction) == CORE:
            arrays = draw_loss(case, 0)
            probabilities = case.layer.endswith(("crossentropy", "divergence")) and not case.config.get("from_logits")
            inside = not probabilities or (arrays.x.min() > 0 and arrays.x.max() < 1)
            assert arrays.x.size and inside, f"{case.id} is core and has no sample, or probabilities of 0 or 1"
            counting = [np.any(arrays.arguments[name]) for name in ("sample_weight", "mask") if name in arrays.arguments]
            assert all(counting), f"{case.id} is core and nothing of it counts"
        elif case.layer in OPTIMIZER_CASES and level(case, direction) == CORE:
            given = [gradient for step in draw_steps(case, 0).gradients for gradient in step]
            assert all(gradient is not None and gradient.any() for gradient in given), f"{case.id} is core and lacks a gradient"


@pytest.mark.parametrize("kind", ["forward", "backward", "loss value", "loss gradient", "optimizer"])
def test_every_option_keeps_core_cases(kind):
    tried: dict[str, set[tuple[str, str]]] = {name: set() for name in LEVELS}
    for asked, direction, case in declared():
        if asked == kind:
            options = {*case.config, *case.call} - {"values", "labels", "gradients"}
            tried[level(case, direction)] |= {(case.layer, name) for name in options}
    # Keras computes nothing else of sparsemax than its defect.
    lost = {found for found in tried[EDGE] - tried[CORE] if found[0] != "sparsemax"}
    assert not lost, f"only edge cases of the {kind} ask about {lost}"


# Records, drawn cases, the page

EVERY_KIND = {
    "forward": "Masking", "backward": "Masking", "mask": "Embedding", "stateful": "SimpleRNN", "text": "TextVectorization", "loss": "hinge",
    "optimizer": "Adam", "dropout": "SpatialDropout1D", "properties": "GlobalMaxPooling1D", "repeated": "Masking", "drawn": "Masking",
}  # fmt: skip


def test_every_kind_of_question_is_looked_at():
    assert set(EVERY_KIND) == set(KINDS), "a kind of question without a layer here is not tested"


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_has_the_level_of_its_question(kind):
    session = Session(oracle_name="recorded")
    session.implementation = ModuleImplementation("an implementation of nothing", {})
    for identifier, question in KINDS[kind].cases([EVERY_KIND[kind]], "smoke"):
        records: list[Record] = []
        runner = CaseRunner(session, f"test_{kind}[{identifier}]", lambda: "", lambda record, message, found=records: found.append(record))
        KINDS[kind].check(runner, *question)
        assert [record.level for record in records] == [KINDS[kind].level_of(*question)], f"{identifier} settles one record of its level"


@pytest.mark.parametrize("wanted", LEVELS)
@pytest.mark.parametrize(("name", "part"), [("MaxPooling2D", "forward"), ("MaxPooling2D", "backward"), ("Concatenate", "forward")])
def test_drawn_cases_are_of_the_level_that_is_asked(name, part, wanted):
    found: list[Case] = []
    run_drawn(ALL[name], 1, "smoke", found.append, part, wanted)
    assert found and {level(case, part) for case in found} == {wanted}, f"{name} {part}: cases of another level, or none, were drawn"


def test_a_layer_is_drawn_at_the_levels_that_it_has():
    asked = [identifier for identifier, _ in KINDS["drawn"].cases(["LayerNormalization", "MaxPooling1D", "sparsemax"], "standard")]
    assert asked == [
        "LayerNormalization", "LayerNormalization-backward",
        "MaxPooling1D", "MaxPooling1D-edge", "MaxPooling1D-backward", "MaxPooling1D-backward-edge",
        "sparsemax-edge",
    ], "no question is asked of which no case can be drawn"  # fmt: skip


def test_smoke_cases_have_both_levels():
    assert {level(case) for case in declared_cases(ALL["Embedding"], "smoke")} == set(LEVELS), "the profile that asks least asks both"


def test_the_page_is_that_of_the_table():
    assert levels.PAGE.read_text(encoding="utf-8") == levels.page(), "python -m conformance.reporting.levels writes it anew"
