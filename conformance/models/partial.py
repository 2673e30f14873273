"""The part of a model's file that can be read where not all of it is: every layer whose inputs can be computed.

The configuration is cut at what the reader refuses, a layer or one call of it; what takes something of it goes as well. The part is a
model of its own, whose outputs are those of the whole that are left, and all that goes into what is cut away. Nothing of a refused layer
is made, and its weights are not opened.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

from reference.network.assembly import Description, describe
from reference.network.config import MODELS, Entry, layer_entries
from reference.network.errors import ArchiveError, malformed
from reference.saving.reader import Archive, read_archive

Node = tuple[str, int]
Tensor = tuple[str, int, int]
"""Name of a layer, number of its call, number of the output."""

SUPPORTED = re.compile(r"; supported are .*", re.DOTALL)


@dataclass(frozen=True)
class Refused:
    """A layer that the reader refuses, by its path and class, and why."""

    path: str
    class_name: str
    why: str


@dataclass
class Part:
    """What was cut away: the layers that are refused, and those that are not but take something of them."""

    refused: tuple[Refused, ...] = ()
    after: tuple[str, ...] = field(default_factory=tuple)

    def __call__(self, config: Any) -> Description:
        """Look through a configuration, all of it if that can be, and note what is not in the description."""
        with malformed("not the configuration of a Keras model"):
            refused = [one for layer in config["config"]["layers"] for one in _refused(layer)]
            graph = _Graph(config)
            cut: set[Node] = {node for node in graph.takes if any(one.path.split("/")[0] == node[0] for one in refused)}
            while True:
                kept = graph.computable(cut)
                part = graph.part(kept)
                try:
                    found = describe(part) if part else None
                    break
                except ArchiveError as error:
                    culprit, why = graph.first_refused(kept, error)
                    cut.add(culprit)
                    refused.append(Refused(culprit[0], graph.layers[culprit[0]]["class_name"], _alone(culprit[0], why)))
            names = [layer["config"]["name"] for layer in part["config"]["layers"]] if part else []
            gone = {one.path.split("/")[0] for one in refused}
            self.refused = tuple(refused)
            self.after = tuple(name for name in graph.computing() if name not in names and name not in gone)
            if found is None or part is None:
                raise ArchiveError("no layer can be computed without those that are refused")
            return _with_groups(found, config, part)


def read_part(path: Path, weights: Path | None = None) -> tuple[Archive, Part]:
    """Read all of a file that can be.

    Raises
    ------
    ArchiveError
        If nothing can.
    """
    part = Part()
    return read_archive(path, weights, part), part


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


class _Graph:
    """The calls of a configuration, and what each takes."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        self.model = model
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

    def computing(self) -> list[str]:
        """The names of the layers, in the order of the configuration, inputs and operations on masks left out."""
        return [name for name, layer in self.layers.items() if name not in self.inputs and not _is_operation(layer)]

    def computable(self, cut: set[Node]) -> list[Node]:
        """The calls that need nothing of those that are cut, in an order in which they can be run."""
        there: set[Node] = {(name, 0) for name in self.inputs}
        for node, taken in self.takes.items():
            if node not in cut and all(tensor[:2] in there for tensor in taken):
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
        there = set(kept)
        outputs = [one for one in self._outputs(config["output_layers"]) if one[:2] in there]
        for node, taken in self.takes.items():
            if node not in there:
                outputs += [one for one in taken if one[:2] in there and not _is_operation(self.layers[one[0]])]
        outputs = list(dict.fromkeys(outputs))
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


def _with_groups(found: Description, whole: Mapping[str, Any], part: Mapping[str, Any]) -> Description:
    """The description of a part, with the places at which the file of the whole keeps the weights."""
    here, there = _groups(part), _groups(whole)
    entries = []
    for entry in found.entries:
        top = entry.path.split("/")[0]
        entries.append(replace(entry, group=there[top] + entry.group.removeprefix(here[top])) if top in there else entry)
    left_out = [Entry(name, group, "", {}) for name, group in there.items() if name not in here]
    return replace(found, entries=entries, left_out=tuple(left_out))


def _groups(model: Mapping[str, Any]) -> dict[str, str]:
    """The groups of the layers in a file of weights: by their classes, numbered; Sequential models leave their InputLayer out."""
    used: Counter[str] = Counter()
    groups = {}
    for layer in model["config"]["layers"]:
        if _is_operation(layer) or (model["class_name"] == "Sequential" and layer["class_name"] == "InputLayer"):
            continue
        snake = _snake_case(layer["class_name"])
        groups[layer["config"]["name"]] = f"layers/{snake}" + (f"_{used[snake]}" if used[snake] else "")
        used[snake] += 1
    return groups


def _snake_case(name: str) -> str:
    """As keras.src.utils.naming.to_snake_case."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
