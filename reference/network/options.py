"""Which values the options of a layer may have, so that a bad one is refused when the file is read, not when the layer is called.

An option means the same in every class that has it, so there is one table by option name; what differs (``axis``, ``padding``) stands
in a second one by class and option. Sizes are capped: no option can ask for more work or memory than the model's data justify.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from reference.activations import ACTIVATIONS
from reference.layers.calls import REQUIRED, SIGNATURES, numbers_of
from reference.layers.weight_shapes import is_dimension
from reference.network.errors import ArchiveError, shown

Rule = tuple[Callable[[Any], bool], str]
"""Whether a value is one that Keras takes, and in words which ones that are."""

MAX_EXTENT = 2**20
"""Largest stride, dilation, kernel or pool along one axis."""
MAX_ELEMENTS = 2**26
"""Most numbers that a shape given in the configuration may stand for."""
MAX_NGRAM = 64
INPUT_DTYPES = ("bool", "string", "bfloat16", "float16", "float32", "float64", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)))
UNSUPPORTED = ("stateful", "sparse", "ragged", "quantization_config", "lora_rank", "renorm", "rms_scaling", "time_major")
"""Options that make a layer compute something else than its function does: refused wherever they are set."""


def check_options(class_name: str, config: Mapping[str, Any], where: str) -> None:
    """Refuse options that are missing, have a value that Keras does not take, or ask for what the layer functions do not do.

    Raises
    ------
    ArchiveError
        One sentence with the layer, the option and its value.
    """
    for name in UNSUPPORTED:
        if config.get(name):
            raise ArchiveError(f"layer {where!r}: {name}={shown(config[name])} is not supported")
    signature = SIGNATURES.get(class_name)
    always_passed = [name for name, default in signature.options.items() if default is REQUIRED] if signature else []
    for name in (*always_passed, *NEEDED.get(class_name, ())):
        if name not in config:
            raise ArchiveError(f"layer {where!r}: {class_name} has no {name}")
    for name, value in config.items():
        rule = OWN.get((class_name, name)) or _spatial(class_name, name) or OPTIONS.get(name)
        if rule and not rule[0](value):
            raise ArchiveError(f"layer {where!r}: {name} is {shown(value)}, not {rule[1]}")


def is_int(value: Any, lowest: int = 0, highest: int = MAX_ELEMENTS) -> bool:
    """Whether a value is an int between two others, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _is_number(value: Any, lowest: float = -1e38, highest: float = 1e38) -> bool:
    """Whether a value is a finite number between two others."""
    return isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest


def _is_list(value: Any, rule: Callable[[Any], bool], length: int | None = None) -> bool:
    return isinstance(value, list | tuple) and (len(value) == length if length else len(value) < 100) and all(rule(one) for one in value)


def _one_of(*values: Any) -> Rule:
    return lambda value: isinstance(value, str | None) and value in values, f"one of {', '.join(map(repr, values))}"


def _is_axis(value: Any) -> bool:
    return is_int(value, -100, 100)


def _is_target_shape(value: Any) -> bool:
    sizes = _is_list(value, lambda size: is_int(size, -1)) and list(value).count(-1) < 2
    return sizes and math.prod(size for size in value if size > 0) <= MAX_ELEMENTS


def _is_noise_shape(value: Any) -> bool:
    known = value is None or (_is_list(value, lambda size: size is None or is_int(size, 1)))
    return known and math.prod(size or 1 for size in value or ()) <= MAX_ELEMENTS


def _is_scaling(value: Any) -> bool:
    """Whether a value is a number, or a vector of them as a list or as Keras writes a NumPy array."""
    numbers = numbers_of(value)
    return all(map(_is_number, numbers)) and len(numbers) > 0 if isinstance(numbers, list | tuple) else _is_number(numbers)


def _is_batch_shape(value: Any) -> bool:
    return _is_list(value, lambda size: size is None or is_int(size)) and len(value) > 0 and (value[0] is None or value[0] > 0)


def _spatial(class_name: str, name: str) -> Rule | None:
    """The rule of an option that Keras takes as an int or as one int an axis."""
    signature = SIGNATURES.get(class_name)
    rank = signature.spatial.get("strides" if name == "kernel_size" else name) if signature else None
    if signature is None or rank is None:
        return None
    may_be_none = name in signature.same_as

    def fits(value: Any) -> bool:
        return (value is None and may_be_none) or _is_extent(value) or _is_list(value, _is_extent, rank)

    return fits, f"an int from 1 to {MAX_EXTENT}" + (f" or {rank} of them" if rank > 1 else "") + (" or None" if may_be_none else "")


def _is_extent(value: Any) -> bool:
    return is_int(value, 1, MAX_EXTENT)


_ACTIVATION: Rule = (
    lambda value: value is None or (isinstance(value, str) and value in ACTIVATIONS and value != "threshold"),
    "the name of an activation function; custom functions are not supported",
)
_GATE: Rule = (lambda value: _ACTIVATION[0](value) and value != "glu", _ACTIVATION[1])
_FLAG: Rule = (lambda value: isinstance(value, bool), "True or False")
_RATE: Rule = (lambda value: _is_number(value, 0, 1), "a number from 0 to 1")
_NUMBER: Rule = (_is_number, "a finite number")
_NOT_NEGATIVE: Rule = (lambda value: _is_number(value, 0), "a number from 0")
_COUNT: Rule = (lambda value: is_dimension(value) and bool(value), "a positive int")
_AXIS: Rule = (_is_axis, "an axis")
_AXES: Rule = (lambda value: _is_axis(value) or (_is_list(value, _is_axis) and len(value) > 0), "an axis or a list of axes")
_NAMED_FUNCTION = "; custom functions are not supported"

OPTIONS: dict[str, Rule] = {
    "activation": _ACTIVATION,
    "recurrent_activation": _GATE,
    "padding": (lambda value: isinstance(value, str) and value.lower() in ("valid", "same"), "'valid' or 'same'"),
    "data_format": _one_of(None, "channels_last", "channels_first"),
    "merge_mode": _one_of("concat", "sum", "mul", "ave", None),
    **dict.fromkeys(("use_bias", "center", "scale", "keepdims", "mask_zero", "reset_after", "trainable"), _FLAG),
    **dict.fromkeys(("return_sequences", "return_state", "go_backwards", "zero_output_for_mask"), _FLAG),
    **dict.fromkeys(("rate", "dropout", "recurrent_dropout"), _RATE),
    **dict.fromkeys(("units", "filters", "groups", "input_dim", "output_dim"), _COUNT),
    **dict.fromkeys(("epsilon", "negative_slope", "threshold"), _NOT_NEGATIVE),
    **dict.fromkeys(("alpha", "momentum", "mask_value"), _NUMBER),
    "max_value": (lambda value: value is None or _is_number(value, 0), "a number from 0 or None"),
    "axis": _AXIS,
    "target_shape": (_is_target_shape, f"a list of sizes, at most one of them -1, of at most {MAX_ELEMENTS} values"),
    "noise_shape": (_is_noise_shape, f"a list of sizes or None, of at most {MAX_ELEMENTS} values"),
    "shared_axes": (lambda value: value is None or _is_list(value, _is_axis), "a list of axes or None"),
}
"""By the name of the option."""

OWN: dict[tuple[str, str], Rule] = {
    ("Conv1D", "padding"): (
        lambda value: isinstance(value, str) and value.lower() in ("valid", "same", "causal"),
        "'valid', 'same' or 'causal'",
    ),
    **{("Rescaling", name): (_is_scaling, "a finite number or a list of them") for name in ("scale", "offset")},
    **{(name, "activation"): _GATE for name in ("SimpleRNN", "GRU", "LSTM")},
    **{(name, "axis"): _AXES for name in ("Softmax", "LayerNormalization")},
    ("InputLayer", "batch_shape"): (_is_batch_shape, "a batch_shape: a list of sizes or None"),
    ("InputLayer", "dtype"): (lambda value: value is None or value in INPUT_DTYPES, f"one of {', '.join(INPUT_DTYPES)}"),
    ("TextVectorization", "standardize"): (
        lambda value: value is None or value in ("lower", "strip_punctuation", "lower_and_strip_punctuation"),
        "a standardization of Keras" + _NAMED_FUNCTION,
    ),
    ("TextVectorization", "split"): (
        lambda value: value is None or value in ("whitespace", "character"),
        "'whitespace', 'character' or None" + _NAMED_FUNCTION,
    ),
    ("TextVectorization", "output_mode"): (
        lambda value: value in ("int", "multi_hot", "count"),
        "supported; supported are 'int', 'multi_hot', 'count'",
    ),
    ("TextVectorization", "ngrams"): (
        lambda value: value is None or is_int(value, 1, MAX_NGRAM) or _is_list(value, lambda n: is_int(n, 1, MAX_NGRAM)),
        f"None, an int from 1 to {MAX_NGRAM} or a list of them",
    ),
    ("TextVectorization", "max_tokens"): (lambda value: value is None or is_int(value, 2), f"None or an int from 2 to {MAX_ELEMENTS}"),
    ("TextVectorization", "output_sequence_length"): (
        lambda value: value is None or is_int(value),
        f"None or an int from 0 to {MAX_ELEMENTS}",
    ),
    ("TextVectorization", "pad_to_max_tokens"): _FLAG,
}
"""By class and option, where a class takes more or less than others."""

NEEDED = {
    "InputLayer": ("batch_shape",),
    "Embedding": ("input_dim", "output_dim"),
    **dict.fromkeys(("Dense", "SimpleRNN", "GRU", "LSTM"), ("units",)),
    **dict.fromkeys(("Conv1D", "Conv2D"), ("filters", "kernel_size")),
}
"""Options without a default that are never passed to the layer's function."""
