"""The reference itself: what it refuses, how much memory it needs, and that forward passes keep the dtype they are given."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import reference
from conformance.cases import ALL
from reference.layers import LAYERS, layer_call
from reference.layers.kinds import WrapperSpec

IMAGE = np.zeros((2, 5, 6, 4))
KERNEL = np.ones((3, 2, 4, 6))
SEQUENCE = np.ones((2, 3, 4))
LSTM = (np.ones((4, 8)), np.ones((2, 8)), np.ones(8))

REFUSED = {
    "an activation of another name": (lambda: reference.dense_forward(np.ones((1, 2)), np.ones((2, 2)), activation="rleu"), "rleu"),
    "a dense input of rank 1": (lambda: reference.dense_forward(np.ones(2), np.ones((2, 2))), r"\(2,\)"),
    "a dense input of other width": (lambda: reference.dense_forward(np.ones((1, 3)), np.ones((2, 2))), r"\(1, 3\)"),
    "a rate over 1": (lambda: reference.dropout_forward(np.ones((1, 2)), rate=1.5), "1.5"),
    "a noise shape of other rank": (
        lambda: reference.dropout_forward(np.ones((1, 2)), rate=0.5, training=True, noise_shape=(1, 1, 1)),
        "noise_shape",
    ),
    "an unknown data format": (lambda: reference.flatten_forward(IMAGE, data_format="last"), "'last'"),
    "an unknown padding": (lambda: reference.conv2d_forward(IMAGE, KERNEL, padding="full"), "'full'"),
    "a stride of 0": (lambda: reference.conv2d_forward(IMAGE, KERNEL, strides=0), "strides"),
    "three strides": (lambda: reference.conv2d_forward(IMAGE, KERNEL, strides=(1, 1, 1)), "strides"),
    "stride and dilation at once": (lambda: reference.conv2d_forward(IMAGE, KERNEL, strides=2, dilation_rate=2), "cannot both"),
    "groups that do not divide": (lambda: reference.conv2d_forward(IMAGE, KERNEL, groups=3), "groups=3"),
    "an image of integers": (lambda: reference.conv2d_forward(IMAGE.astype(int), KERNEL), "int64"),
    "an image of rank 3": (lambda: reference.conv2d_forward(IMAGE[0], KERNEL), "rank 4"),
    "a kernel larger than the image": (lambda: reference.conv2d_forward(IMAGE[:, :2], KERNEL), "does not fit"),
    "a pool larger than the image": (lambda: reference.max_pooling2d_forward(IMAGE, pool_size=7), "does not fit"),
    "a sequence of rank 2": (lambda: reference.lstm_forward(SEQUENCE[0], *LSTM), r"\(3, 4\)"),
    "a sequence without steps": (lambda: reference.lstm_forward(SEQUENCE[:, :0], *LSTM), "at least one step"),
    "a kernel of other units": (lambda: reference.lstm_forward(SEQUENCE, np.ones((4, 12)), *LSTM[1:]), r"\(4, 12\)"),
    "one state of two": (lambda: reference.lstm_forward(SEQUENCE, *LSTM, initial_state=(np.ones((2, 2)),)), "initial_state"),
    "a state of other width": (lambda: reference.lstm_forward(SEQUENCE, *LSTM, initial_state=(np.ones((2, 3)),) * 2), "initial_state"),
    "a mask of other length": (lambda: reference.lstm_forward(SEQUENCE, *LSTM, mask=np.ones((2, 4))), "mask"),
    "an unknown wrapped layer": (lambda: reference.bidirectional_forward(SEQUENCE, LSTM, LSTM, layer="Dense"), "'Dense'"),
    "an unknown merge mode": (lambda: reference.bidirectional_forward(SEQUENCE, LSTM, LSTM, merge_mode="max"), "'max'"),
    "a causal image": (lambda: reference.conv2d_forward(IMAGE, KERNEL, padding="causal"), "causal"),
    "a causal pool": (lambda: reference.max_pooling1d_forward(SEQUENCE, padding="causal"), "'causal'"),
    "an average of integers": (lambda: reference.average_pooling2d_forward(IMAGE.astype(int), pool_size=2), "int64"),
    "a pool of images for a sequence": (lambda: reference.max_pooling1d_forward(IMAGE), "rank 3"),
    "a global pool of a sequence as image": (lambda: reference.global_max_pooling2d_forward(SEQUENCE), "rank 4"),
    "a global pool in no format": (lambda: reference.global_average_pooling2d_forward(IMAGE, data_format="last"), "'last'"),
    "a mask of other steps": (lambda: reference.global_average_pooling1d_forward(SEQUENCE, mask=np.ones((2, 4))), r"\(2, 4\)"),
    "a GRU bias of one row": (lambda: reference.gru_forward(SEQUENCE, np.ones((4, 6)), np.ones((2, 6)), np.ones(6)), "reset_after=True"),
    "a GRU bias of two rows": (
        lambda: reference.gru_forward(SEQUENCE, np.ones((4, 6)), np.ones((2, 6)), np.ones((2, 6)), reset_after=False),
        "reset_after=False",
    ),
    "two states of one": (
        lambda: reference.simple_rnn_forward(SEQUENCE, np.ones((4, 2)), np.ones((2, 2)), initial_state=(np.ones((2, 2)),) * 2),
        "initial_state",
    ),
    "a shape of another size": (lambda: reference.reshape_forward(SEQUENCE, target_shape=(5,)), r"\(5,\)"),
    "a scale of other places": (lambda: reference.rescaling_forward(SEQUENCE, scale=(1, 2)), r"scale has the shape \(2,\)"),
    "an offset that is larger": (lambda: reference.rescaling_forward(SEQUENCE, scale=1, offset=np.ones((2, 2, 3, 4))), "offset"),
    "two unknown sizes": (lambda: reference.reshape_forward(SEQUENCE, target_shape=(-1, -1)), r"\(-1, -1\)"),
    "a slope below 0": (lambda: reference.leaky_re_lu_forward(SEQUENCE, negative_slope=-1), "negative_slope"),
    "a threshold below 0": (lambda: reference.re_lu_forward(SEQUENCE, threshold=-1), "threshold"),
    "a slope for other places": (lambda: reference.p_re_lu_forward(SEQUENCE, np.ones((4, 3))), r"\(4, 3\)"),
    "a softmax mask that is larger": (lambda: reference.softmax_forward(SEQUENCE, mask=np.ones((2, 2, 3, 4))), r"\(2, 2, 3, 4\)"),
    "a gamma of other channels": (
        lambda: reference.batch_normalization_forward(SEQUENCE, np.ones(3), None, np.ones(4), np.ones(4)),
        "gamma must have one value",
    ),
    "a mask for other axes": (
        lambda: reference.batch_normalization_forward(SEQUENCE, None, None, np.ones(4), np.ones(4), training=True, mask=np.ones(2)),
        "rank 2",
    ),
    "a beta of other axes": (lambda: reference.layer_normalization_forward(SEQUENCE, None, np.ones(3)), "beta must have the shape"),
    "nothing to add": (lambda: reference.add_forward([]), "at least one"),
    "arrays that do not fit": (lambda: reference.add_forward([np.ones((2, 3)), np.ones((2, 4))]), "broadcast"),
    "nothing to put together": (lambda: reference.concatenate_forward([]), "need at least one array"),
    "a sequence for dropped images": (lambda: reference.spatial_dropout2d_forward(SEQUENCE, rate=0.5), "rank 4"),
    "spatial dropout in no format": (lambda: reference.spatial_dropout2d_forward(IMAGE, rate=0.5, data_format="last"), "'last'"),
    "steps without time": (lambda: reference.time_distributed_forward(np.ones((2, 3)), (np.ones((3, 2)),)), "at least one step"),
    "a wrapped layer of several inputs": (lambda: reference.time_distributed_forward(SEQUENCE, layer="Add"), "'Add'"),
    "a class that is not known": (lambda: layer_call("Conv9D", {}), "Conv9D"),
    "a weight too many": (lambda: layer_call("Dense", {"use_bias": False}, [1, 2]), "kernel"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_refused_by_name(what):
    call, said = REFUSED[what]
    with pytest.raises(ValueError, match=said):
        call()


def test_ids_outside_the_table_are_refused():
    for ids in ([[5]], [[-6]]):
        with pytest.raises(IndexError):
            reference.embedding_forward(np.array(ids), np.ones((5, 2)))


def test_a_convolution_needs_little_memory_beyond_input_and_output():
    x = np.zeros((400, 32, 32, 3), np.float32)
    kernel, bias = np.zeros((3, 3, 3, 64), np.float32), np.zeros(64, np.float32)
    tracemalloc.start()
    y = reference.conv2d_forward(x, kernel, bias, padding="same", activation="relu")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    beyond = (peak - y.nbytes) / 2**20
    # All patches of these images at once would take 42 MiB; chunks keep it at a few, whatever the batch.
    assert beyond < 20, f"the convolution needed {beyond:.0f} MiB beyond its output"


def test_padding_that_is_larger_than_the_image_needs_little_memory():
    x = np.zeros((400, 8, 1), np.float32)
    tracemalloc.start()
    reference.conv1d_forward(x, np.zeros((2, 1, 1), np.float32), padding="causal", dilation_rate=20_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All padded sequences at once would take 30 MiB.
    assert peak / 2**20 < 15, f"the convolution needed {peak / 2**20:.0f} MiB"


def test_the_erf_of_gelu_is_exact_to_the_last_digits():
    import math

    x = np.linspace(-9, 9, 2001)
    exact = np.array([0.5 * v * math.erfc(-v / math.sqrt(2)) for v in x])
    worst = float(np.max(np.abs(reference.gelu(x) - exact)))
    assert worst < 2e-15, f"gelu is off by {worst}"


@pytest.mark.parametrize("name", [name for name, spec in LAYERS.items() if not isinstance(spec, WrapperSpec)])
def test_the_table_of_calls_has_keras_own_defaults(name):
    import inspect

    from conformance.oracle.environment import import_keras

    parameters = inspect.signature(getattr(import_keras().layers, name).__init__).parameters
    for option, declared in LAYERS[name].options.items():
        default = declared.default
        if option not in parameters:
            # Taken through **kwargs by the class below.
            assert option == "zero_output_for_mask", f"{name} has no option {option}"
            continue
        own = parameters[option].default
        own = {None: "channels_last"}.get(own, own) if option == "data_format" else own
        own = (own,) * declared.length if isinstance(own, int) and declared.length else own
        own = "linear" if option.endswith("activation") and own is None else own
        if own is inspect.Parameter.empty:
            assert isinstance(default, str) and "always passed" in default, f"{name}.{option} has no default in Keras"
        else:
            assert own == default, f"{name}.{option} defaults to {own} in Keras and to {default} in the table"


def test_an_implementation_is_asked_only_for_what_differs_from_the_defaults():
    config = {"strides": 1, "padding": "SAME", "groups": 1, "activation": None, "data_format": None}
    call = layer_call("Conv2D", config, ["kernel", "bias"])
    assert call.options == {"padding": "same"}, f"defaults were passed: {call.options}"
    assert layer_call("MaxPooling2D", {"pool_size": 3, "strides": [3, 3]}).options == {"pool_size": (3, 3)}, (
        "strides equal to the pool are the default"
    )
    wrapped = {"layer": {"class_name": "LSTM", "config": {"return_sequences": True, "use_bias": False}}, "merge_mode": "sum"}
    call = layer_call("Bidirectional", wrapped, ["k", "r", "bk", "br"])
    assert call.weights == (("k", "r"), ("bk", "br")), "the halves of Bidirectional are not two tuples"
    assert call.options == {"merge_mode": "sum", "return_sequences": True}, f"unexpected options {call.options}"
    assert set(LAYERS) <= set(ALL), "a layer of the reference has no cases"


KEEP_INTEGERS = ("linear", "relu", "relu6")


@pytest.mark.parametrize("name", sorted(set(reference.activations.ACTIVATIONS) - {"threshold"}))
def test_integers_become_float32_where_keras_takes_or_refuses_them(name):
    x = np.array([[-3, 0, 1, 4]])
    y = reference.activations.ACTIVATIONS[name](x)
    wanted = x.dtype if name in KEEP_INTEGERS else np.dtype(np.float32)
    assert y.dtype == wanted, f"{name} of {x.dtype} is {y.dtype}, not {wanted}"
