"""What every layer of a Keras model answers, by the path that the reference's graph gives it.

A layer ``dense`` of a nested model ``encoder`` is ``encoder/dense``; the second call of a shared layer ``name`` is ``name[1]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.oracle.environment import import_keras
from conformance.oracle.live.whole_model import Fed, asking


@dataclass(frozen=True)
class Traced:
    """The outputs of one call of a layer, and their masks: tensors of a Keras graph, or arrays. A mask that is not known is None."""

    outputs: tuple[Any, ...]
    masks: tuple[Any, ...]


def layer_tensors(model: Any, where: str = "") -> dict[str, Traced]:
    """The tensors that the layers of a Sequential or functional model hand on, by path; nested models are followed into."""
    keras = import_keras()
    found: dict[str, Traced] = {}
    for layer, number, node in _calls(model):
        path = where + layer.name + (f"[{number}]" if number else "")
        if isinstance(layer, keras.Model):
            inner = layer_tensors(layer, f"{path}/")
            within = keras.Model(_functional(layer).input, flat(inner), name=f"conform_within_{len(found)}")
            answer = within(*node.arguments.args, **node.arguments.kwargs)
            found |= folded(inner, answer if isinstance(answer, list | tuple) else [answer])
        elif isinstance(layer, keras.layers.Layer) and not isinstance(layer, keras.layers.InputLayer):
            found[path] = Traced(tuple(node.output_tensors), tuple(_mask(model, tensor) for tensor in node.output_tensors))
    return found


def watched_outputs(model: Any) -> Sequence[Any]:
    """The outputs of all layers, in their order, without the masks."""
    return [tensor for one in layer_tensors(model).values() for tensor in one.outputs]


def keras_activations(model: Any, x: Fed) -> Callable[[Fed], dict[str, Traced]]:
    """A function from a batch like `x` to what Keras's layers answer to it."""
    tensors = layer_tensors(model)
    ask = asking(model, lambda _: flat(tensors), x)
    return lambda batch: folded(tensors, ask(batch))


def flat(traced: Mapping[str, Traced]) -> list[Any]:
    """All outputs and known masks in a row."""
    return [part for one in traced.values() for part in (*one.outputs, *one.masks) if part is not None]


def folded(like: Mapping[str, Traced], row: Sequence[Any]) -> dict[str, Traced]:
    """The inverse of :func:`flat`."""
    parts = iter(row)
    return {
        path: Traced(tuple(next(parts) for _ in one.outputs), tuple(None if mask is None else next(parts) for mask in one.masks))
        for path, one in like.items()
    }


def final_activation(model: Any) -> str | None:
    """The name of the activation that makes the only output of a model; None where there is none or several outputs."""
    if len(model.outputs) != 1:
        return None
    last = _functional(model).outputs[0]._keras_history.operation
    if isinstance(last, import_keras().Model):
        return final_activation(last)
    if type(last).__name__ == "Softmax":
        return "softmax"
    return getattr(getattr(last, "activation", None), "__name__", None)


def _mask(model: Any, tensor: Any) -> Any:
    """The mask of a tensor where the model's graph computes it; functional archives name the masks that they use as nodes of their own."""
    mask = getattr(tensor, "_keras_mask", None)
    return mask if mask is not None and mask._keras_history.operation in _functional(model).operations else None


def _functional(model: Any) -> Any:
    """The functional model that a Sequential one is inside."""
    return getattr(model, "_functional", None) or model


def _calls(model: Any) -> Iterator[tuple[Any, int, Any]]:
    """Every call that belongs to a model's graph: what is called, for which time, and its node."""
    nodes = [node for depth in _functional(model)._nodes_by_depth.values() for node in depth]
    by_operation: dict[int, list[Any]] = {}
    for node in nodes:
        by_operation.setdefault(id(node.operation), []).append(node)
    for own in by_operation.values():
        own.sort(key=lambda node: node.output_tensors[0]._keras_history.node_index)
        yield from ((node.operation, number, node) for number, node in enumerate(own))
