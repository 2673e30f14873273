"""Mistakes in backward passes that many layers share: sums over the batch, places that are used twice, shapes that are not undone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from conformance.faults.backward.convolution import linear
from conformance.faults.fault import Function, Shared, changed

Array = NDArray[Any]
WEIGHTED = ("Dense", "Embedding", "PReLU", "BatchNormalization", "LayerNormalization", "Conv1D", "Conv2D", "SimpleRNN", "LSTM", "GRU")
DROPOUT_MASKS = ("dropout_mask", "recurrent_dropout_mask")
BIASED = ("Dense", "Conv1D", "Conv2D", "SimpleRNN", "LSTM", "GRU")


def with_weights(gradients: tuple[Any, ...], change: Function) -> tuple[Any, ...]:
    """The gradients with those of the weights, at most three, changed; of the input and of states they stay."""
    return (gradients[0], *(None if one is None else change(one) for one in gradients[1:4]), *gradients[4:])


def with_bias(gradients: tuple[Any, ...], change: Function) -> tuple[Any, ...]:
    """The gradients with that of the bias changed, which is the last of the weights."""
    place = min(len(gradients) - 1, 3)
    return tuple(change(one) if n == place and one is not None else one for n, one in enumerate(gradients))


def _as_it_came(right: Function, grad_output: Array, x: Any, **options: Any) -> Any:
    """The gradient of the output for that of the input."""
    return (grad_output,)


weighted = Shared(*WEIGHTED, part="backward")
of_floats = Shared(*(name for name in WEIGHTED if name != "Embedding"), part="backward")
biased = Shared(*BIASED, part="backward")
projections = Shared("Dense", "Conv1D", "Conv2D", part="backward")
embedding, masking = Shared("Embedding", part="backward"), Shared("Masking", part="backward")
flatten, reshape = Shared("Flatten", part="backward"), Shared("Reshape", part="backward")
rescaling = Shared("Rescaling", part="backward")
dropout = Shared("Dropout", "SpatialDropout1D", "SpatialDropout2D", part="backward")
add, concatenate = Shared("Add", part="backward"), Shared("Concatenate", part="backward")


@weighted.by(lambda right, grad, x, *weights, **options: with_weights(right(grad, x, *weights, **options), lambda one: one / len(x)))
def weights_divided_by_batch() -> None:
    """The gradients of the weights are divided by the batch size."""


@of_floats
def everything_divided_by_batch(right: Function, grad_output: Any, x: Array, *weights: Any, **options: Any) -> Any:
    """All gradients are divided by the batch size, that of the input as well."""
    return tuple(None if one is None else one / len(x) for one in right(grad_output, x, *weights, **options))


@biased.by(lambda right, grad, x, *weights, **options: with_bias(right(grad, x, *weights, **options), lambda one: one / len(x)))
def bias_divided_by_batch() -> None:
    """The gradient of the bias is averaged over the batch instead of summed."""


@biased
def bias_of_the_last_sample(right: Function, *arguments: Any, **options: Any) -> Any:
    """The gradient of the bias is that of the last sample alone: = instead of +=."""
    alone = _of_the_last_sample(right, *arguments, **options)
    return with_bias(right(*arguments, **options), lambda one: alone[min(len(alone) - 1, 3)])


@biased
def weights_of_the_last_sample(right: Function, *arguments: Any, **options: Any) -> Any:
    """The gradients of the weights are those of the last sample alone: = instead of +=."""
    gradients = right(*arguments, **options)
    return (gradients[0], *_of_the_last_sample(right, *arguments, **options)[1:4], *gradients[4:])


def _of_the_last_sample(right: Function, grad_output: Any, x: Array, *weights: Any, **options: Any) -> tuple[Any, ...]:
    """The gradients by the last sample of the batch."""
    own: dict[str, Any] = {name: options[name][..., -1:, :] for name in DROPOUT_MASKS if name in options}
    if options.get("mask") is not None:
        own["mask"] = options["mask"][-1:]
    if options.get("initial_state") is not None:
        own["initial_state"] = tuple(state[-1:] for state in options["initial_state"])
    last = tuple(one[-1:] for one in grad_output) if isinstance(grad_output, tuple) else grad_output[-1:]
    found: tuple[Any, ...] = right(last, x[-1:], *weights, **{**options, **own})
    return found


@projections
def bias_not_summed(right: Function, grad_output: Array, x: Array, *weights: Any, **options: Any) -> Any:
    """The gradient of the bias is not summed over the batch."""
    return with_bias(right(grad_output, x, *weights, **options), lambda one: linear(right, grad_output, x, *weights, **options))


@projections
def bias_with_axes_of_1(right: Function, *arguments: Any, **options: Any) -> Any:
    """The gradient of the bias keeps the axes that were summed, with length 1 (keepdims=True)."""
    return with_bias(right(*arguments, **options), lambda one: one.reshape((1,) * (arguments[1].ndim - 1) + one.shape))


dense = Shared("Dense", part="backward")


@dense
def weights_of_the_last_place(right: Function, grad_output: Array, x: Array, kernel: Array, *bias: Any, **options: Any) -> Any:
    """The gradients of the weights are those of the last place of the axes between batch and features: = instead of +=."""
    place = (slice(None), *(slice(-1, None) for _ in x.shape[1:-1]))
    return (right(grad_output, x, kernel, *bias, **options)[0], *right(grad_output[place], x[place], kernel, *bias, **options)[1:])


@dense
def kernel_not_transposed(right: Function, grad_output: Array, x: Array, kernel: Array, *bias: Any, **options: Any) -> Any:
    """The gradient of the input takes the kernel as it is, not transposed."""
    grad = linear(right, grad_output, x, kernel, *bias, **options)
    return (grad @ kernel, *right(grad_output, x, kernel, *bias, **options)[1:])


@dense.by(changed(lambda found: (found[0], found[1].T, *found[2:])))
def gradient_of_the_kernel_transposed() -> None:
    """The gradient of the kernel is transposed."""


@embedding
def repeated_ids_overwrite(right: Function, grad_output: Array, x: Array, embeddings: Array) -> Any:
    """The gradient of an id that occurs more than once is that of its last occurrence: = instead of +=."""
    grad = np.zeros_like(embeddings)
    for row, one in zip(x.astype(int).ravel(), grad_output.reshape(-1, embeddings.shape[1]), strict=True):
        grad[row] = one
    return None, grad


@embedding
def repeated_ids_averaged(right: Function, grad_output: Array, x: Array, embeddings: Array) -> Any:
    """The gradients of an id that occurs more than once are averaged instead of summed."""
    _, grad = right(grad_output, x, embeddings)
    ids = x.astype(int) % len(embeddings)
    return None, grad / np.maximum(np.bincount(ids.ravel(), minlength=len(embeddings)), 1)[:, None]


@embedding.by(changed(lambda found: (None, np.where(np.arange(len(found[1]))[:, None] == 0, 0, found[1]))))
def row_0_left_out() -> None:
    """Row 0 has no gradient, as if it were padding; Keras trains it, with mask_zero as well."""


masking.table(
    mask_ignored=("masked steps have a gradient as all others", _as_it_came),
)


flatten.table(
    left_as_it_came=("the gradient is handed on as it came, not brought back to the shape of the input", _as_it_came),
)


@flatten.by(lambda right, grad, x, **options: (grad.reshape(x.shape),))
def undone_in_the_wrong_layout() -> None:
    """With channels_first the gradient is not moved back: its values stand as if the channels had been the last axis."""


@flatten
def channels_left_last(right: Function, grad_output: Array, x: Array, **options: Any) -> Any:
    """With channels_first the axes of the gradient are not moved back: the channels stay last."""
    if options.get("data_format") != "channels_first" or x.ndim < 3:
        return right(grad_output, x, **options)
    return (grad_output.reshape(np.moveaxis(x, 1, -1).shape),)


@flatten.by(lambda right, grad, x, **options: (grad.reshape(len(x), int(np.prod(x.shape[1:]))).reshape(x.shape, order="F"),))
def undone_in_fortran_order() -> None:
    """The gradient is brought back to the shape of the input in column-major order."""


reshape.table(
    undone_in_fortran_order=(
        "the gradient is brought back to the shape of the input in column-major order",
        lambda right, grad, x, **options: (grad.reshape(len(x), int(np.prod(x.shape[1:]))).reshape(x.shape, order="F"),),
    ),
    left_as_it_came=("the gradient is handed on as it came, not brought back to the shape of the input", _as_it_came),
)


rescaling.table(
    scale_forgotten=("the gradient is handed on as it came, not multiplied by the scale", _as_it_came),
)


@rescaling.by(lambda right, grad, x, **options: (reference.rescaling_forward(grad, **options),))
def offset_in_the_gradient() -> None:
    """The offset is added to the gradient."""


@rescaling
def gradient_divided_by_scale(right: Function, grad_output: Array, x: Array, *, scale: Any, **options: Any) -> Any:
    """The gradient is divided by the scale instead of multiplied."""
    with np.errstate(divide="ignore"):
        return right(grad_output, x, scale=np.divide(1.0, scale))


@dropout
def not_scaled(right: Function, grad_output: Array, x: Array, *, rate: float, training: bool = False, **options: Any) -> Any:
    """The gradient is not divided by 1 - rate."""
    (grad,) = right(grad_output, x, rate=rate, training=training, **options)
    return (grad * (1 - rate) if training else grad,)


@dropout
def dropped_values_counted(right: Function, grad_output: Array, x: Array, *, rate: float, training: bool = False, **options: Any) -> Any:
    """Values that were dropped have a gradient: the mask is left out."""
    return (grad_output / (1 - rate) if training and rate < 1 else grad_output,)


dropout.table(
    backward_ignored=("the gradient is handed on as it came, in training too", _as_it_came),
)


@add.by(lambda right, grad, x: ([one / len(x) for one in right(grad, x)[0]],))
def divided_by_the_number() -> None:
    """The gradient is divided by the number of inputs."""


@add.by(lambda right, grad, x: ([grad for _ in x],))
def repeated_values_not_summed() -> None:
    """The gradient of an input that was broadcast keeps the large shape."""


@add.by(lambda right, grad, x: ([one * one.size / grad.size for one in right(grad, x)[0]],))
def repeated_values_averaged() -> None:
    """The gradient of an input that was broadcast is averaged over its copies instead of summed."""


@concatenate.by(lambda right, grad, x, **options: (right(grad, x[::-1], **options)[0][::-1],))
def parts_swapped() -> None:
    """The parts of the gradient are cut off in the wrong order, from the end."""


@concatenate.by(lambda right, grad, x, axis=-1: (np.array_split(grad, len(x), axis=axis),))
def cut_into_equal_parts() -> None:
    """The gradient is cut into parts of equal size."""


@concatenate
def cut_along_the_last_axis(right: Function, grad_output: Array, x: Any, axis: int = -1) -> Any:
    """The gradient is always cut along the last axis."""
    places = np.cumsum([one.shape[-1] for one in x])[:-1]
    return (np.split(grad_output, places, axis=-1),)


LAYERS = (weighted, of_floats, biased, projections, dense, embedding, masking, flatten, reshape, rescaling, dropout, add, concatenate)
