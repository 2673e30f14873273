"""What a Keras configuration says about a model's layers, without building any of them.

:func:`layer_entries` walks the configuration of a model, in the form that ``config.json`` of a ``.keras`` archive has, and returns one
:class:`Entry` a layer: its name and its group in the weights file. Nothing is looked up by import: a class is known when it stands in
the table here or in :data:`reference.layers.LAYERS`, and every other one is refused by name, ``Lambda`` and custom classes among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from reference.layers import LAYERS, record_of
from reference.layers.identities import IDENTITIES
from reference.layers.kinds import WrapperSpec
from reference.layers.operators import OPERATORS
from reference.layers.options import Allowed, is_int, is_list
from reference.layers.shapes import Shape
from reference.layers.spec import COMMON, REQUIRED, Option
from reference.layers.text_vectorization import TEXT_VECTORIZATION
from reference.network.errors import MAX_SHOWN, ArchiveError, part, shown
from reference.network.missing import OPERATION_MODULES, described, missing_layers

MODELS = {"Sequential": "sequential", "Functional": "functional"}
INPUT_DTYPES = ("bool", "string", "bfloat16", "float16", "float32", "float64", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)))


def _is_batch_shape(value: Any) -> bool:
    return is_list(value, lambda size: size is None or is_int(size)) and len(value) > 0 and (value[0] is None or value[0] > 0)


INPUT_OPTIONS = {
    "batch_shape": Option(REQUIRED, Allowed(_is_batch_shape, "a batch_shape: a list of sizes or None")),
    "dtype": Option("float32", Allowed(lambda value: value is None or value in INPUT_DTYPES, f"one of {', '.join(INPUT_DTYPES)}")),
}
OTHER_LAYERS: dict[str, tuple[str, Mapping[str, Option]]] = {
    "InputLayer": ("input_layer", INPUT_OPTIONS),
    TEXT_VECTORIZATION.class_name: (TEXT_VECTORIZATION.name, TEXT_VECTORIZATION.options),
    **{name: (spec.name, spec.options) for name, spec in IDENTITIES.items()},
}
"""Layers that compute no arrays, or none but their input: their snake-case names and their options."""
KNOWN = {*MODELS, *OTHER_LAYERS, *LAYERS}
"""The classes that can be run."""
UNSUPPORTED = ("stateful", "sparse", "ragged", "quantization_config", "lora_rank", "renorm", "rms_scaling", "time_major")
"""Options that make a layer compute something else than its function does: refused wherever they are set."""
OF_ANY_LAYER = ("name", "dtype", "autocast", "activity_regularizer", "input_shape", "input_dim")
OF_RECURRENT = ("cell", "seed", "stateful", "unroll", "use_cudnn", "implementation")
OF_CONVOLUTIONS = ("lora_rank", "lora_alpha")
NOT_READ: dict[str, tuple[str, ...]] = {
    "InputLayer": ("sparse", "ragged", "optional", "shape", "batch_size"),
    "TextVectorization": ("encoding", "idf_weights", "ragged", "sparse", "vocabulary", "vocabulary_size", "has_input_vocabulary"),
    "Dense": ("lora_rank", "lora_alpha", "quantization_config"),
    "Embedding": ("lora_rank", "lora_alpha", "quantization_config", "input_length"),
    "BatchNormalization": ("renorm", "renorm_clipping", "renorm_momentum", "synchronized"),
    "LayerNormalization": ("rms_scaling",),
    "LeakyReLU": ("alpha",),
    **dict.fromkeys(("Conv1D", "Conv2D"), OF_CONVOLUTIONS),
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D"), ("seed",)),
    **dict.fromkeys(("SimpleRNN", "GRU"), OF_RECURRENT),
    "LSTM": (*OF_RECURRENT, "unit_forget_bias"),
    "Bidirectional": ("layer", "backward_layer"),
    "TimeDistributed": ("layer",),
}
"""What Keras takes beside the options of a record and those that go with its weights: none of it changes what the layer computes, or what
does is refused elsewhere."""
MASK_OPERATIONS = ("NotEqual", "Any", "LogicalOr", "ExpandDims", "ZerosLike", "OnesLike")
"""Operations of ``keras.src.ops.numpy`` that Keras itself adds to a functional model to carry masks; here ``ops.NotEqual``."""
OPERATIONS = (*MASK_OPERATIONS, *(kind.removeprefix("ops.") for kind in OPERATORS))
"""All that are run: those on masks, and operators between tensors."""

MODULES = ("keras", "keras.layers", "keras.models", "keras.src.models.functional", "keras.src.models.sequential")
LAYER_MODULES = "keras.src.layers."
"""Where Keras has its layers, whose files name the module ``keras.layers``; it reads the others as well."""
MASK_MODULE = "keras.src.ops.numpy"
DTYPES = ("float32", "float64")
MAX_DEPTH = 16
MAX_LAYERS = 10_000
MAX_SHARED = 16
"""How many layers of one name are looked at where it is asked which of them is meant."""


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
        In the order of ``get_weights()``; empty as long as the shape of the layer's input is not known.
    same_as : str
        The path of the first layer in the configuration that is this very layer, shared by two models; else its own.
    """

    path: str
    group: str
    class_name: str
    config: dict[str, Any]
    shapes: dict[str, Shape] = field(default_factory=dict)
    same_as: str = ""


def layer_entries(model: Mapping[str, Any]) -> list[Entry]:
    """Return an :class:`Entry` for every layer of a model's configuration, nested ones included.

    Raises
    ------
    ArchiveError
        For a class that is not known, or an option that cannot be honoured or has a value that Keras does not take.
    """
    if class_of(model, "the model") not in MODELS:
        raise ArchiveError(f"the configuration is that of a {model['class_name']}, not of a Sequential or Functional model")
    if missing := missing_layers(model, is_known, ", ".join(sorted(KNOWN))):
        raise ArchiveError(missing)
    numbers: dict[str, int] = {}
    entries = list(islice(_walk(model, "", "", 0, numbers), MAX_LAYERS + 1))
    if len(entries) > MAX_LAYERS:
        raise ArchiveError(f"the configuration describes more than {MAX_LAYERS} layers")
    return _shared(entries, numbers) if numbers else entries


def _shared(entries: list[Entry], numbers: Mapping[str, int]) -> list[Entry]:
    """The entries, with the first place of every layer that stands in several models.

    Keras numbers an object that it writes again; where the first place is in an inner model, that has lost its number, and the only layer
    of the same name and options is meant.
    """
    found: dict[tuple[str, str], list[Entry]] = {}
    result = []
    for entry in entries:
        same = found.setdefault((entry.class_name, entry.config["name"]), [])
        if entry.path in numbers:
            number, config = numbers[entry.path], _without_ids(entry.config)
            first = {one.same_as for one in same if numbers.get(one.path, number) == number and _without_ids(one.config) == config}
            entry = replace(entry, same_as=first.pop()) if len(first) == 1 else entry
        if entry.class_name in LAYERS and len(same) < MAX_SHARED:
            same.append(entry)
        result.append(entry)
    return result


def _without_ids(value: Any) -> Any:
    """A configuration without the numbers by which Keras tells that it has written one object twice."""
    if isinstance(value, dict):
        return {name: _without_ids(one) for name, one in value.items() if name != "shared_object_id"}
    return [_without_ids(one) for one in value] if isinstance(value, list) else value


def _walk(model: Mapping[str, Any], path: str, group: str, depth: int, numbers: dict[str, int]) -> Iterator[Entry]:
    """The entries of one model and of the models within it; `numbers` receives those of layers that Keras has numbered."""
    where = path.rstrip("/") or "the model"
    if depth > MAX_DEPTH:
        raise ArchiveError(f"layer {where!r}: models are nested more than {MAX_DEPTH} deep")
    layers = part(part(model, "config", dict, where), "layers", list, where)
    sequential = model["class_name"] == "Sequential"
    if not layers or (sequential and part(layers[0], "class_name", str, f"{where}: layer 0") != "InputLayer"):
        raise ArchiveError(f"{where}: the first layer is not an InputLayer: the model was saved before it was built")
    names: set[str] = set()
    used: dict[str, int] = {}
    for number, layer in enumerate(layers):
        name = _name_of(layer, names, f"{where}: layer {number}")
        class_name = class_of(layer, path + name)
        if class_name.startswith("ops."):
            continue
        if sequential and (class_name == "InputLayer") != (number == 0):
            raise ArchiveError(f"layer {path + name!r}: a Sequential model has one InputLayer, the first")
        # Groups are named by the class and numbered per class, and Sequential models leave their InputLayer out.
        snake = MODELS.get(class_name) or (OTHER_LAYERS[class_name][0] if class_name in OTHER_LAYERS else LAYERS[class_name].name)
        if not (sequential and class_name == "InputLayer"):
            used[snake] = used.get(snake, -1) + 1
        own_group = f"{group}layers/{snake}" + (f"_{used[snake]}" if used.get(snake) else "")
        _check_options(class_name, layer["config"], path + name)
        entry = Entry(path + name, own_group, class_name, layer["config"], same_as=path + name)
        if class_name in LAYERS and is_int(shared := layer.get("shared_object_id"), highest=2**64):
            numbers[entry.path] = shared
        yield entry
        if class_name in MODELS:
            yield from _walk(layer, f"{path}{name}/", f"{own_group}/", depth + 1, numbers)


def _name_of(layer: Mapping[str, Any], names: set[str], where: str) -> str:
    """The name of a layer, which must be new among `names`."""
    name = part(layer, "config", dict, where).get("name")
    usable = isinstance(name, str) and 0 < len(name) <= MAX_SHOWN and name.isprintable() and "/" not in name and name.strip(".")
    if not usable or name in names or layer.get("name", name) != name:
        raise ArchiveError(f"{where}: {shown(name)} is not a usable layer name (a printable text without '/', used once)")
    names.add(name)
    return str(name)


def kind_of(layer: Mapping[str, Any]) -> str:
    """The class of a serialised layer; an operation, which may be named like a layer, is ``ops.NotEqual``."""
    operation = layer.get("module") == MASK_MODULE and layer["class_name"] in OPERATIONS
    return f"ops.{layer['class_name']}" if operation else str(layer["class_name"])


def is_known(layer: Mapping[str, Any]) -> bool:
    """Whether a serialised layer is of a class, or an operation, that can be run."""
    kind = kind_of(layer)
    return kind.startswith("ops.") or (kind in KNOWN and not str(layer.get("module")).startswith(OPERATION_MODULES))


def class_of(layer: Mapping[str, Any], where: str) -> str:
    """Return the class of a serialised layer if it is a known class of Keras; ``ArchiveError`` names any other."""
    class_name, module, registered = part(layer, "class_name", str, f"layer {where!r}"), layer.get("module"), layer.get("registered_name")
    kind = kind_of(layer)
    if not is_known(layer):
        title = described({"config": {}, **layer})
        raise ArchiveError(f"layer {where!r}: {title} is not supported; supported are {', '.join(sorted(KNOWN))}")
    operation = kind.startswith("ops.")
    own = module == MASK_MODULE if operation else module in MODULES or (kind not in MODELS and str(module).startswith(LAYER_MODULES))
    if not own or registered not in (None, class_name):
        raise ArchiveError(
            f"layer {where!r}: {shown(class_name)} of module {shown(module)}, registered as {shown(registered)}, is not Keras's own; "
            "custom classes are not supported"
        )
    return kind


def _check_options(class_name: str, config: Mapping[str, Any], where: str) -> None:
    """The options of a layer and of what it wraps."""
    check_options(class_name, config, where)
    wrapper = LAYERS.get(class_name)
    if isinstance(wrapper, WrapperSpec):
        part(config, "layer", dict, f"layer {where!r}")
        _check_wrapped(wrapper, config, where)


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
    options = _options_of(class_name)
    for name, option in options.items():
        if option.default is REQUIRED and name not in config:
            raise ArchiveError(f"layer {where!r}: {class_name} has no {name}")
    for name, value in config.items():
        known = options.get(name)
        if known and known.allowed and not known.allowed.fits(value):
            raise ArchiveError(f"layer {where!r}: {name} is {shown(value)}, not {known.allowed.words}")
    unknown = [name for name in config if name not in options and name not in unread_options(class_name)]
    if unknown and class_name not in (*MODELS, *IDENTITIES, "InputLayer"):  # an InputLayer takes anything
        raise ArchiveError(f"layer {where!r}: {class_name} has no option {', '.join(map(shown, unknown))}{_near(unknown[0], class_name)}")


def _options_of(class_name: str) -> Mapping[str, Option]:
    """The options of a class that are read."""
    own = OTHER_LAYERS[class_name][1] if class_name in OTHER_LAYERS else LAYERS[class_name].options if class_name in LAYERS else {}
    return {**own, **COMMON}


def unread_options(class_name: str) -> set[str]:
    """The options of a class that are taken and not read, since they change nothing of what is computed."""
    weights = LAYERS[class_name].weights if class_name in LAYERS else {}
    of_weights = {
        f"{weight.prefix or name}_{what}"
        for name, weight in weights.items()
        for what in ("initializer", *(("regularizer", "constraint") if weight.trained else ()))
    }
    return {*OF_ANY_LAYER, *NOT_READ.get(class_name, ()), *of_weights}


def _near(name: str, class_name: str) -> str:
    """The option that was meant, if one has nearly that name."""
    from difflib import get_close_matches  # here, because only this message needs it

    near = get_close_matches(name, [*_options_of(class_name), *unread_options(class_name)], 1)
    return f"; it has {near[0]}" if near else ""


def _check_wrapped(wrapper: WrapperSpec, config: Mapping[str, Any], where: str) -> None:
    """What is wrapped can be run by one call: both halves the same layer, a step's layer with one input and one output."""
    class_name, allowed = wrapper.class_name, wrapper.wrappable()
    halves = []
    for half in ("layer", "backward_layer"):
        inner = config.get(half, config["layer"])
        part(inner, "config", dict, f"layer '{where}/{half}'")
        if class_of(inner, f"{where}/{half}") not in allowed:
            raise ArchiveError(f"layer {where!r}: {half} is a {inner['class_name']}; {class_name} takes {', '.join(allowed)}")
        _check_options(inner["class_name"], inner["config"], f"{where}/{half}")
        spec = LAYERS[inner["class_name"]]
        names = spec.weight_names(inner["config"])
        options = spec.call(inner["config"], [None] * len(names)).options
        halves.append((inner["class_name"], names, {k: v for k, v in options.items() if k != "go_backwards"}))
    if halves[0] != halves[1]:
        raise ArchiveError(f"layer {where!r}: layer and backward_layer have different options, which is not supported")
    inner = config["layer"]["config"]
    if len(wrapper.halves) == 1 and LAYERS[config["layer"]["class_name"]].output_count(inner) > 1:
        raise ArchiveError(f"layer {where!r}: return_state inside {class_name} is not supported")


def model_dtype(entries: list[Entry]) -> str:
    """Return the one dtype in which all layers of a model compute; ``ArchiveError`` for mixed or low precision."""
    found: dict[str, str] = {}
    for entry in entries:
        if record_of(entry.class_name) not in (None, TEXT_VECTORIZATION):
            inner = [entry.config[half] for half in ("layer", "backward_layer") if half in entry.config]
            for config in (entry.config, *(half["config"] for half in inner)):
                policy, where = config.get("dtype") or "float32", f"layer {entry.path!r}: dtype"
                dtype = policy if isinstance(policy, str) else part(part(policy, "config", dict, where), "name", str, where)
                if dtype not in DTYPES:
                    allowed = " and ".join(DTYPES)
                    raise ArchiveError(f"layer {entry.path!r}: dtype {shown(dtype)} is not supported, only {allowed}")
                found.setdefault(dtype, entry.path)
    if len(found) > 1:
        raise ArchiveError(f"layers of different dtype are not supported: {found}")
    return next(iter(found), "float32")
