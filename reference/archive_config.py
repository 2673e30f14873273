"""What a Keras configuration says about a model's layers, without building any of them.

:func:`layer_entries` walks the ``config.json`` of a ``.keras`` archive and returns one :class:`Entry` a layer: its
name, its group in the weights file and the shapes of its weights. Nothing is looked up by import: a class is known
when it stands in one of the tables here or in :data:`reference.calls.SIGNATURES`, and every other one is refused by
name, ``Lambda`` and custom classes among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from reference.calls import RECURRENT_CLASSES, SIGNATURES, WRAPPERS, layer_call, weight_names
from reference.shapes import Shape, is_dimension, weight_shapes

MODELS = {"Sequential": "sequential", "Functional": "functional"}
OTHER_LAYERS = {"InputLayer": "input_layer", "TextVectorization": "text_vectorization"}
MASK_OPERATIONS = ("NotEqual", "Any", "LogicalOr", "ExpandDims", "ZerosLike", "OnesLike", "Concatenate")
"""Operations of ``keras.src.ops.numpy`` that Keras itself adds to a functional model to carry masks; here ``ops.NotEqual``."""

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
        if class_name.startswith("ops."):
            continue
        if sequential and (class_name == "InputLayer") != (number == 0):
            raise ArchiveError(f"layer {path + name!r}: a Sequential model has one InputLayer, the first")
        # Groups are named by the class and numbered per class, and Sequential models leave their InputLayer out.
        snake = MODELS.get(class_name) or OTHER_LAYERS.get(class_name) or SIGNATURES[class_name].name
        if not (sequential and class_name == "InputLayer"):
            used[snake] = used.get(snake, -1) + 1
        own_group = f"{group}layers/{snake}" + (f"_{used[snake]}" if used.get(snake) else "")
        check_options(class_name, layer["config"], path + name)
        shapes = dataset_shapes(layer, path + name) if class_name in SIGNATURES else {}
        yield Entry(path + name, own_group, class_name, layer["config"], shapes)
        if class_name in MODELS:
            yield from _walk(layer, f"{path}{name}/", f"{own_group}/", depth + 1)


def kind_of(layer: Mapping[str, Any]) -> str:
    """The class of a serialised layer; an operation, which may be named like a layer, is ``ops.NotEqual``."""
    operation = layer.get("module") == MASK_MODULE and layer["class_name"] in MASK_OPERATIONS
    return f"ops.{layer['class_name']}" if operation else str(layer["class_name"])


def class_of(layer: Mapping[str, Any], where: str) -> str:
    """Return the class of a serialised layer if it is a known class of Keras; ``ArchiveError`` names any other."""
    class_name, module, registered = layer["class_name"], layer.get("module"), layer.get("registered_name")
    kind = kind_of(layer)
    known = {*MODELS, *OTHER_LAYERS, *SIGNATURES}
    if class_name not in known and not kind.startswith("ops."):
        names = ", ".join(sorted(known))
        raise ArchiveError(f"layer {where!r}: class {class_name!r} is not supported; supported are {names}")
    modules = (MASK_MODULE,) if kind.startswith("ops.") else MODULES
    if module not in modules or registered not in (None, class_name):
        raise ArchiveError(
            f"layer {where!r}: {class_name!r} of module {module!r}, registered as {registered!r}, is not Keras's own; "
            "custom classes are not supported"
        )
    return kind


def check_options(class_name: str, config: Mapping[str, Any], where: str) -> None:
    """Refuse options that would make a layer compute something else than its function does."""
    for name, value in config.items():
        if name in ("activation", "recurrent_activation", "standardize", "split") and not isinstance(value, str | None):
            raise ArchiveError(f"layer {where!r}: {name} is not a name; custom functions are not supported")
    for name in ("stateful", "sparse", "ragged", "quantization_config", "lora_rank", "renorm"):
        if config.get(name):
            raise ArchiveError(f"layer {where!r}: {name}={config[name]!r} is not supported")
    if class_name == "TextVectorization" and config.get("output_mode", "int") == "tf_idf":
        raise ArchiveError(f"layer {where!r}: output_mode='tf_idf' is not supported")
    if class_name == "InputLayer":
        shape = config.get("batch_shape")
        if not isinstance(shape, list) or not shape or not all(is_dimension(d) for d in shape):
            raise ArchiveError(f"layer {where!r}: {shape!r} is not a batch_shape")
    if class_name in WRAPPERS:
        _check_wrapped(class_name, config, where)


def _check_wrapped(class_name: str, config: Mapping[str, Any], where: str) -> None:
    """What is wrapped can be run by one call: both halves the same layer, a step's layer with one input and one output."""
    allowed = [name for name in SIGNATURES if name not in WRAPPERS and not SIGNATURES[name].merges]
    if class_name == "Bidirectional":
        allowed = list(RECURRENT_CLASSES)
    halves = []
    for half in ("layer", "backward_layer"):
        inner = config.get(half, config["layer"])
        if class_of(inner, f"{where}/{half}") not in allowed:
            raise ArchiveError(f"layer {where!r}: {half} is a {inner['class_name']}; {class_name} takes {', '.join(allowed)}")
        check_options(inner["class_name"], inner["config"], f"{where}/{half}")
        names = weight_names(inner["class_name"], inner["config"])
        options = layer_call(inner["class_name"], inner["config"], [None] * len(names)).options
        halves.append((inner["class_name"], names, {k: v for k, v in options.items() if k != "go_backwards"}))
    if halves[0] != halves[1]:
        raise ArchiveError(f"layer {where!r}: layer and backward_layer have different options, which is not supported")
    if class_name == "TimeDistributed" and config["layer"]["config"].get("return_state"):
        raise ArchiveError(f"layer {where!r}: return_state inside TimeDistributed is not supported")


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


def dataset_shapes(layer: Mapping[str, Any], where: str) -> dict[str, Shape]:
    """The datasets of a layer below its group, and the shape that its configuration implies for each."""
    try:
        return dict(_datasets(layer["class_name"], layer["config"], _input_shape(layer) or (), ""))
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        cause = f"{type(error).__name__}: {str(error)[:120]}"
        raise ArchiveError(f"layer {where!r}: no weight shapes follow from its configuration ({cause})") from None


def _datasets(class_name: str, config: Mapping[str, Any], input_shape: Shape, prefix: str) -> Iterator[tuple[str, Shape]]:
    if class_name in WRAPPERS:
        both = class_name == "Bidirectional"
        for half in ("layer", "backward_layer")[: 1 + both]:
            inner = config.get(half, config["layer"])
            group = "backward_layer/" if half == "backward_layer" else "forward_layer/" if both else "layer/"
            step = input_shape if both else (*input_shape[:1], *input_shape[2:])
            yield from _datasets(inner["class_name"], inner["config"], step, prefix + group)
        return
    cell = "cell/" if class_name in RECURRENT_CLASSES else ""
    for index, shape in enumerate(weight_shapes(class_name, config, input_shape).values()):
        yield f"{prefix}{cell}vars/{index}", shape


def _input_shape(layer: Mapping[str, Any]) -> Shape | None:
    """The shape of the first input, as far as the archive says it."""
    build = layer.get("build_config") or {}
    shape = build.get("input_shape")
    if shape is None:
        shape = next(iter((build.get("shapes_dict") or {}).values()), None)
    if isinstance(shape, list) and shape and isinstance(shape[0], list):
        shape = shape[0]
    return tuple(shape) if isinstance(shape, list) and all(is_dimension(d) for d in shape) else None


def _amount(number: int) -> str:
    """A count as text; one of hundreds of digits, which only a hostile file has, by its size."""
    return str(number) if number < 10**18 else "more than 10**18"
