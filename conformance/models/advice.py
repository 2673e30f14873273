"""What to do about the first layer that is wrong: the mistake that gives its very answer, and the command that checks that layer alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.base.arrays import Array, Arrays
from conformance.cases import ALL, NAMES, layer_cases
from conformance.cases.case import OF_THE_CALL, Case
from conformance.cases.questions import Answer, Question
from conformance.faults import consistent_faults
from conformance.implementations.protocol import Implementation
from conformance.judging.judge import CaseResult
from conformance.judging.refusal import ask
from conformance.judging.verdict import judge
from conformance.models.divergence import LayerFindings
from conformance.models.functions import run_by
from conformance.models.oracles import ModelOracle
from conformance.models.walk import walk
from conformance.oracle.expectation import Expectation
from conformance.oracle.live.activations import Traced
from reference.layers import LAYERS
from reference.layers.kinds import WrapperSpec
from reference.models import Model

MOST_SAMPLES = 16
"""On so many samples the catalogue of mistakes is asked: it takes a run of the layer for each."""


@dataclass(frozen=True)
class Advice:
    """What the first wrong layer looks like, and the command to run next (empty where there is none)."""

    looks_like: tuple[str, ...] = ()
    command: str = ""


class _Noting:
    """An implementation that keeps the first question about a forward pass."""

    def __init__(self, implementation: Implementation) -> None:
        self.implementation, self.spec = implementation, implementation.spec
        self.asked: Question | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.implementation, name)

    def ask(self, question: Question) -> Answer:
        """The implementation's own answer."""
        if self.asked is None and question.function.endswith("_forward"):
            self.asked = question
        return self.implementation.ask(question)


def advise(
    oracle: ModelOracle, model: Model, implementation: Implementation, x: Mapping[str, Array], wrong: Sequence[LayerFindings]
) -> Advice:
    """What to say of the first of the layers that are wrong by themselves, looked at on some of the samples.

    Parameters
    ----------
    oracle : ModelOracle
    model : Model
    implementation : Implementation
    x : mapping of input name to array
        The samples on which it is most wrong.
    wrong : sequence of LayerFindings
    """
    classes = dict.fromkeys(layer.class_name for layer in wrong if layer.class_name in NAMES)
    command = f"conform check {shlex.quote(implementation.spec)} --layers {','.join(classes)}" if classes else ""
    return Advice(tuple(_likely(oracle, model, implementation, x, wrong[0])), command)


def _likely(
    oracle: ModelOracle, model: Model, implementation: Implementation, x: Mapping[str, Array], layer: LayerFindings
) -> list[str]:
    """The named mistakes that give the layer's very answer to the oracle's own activations."""
    if layer.class_name not in ALL:
        return []
    batch = {name: array[:MOST_SAMPLES] for name, array in x.items()}
    right = oracle.activations(batch)(batch)
    noting = _Noting(implementation)
    for path, _, _ in walk(run_by(model, noting), batch, right):
        if path == layer.path:
            break
        noting.asked = None
    if noting.asked is None:
        return []
    return consistent_faults(_result(model, layer, noting.asked, right[layer.path], implementation))


def _result(model: Model, layer: LayerFindings, question: Question, right: Traced, implementation: Implementation) -> CaseResult:
    """The call of a layer in a model as a judged case; what is allowed is the layer's bound in this model."""
    config = _flat_config(layer, model, question)
    call = {name: True for name in OF_THE_CALL if name in question.keywords}
    given = question.positional[0]
    x = tuple(given) if isinstance(given, list) else given
    case = Case(layer.class_name, config, np.shape(given[0] if isinstance(given, list) else given), call, "float32", layer.path)
    outputs = tuple(np.asarray(y, np.float64) if y.dtype.kind == "f" else y for y in right.outputs)

    def allowed() -> tuple[Array, ...]:
        return tuple(np.full(y.shape, layer.forced.allowed) for y in outputs)

    expectation = Expectation(outputs, tuple(y.dtype for y in right.outputs), allowed, allowed)
    answer = ask(implementation, question)
    verdict = judge(expectation, answer, case.dtype, strict=False)
    return CaseResult(layer_cases(layer.class_name), case, Arrays(x), question, expectation, answer, verdict)


def _flat_config(layer: LayerFindings, model: Model, question: Question) -> dict[str, Any]:
    """Sizes and options as cases have them: those of a wrapped layer beside those of the wrapper."""
    own = model.context.layers[layer.path if layer.path in model.context.layers else re.sub(r"\[\d+\](?=/|$)", "", layer.path)]
    spec = LAYERS[own.class_name]
    config, wrapped = own.config, {}
    if isinstance(spec, WrapperSpec):
        inner, options = spec.inner(own.config)
        config, wrapped = dict(options), {"layer": inner.class_name}
    sizes = {size: config[size] for size in layer_cases(own.class_name).sizes if size in config}
    passed = {key: value for key, value in question.keywords.items() if key not in OF_THE_CALL and not isinstance(value, np.ndarray)}
    return {**sizes, **wrapped, **passed}
