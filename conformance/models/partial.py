"""The part of a model's file that can be read where not all of it is: every layer whose inputs can be computed.

The configuration is cut at what the reader refuses, a layer or one call of it; what takes something of it goes as well. The part is a
model of its own, whose outputs are those of the whole that are left, and all that goes into what is cut away. Nothing of a refused layer
is made, and its weights are not opened.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

from reference.network.assembly import Description, describe
from reference.network.config import MASK_OPERATIONS, MODELS, Entry, layer_entries
from reference.network.errors import ArchiveError, malformed
from reference.saving.reader import Archive, read_archive

Node = tuple[str, int]
Tensor = tuple[str, int, int]
"""Name of a layer, number of its call, number of the output."""

NOTHING_LEFT = "no layer can be computed without those that are refused"
SUPPORTED = re.compile(r"; supported are .*", re.DOTALL)


@dataclass(frozen=True)
class Refused:
    """A layer that the reader refuses, by its path and class, and why."""

    path: str
    class_name: str
    why: str


class PartError(ArchiveError):
    """Nothing of a file can be read; `part` tells which layers are missing, as far as that is known."""

    def __init__(self, sentence: str, part: Part) -> None:
        super().__init__(sentence)
        self.part = part


@dataclass
class Part:
    """What was cut away: the layers that are refused, and those that are not but take something of them.

    `deep` says whether models within the model are cut as well, or left out whole; legacy files keep the weights of one in a single row.
    """

    deep: bool = True
    refused: tuple[Refused, ...] = ()
    after: tuple[str, ...] = ()

    def __call__(self, whole: Any) -> Description:
        """Look through a configuration, all of it if that can be, and note what is not in the description."""
        with malformed("not the configuration of a Keras model"):
            refused = [one for layer in whole["config"]["layers"] for one in _refused(layer)]
            config, extra, cut = _with_parts(whole, {one.path for one in refused}, self.deep)
            graph = _Graph(config, extra)
            gone = {node for node in graph.takes if node[0] in cut}
            found, part = None, graph.part(graph.computable(gone))
            while part and found is None:
                kept = graph.computable(gone)
                try:
                    found = describe(part)
                except ArchiveError as error:
                    culprit, why = graph.first_refused(kept, error)
                    gone.add(culprit)
                    refused.append(Refused(culprit[0], graph.layers[culprit[0]]["class_name"], _alone(culprit[0], why)))
                    part = graph.part(graph.computable(gone))
            left = {*(_paths(part) if part else ()), *(one.path for one in refused)}
            self.refused, self.after = tuple(refused), tuple(path for path in _paths(whole) if path not in left)
            if found is None or part is None:
                raise ArchiveError(NOTHING_LEFT)
            return _with_groups(found, whole)


def read_part(path: Path, weights: Path | None = None) -> tuple[Archive, Part]:
    """Read all of a file that can be.

    Raises
    ------
    PartError
        If nothing can; it has the part, which tells what is missing.
    """
    for part in (Part(), Part(deep=False)):
        try:
            return read_archive(path, weights, part), part
        except ArchiveError as error:
            failure = PartError(str(error), part)
    raise failure


def _refused(layer: Mapping[str, Any], prefix: str = "") -> Iterator[Refused]:
    """The layers that are refused for what they are, those within models and not these."""
    name, class_name = layer["config"]["name"], layer["class_name"]
    if class_name in MODELS and isinstance(layer["config"].get("layers"), list):
        inner = [one for part in layer["config"]["layers"] for one in _refused(part, f"{prefix}{name}/")]
        if inner:
            yield from inner
            return
    try:
        layer_entries({"class_name": "Functional", "module": "keras", "config": {"name": "part", "layers": [layer]}})
    except ArchiveError as error:
        yield Refused(prefix + name, class_name, _alone(name, str(error)))


def _alone(name: str, sentence: str) -> str:
    """A refusal without the name of the layer before it, and without the list of all classes that there are."""
    return SUPPORTED.sub("", sentence.removeprefix(f"layer {name!r}: "))


def _with_parts(model: Mapping[str, Any], refused: set[str], deep: bool) -> tuple[Mapping[str, Any], dict[str, list[int]], set[str]]:
    """The configuration with models cut that have something refused within.

    Returns
    -------
    model : mapping
        In its calls, an output of such a model that is not there any more has the number -1.
    extra : mapping of name to numbers
        The outputs that a model has instead: what goes into what is refused.
    cut : set of str
        The names of the layers that are refused, and of models of which nothing is left.
    """
    extra: dict[str, list[int]] = {}
    cut = {path for path in refused if "/" not in path}
    for name in dict.fromkeys(path.split("/")[0] for path in sorted(refused) if "/" in path):
        layers = {layer["config"]["name"]: layer for layer in model["config"]["layers"]}
        inside = {path.partition("/")[2] for path in refused if path.startswith(f"{name}/")}
        inner, its_extra, its_cut = _with_parts(layers[name], inside, deep)
        graph = _Graph(inner, its_extra)
        kept = graph.computable({node for node in graph.takes if node[0] in its_cut})
        part = graph.part(kept) if deep else None
        if part is None or part["config"].get("input_layers") != inner["config"].get("input_layers"):
            cut.add(name)
            continue
        outputs, before = graph.outputs_of(kept), graph.own_outputs()
        places = {number: outputs.index(one) for number, one in enumerate(before) if one in outputs}
        extra[name] = [number for number in range(len(outputs)) if number not in places.values()]
        changed = [{**layer, "config": part["config"]} if layer["config"]["name"] == name else layer for layer in model["config"]["layers"]]
        model = _redirected(_as_functional({**model, "config": {**model["config"], "layers": changed}}), name, places)
    return model, extra, cut


def _as_functional(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """A Sequential model as the functional one that it is."""
    if model["class_name"] != "Sequential":
        return model
    layers = model["config"]["layers"]
    names = [layer["config"]["name"] for layer in layers]
    nodes = [[], *([{"args": [_tensor(name, 0, 0)], "kwargs": {}}] for name in names)]
    called = [{**layer, "name": name, "inbound_nodes": own} for layer, name, own in zip(layers, names, nodes, strict=False)]
    last = [names[-1], int(layers[-1]["class_name"] == "Functional"), 0]
    config = {"name": model["config"]["name"], "trainable": True, "layers": called, "input_layers": [names[0], 0, 0], "output_layers": last}
    return {**model, "class_name": "Functional", "module": "keras.src.models.functional", "registered_name": None, "config": config}


def _tensor(name: str, number: int, output: int) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, number, output]}}


def _redirected(model: Mapping[str, Any], name: str, places: Mapping[int, int]) -> Mapping[str, Any]:
    """The outputs of a layer by other numbers, -1 where one is gone, in all that takes them."""

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: moved(one) for key, one in value.items()}
        if not isinstance(value, list):
            return value
        if len(value) == 3 and value[0] == name and isinstance(value[1], int) and isinstance(value[2], int):
            return [*value[:2], places.get(value[2], -1)]
        return [moved(one) for one in value]

    config = model["config"]
    layers = [{**layer, "inbound_nodes": moved(layer["inbound_nodes"])} for layer in config["layers"]]
    return {**model, "config": {**config, "layers": layers, "output_layers": moved(config["output_layers"])}}


class _Graph:
    """The calls of a configuration, what each takes, and which outputs models have beside those that are taken."""

    def __init__(self, model: Mapping[str, Any], extra: Mapping[str, Sequence[int]]) -> None:
        self.model, self.extra = model, extra
        self.layers = {layer["config"]["name"]: layer for layer in model["config"]["layers"]}
        self.inputs = [name for name, layer in self.layers.items() if layer["class_name"] == "InputLayer"]
        self.sequential = model["class_name"] == "Sequential"
        takes: dict[Node, list[Tensor]] = {}
        if self.sequential:
            names = list(self.layers)
            takes = {(name, 0): [(before, 0, 0)] for before, name in pairwise(names)}
        else:
            for name, layer in self.layers.items():
                nodes = enumerate(layer["inbound_nodes"])
                takes |= {(name, number): list(_tensors([node["args"], node["kwargs"]])) for number, node in nodes}
        order = TopologicalSorter({node: [tensor[:2] for tensor in taken] for node, taken in takes.items()}).static_order()
        self.takes = {node: takes[node] for node in order if node in takes}

    def computable(self, cut: set[Node]) -> list[Node]:
        """The calls that need nothing of those that are cut, in an order in which they can be run."""
        there: set[Node] = {(name, 0) for name in self.inputs}
        for node, taken in self.takes.items():
            if node not in cut and all(tensor[:2] in there and tensor[2] >= 0 for tensor in taken):
                there.add(node)
        return [node for node in self.takes if node in there]

    def first_refused(self, kept: Sequence[Node], error: ArchiveError) -> tuple[Node, str]:
        """The first call that a description of all up to it is refused for, and the sentence."""
        low, high, said = 0, len(kept), str(error)
        while high - low > 1:
            middle = (low + high) // 2
            part = self.part(kept[:middle])
            try:
                if part:
                    describe(part)
                low = middle
            except ArchiveError as refusal:
                high, said = middle, str(refusal)
        return kept[high - 1], said

    def part(self, kept: Sequence[Node]) -> dict[str, Any] | None:
        """The configuration of these calls alone; None where nothing is left."""
        config = self.model["config"]
        if self.sequential:
            layers = config["layers"][: len(kept) + 1]
            return {**self.model, "config": {**config, "layers": layers}} if kept else None
        outputs = self.outputs_of(kept)
        if not outputs:
            return None
        needed = self._needed(outputs)
        numbers: dict[Node, int] = {}
        for name, number in sorted(needed):
            numbers[name, number] = sum(other[0] == name for other in numbers)
        called = {name for name, _ in needed}
        layers = [self._layer(layer, name, numbers) for name, layer in self.layers.items() if name in called]
        ends = [self._end(one, numbers) for one in outputs]
        starts = [one for one in self._outputs(config["input_layers"], inputs=True) if one[:2] in needed]
        whole = len(starts) == len(self.inputs)
        inputs = config["input_layers"] if whole else starts[0] if len(starts) == 1 else [list(one) for one in starts]
        changed = {"layers": layers, "input_layers": inputs, "output_layers": ends[0] if len(ends) == 1 else ends}
        return {**self.model, "config": {**config, **changed}}

    def own_outputs(self) -> list[Tensor]:
        """Those that the model has as a whole."""
        if self.sequential:
            return [(*list(self.takes)[-1], 0)]
        return self._outputs(self.model["config"]["output_layers"])

    def outputs_of(self, kept: Sequence[Node]) -> list[Tensor]:
        """The outputs of a part: those of the whole that are left, what goes into what is cut, and what models have instead of others."""
        there = set(kept)
        if self.sequential:
            return [(*kept[-1], 0)] if kept else []
        outputs = [one for one in self.own_outputs() if one[:2] in there and one[2] >= 0]
        for node, taken in self.takes.items():
            if node not in there:
                outputs += [one for one in taken if one[:2] in there and one[2] >= 0 and not _carries_masks(self.layers[one[0]])]
        outputs += [(*node, number) for node in kept for number in self.extra.get(node[0], ())]
        return list(dict.fromkeys(outputs))

    def _needed(self, outputs: Iterable[Tensor]) -> set[Node]:
        """The calls and inputs that these tensors are made by."""
        needed: set[Node] = set()
        ahead = [one[:2] for one in outputs]
        while ahead:
            node = ahead.pop()
            if node not in needed:
                needed.add(node)
                ahead += [tensor[:2] for tensor in self.takes.get(node, [])]
        return needed

    def _layer(self, layer: Mapping[str, Any], name: str, numbers: Mapping[Node, int]) -> dict[str, Any]:
        """A layer with the calls that are left, their tensors by the new numbers."""
        nodes = [_renumbered(node, numbers) for number, node in enumerate(layer["inbound_nodes"]) if (name, number) in numbers]
        return {**layer, "inbound_nodes": nodes}

    def _outputs(self, structure: Any, inputs: bool = False) -> list[Tensor]:
        """The tensors of ``output_layers``, in which Keras counts the calls of functional models from 1."""
        if isinstance(structure, dict):
            return [one for name in sorted(structure) for one in self._outputs(structure[name], inputs)]
        if len(structure) == 3 and isinstance(structure[0], str):
            name, number, output = structure
            return [(name, number - (not inputs and self._counts_from_1(name)), output)]
        return [one for part in structure for one in self._outputs(part, inputs)]

    def _end(self, tensor: Tensor, numbers: Mapping[Node, int]) -> list[Any]:
        name, number, output = tensor
        return [name, numbers[name, number] + self._counts_from_1(name), output]

    def _counts_from_1(self, name: str) -> bool:
        return bool(self.layers[name]["class_name"] == "Functional")


def _is_operation(layer: Mapping[str, Any]) -> bool:
    return ".ops." in str(layer.get("module"))


def _carries_masks(layer: Mapping[str, Any]) -> bool:
    return _is_operation(layer) and layer["class_name"] in MASK_OPERATIONS


def _paths(model: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The paths of all layers that compute, in the order of the configuration."""
    for layer in model["config"]["layers"]:
        path = prefix + layer["config"]["name"]
        if layer["class_name"] in MODELS and isinstance(layer["config"].get("layers"), list):
            yield from _paths(layer, f"{path}/")
        elif layer["class_name"] != "InputLayer" and not _carries_masks(layer):
            yield path


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in the arguments of a call."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, number, output = value["config"]["keras_history"]
            yield (name, number, output)
        else:
            for one in value.values():
                yield from _tensors(one)
    elif isinstance(value, list):
        for one in value:
            yield from _tensors(one)


def _renumbered(value: Any, numbers: Mapping[Node, int]) -> Any:
    if isinstance(value, list):
        return [_renumbered(one, numbers) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "__keras_tensor__":
        name, number, output = value["config"]["keras_history"]
        return {**value, "config": {**value["config"], "keras_history": [name, numbers[name, number], output]}}
    return {key: _renumbered(one, numbers) for key, one in value.items()}


def _with_groups(found: Description, whole: Mapping[str, Any]) -> Description:
    """The description of a part, with the places at which the file of the whole keeps the weights."""
    groups = dict(_groups(whole, "", ""))
    entries = [replace(entry, group=groups.get(entry.path, entry.group)) for entry in found.entries]
    left = {entry.path for entry in entries}
    left_out = [Entry(path, group, "", {}) for path, group in groups.items() if path not in left]
    return replace(found, entries=entries, left_out=tuple(left_out))


def _groups(model: Mapping[str, Any], prefix: str, within: str) -> Iterator[tuple[str, str]]:
    """The groups of the layers in a file of weights: by their classes, numbered; Sequential models leave their InputLayer out."""
    used: Counter[str] = Counter()
    for layer in model["config"]["layers"]:
        if _is_operation(layer) or (model["class_name"] == "Sequential" and layer["class_name"] == "InputLayer"):
            continue
        path, snake = prefix + layer["config"]["name"], _snake_case(layer["class_name"])
        group = f"{within}layers/{snake}" + (f"_{used[snake]}" if used[snake] else "")
        used[snake] += 1
        yield path, group
        if layer["class_name"] in MODELS and isinstance(layer["config"].get("layers"), list):
            yield from _groups(layer, f"{path}/", f"{group}/")


def _snake_case(name: str) -> str:
    """As keras.src.utils.naming.to_snake_case."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
