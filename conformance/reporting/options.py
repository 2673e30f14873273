"""Which values of which options were tried: counted from the records, so that what was declared and not run counts nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

from conformance.base.record import SKIPPED, Record
from conformance.cases import ALL, TRAINING, text
from conformance.cases.case import OF_THE_CALL, Case, LayerCases, declared_cases
from conformance.cases.reduced_set import reduced_cases
from reference.layers import LAYERS
from reference.layers.kinds import WrapperSpec
from reference.layers.spec import FORWARD, IN_TRAINING, MASK, REQUIRED

NEVER_PASSED = frozenset(
    {
        "self", "x", "name", "dtype", "trainable", "kwargs",
        "weights", "unit_forget_bias",
        "stateful", "unroll", "implementation", "use_cudnn", "seed", "lora_rank", "lora_alpha", "quantization_config",
        "idf_weights",
    }
)  # fmt: skip
"""Arguments of Keras's constructors that no implementation gets: weights are set by the suite (a vocabulary's too), and the rest changes
no number of a forward pass, or only how it is computed."""

DECLARED: dict[str, LayerCases] = {**ALL, **TRAINING["losses"], **TRAINING["optimizers"]}
"""Every declaration that is not of texts."""
WHOLE_RECORDS = ("forward", "loss", "loss_gradient", "optimizer")
"""Kinds of records that stand for a declared case with all of its options, defaults included."""
OF_WEIGHTS = ("_initializer", "_regularizer", "_constraint")
"""How the names of arguments end that say where weights start and what training does to them."""


def known_options(name: str) -> dict[str, Any]:
    """Every option of a layer that touches numbers, with its default (None where there is none to name)."""
    if name == text.LAYER:
        return {**{option: values[0] for option, values in text.OPTIONS.items()}, **dict.fromkeys(text.UNTESTED)}
    layer = DECLARED[name]
    defaults: dict[str, Any] = {}
    spec = LAYERS.get(name)
    for one in (spec, LAYERS.get(spec.wraps) if isinstance(spec, WrapperSpec) else None):
        defaults |= {} if one is None else one.defaults(FORWARD, MASK, IN_TRAINING)
    names = [*layer.sizes, *layer.options, *layer.untested, *(option for special in layer.special for option in special.config)]
    names += [option for option in _of_pairs_alone(layer) if option not in OF_THE_CALL]
    defaults = {**dict.fromkeys([*layer.constant, *names]), **defaults, **dict.fromkeys(layer.call)}
    defaults |= {option: values[0] for option, values in {**layer.options, **layer.call}.items()}
    return {option: None if value is REQUIRED else value for option, value in defaults.items()}


def _of_pairs_alone(layer: LayerCases) -> list[str]:
    """The options that pairs alone give beside those of the table, and what they stand with there."""
    own = {*layer.options, *layer.alone.values}
    return [*layer.alone.values, *(partner for name, others in layer.alone.acts_with.items() if name in own for partner in others)]


def accounted_options(name: str) -> set[str]:
    """The options of a layer that a declared case gives, or that its declaration says no case varies."""
    if name == text.LAYER:
        return {*text.OPTIONS, *text.UNTESTED}
    given = {option for case in _cases(name, "standard").values() for option in (*case.config, *case.call)}
    return given | set(DECLARED[name].untested)


def values_tried(layer: str, records: Iterable[Record]) -> dict[str, dict[str, int]]:
    """For every option of a layer the values that ran and the number of cases of each; nothing for an option left alone.

    Parameters
    ----------
    layer : str
    records : iterable of Record
        Those of the layer. One of :data:`WHOLE_RECORDS` counts with the options that it names and
        with the defaults of the others; any other record with the options that it names.
    """
    declared = layer in DECLARED
    known = known_options(layer) if declared or layer == text.LAYER else {}
    counts: dict[str, Counter[str]] = defaultdict(Counter, {name: Counter() for name in known})
    given: set[str] = set()
    for record in records:
        if record.status == SKIPPED:
            continue
        own = record.options
        given.update(name for name, value in own.items() if name not in known or value_words(value) != value_words(known[name]))
        for name, value in ({**known, **own} if record.kind in WHOLE_RECORDS or not declared else own).items():
            counts[name][value_words(value)] += 1
    return {name: dict(sorted(count.items())) if name in given else {} for name, count in counts.items()}


def value_words(value: Any) -> str:
    """An option's value as records write it."""
    return "x".join(str(part) for part in value) if isinstance(value, tuple | list) else str(value)


@cache
def _cases(layer: str, profile: str) -> dict[str, Case]:
    make = declared_cases if layer in ALL else reduced_cases
    return {case.id: case for case in make(DECLARED[layer], profile)}
