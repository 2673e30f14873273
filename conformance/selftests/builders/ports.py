"""Small ports: what a layer, a loss or an optimizer answers when a few options are all it knows, and one of them is forgotten.

The reference stands for Keras, so that thousands of such mistakes are tried without it; that the reference is right is another test's.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.base.arrays import Arrays
from conformance.base.call import Answer
from conformance.base.record import PASSED, UNSUPPORTED
from conformance.cases import layer_cases
from conformance.cases.case import OF_THE_CALL, Case, LayerCases, declared_cases, make_case, values_alone
from conformance.cases.draw import draw_arrays, draw_weight
from conformance.cases.gradients import backward_cases, differentiable, draw_backward
from conformance.cases.losses import LOSS_CASES, draw_loss, loss_cases
from conformance.cases.optimizers import OPTIMIZER_CASES, draw_steps, optimizer_cases
from conformance.cases.questions import backward_question, forward_question
from conformance.cases.titles import words
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.protocol import Implementation
from conformance.judging.judge import answers_to_steps, as_row, ask_gradients
from reference.layers import LAYERS

RIGHT = ModuleImplementation("reference")
CLOSE = 1e-9
"""Two answers that differ by less are one: the suite allows less than this, and a mistake makes more."""
KINDS_OF_INPUT = ("values", "labels", "others", "given", "gradients", "steps")
"""What a case says of its arrays, which no port can forget."""
DRAWS = 12


@dataclass(frozen=True)
class Asked:
    """A case and the arrays it is asked with."""

    case: Case
    arrays: Any
    grads: tuple[Any, ...] = ()


def parts_of(layer: LayerCases) -> tuple[str, ...]:
    """What is asked of a layer, a loss or an optimizer."""
    if layer.layer in OPTIMIZER_CASES:
        return ("optimizer",)
    if layer.layer in LOSS_CASES:
        return ("loss", "loss_gradient")
    return ("forward", "backward") if any(backward_cases(layer, "smoke")) else ("forward",)


def cases_of(layer: LayerCases, part: str) -> list[Case]:
    """The declared cases, as the suite asks them."""
    if part == "optimizer":
        return list(optimizer_cases(layer.layer))
    if part in ("loss", "loss_gradient"):
        return list(loss_cases(layer.layer))
    return list(backward_cases(layer, "standard") if part == "backward" else declared_cases(layer))


def draw(layer: LayerCases, case: Case, part: str, seed: int = 0) -> Asked:
    """The arrays of a case; a dropout mask, which Keras chooses, is drawn as well."""
    if part == "optimizer":
        return Asked(case, draw_steps(case, seed))
    if part in ("loss", "loss_gradient"):
        return Asked(case, draw_loss(case, seed))
    backward = draw_backward(layer, case, seed) if part == "backward" else None
    arrays = draw_arrays(layer, case, case.seed(seed)) if backward is None else backward.arrays
    if layer.layer in LAYERS and LAYERS[layer.layer].drops and "training" in case.call:
        kept = np.random.default_rng(case.seed(seed)).random(case.shape) < 0.6
        arrays = replace(arrays, arguments={**arrays.arguments, "dropout_mask": kept})
    return Asked(case, arrays, () if backward is None else backward.grads)


def answer(layer: LayerCases, asked: Asked, part: str) -> Any:
    """The right answer, a tuple of arrays; None where there is none of the right form."""
    return _row(_asked(layer, asked, part, RIGHT))


def _asked(layer: LayerCases, asked: Asked, part: str, implementation: Implementation) -> Answer:
    case, arrays = asked.case, asked.arrays
    if part == "optimizer":
        return as_row(list(answers_to_steps(implementation, case, arrays)))
    if part == "forward":
        return implementation.ask(forward_question(layer, case, arrays, {}))
    if part == "backward":
        question = backward_question(layer, case, arrays, {}, asked.grads)
        return ask_gradients(layer, case, arrays, question, implementation)
    ask = forward_question(layer, case, arrays, {}) if part == "loss" else backward_question(layer, case, arrays, {}, ())
    return implementation.ask(ask)


def _row(found: Answer) -> Any:
    if found.status != PASSED:
        return None
    return found.value if isinstance(found.value, tuple) else (found.value,)


def forgetful(layer: LayerCases, asked: Asked, part: str, option: str) -> Any:
    """What the reference answers that does not look at `option`; None where it cannot answer, or answers in another form."""
    case = asked.case
    config = {name: value for name, value in case.config.items() if name != option}
    for fixed in (layer.constant, {name: values[0] for name, values in layer.sizes.items()}):
        config |= {option: fixed[option]} if option in fixed else {}
    call = {name: value for name, value in case.call.items() if name != option}
    plain = replace(case, config=config, call=call)
    arrays = asked.arrays
    if isinstance(arrays, Arrays):
        gone = {option, "dropout_mask", "recurrent_dropout_mask"} if option == "training" else {option, f"{option}_mask"}
        arguments = {name: value for name, value in arrays.arguments.items() if name not in gone}
        arrays = Arrays(arrays.x, arrays.weights if part.startswith("loss") else _weights(layer, asked, plain), arguments)
    try:
        return answer(layer, Asked(plain, arrays, asked.grads), part)
    except Exception:
        return None


def _weights(layer: LayerCases, asked: Asked, plain: Case) -> tuple[Any, ...]:
    """The weights of a case for another one: those that it lacks are drawn, in the place of a weight that an option removed."""
    given = dict(zip(layer.weights(asked.case.config, asked.case.shape), asked.arrays.weights, strict=True))
    rng = np.random.default_rng(asked.case.seed(3))
    names = layer.weights(plain.config, plain.shape)
    return tuple(given[name] if name in given else draw_weight(rng, name, shape) for name, shape in names.items())


def differs(one: Any, other: Any) -> bool:
    """Whether two answers are not the same numbers in the same form."""
    if one is None or other is None or len(one) != len(other):
        return True
    pairs = zip(map(np.asarray, one), map(np.asarray, other), strict=True)
    return not all(a.shape == b.shape and np.allclose(a, b, CLOSE, CLOSE, equal_nan=True) for a, b in pairs)


def options_of(layer: LayerCases, case: Case) -> dict[str, Any]:
    """What a port must know for this case: options and ways to call, no sizes that follow from weights, no kinds of input."""
    silent = {*layer.sizes, *KINDS_OF_INPUT, *layer.unpassed} - {*values_alone(layer)} | {*KINDS_OF_INPUT}
    given = {name: value for name, value in {**case.config, **case.call}.items() if name not in silent}
    defaults = {**{name: values[0] for name, values in layer.options.items()}, **layer.constant}
    return {name: value for name, value in given.items() if name not in defaults or defaults[name] != value}


def drawn_with(layer: LayerCases, part: str, row: Mapping[str, Any]) -> Iterator[Case]:
    """Cases with these options, which the port knows, on any declared input, of any sizes: where a mistake could show."""
    rng = random.Random(zlib.crc32(repr([layer.layer, *row.items()]).encode()))
    said = "-".join(words(name, value) for name, value in row.items())
    shapes = [*layer.alone.shapes, *layer.inputs.values()]
    for number in range(DRAWS):
        config = {name: rng.choice(sizes) for name, sizes in layer.sizes.items()}
        config |= {name: value for name, value in row.items() if name not in OF_THE_CALL}
        call = {name: value for name, value in row.items() if name in OF_THE_CALL}
        case = make_case(layer, config, rng.choice(shapes), call, "float64", "-".join([said, f"drawn-{number}"]))
        if layer.possible(case.config, case.shape, call, "float64") and (part != "backward" or differentiable(layer, case)):
            yield case


def first_wrong(functions: Mapping[str, Any], name: str, part: str) -> str | None:
    """The id of the first declared case that a port of these functions takes and answers otherwise than the reference, or None."""
    layer, port = layer_cases(name), ModuleImplementation("a port", functions)
    for case in (case for case in cases_of(layer, part) if case.dtype == "float64"):
        asked = draw(layer, case, part)
        found = _asked(layer, asked, part, port)
        if found.status != UNSUPPORTED and differs(answer(layer, asked, part), _row(found)):
            return case.id
    return None
