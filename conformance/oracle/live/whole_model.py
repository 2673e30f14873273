"""What Keras answers for a whole model: the outputs of an archive, or any tensors of its graph, in float32 and in float64."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from conformance.base.arrays import Array
from conformance.oracle.environment import import_keras, tensorflow

Fed = Mapping[str, Array]
"""What a model is fed: arrays by the name of the input."""
Watch = Callable[[Any], Sequence[Any]]
"""From a Keras model to the tensors of its graph that are asked about."""


def keras_model(path: str | PathLike[str], weights: str | PathLike[str] | None = None) -> Any:
    """The Keras model of a file, not compiled; of a configuration as JSON with the weights in another file."""
    if weights is None:
        return import_keras().saving.load_model(path, compile=False)
    model = import_keras().models.model_from_json(Path(path).read_text())
    model.load_weights(weights)
    return model


def keras_model_of(config: Mapping[str, Any], weights: Mapping[str, Sequence[Array]], vocabularies: Mapping[str, Sequence[str]]) -> Any:
    """The Keras model of a configuration, with weights and vocabularies by the paths of its layers."""
    model = import_keras().models.model_from_json(json.dumps(config))
    for path, arrays in weights.items():
        if not arrays and path not in vocabularies:
            continue
        layer = model
        for name in path.split("/"):
            layer = layer.get_layer(name)
        if path in vocabularies:
            layer.set_vocabulary(list(vocabularies[path]))
        else:
            layer.set_weights(list(arrays))
    return model


def float64_model(model: Any) -> Any:
    """The same model with the same weights and vocabularies, every layer computing in float64."""
    widened = type(model).from_config(_widened(model.get_config()))
    for own, other in zip(innermost(model), innermost(widened), strict=True):
        if type(own).__name__ == "TextVectorization":
            other.set_vocabulary(own.get_vocabulary())
    widened.set_weights([np.asarray(weight, np.float64) for weight in model.get_weights()])
    return widened


def wired(model: Any, tensors: Sequence[Any]) -> Any:
    """A model from arrays by input name to a flat list of `tensors` of the same graph, with the same layers."""
    inputs = {tensor._keras_history.operation.name: tensor for tensor in model.inputs}
    return import_keras().Model(inputs, list(tensors))


def compiled(model: Any, x: Array | Fed) -> Callable[[Any], Any]:
    """A model as one graph for batches of any size like `x`; weights that are set later are seen."""
    tf = tensorflow()

    def spec(array: Array) -> Any:
        return tf.TensorSpec([None, *array.shape[1:]], tf.as_dtype(array.dtype))

    signature = [{name: spec(array) for name, array in x.items()} if isinstance(x, Mapping) else spec(x)]
    graph = tf.function(lambda batch: model(batch, training=False), input_signature=signature)

    def ask(batch: Any) -> Any:
        answer = graph(batch)
        return [np.asarray(part) for part in answer] if isinstance(answer, list | tuple) else np.asarray(answer)

    return ask


def asking(model: Any, watch: Watch, x: Fed) -> Callable[[Fed], list[Array]]:
    """A function from a batch like `x` to the values of the watched tensors."""
    ask = compiled(wired(model, watch(model)), x)

    def answers(batch: Fed) -> list[Array]:
        answer = ask(dict(batch))
        return answer if isinstance(answer, list) else [answer]

    return answers


def outputs_of(model: Any) -> Sequence[Any]:
    """The outputs of a model, dicts in the order of their keys: what :data:`Watch` is for whole models."""
    return list(model.outputs)


def keras_outputs(path: str | PathLike[str], x: Fed, batch_size: int = 256) -> list[Array]:
    """Keras's own answer for `x`: every output of the model."""
    ask = asking(keras_model(path), outputs_of, x)
    parts = [ask(batch) for batch in batches(x, batch_size)]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def keras_probabilities(path: str | PathLike[str], x: Array, batch_size: int = 256) -> Array:
    """Keras's own float32 answer for `x` where the model has one input and one output, shape (samples, classes)."""
    ask = compiled(keras_model(path), x)
    return np.concatenate([ask(x[place]) for place in slices({"": x}, batch_size)])


def slices(x: Fed, batch_size: int) -> list[slice]:
    """The places of the batches of `x`."""
    count = len(next(iter(x.values())))
    return [slice(start, start + batch_size) for start in range(0, max(count, 1), batch_size)]


def batches(x: Fed, batch_size: int) -> Iterator[dict[str, Array]]:
    """`x` cut into batches."""
    return (part(x, place) for place in slices(x, batch_size))


def part(x: Fed, place: slice) -> dict[str, Array]:
    """The samples of one place."""
    return {name: array[place] for name, array in x.items()}


def innermost(model: Any) -> Iterator[Any]:
    """The layers of a model, those of nested models in place of these."""
    for layer in model.layers:
        if isinstance(layer, import_keras().Model):
            yield from innermost(layer)
        else:
            yield layer


def _widened(value: Any) -> Any:
    """A configuration with every ``float32``, the dtype of an input or the name of a policy, replaced by ``float64``."""
    if isinstance(value, dict):
        return {key: _widened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_widened(item) for item in value)
    return "float64" if value == "float32" else value
