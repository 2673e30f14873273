"""Asking live Keras every declared case once, and writing down what an oracle must know of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.base.arrays import Arrays
from conformance.base.errors import IllConditionedCaseError, NotDiscriminatingError
from conformance.cases import ALL, TEXT
from conformance.cases.case import Case, LayerCases, declared_cases
from conformance.cases.gradients import backward_cases
from conformance.cases.losses import LOSS_CASES, loss_cases
from conformance.cases.masks import MaskCase, mask_cases
from conformance.cases.optimizers import OPTIMIZER_CASES, optimizer_cases
from conformance.cases.questions import forward_question
from conformance.cases.stateful import StatefulCase, stateful_cases
from conformance.cases.text import ADAPTED, ASKED, in_shape, text_cases, text_identifier
from conformance.judging.discriminating import check_discriminating
from conformance.judging.judge import require_of_keras
from conformance.judging.verdict import keras_ratio
from conformance.oracle.expectation import Expectation
from conformance.oracle.live.keras import LiveKeras
from conformance.oracle.recorded.reader import PROFILE, SEED
from conformance.oracle.recorded.tensors import Tensors, put, put_call, put_expectation
from conformance.oracle.recorded.vectors import StoredCase
from conformance.recording.gradients import record_gradients
from conformance.recording.training import record_loss, record_steps
from reference.layers import spec_of


def record_layer(name: str) -> list[StoredCase]:
    """Every case of a layer (forward, backward, masks, sequences in halves), of TextVectorization, a loss or an optimizer."""
    keras = LiveKeras(use_cache=False)
    if name == TEXT:
        return [_text(keras, options) for _, options in text_cases(PROFILE)]
    if name in LOSS_CASES:
        return [record_loss(case, keras.loss(case, SEED)) for case in loss_cases(name, PROFILE)]
    if name in OPTIMIZER_CASES:
        return [record_steps(case, keras.steps(case, SEED)) for case in optimizer_cases(name, PROFILE)]
    layer = ALL[name]
    forward = {case.id: _forward(keras, layer, case) for case in declared_cases(layer, PROFILE)}
    return [
        *forward.values(),
        *(record_gradients(keras, layer, case, forward[case.id]) for case in backward_cases(layer, PROFILE)),
        *(_mask(keras, case) for case in mask_cases() if case.layer == name),
        *(_stateful(keras, case) for case in stateful_cases() if case.case.layer == name),
    ]


def _forward(keras: LiveKeras, layer: LayerCases, case: Case) -> StoredCase:
    arrays, expectation = _first_good(keras, layer, case)
    ratio = keras_ratio(expectation, case.dtype)
    require_of_keras(case, ratio)
    question = forward_question(layer, case, arrays, expectation.arguments)
    drawn = {**arrays.arguments, **expectation.arguments}
    tensors: Tensors = {}
    rules: dict[str, float] = {}
    put_call(tensors, layer, case, arrays, expectation.arguments)
    put_expectation(tensors, rules, "", expectation, case.dtype)
    if expectation.single is not None:
        put_expectation(tensors, rules, "float32/", expectation.single(), "float32")
    if case.deviation and expectation.keras is not None and ratio is not None and ratio > 1:
        put(tensors, "keras", expectation.keras)
    facts = {
        "id": case.id,
        "kind": "forward",
        "layer": case.layer,
        "dtype": case.dtype,
        "function": question.function,
        "config": dict(layer.keras_config(case.config)),
        "options": {option: value for option, value in question.keywords.items() if option not in drawn},
        "weights": list(layer.weights(case.config, case.shape)),
        "arguments": _switches(arrays.arguments),
        "chosen": _switches(expectation.arguments),
        "dtypes": [dtype.name for dtype in expectation.dtypes],
        "rules": rules,
        "deviation": case.deviation,
        "keras_error_over_allowance": ratio,
    }
    return StoredCase(facts, tensors)


def _first_good(keras: LiveKeras, layer: LayerCases, case: Case) -> tuple[Arrays, Expectation]:
    """The first arrays that can tell right from wrong, as a live run finds them."""
    weak: Exception = NotDiscriminatingError(case.id)
    for arrays in keras.draws(layer, case, SEED):
        try:
            expectation = keras.expect(layer, case, arrays)
            check_discriminating(layer, case, arrays, expectation)
            expectation.rounding()  # where a case is ill-conditioned, this says so
            return arrays, expectation
        except (NotDiscriminatingError, IllConditionedCaseError) as error:
            weak = error
    raise weak


def _switches(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments by name: a switch as it is, arrays (which are tensors) as null."""
    return {name: value if isinstance(value, bool) else None for name, value in arguments.items()}


def _mask(keras: LiveKeras, case: MaskCase) -> StoredCase:
    mask = keras.mask(case)
    tensors: Tensors = {}
    put(tensors, "input", tuple(case.x) if isinstance(case.x, list) else case.x)
    given = case.mask if isinstance(case.mask, list) else [case.mask]
    tensors |= {f"mask/{n}": one for n, one in enumerate(given) if one is not None}
    if mask is not None:
        tensors["output"] = mask
    function = f"{spec_of(case.layer).name}_compute_mask"
    return StoredCase({"id": case.id, "kind": "mask", "layer": case.layer, "function": function, "options": case.options}, tensors)


def _stateful(keras: LiveKeras, case: StatefulCase) -> StoredCase:
    halves, outputs = keras.stateful(case, SEED)
    tensors: Tensors = {"input": np.concatenate([half.x for half in halves], axis=1)}
    names = list(case.layer.weights(case.case.config, case.case.shape))
    tensors |= {f"weight/{name}": weight for name, weight in zip(names, halves[0].weights, strict=True)}
    if "mask" in halves[0].arguments:
        tensors["argument/mask"] = np.concatenate([half.arguments["mask"] for half in halves], axis=1)
    put(tensors, "output", tuple(outputs))
    config = dict(case.layer.keras_config({**case.case.config, "stateful": True}))
    return StoredCase({"id": case.id, "kind": "stateful", "layer": case.case.layer, "config": config, "weights": names}, tensors)


def _text(keras: LiveKeras, options: Mapping[str, Any]) -> StoredCase:
    found = keras.text(options)
    tensors: Tensors = {}
    put(tensors, "output", tuple(found.output) if isinstance(found.output, list) else found.output)
    if found.idf_weights is not None:
        tensors["idf_weights"] = found.idf_weights
    facts = {
        "id": text_identifier(options),
        "kind": "text",
        "layer": TEXT,
        "options": dict(options),
        "adapted": ADAPTED,
        "asked": in_shape(ASKED, options.get("shape", "(batch,)")),
        "vocabulary": found.vocabulary,
    }
    return StoredCase(facts, tensors)
