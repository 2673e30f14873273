"""Layers around another layer: Bidirectional and TimeDistributed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting
from reference.layers.kinds import RecurrentSpec, WrapperSpec
from reference.layers.options import one_of
from reference.layers.rnn.cells import States
from reference.layers.rnn.scan import SavedScan, grad_outputs, gradients
from reference.layers.shapes import Config, Shape, check_rank, concatenated
from reference.layers.spec import FORWARD, IN_TRAINING, LAYERS, LayerCall, LayerSpec, Option, layer, spec_of

__all__ = ["bidirectional_backward", "bidirectional_forward", "time_distributed_backward", "time_distributed_forward"]

Array = NDArray[Any]


def bidirectional_forward(
    x: Array,
    forward_weights: tuple[Array, ...],
    backward_weights: tuple[Array, ...],
    *,
    layer: str = "LSTM",
    merge_mode: str | None = "concat",
    return_state: bool = False,
    **options: Any,
) -> Array | tuple[Array, ...]:
    r"""A recurrent layer run in both directions of time, with weights of its own for each.

    ``y = merge(layer(x), reversed in time(layer(x, go_backwards=True)))``. Without `return_sequences` the backward output is the one
    after the whole sequence was read from its end, the step that stands beside ``x[:, 0]``.

    Parameters
    ----------
    x : array (batch, time, features)
    forward_weights, backward_weights : tuples of arrays
        The weights of each half in the order of the wrapped layer; their units may differ with ``concat`` and None.
    layer : str
        Keras class of the wrapped layer.
    merge_mode : 'concat' (forward first), 'sum', 'mul', 'ave' or None (both outputs)
    initial_state : the states of the forward half, then those of the backward half
    return_state : bool
        Append the last states of the forward half, then those of the backward half.
    go_backwards : bool
        The first half runs from the end and the second one from the start.
    zero_output_for_mask : bool
        Without effect, as in Keras: masked outputs are zeros exactly when `return_sequences` is set.
    dropout_mask, recurrent_dropout_mask : (forward, backward), optional
    seed : int, optional
        Makes drawn masks reproducible; each half draws its own.
    mask, return_sequences, **options
        As in the wrapped layer.

    Returns
    -------
    y : array (batch, [time,] units), twice the units with ``concat``; a pair with ``merge_mode=None``; states after it

    Raises
    ------
    ValueError
        If `layer` or `merge_mode` is not known, or as the wrapped layer.

    Source: Schuster and Paliwal 1997; keras.layers.Bidirectional.
    """
    given: dict[str, Any] = {"layer": layer, "merge_mode": merge_mode, "return_state": return_state, "save": False}
    outputs, _ = _bidirectional_run(x, forward_weights, backward_weights, **given, **options)
    return outputs


def bidirectional_backward(
    grad_output: Array | tuple[Array | None, ...],
    x: Array,
    forward_weights: tuple[Array, ...],
    backward_weights: tuple[Array, ...],
    **options: Any,
) -> tuple[Any, ...]:
    r"""Gradients of :func:`bidirectional_forward`: those of the two halves.

    With f and b the outputs of the halves, b reversed in time where it is a sequence, and dy the gradient of the merged output::

        concat: (df, db) = dy,    sum: df = db = dy,    ave: df = db = dy / 2,    mul: df = b dy, db = f dy

    Each half turns its own into gradients, db after it is reversed again; both read ``x``, so ``dx = dx_f + dx_b``.

    Parameters
    ----------
    grad_output : array with the shape of the output; a tuple where the forward returns several
        In a tuple, None where no gradient comes.
    x, forward_weights, backward_weights, **options
        As the forward was called; where dropout drew its masks, with the same `seed`.

    Returns
    -------
    grad_x : array (batch, time, features), None for integers
    forward_gradients, backward_gradients : tuples (of kernel, of recurrent_kernel, of bias)
        None for a bias that is not there.
    gradients of the initial states, only where they are given : first those of the forward half

    Raises
    ------
    ValueError
        If `grad_output` has not the shapes of the outputs; or as the forward.

    Source: keras.layers.Bidirectional.
    """
    _, saved = _bidirectional_run(x, forward_weights, backward_weights, **options)
    return _bidirectional_gradients(grad_output, saved)


class _Saved(NamedTuple):
    """What a run of Bidirectional leaves to its gradient: the outputs of its halves as they were merged, and what each half saved."""

    merge_mode: str | None
    shapes: tuple[tuple[int, ...], ...]
    forward: Array
    backward: Array
    halves: tuple[SavedScan, SavedScan]


def _bidirectional_run(
    x: Array,
    forward_weights: tuple[Array, ...],
    backward_weights: tuple[Array, ...],
    *,
    layer: str = "LSTM",
    merge_mode: str | None = "concat",
    return_state: bool = False,
    **options: Any,
) -> tuple[Array | tuple[Array, ...], _Saved]:
    if layer not in BIDIRECTIONAL.wrappable():
        raise ValueError(f"layer must be one of {', '.join(BIDIRECTIONAL.wrappable())}, got {layer!r}")
    if merge_mode not in MERGE:
        raise ValueError(f"merge_mode must be one of {', '.join(map(repr, MERGE))}, got {merge_mode!r}")
    calls = zip((forward_weights, backward_weights), half_options(**options), strict=True)
    one, two = (LAYERS[layer].run(x, *weights, **own) for weights, own in calls)
    outputs, forward, backward = joined(one[0], two[0], merge_mode, options.get("return_sequences", False), return_state)
    saved = _Saved(merge_mode, tuple(output.shape for output in outputs), forward, backward, (one[1], two[1]))
    return outputs if len(outputs) > 1 else outputs[0], saved


def half_options(
    *,
    initial_state: States | None = None,
    return_sequences: bool = False,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    seed: int | None = None,
    **options: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the forward and the backward half are called with: the options, with its own states, dropout masks and direction."""
    masks = [name for name in ("dropout_mask", "recurrent_dropout_mask") if options.get(name) is not None]
    options |= {"return_sequences": return_sequences, "zero_output_for_mask": return_sequences, "return_state": True}
    halves = []
    for n in range(2):
        own = {**options, **{name: options[name][n] for name in masks}, "go_backwards": go_backwards ^ bool(n)}
        if initial_state is not None:
            half = len(initial_state) // 2
            own["initial_state"] = tuple(initial_state[n * half : (n + 1) * half])
        if seed is not None:
            own["seed"] = (seed, n)
        halves.append(own)
    return halves[0], halves[1]


def joined(
    one: Sequence[Array], two: Sequence[Array], merge_mode: str | None, return_sequences: bool, return_state: bool
) -> tuple[tuple[Array, ...], Array, Array]:
    """From output and states of each half: what the layer returns, and the two outputs in the order of the input."""
    (forward, *forward_states), (backward, *backward_states) = one, two
    if return_sequences:
        backward = backward[:, ::-1]
    merged = (forward, backward) if merge_mode is None else (MERGE[merge_mode](forward, backward),)
    return (*merged, *forward_states, *backward_states) if return_state else merged, forward, backward


def _bidirectional_gradients(grad_output: Array | tuple[Array | None, ...], saved: _Saved) -> tuple[Any, ...]:
    grads = grad_outputs(grad_output, saved.shapes, saved.forward.dtype)
    outputs, states = 2 if saved.merge_mode is None else 1, saved.halves[0].cell.states
    grad_forward, grad_backward = unmerged(grads[:outputs], saved)
    if saved.halves[1].return_sequences:
        grad_backward = grad_backward[:, ::-1]
    of_states: list[Array | None] = [*grads[outputs:]] or [None] * (2 * states)
    one = gradients((grad_forward, *of_states[:states]), saved.halves[0])
    two = gradients((grad_backward, *of_states[states:]), saved.halves[1])
    grad_x = None if one[0] is None else one[0] + two[0]
    return (grad_x, one[1:4], two[1:4], *one[4:], *two[4:])


def unmerged(grads: Sequence[Array], saved: _Saved) -> tuple[Array, Array]:
    """The gradients of the outputs of both halves, from that of what they were merged to."""
    grad = grads[0]
    if saved.merge_mode is None:
        return grad, grads[1]
    if saved.merge_mode == "concat":
        units = saved.forward.shape[-1]
        return grad[..., :units], grad[..., units:]
    if saved.merge_mode == "mul":
        return grad * saved.backward, grad * saved.forward
    return (grad / 2, grad / 2) if saved.merge_mode == "ave" else (grad, grad)


MERGE: dict[str | None, Callable[[Array, Array], Array]] = {
    "concat": lambda forward, backward: np.concatenate([forward, backward], axis=-1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda forward, backward: (forward + backward) / 2,
    None: lambda forward, backward: forward,
}


def time_distributed_forward(x: Array, weights: tuple[Array, ...] = (), *, layer: str = "Dense", **options: Any) -> Array:
    r"""A layer applied to every time step with the same weights: ``y[:, t] = layer(x[:, t])``.

    All steps of all samples are one batch of the wrapped layer, which treats the samples of a batch alone.

    Parameters
    ----------
    x : array (batch, time, ...), at least of rank 3
    weights : tuple of arrays
        Those of the wrapped layer.
    layer : str
        Keras class of the wrapped layer: any that takes one array and returns one.
    **options
        Of the wrapped layer.

    Returns
    -------
    y : array (batch, time, ...)

    Raises
    ------
    ValueError
        If `layer` is not known or does not take one array, `x` has no time axis or no step; or as the wrapped layer.
    NotImplementedError
        If the wrapped layer is in training, where samples of a batch need not be alone.

    Source: keras.layers.TimeDistributed.
    """
    y = _wrapped(x, layer, options).forward(_as_one_batch(x), *weights, **options)
    return np.asarray(y.reshape(*np.shape(x)[:2], *y.shape[1:]))


def time_distributed_backward(
    grad_output: ArrayLike, x: Array, weights: tuple[Array, ...] = (), *, layer: str = "Dense", **options: Any
) -> Gradients:
    r"""Gradients of :func:`time_distributed_forward`: those of the wrapped layer, whose batch all steps of all samples are.

    Every step uses the same weights, so that their gradients are the sums over the steps.

    Returns
    -------
    grad_x, grad_weights : an array of the shape of `x`, None for integers; the tuple of the gradients of the wrapped layer's weights

    Raises
    ------
    ValueError
        If `grad_output` does not have the shape of the output, or as :func:`time_distributed_forward`.
    """
    return _time_distributed_gradients(grad_output, _time_distributed_run(x, weights, layer=layer, **options)[1])


SavedSteps = tuple[LayerSpec, Array, Array, Any]
"""Of a TimeDistributed: the wrapped layer's record, input and output, and what the wrapped layer saved."""


def _time_distributed_run(x: Array, weights: tuple[Array, ...] = (), *, layer: str = "Dense", **options: Any) -> tuple[Array, SavedSteps]:
    spec = _wrapped(x, layer, options)
    steps, inner = spec.run(_as_one_batch(x), *weights, **options)
    y = np.asarray(steps.reshape(*np.shape(x)[:2], *steps.shape[1:]))
    return y, (spec, np.asarray(x), y, inner)


def _time_distributed_gradients(grad_output: ArrayLike, saved: SavedSteps) -> Gradients:
    spec, x, y, inner = saved
    grad_x, *grad_weights = spec.gradients(_as_one_batch(fitting(grad_output, y.shape, y.dtype)), inner)
    return None if grad_x is None else grad_x.reshape(x.shape), tuple(grad_weights)


def _wrapped(x: Array, layer: str, options: dict[str, Any]) -> LayerSpec:
    """The record of the wrapped layer, once the call is known to be possible."""
    spec = spec_of(layer)
    if layer not in TIME_DISTRIBUTED.wrappable():
        raise ValueError(f"layer must be one of {', '.join(TIME_DISTRIBUTED.wrappable())}, got {layer!r}")
    if options.get("training"):
        raise NotImplementedError(f"TimeDistributed({layer}) in training: each step would be a call of its own")
    if np.ndim(x) < 3 or np.shape(x)[1] == 0:
        raise ValueError(f"TimeDistributed takes an array (batch, time, ...) with at least one step, got the shape {np.shape(x)}")
    return spec


def _as_one_batch(x: Array) -> Array:
    x = np.asarray(x)
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])




class BidirectionalSpec(WrapperSpec):
    """The record of Bidirectional."""

    def wrappable(self) -> list[str]:
        """Recurrent layers."""
        return [name for name, spec in LAYERS.items() if isinstance(spec, RecurrentSpec)]

    def call(self, config: Config, weights: Sequence[Any] = (), *, training: bool = False) -> LayerCall:
        """Without ``zero_output_for_mask``: Keras sets it itself, to ``return_sequences``, and what its files say has no effect."""
        call = super().call(config, weights, training=training)
        call.options.pop("zero_output_for_mask", None)
        return call

    def output_count(self, config: Config) -> int:
        """One or two outputs, and the states of both halves."""
        spec, inner = self.inner(config)
        return 2 * (spec.output_count(inner) - 1) + (2 if config.get("merge_mode", "concat") is None else 1)

    def acts(self, config: Config) -> bool:
        """Where its halves do."""
        spec, inner = self.inner(config)
        return spec.acts(inner)

    def steps(self, config: Config, shape: Shape) -> int:
        """Those of both halves."""
        spec, inner = self.inner(config)
        return 2 * spec.steps(inner, shape)

    def state_widths(self, config: Config) -> list[int]:
        """Those of the forward half, then those of the backward half."""
        return [width for _, spec, options in self.owners(config) for width in spec.state_widths(options)]

    def sort_gradients(self, config: Config, found: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """The gradients of both halves in a row."""
        spec, inner = self.inner(config)
        return [found[0]], [one for half in found[1:3] for one in spec.in_place(inner, half)], list(found[3:])


class TimeDistributedSpec(WrapperSpec):
    """The record of TimeDistributed."""

    def inner_shape(self, shape: Shape) -> Shape:
        """That of one step."""
        return (*shape[:1], *shape[2:])

    def steps(self, config: Config, shape: Shape) -> int:
        """Those of the layer that is wrapped."""
        spec, inner = self.inner(config)
        return spec.steps(inner, self.inner_shape(shape))

    def back(self, config: Config, saved: SavedSteps, grad_output: Any, **options: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """The rows of a table as they are."""
        rows = saved[0].rows
        return super().back(config, saved, grad_output, **options) if rows is None else ([None], [rows(saved[3], grad_output)], [])

    def sort_gradients(self, config: Config, found: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """The gradients of the wrapped layer's weights come in a tuple."""
        spec, inner = self.inner(config)
        return [found[0]], spec.in_place(inner, found[1]), []


def _merged(config: Config, shape: Shape) -> list[Shape]:
    (forward, *states), (backward, *more) = (spec.output_shapes(options, [shape]) for _, spec, options in BIDIRECTIONAL.owners(config))
    merge_mode = config.get("merge_mode", "concat")
    if merge_mode is None:
        return [forward, backward, *states, *more]
    if merge_mode != "concat" and forward != backward:
        raise ValueError(f"merge_mode={merge_mode!r} takes halves of the same units, not {forward[-1]} and {backward[-1]}")
    return [concatenated([forward, backward], -1) if merge_mode == "concat" else forward, *states, *more]


def _distributed(config: Config, shape: Shape) -> Shape:
    check_rank(shape, 3)
    spec, inner = TIME_DISTRIBUTED.inner(config)
    (step,) = spec.output_shapes(inner, [TIME_DISTRIBUTED.inner_shape(shape)])
    return (*step[:1], shape[1], *step[1:])


BIDIRECTIONAL = layer(
    BidirectionalSpec(
        "Bidirectional", bidirectional_forward, _bidirectional_run, _bidirectional_gradients,
        options={"merge_mode": Option("concat", one_of("concat", "sum", "mul", "ave", None))}, output=_merged,
        takes=("initial_state", "mask", "training"), mask_acts=(FORWARD,),
        wraps="LSTM", halves={"forward_layer/": "layer", "backward_layer/": "backward_layer"},
    )
)  # fmt: skip
TIME_DISTRIBUTED = layer(
    TimeDistributedSpec(
        "TimeDistributed", time_distributed_forward, _time_distributed_run, _time_distributed_gradients,
        output=_distributed, takes=("training", "mask"), keeps_mask=True, mask_acts=(IN_TRAINING,),
        groups=("layer",), wraps="Dense", halves={"layer/": "layer"},
    )
)  # fmt: skip
