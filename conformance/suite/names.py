"""The functions that the suite looks for by name, and what to say of names that are nearly one of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from conformance.cases import ALL
from conformance.cases.case import FunctionCases
from conformance.cases.losses import LOSS_CASES
from conformance.cases.optimizers import OPTIMIZER_CASES, function_of
from conformance.cases.questions import function_name
from conformance.implementations.protocol import Implementation
from reference.activations import ACTIVATIONS

CLOSE = 0.82
"""How alike two names without their pass are: 'desnse' is 'dense', 'lstm_cell' is not 'lstm'."""
BEGINS = 5
"""Letters of a name that stand for all layers that begin so: 'embed', 'batchnorm'."""
LONG = 3
"""Letters of a layer's name, at least, by which a class that holds it among others is known: 'elu', 'gru'."""
MOST_MEANT = 3
BACKWARD = re.compile(r"backward|bwd|grad")
PASS = re.compile(r"forward|fwd|backward|bwd|grads?|step|layer")
"""Words that say which function of a layer is meant, or that it is a layer."""
ADAPTER = (
    "Classes are reached through an adapter: functions like {function} that make one, give it the weights and call it "
    "(conformance/docs/contract.md says how each is called). Here: {classes}."
)


def functions_of(layer: str) -> list[str]:
    """The names of the functions of a layer, an activation function, a loss or an optimizer."""
    if layer in LOSS_CASES:
        return [layer, f"{layer}_backward"]
    if layer in OPTIMIZER_CASES:
        return [function_of(layer)]
    if layer not in ALL:
        return ["text_vectorization_forward", "text_vectorization_adapt", "text_vectorization_idf"]
    parts = ("forward", "backward") if isinstance(ALL[layer], FunctionCases) else ("forward", "backward", "compute_mask")
    return [function_name(layer, part) for part in parts]


def own_functions_of(layer: str) -> list[str]:
    """Those functions of a layer that no activation function has as well: ``softmax_backward`` alone is that of ``softmax``."""
    names = functions_of(layer)
    shared = functions_of(layer.lower()) if layer.lower() in ACTIVATIONS and layer not in ACTIVATIONS else ()
    return [name for name in names if name not in shared]


def remarks(implementation: Implementation, layers: Sequence[str]) -> list[str]:
    """What to say of names in an implementation that are nearly those of functions it lacks: a line each, and one for all classes."""
    names = implementation.names()
    wanted = [function for layer in layers for function in functions_of(layer)]
    by_stem: dict[str, list[str]] = {}
    for function in (function for function in wanted if not function.endswith("_compute_mask")):
        for key in {_stem(function), _letters(function)}:
            by_stem.setdefault(key, []).append(function)
    lines: list[str] = []
    classes: dict[str, str] = {}
    for name in sorted(set(names) - set(wanted)):
        meant = _meant(name, by_stem, is_class=names[name])
        if not meant or any(map(implementation.has, meant)) or (names[name] and _is_reached(name, meant, by_stem, implementation)):
            continue
        if names[name]:
            classes[name] = meant[0]
        else:
            lines.append(f"{name} is not asked: did you mean {' or '.join(meant)}?")
    if classes:
        lines.append(ADAPTER.format(function=next(iter(classes.values())), classes=", ".join(classes)))
    return lines


def _is_reached(name: str, meant: Sequence[str], by_stem: Mapping[str, Sequence[str]], implementation: Implementation) -> bool:
    """Whether a class whose name holds that of another layer than the likeliest (``Activation_ReLU``) is one that functions serve."""
    letters = _letters(name)
    others = [key for key in by_stem if len(key) >= LONG and key in letters and not any(key == _stem(one) for one in meant)]
    return letters not in map(_stem, meant) and any(implementation.has(one) for key in others for one in by_stem[key])


def _meant(name: str, by_stem: Mapping[str, Sequence[str]], *, is_class: bool) -> list[str]:
    """The functions, of one pass, that a name is close to; none where that could be too many."""
    stem = _stem(name)
    close = [stem] if stem in by_stem else difflib.get_close_matches(stem, by_stem, 1, CLOSE)
    if not close and len(stem) >= BEGINS:
        close = [key for key in by_stem if key.startswith(stem)]
    backward = not is_class and bool(BACKWARD.search(name.lower()))
    meant = {function for key in close for function in by_stem[key] if function.endswith("_backward") is backward}
    same = {function for function in meant if _letters(function) == _letters(name)}
    return difflib.get_close_matches(name.lower(), sorted(same or meant), MOST_MEANT, 0.0) if len(meant) <= MOST_MEANT else []


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _stem(name: str) -> str:
    """A name without case, underscores and the words of a pass, and with the short words of pooling in full."""
    return re.sub(r"avg", "average", re.sub(r"pool(?!ing)", "pooling", PASS.sub("", _letters(name))))
