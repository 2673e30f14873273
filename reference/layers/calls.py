"""How a Keras layer's configuration becomes the call of a layer function.

One table names, for every layer, its weights in the order of ``get_weights()`` (with the option that removes each) and the options
that change numbers (with Keras's default). :func:`layer_call` turns a configuration, as Keras writes it, into the name of the function
and its keyword arguments: an option is passed only when it differs from Keras's default, tuples at full length, ``padding`` in lower
case, activations by name. Options that never change the numbers of a forward pass (initialisers, ``units``, ``unroll`` ...) are not passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

REQUIRED: Any = "an option without a default: always passed"


@dataclass(frozen=True)
class Signature:
    """What the functions of one Keras layer take.

    Attributes
    ----------
    name : str
        Keras's snake-case name of the class: the function is ``<name>_forward``.
    weights : mapping of weight name to the option that removes it (or None)
        In the order of ``layer.get_weights()``.
    options : mapping of option name to Keras's default
        Those of the constructor that change what the layer computes.
    mask_options : mapping of option name to Keras's default
        Those that only ``<name>_compute_mask`` takes.
    training_options : mapping of option name to Keras's default
        Those that act in training only, so that they are passed only with ``training=True``.
    spatial : mapping of option name to its length
        Options that Keras accepts as an int or a tuple.
    same_as : mapping of option name to another option's name
        Options whose default is the value of the other one (``strides`` of a pool).
    takes : tuple of str
        Arguments of Keras's call after the input, in its order.
    keeps_mask : bool
        Whether the mask of the input is that of the output; a function ``<name>_compute_mask`` knows better.
    drops : bool
        Whether the layer drops values at random in training.
    merges : bool
        Whether the input is a list of arrays.
    """

    name: str
    weights: Mapping[str, str | None] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    mask_options: Mapping[str, Any] = field(default_factory=dict)
    training_options: Mapping[str, Any] = field(default_factory=dict)
    spatial: Mapping[str, int] = field(default_factory=dict)
    same_as: Mapping[str, str] = field(default_factory=dict)
    takes: tuple[str, ...] = ()
    keeps_mask: bool = False
    drops: bool = False
    merges: bool = False


BIASED: dict[str, str | None] = {"kernel": None, "bias": "use_bias"}
RECURRENT: dict[str, str | None] = {"kernel": None, "recurrent_kernel": None, "bias": "use_bias"}
RECURRENT_DROPOUT = {"dropout": 0.0, "recurrent_dropout": 0.0}
SEQUENCE_OPTIONS = {"return_sequences": False, "return_state": False, "go_backwards": False, "zero_output_for_mask": False}
RECURRENT_ARGUMENTS = ("initial_state", "mask", "training")


def _convolution(name: str, rank: int) -> Signature:
    return Signature(
        name,
        weights=BIASED,
        options={
            "strides": (1,) * rank,
            "padding": "valid",
            "data_format": "channels_last",
            "dilation_rate": (1,) * rank,
            "groups": 1,
            "activation": "linear",
        },
        spatial={"strides": rank, "dilation_rate": rank},
    )


def _pooling(name: str, rank: int, pool_size: Any) -> Signature:
    return Signature(
        name,
        options={"pool_size": pool_size, "strides": None, "padding": "valid", "data_format": "channels_last"},
        spatial={"pool_size": rank, "strides": rank},
        same_as={"strides": "pool_size"},
    )


def _global_pooling(name: str, takes: tuple[str, ...] = ()) -> Signature:
    return Signature(name, options={"data_format": "channels_last", "keepdims": False}, takes=takes)


def _dropout(name: str, **in_training: Any) -> Signature:
    return Signature(name, options={"rate": REQUIRED}, training_options=in_training, takes=("training",), drops=True, keeps_mask=True)


SIGNATURES: dict[str, Signature] = {
    "Activation": Signature("activation", options={"activation": REQUIRED}, keeps_mask=True),
    "ReLU": Signature("re_lu", options={"max_value": None, "negative_slope": 0.0, "threshold": 0.0}, keeps_mask=True),
    "LeakyReLU": Signature("leaky_re_lu", options={"negative_slope": 0.3}, keeps_mask=True),
    "ELU": Signature("elu", options={"alpha": 1.0}, keeps_mask=True),
    "PReLU": Signature("p_re_lu", weights={"alpha": None}, keeps_mask=True),
    "Softmax": Signature("softmax", options={"axis": -1}, takes=("mask",), keeps_mask=True),
    "Dense": Signature("dense", weights=BIASED, options={"activation": "linear"}, keeps_mask=True),
    "Embedding": Signature("embedding", weights={"embeddings": None}, mask_options={"mask_zero": False}),
    "Masking": Signature("masking", options={"mask_value": 0.0}, mask_options={"mask_value": 0.0}),
    "Flatten": Signature("flatten", options={"data_format": "channels_last"}),
    "Reshape": Signature("reshape", options={"target_shape": REQUIRED}),
    "Rescaling": Signature("rescaling", options={"scale": REQUIRED, "offset": 0.0}, keeps_mask=True),
    "Dropout": _dropout("dropout", noise_shape=None),
    "SpatialDropout1D": _dropout("spatial_dropout1d"),
    "SpatialDropout2D": _dropout("spatial_dropout2d", data_format="channels_last"),
    "Add": Signature("add", merges=True),
    "Concatenate": Signature("concatenate", options={"axis": -1}, mask_options={"axis": -1}, merges=True),
    "BatchNormalization": Signature(
        "batch_normalization",
        weights={"gamma": "scale", "beta": "center", "moving_mean": None, "moving_variance": None},
        options={"axis": -1, "epsilon": 0.001},
        training_options={"momentum": 0.99},
        takes=("training", "mask"),
        keeps_mask=True,
    ),
    "LayerNormalization": Signature(
        "layer_normalization",
        weights={"gamma": "scale", "beta": "center"},
        options={"axis": -1, "epsilon": 0.001},
        keeps_mask=True,
    ),
    "Conv1D": _convolution("conv1d", 1),
    "Conv2D": _convolution("conv2d", 2),
    "MaxPooling1D": _pooling("max_pooling1d", 1, (2,)),
    "MaxPooling2D": _pooling("max_pooling2d", 2, (2, 2)),
    "AveragePooling1D": _pooling("average_pooling1d", 1, REQUIRED),
    "AveragePooling2D": _pooling("average_pooling2d", 2, REQUIRED),
    "GlobalMaxPooling1D": _global_pooling("global_max_pooling1d"),
    "GlobalMaxPooling2D": _global_pooling("global_max_pooling2d"),
    "GlobalAveragePooling1D": _global_pooling("global_average_pooling1d", ("mask",)),
    "GlobalAveragePooling2D": _global_pooling("global_average_pooling2d"),
    "SimpleRNN": Signature(
        "simple_rnn",
        weights=RECURRENT,
        options={"activation": "tanh", **SEQUENCE_OPTIONS},
        training_options=RECURRENT_DROPOUT,
        takes=RECURRENT_ARGUMENTS,
    ),
    "GRU": Signature(
        "gru",
        weights=RECURRENT,
        options={"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True, **SEQUENCE_OPTIONS},
        training_options=RECURRENT_DROPOUT,
        takes=RECURRENT_ARGUMENTS,
    ),
    "LSTM": Signature(
        "lstm",
        weights=RECURRENT,
        options={"activation": "tanh", "recurrent_activation": "sigmoid", **SEQUENCE_OPTIONS},
        training_options=RECURRENT_DROPOUT,
        takes=RECURRENT_ARGUMENTS,
    ),
    "Bidirectional": Signature("bidirectional", options={"merge_mode": "concat"}, takes=RECURRENT_ARGUMENTS),
    "TimeDistributed": Signature("time_distributed", takes=("training", "mask"), keeps_mask=True),
}

RECURRENT_CLASSES = tuple(name for name, signature in SIGNATURES.items() if signature.weights is RECURRENT)
"""Layers that read a sequence step by step and carry states."""

WRAPPERS = {"Bidirectional": "LSTM", "TimeDistributed": "Dense"}
"""Layers around another layer, with the class that their functions wrap when ``layer=`` is not passed."""


@dataclass(frozen=True)
class LayerCall:
    """The call of a layer function: its name without ``_forward``, its weights in place, its keyword arguments."""

    name: str
    weights: tuple[Any, ...]
    options: dict[str, Any]


def signature_of(class_name: str) -> Signature:
    """Return the :class:`Signature` of a Keras class; ``ValueError`` names a class that is not known."""
    try:
        return SIGNATURES[class_name]
    except KeyError:
        raise ValueError(f"layer class {class_name!r} is not known; known are {', '.join(sorted(SIGNATURES))}") from None


def layer_call(class_name: str, config: Mapping[str, Any], weights: Sequence[Any] = (), *, training: bool = False) -> LayerCall:
    """Turn a layer's Keras configuration and its ``get_weights()`` into the call of its function.

    Parameters
    ----------
    class_name : str
        Keras's class name, ``"Conv2D"``.
    config : mapping
        The layer's configuration as Keras writes it, or any part of it: what is missing has Keras's default.
    weights : sequence
        In the order of ``get_weights()``; a weight that an option removed is absent here and ``None`` in the call.
    training : bool
        Whether options that act in training only are passed as well.

    Raises
    ------
    ValueError
        If the class is not known or the number of weights does not follow from the configuration.
    """
    signature = signature_of(class_name)
    options = _given_options(signature, config, training)
    if class_name not in WRAPPERS:
        return LayerCall(signature.name, place_weights(class_name, config, weights), options)
    inner = config["layer"]
    half = len(weights) // 2
    parts: tuple[Sequence[Any], ...] = (weights,)
    if class_name == "Bidirectional":
        parts = (weights[:half], weights[half:]) if weights else ()
    if inner["class_name"] != WRAPPERS[class_name]:
        options["layer"] = inner["class_name"]
    options |= _given_options(signature_of(inner["class_name"]), inner["config"], training)
    if class_name == "Bidirectional":
        # Keras sets it itself, to return_sequences, and writes it into its files: whatever stands there has no effect.
        options.pop("zero_output_for_mask", None)
    placed = tuple(place_weights(inner["class_name"], inner["config"], part) for part in parts)
    return LayerCall(signature.name, placed, options)


def weight_owners(class_name: str, config: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """The layers that the weights of a layer belong to, in the order of ``get_weights()``: itself, or what it wraps.

    For each its group in the layer's own (``"forward_layer/"``; empty for the layer itself), its class and its configuration.
    """
    if class_name not in WRAPPERS:
        return [("", class_name, config)]
    halves = {"layer/": "layer"} if class_name == "TimeDistributed" else {"forward_layer/": "layer", "backward_layer/": "backward_layer"}
    inner = {group: config.get(half, config["layer"]) for group, half in halves.items()}
    return [(group, layer["class_name"], layer["config"]) for group, layer in inner.items()]


def weight_names(class_name: str, config: Mapping[str, Any]) -> list[str]:
    """Names of the weights that a layer of this configuration has, in the order of ``get_weights()``."""
    weights = signature_of(class_name).weights
    return [name for name, option in weights.items() if option is None or config.get(option, True)]


def place_weights(class_name: str, config: Mapping[str, Any], weights: Sequence[Any]) -> tuple[Any, ...]:
    """Put ``None`` where an option removed a weight and drop the trailing ones."""
    present = weight_names(class_name, config)
    if len(present) != len(weights):
        raise ValueError(f"{class_name} has the weights {present}, but {len(weights)} were given")
    by_name = dict(zip(present, weights, strict=True))
    placed = [by_name.get(name) for name in signature_of(class_name).weights]
    while placed and placed[-1] is None:
        placed.pop()
    return tuple(placed)


def _given_options(signature: Signature, config: Mapping[str, Any], training: bool) -> dict[str, Any]:
    """The options that differ from Keras's defaults, normalised."""
    defaults = {**signature.options, **(signature.training_options if training else {})}
    values = {name: _normalised(signature, name, config.get(name, default)) for name, default in defaults.items()}
    for name, other in signature.same_as.items():
        if values[name] == values[other]:
            values[name] = defaults[name]
    return {name: value for name, value in values.items() if defaults[name] is REQUIRED or value != defaults[name]}


def _normalised(signature: Signature, name: str, value: Any) -> Any:
    """One value as the contract writes it: full tuples, lower case, activations by name."""
    if value is None:
        return {"data_format": "channels_last"}.get(name, "linear" if name.endswith("activation") else None)
    if name in signature.spatial and isinstance(value, int):
        return (value,) * signature.spatial[name]
    if name == "padding":
        return value.lower()
    value = numbers_of(value)
    return tuple(value) if isinstance(value, list) else value


def numbers_of(value: Any) -> Any:
    """What an option holds that Keras wrote as a NumPy array, as nested lists; any other value as it is."""
    written = isinstance(value, dict) and value.get("class_name") == "__numpy__" and isinstance(value.get("config"), dict)
    return value["config"].get("value") if written else value
