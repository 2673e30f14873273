"""The reference with mistakes planted in it, one for each property: what the check of properties must turn red for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import reference as right
from conformance.implementations.module import ModuleImplementation


class Planted(ModuleImplementation):
    """The reference with other functions (or none) under some names."""

    def __init__(self, **functions: Callable[..., Any] | None) -> None:
        super().__init__("reference")
        self.functions = functions

    def function(self, name: str) -> Callable[..., Any] | None:
        return self.functions[name] if name in self.functions else super().function(name)


def chunks_without_the_rest(function):
    """Works through a batch in fours and forgets what is left over."""

    def wrong(x, *weights, **options):
        y = function(x, *weights, **options)
        y[4 * (len(y) // 4) if len(y) > 4 else len(y) :] = 0
        return y

    return wrong


def first_sample_for_all(name):
    """An argument of the call is read from the first sample."""

    def wrong(x, *weights, **options):
        if name == "mask" and "mask" in options:
            options["mask"] = np.repeat(options["mask"][:1], len(x), axis=0)
        if name == "initial_state" and "initial_state" in options:
            options["initial_state"] = tuple(np.repeat(state[:1], len(x), axis=0) for state in options["initial_state"])
        return right.lstm_forward(x, *weights, **options)

    return wrong


def lstm_state_ignored(x, *weights, initial_state=None, **options):
    return right.lstm_forward(x, *weights, **options)


def simple_rnn_state_too_old(x, *weights, return_state=False, **options):
    y = right.simple_rnn_forward(x, *weights, **options)
    return (y, right.simple_rnn_forward(x[:, :-1], *weights)) if return_state else y


def gru_mask_ends_the_sequence(x, *weights, mask=None, **options):
    if mask is not None:
        mask = np.logical_and.accumulate(mask, axis=1)
    return right.gru_forward(x, *weights, mask=mask, **options)


def gru_backwards_in_the_order_of_time(x, *weights, **options):
    y = right.gru_forward(x, *weights, **options)
    return y[:, ::-1] if options.get("go_backwards") and options.get("return_sequences") else y


def lstm_mask_not_turned(x, *weights, mask=None, go_backwards=False, **options):
    return right.lstm_forward(x[:, ::-1] if go_backwards else x, *weights, mask=mask, **options)


def lstm_sees_the_whole_sequence(x, *weights, **options):
    return right.lstm_forward(x - x.mean(axis=1, keepdims=True), *weights, **options)


def lstm_zero_at_a_masked_end(x, *weights, **options):
    y = right.lstm_forward(x, *weights, **options)
    return y if options.get("return_sequences") else y * options.get("mask", np.ones(x.shape[:2]))[:, -1:]


def conv1d_causal_on_both_sides(x, *weights, padding="valid", **options):
    return right.conv1d_forward(x, *weights, padding="same" if padding == "causal" else padding, **options)


def bidirectional_backward_not_turned(x, *weights, merge_mode="concat", **options):
    y = right.bidirectional_forward(x, *weights, merge_mode=merge_mode, **options)
    if not options.get("return_sequences") or merge_mode != "concat":
        return y
    forward, backward = np.split(y, 2, axis=-1)
    return np.concatenate([forward, backward[:, ::-1]], axis=-1)


def bidirectional_weighs_the_halves(x, *weights, merge_mode="concat", **options):
    forward, backward = right.bidirectional_forward(x, *weights, **{**options, "merge_mode": None})
    return forward + 2 * backward if merge_mode == "sum" else np.concatenate([forward, backward], axis=-1)


def bidirectional_backward_first(x, *weights, **options):
    return np.concatenate(np.split(right.bidirectional_forward(x, *weights, **options), 2, axis=-1)[::-1], axis=-1)


def dense_normalises_its_kernel(x, kernel, bias=None, **options):
    return right.dense_forward(x, kernel / np.linalg.norm(kernel), bias, **options)


def conv2d_channels_backwards(x, kernel, bias=None, **options):
    return right.conv2d_forward(x, kernel[:, :, ::-1], bias, **options)


def dense_bias_after_the_activation(x, kernel, bias=None, **options):
    return right.dense_forward(x, kernel, None, **options) + (0 if bias is None else bias)


def conv2d_starts_one_later(option):
    """Windows stand one row too low when this option is given."""

    def wrong(x, *weights, **options):
        return right.conv2d_forward(np.roll(x, -1, axis=1) if option in options else x, *weights, **options)

    return wrong


def conv2d_padding_before(x, *weights, padding="valid", **options):
    """With the odd zero before the image instead of behind it."""
    return right.conv2d_forward(x[:, ::-1], weights[0][::-1], *weights[1:], padding=padding, **options)[:, ::-1]


def conv2d_filters_of_groups_mixed(x, kernel, bias=None, groups=1, **options):
    order = np.arange(kernel.shape[-1]).reshape(groups, -1).T.ravel()
    return right.conv2d_forward(x, kernel, bias, groups=groups, **options)[..., order]


def max_pooling2d_layout_by_reshape(x, data_format="channels_last", **options):
    if data_format == "channels_last":
        return right.max_pooling2d_forward(x, **options)
    y = right.max_pooling2d_forward(x.reshape(len(x), *x.shape[2:], x.shape[1]), **options)
    return y.reshape(len(y), y.shape[-1], *y.shape[1:-1])


def pooled_with_zeros(function):
    """The input is padded with zeros, which then count."""

    def wrong(x, pool_size=(2, 2), padding="valid", **options):
        if padding == "same":
            out = [-(-size // pool) for size, pool in zip(x.shape[1:-1], pool_size, strict=True)]
            missing = [n * pool - size for n, pool, size in zip(out, pool_size, x.shape[1:-1], strict=True)]
            x = np.pad(x, [(0, 0), *((n // 2, n - n // 2) for n in missing), (0, 0)])
        return function(x, pool_size=pool_size, **options)

    return wrong


def average_pooling1d_sums(x, pool_size, **options):
    return right.average_pooling1d_forward(x, pool_size=pool_size, **options) * np.prod(pool_size)


def global_average_pooling1d_divides_by_one_more(x, **options):
    return right.global_average_pooling1d_forward(x, **options) * x.shape[1] / (x.shape[1] + 1)


def global_average_pooling1d_masked_sum(x, mask=None, **options):
    return right.global_average_pooling1d_forward(x, **options) if mask is None else np.sum(x * mask[:, :, None], axis=1)


def gru_mask_inverted(x, *weights, mask=None, **options):
    return right.gru_forward(x, *weights, mask=mask if mask is None else ~mask, **options)


def batch_normalization_unbiased_with_a_mask(x, *weights, mask=None, **options):
    answer = right.batch_normalization_forward(x, *weights, mask=mask, **options)
    return answer if mask is None else (*answer[:2], answer[2] * 1.001)


def batch_normalization_always_in_training(x, *weights, training=False, **options):
    answer = right.batch_normalization_forward(x, *weights, training=True, **options)
    return answer if training else answer[0]


def layer_normalization_by_the_root_mean_square(x, gamma, beta, **options):
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-3) * gamma + beta


MISTAKES: dict[str, dict[str, Callable[..., Any]]] = {
    "BatchNormalization-batch_split": {"batch_normalization_forward": batch_normalization_always_in_training},
    "Flatten-batch_split": {"flatten_forward": lambda x: x.reshape(len(x), -1).squeeze()},
    "softmax-batch_split": {"softmax": lambda x: np.exp(x) / np.sum(np.exp(x), axis=0)},
    "LSTM-batch_split-mask": {"lstm_forward": first_sample_for_all("mask")},
    "LSTM-batch_split-initial_state": {"lstm_forward": first_sample_for_all("initial_state")},
    "Conv2D-batch_split-large": {"conv2d_forward": chunks_without_the_rest(right.conv2d_forward)},
    "MaxPooling2D-batch_split-large": {"max_pooling2d_forward": chunks_without_the_rest(right.max_pooling2d_forward)},
    "LSTM-halves-return_sequences": {"lstm_forward": lstm_state_ignored},
    "SimpleRNN-halves": {"simple_rnn_forward": simple_rnn_state_too_old},
    "GRU-halves-mask": {"gru_forward": gru_mask_ends_the_sequence},
    "GRU-reversed-return_sequences": {"gru_forward": gru_backwards_in_the_order_of_time},
    "LSTM-reversed-mask": {"lstm_forward": lstm_mask_not_turned},
    "LSTM-first_steps": {"lstm_forward": lstm_sees_the_whole_sequence},
    "Conv1D-first_steps-padding=causal": {"conv1d_forward": conv1d_causal_on_both_sides},
    "LSTM-last_step-mask": {"lstm_forward": lstm_zero_at_a_masked_end},
    "Bidirectional-time_reversal-return_sequences": {"bidirectional_forward": bidirectional_backward_not_turned},
    "Bidirectional-time_reversal-merge_mode=sum": {"bidirectional_forward": bidirectional_weighs_the_halves},
    "Bidirectional-two_layers": {"bidirectional_forward": bidirectional_backward_first},
    "Dense-linearity": {"dense_forward": dense_normalises_its_kernel},
    "Dense-bias_alone": {"dense_forward": lambda x, kernel, bias=None: x @ kernel},
    "Dense-activation_after": {"dense_forward": dense_bias_after_the_activation},
    "Embedding-one_hot": {"embedding_forward": lambda x, embeddings: embeddings[x - 1]},
    "Conv2D-one_by_one": {"conv2d_forward": conv2d_channels_backwards},
    "TimeDistributed-time_distributed": {"time_distributed_forward": lambda x, weights: np.tanh(x @ weights[0] + weights[1])},
    "Conv2D-strided": {"conv2d_forward": conv2d_starts_one_later("strides")},
    "Conv2D-dilated_kernel": {"conv2d_forward": conv2d_starts_one_later("dilation_rate")},
    "Conv2D-padded-padding=same": {"conv2d_forward": conv2d_padding_before},
    "Conv1D-padded-padding=causal": {"conv1d_forward": conv1d_causal_on_both_sides},
    "Conv2D-groups": {"conv2d_forward": conv2d_filters_of_groups_mixed},
    "MaxPooling2D-channels_first": {"max_pooling2d_forward": max_pooling2d_layout_by_reshape},
    "MaxPooling2D-moved-padding=same": {"max_pooling2d_forward": pooled_with_zeros(right.max_pooling2d_forward)},
    "AveragePooling2D-moved-padding=same": {"average_pooling2d_forward": pooled_with_zeros(right.average_pooling2d_forward)},
    "GlobalAveragePooling1D-moved": {"global_average_pooling1d_forward": global_average_pooling1d_divides_by_one_more},
    "AveragePooling1D-constant_kernel": {"average_pooling1d_forward": average_pooling1d_sums},
    "GRU-ones_mask": {"gru_forward": gru_mask_inverted},
    "GlobalAveragePooling1D-ones_mask": {"global_average_pooling1d_forward": global_average_pooling1d_masked_sum},
    "BatchNormalization-ones_mask-training": {"batch_normalization_forward": batch_normalization_unbiased_with_a_mask},
    "LayerNormalization-shifted": {"layer_normalization_forward": layer_normalization_by_the_root_mean_square},
    "log_softmax-shifted": {"log_softmax": lambda x: -np.log1p(np.exp(-x))},
    "Add-commutes": {"add_forward": lambda x: x[0] + 2 * sum(x[1:])},
    "Concatenate-splits_back": {"concatenate_forward": lambda x: np.concatenate(x[::-1], axis=-1)},
    "LeakyReLU-as_function": {"leaky_re_lu_forward": lambda x: np.where(x > 0, x, 0.2 * x)},
    "Flatten-in_order": {"flatten_forward": lambda x: x.reshape(len(x), -1, order="F")},
    "Reshape-in_order": {"reshape_forward": lambda x, target_shape: x.reshape(len(x), *target_shape, order="F")},
}
"""By the id of a property: functions in place of the reference's, with which it does not hold."""
