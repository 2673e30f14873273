"""What a Keras configuration says about a model's layers, without building any of them.

:func:`layer_entries` walks the ``config.json`` of a ``.keras`` archive and returns one :class:`Entry` a layer: its
name, its group in the weights file and the shapes of its weights. Nothing is looked up by import: a class is known
when it stands in one of the tables here or in :data:`reference.calls.SIGNATURES`, and every other one is refused by
name, ``Lambda`` and custom classes among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from reference.calls import SIGNATURES, WRAPPERS, layer_call, weight_names

Shape = tuple[int | None, ...]
"""The shape of a weight; ``None`` where the configuration does not say."""

MODELS = {"Sequential": "sequential", "Functional": "functional"}
OTHER_LAYERS = {"InputLayer": "input_layer", "TextVectorization": "text_vectorization"}
MASK_OPERATIONS = ("NotEqual", "Any")
"""Operations of ``keras.src.ops.numpy`` that Keras itself adds to a functional model to carry masks."""

MODULES = ("keras", "keras.layers", "keras.models", "keras.src.models.functional", "keras.src.models.sequential")
MASK_MODULE = "keras.src.ops.numpy"
DTYPES = ("float32", "float64")
MAX_PARAMETERS = 2**28
MAX_DEPTH = 16
MAX_LAYERS = 10_000


class ArchiveError(ValueError):
    """A ``.keras`` archive that cannot be read; the sentence names the file and the member or layer."""


@dataclass(frozen=True)
class Entry:
    """One layer of an archive.

    Attributes
    ----------
    path : str
        Names of the enclosing models (without the outermost) and of the layer, joined by ``/``.
    group : str
        Its group in the weights file.
    class_name, config
        As in ``config.json``.
    shapes : mapping of dataset (below the group) to shape
        In the order of ``get_weights()``.
    """

    path: str
    group: str
    class_name: str
    config: dict[str, Any]
    shapes: dict[str, Shape]


def layer_entries(model: Mapping[str, Any]) -> list[Entry]:
    """Return an :class:`Entry` for every layer of a model's configuration, nested ones included.

    Raises
    ------
    ArchiveError
        For a class that is not known, an option that cannot be honoured, or a configuration that implies too many
        parameters.
    """
    if class_of(model, "the model") not in MODELS:
        raise ArchiveError(f"config.json describes a {model['class_name']!r}, not a Sequential or Functional model")
    entries = list(islice(_walk(model, "", "", 0), MAX_LAYERS + 1))
    if len(entries) > MAX_LAYERS:
        raise ArchiveError(f"config.json describes more than {MAX_LAYERS} layers")
    sizes = {entry.path: sum(math.prod(d or 1 for d in shape) for shape in entry.shapes.values()) for entry in entries}
    parameters = sum(sizes.values())
    if parameters > MAX_PARAMETERS:
        raise ArchiveError(
            f"layer {max(sizes, key=lambda path: sizes[path])!r}: the configuration implies {_amount(parameters)} "
            f"parameters, more than the {MAX_PARAMETERS} allowed"
        )
    return entries


def _walk(model: Mapping[str, Any], path: str, group: str, depth: int) -> Iterator[Entry]:
    """The entries of one model and of the models within it."""
    where = path.rstrip("/") or "the model"
    if depth > MAX_DEPTH:
        raise ArchiveError(f"layer {where!r}: models are nested more than {MAX_DEPTH} deep")
    layers = model["config"]["layers"]
    sequential = model["class_name"] == "Sequential"
    if not layers or (sequential and layers[0].get("class_name") != "InputLayer"):
        raise ArchiveError(f"{where}: the first layer is not an InputLayer: the model was saved before it was built")
    names: set[str] = set()
    used: dict[str, int] = {}
    for number, layer in enumerate(layers):
        name = layer["config"]["name"]
        printable = isinstance(name, str) and name != "" and name.isprintable()
        if not printable or "/" in name or name in names or layer.get("name", name) != name:
            raise ArchiveError(f"{where}: {name!r} is not a usable layer name (a printable text without '/', used once)")
        names.add(name)
        class_name = class_of(layer, path + name)
        if class_name in MASK_OPERATIONS:
            continue
        if sequential and (class_name == "InputLayer") != (number == 0):
            raise ArchiveError(f"layer {path + name!r}: a Sequential model has one InputLayer, the first")
        # Groups are named by the class and numbered per class, and Sequential models leave their InputLayer out.
        snake = MODELS.get(class_name) or OTHER_LAYERS.get(class_name) or SIGNATURES[class_name].name
        if not (sequential and class_name == "InputLayer"):
            used[snake] = used.get(snake, -1) + 1
        own_group = f"{group}layers/{snake}" + (f"_{used[snake]}" if used.get(snake) else "")
        check_options(class_name, layer["config"], path + name)
        shapes = weight_shapes(layer, path + name) if class_name in SIGNATURES else {}
        yield Entry(path + name, own_group, class_name, layer["config"], shapes)
        if class_name in MODELS:
            yield from _walk(layer, f"{path}{name}/", f"{own_group}/", depth + 1)


def class_of(layer: Mapping[str, Any], where: str) -> str:
    """Return the class of a serialised layer if it is a known class of Keras; ``ArchiveError`` names any other."""
    class_name, module, registered = layer["class_name"], layer.get("module"), layer.get("registered_name")
    known = {*MODELS, *OTHER_LAYERS, *MASK_OPERATIONS, *SIGNATURES}
    if class_name not in known:
        names = ", ".join(sorted(known))
        raise ArchiveError(f"layer {where!r}: class {class_name!r} is not supported; supported are {names}")
    modules = (MASK_MODULE,) if class_name in MASK_OPERATIONS else MODULES
    if module not in modules or registered not in (None, class_name):
        raise ArchiveError(
            f"layer {where!r}: {class_name!r} of module {module!r}, registered as {registered!r}, is not Keras's own; "
            "custom classes are not supported"
        )
    return str(class_name)


def check_options(class_name: str, config: Mapping[str, Any], where: str) -> None:
    """Refuse options that would make a layer compute something else than its function does."""
    for name, value in config.items():
        if name in ("activation", "recurrent_activation", "standardize", "split") and not isinstance(value, str | None):
            raise ArchiveError(f"layer {where!r}: {name} is not a name; custom functions are not supported")
    for name in ("stateful", "sparse", "ragged", "quantization_config", "lora_rank"):
        if config.get(name):
            raise ArchiveError(f"layer {where!r}: {name}={config[name]!r} is not supported")
    if class_name == "TextVectorization" and config.get("output_mode", "int") == "tf_idf":
        raise ArchiveError(f"layer {where!r}: output_mode='tf_idf' is not supported")
    if class_name == "InputLayer":
        shape = config.get("batch_shape")
        if not isinstance(shape, list) or not shape or not all(_is_dimension(d) for d in shape):
            raise ArchiveError(f"layer {where!r}: {shape!r} is not a batch_shape")
    if class_name in WRAPPERS:
        _check_wrapped(config, where)


def _check_wrapped(config: Mapping[str, Any], where: str) -> None:
    """Both halves of a wrapper must be the same layer, run in opposite directions: one call describes them."""
    halves = []
    for half in ("layer", "backward_layer"):
        inner = config.get(half, config["layer"])
        if class_of(inner, f"{where}/{half}") not in ("LSTM", "GRU", "SimpleRNN"):
            raise ArchiveError(f"layer {where!r}: {half} is a {inner['class_name']}, not a recurrent layer")
        check_options(inner["class_name"], inner["config"], f"{where}/{half}")
        names = weight_names(inner["class_name"], inner["config"])
        options = layer_call(inner["class_name"], inner["config"], [None] * len(names)).options
        halves.append((inner["class_name"], names, {k: v for k, v in options.items() if k != "go_backwards"}))
    if halves[0] != halves[1]:
        raise ArchiveError(f"layer {where!r}: layer and backward_layer have different options, which is not supported")


def model_dtype(model: Mapping[str, Any], entries: list[Entry]) -> str:
    """Return the one dtype in which all layers of a model compute; ``ArchiveError`` for mixed or low precision."""
    found: dict[str, str] = {}
    for entry in entries:
        if entry.class_name in SIGNATURES:
            inner = [entry.config[half] for half in ("layer", "backward_layer") if half in entry.config]
            for config in (entry.config, *(half["config"] for half in inner)):
                policy = config.get("dtype") or "float32"
                dtype = policy if isinstance(policy, str) else policy["config"]["name"]
                if dtype not in DTYPES:
                    allowed = " and ".join(DTYPES)
                    raise ArchiveError(f"layer {entry.path!r}: dtype {dtype!r} is not supported, only {allowed}")
                found.setdefault(dtype, entry.path)
    if len(found) > 1:
        raise ArchiveError(f"layers of different dtype are not supported: {found}")
    return next(iter(found), "float32")


def weight_shapes(layer: Mapping[str, Any], where: str) -> dict[str, Shape]:
    """Return the datasets of a layer below its group and the shape that its configuration implies for each."""
    class_name, config = layer["class_name"], layer["config"]
    input_shape = _input_shape(layer)
    if class_name not in WRAPPERS:
        prefix = "cell/" if class_name in ("LSTM", "GRU", "SimpleRNN") else ""
        return _own_shapes(class_name, config, input_shape, prefix, where)
    forward, backward = config["layer"], config.get("backward_layer", config["layer"])
    return {
        **_own_shapes(forward["class_name"], forward["config"], input_shape, "forward_layer/cell/", where),
        **_own_shapes(backward["class_name"], backward["config"], input_shape, "backward_layer/cell/", where),
    }


def _own_shapes(
    class_name: str, config: Mapping[str, Any], input_shape: Shape | None, prefix: str, where: str
) -> dict[str, Shape]:
    """The datasets and shapes of a layer that wraps no other."""
    names = weight_names(class_name, config)
    if not names:
        return {}
    if class_name not in _SHAPES:
        raise ArchiveError(f"layer {where!r}: the weight shapes of class {class_name!r} are not known to the reader")
    try:
        shapes = _SHAPES[class_name](config, input_shape or ())
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        cause = f"{type(error).__name__}: {str(error)[:120]}"
        raise ArchiveError(f"layer {where!r}: no weight shapes follow from its configuration ({cause})") from None
    return {f"{prefix}vars/{index}": shapes[name] for index, name in enumerate(names)}


def _input_shape(layer: Mapping[str, Any]) -> Shape | None:
    """The shape of the first input, as far as the archive says it."""
    build = layer.get("build_config") or {}
    shape = build.get("input_shape")
    if shape is None:
        shape = next(iter((build.get("shapes_dict") or {}).values()), None)
    if isinstance(shape, list) and shape and isinstance(shape[0], list):
        shape = shape[0]
    return tuple(shape) if isinstance(shape, list) and all(_is_dimension(d) for d in shape) else None


def _dense(config: Mapping[str, Any], input_shape: Shape) -> dict[str, Shape]:
    units = _count(config, "units")
    return {"kernel": (_axis(input_shape, -1), units), "bias": (units,)}


def _embedding(config: Mapping[str, Any], input_shape: Shape) -> dict[str, Shape]:
    return {"embeddings": (_count(config, "input_dim"), _count(config, "output_dim"))}


def _conv2d(config: Mapping[str, Any], input_shape: Shape) -> dict[str, Shape]:
    filters, groups, size = _count(config, "filters"), _count({"groups": 1, **config}, "groups"), config["kernel_size"]
    kernel = [size] * 2 if isinstance(size, int) else size
    if len(kernel) != 2 or not all(_is_dimension(k) and k for k in kernel):
        raise ValueError(f"kernel_size {size!r}")
    channels = _axis(input_shape, 1 if config.get("data_format") == "channels_first" else -1)
    return {"kernel": (*kernel, None if channels is None else channels // groups, filters), "bias": (filters,)}


def _lstm(config: Mapping[str, Any], input_shape: Shape) -> dict[str, Shape]:
    units = _count(config, "units")
    return {"kernel": (_axis(input_shape, -1), 4 * units), "recurrent_kernel": (units, 4 * units), "bias": (4 * units,)}


_SHAPES: dict[str, Callable[[Mapping[str, Any], Shape], dict[str, Shape]]] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "Conv2D": _conv2d,
    "LSTM": _lstm,
}


def _is_dimension(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _count(config: Mapping[str, Any], name: str) -> int:
    value = config[name]
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} is {value!r}")
    return value


def _axis(shape: Shape, axis: int) -> int | None:
    return shape[axis] if shape else None


def _amount(number: int) -> str:
    """A count as text; one of hundreds of digits, which only a hostile file has, by its size."""
    return str(number) if number < 10**18 else "more than 10**18"
