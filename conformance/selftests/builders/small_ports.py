"""Ports of a few options each, with one mistake where two of them meet; everything else is the reference, and right."""

from __future__ import annotations

from typing import Any

import numpy as np

import reference as right


def momentum_forgotten_in_training(x, gamma, beta, moving_mean, moving_variance, training=False, momentum=0.99):
    return right.batch_normalization_forward(x, gamma, beta, moving_mean, moving_variance, **({"training": True} if training else {}))


def zeros_of_the_mask_forgotten(
    x, kernel, recurrent_kernel, bias=None, mask=None, return_sequences=False, zero_output_for_mask=False
):
    return right.lstm_forward(x, kernel, recurrent_kernel, bias, mask=mask, return_sequences=return_sequences)


def first_step_masked_drops_the_state(x, kernel, recurrent_kernel, bias=None, mask=None, initial_state=None):
    if mask is not None and initial_state is not None:
        initial_state = (initial_state[0] * (np.asarray(mask).reshape(x.shape[:2])[:, :1] != 0),)
    return right.gru_forward(x, kernel, recurrent_kernel, bias, mask=mask, initial_state=initial_state)


def mask_forgotten_without_reset_after(x, kernel, recurrent_kernel, bias=None, mask=None, reset_after=True):
    return right.gru_forward(x, kernel, recurrent_kernel, bias, mask=mask if reset_after else None, reset_after=reset_after)


def padding_without_dilation(x, kernel, bias=None, padding="valid", dilation_rate=(1,)):
    if padding == "same":
        before, total = (len(kernel) - 1) // 2, (len(kernel) - 1) * dilation_rate[0]
        x = np.pad(x, ((0, 0), (before, total - before), (0, 0)))
    return right.conv1d_forward(x, kernel, bias, padding="valid" if padding == "same" else padding, dilation_rate=dilation_rate)


def causal_steps_begin_late(x, kernel, bias=None, padding="valid", strides=(1,)):
    if padding != "causal":
        return right.conv1d_forward(x, kernel, bias, padding=padding, strides=strides)
    return right.conv1d_forward(x, kernel, bias, padding="causal")[:, strides[0] - 1 :: strides[0]]


def padded_whatever_the_stride(x, kernel, bias=None, padding="valid", strides=(1, 1)):
    size, other = kernel.shape[:2]
    if size != other or strides[0] != strides[1]:
        raise NotImplementedError("square kernels and equal strides alone")
    if padding == "same":
        before, after = (size - 1) // 2, size // 2
        x = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    return right.conv2d_forward(x, kernel, bias, strides=strides)


def groups_interleaved_below_strides(x, kernel, bias=None, strides=(1, 1), groups=1):
    y = right.conv2d_forward(x, kernel, bias, strides=strides, groups=groups)
    if groups == 1 or max(strides) == 1:
        return y
    return np.swapaxes(y.reshape(*y.shape[:-1], groups, -1), -1, -2).reshape(y.shape)


def dilated_kernel_padded_at_the_end(x, kernel, bias=None, padding="valid", dilation_rate=(1, 1)):
    if padding == "same" and max(dilation_rate) > 1:
        ends = [(0, (size - 1) * step) for size, step in zip(kernel.shape[:2], dilation_rate, strict=True)]
        return right.conv2d_forward(np.pad(x, ((0, 0), *ends, (0, 0))), kernel, bias, dilation_rate=dilation_rate)
    return right.conv2d_forward(x, kernel, bias, padding=padding, dilation_rate=dilation_rate)


def _halves(x, forward_weights, backward_weights, layer, **options):
    run = {"LSTM": right.lstm_forward, "SimpleRNN": right.simple_rnn_forward}[layer]
    return run(x, *forward_weights, **options), run(x, *backward_weights, go_backwards=True, **options)


def simple_rnn_never_turned_back(x, forward_weights, backward_weights, layer="LSTM", return_sequences=False):
    if layer == "LSTM":
        return right.bidirectional_forward(x, forward_weights, backward_weights, return_sequences=return_sequences)
    if layer != "SimpleRNN":
        raise NotImplementedError(layer)
    return np.concatenate(_halves(x, forward_weights, backward_weights, layer, return_sequences=return_sequences), -1)


def merged_before_it_is_turned_back(x, forward_weights, backward_weights, merge_mode="concat", return_sequences=False):
    if merge_mode != "ave" or not return_sequences:
        options = {"merge_mode": merge_mode, "return_sequences": return_sequences}
        return right.bidirectional_forward(x, forward_weights, backward_weights, **options)
    return sum(_halves(x, forward_weights, backward_weights, "LSTM", return_sequences=True)) / 2


def masked_outputs_not_zeroed(x, forward_weights, backward_weights, mask=None, return_sequences=False):
    if mask is None or not return_sequences:
        return right.bidirectional_forward(x, forward_weights, backward_weights, mask=mask, return_sequences=return_sequences)
    forward, backward = _halves(x, forward_weights, backward_weights, "LSTM", mask=mask, return_sequences=True)
    return np.concatenate((forward, backward[:, ::-1]), -1)


def mask_forgotten_on_another_axis(x, gamma, beta, moving_mean, moving_variance, training=False, axis=-1, mask=None):
    options = {"training": training, "axis": axis, "mask": mask if axis == -1 else None}
    return right.batch_normalization_forward(x, gamma, beta, moving_mean, moving_variance, **options)


def scale_forgotten_without_center(x, gamma=None, beta=None, axis=-1):
    if beta is None and axis != -1:
        gamma = None
    return right.layer_normalization_forward(x, gamma, beta, axis=axis)


def zeros_around_what_strides_leave(x, pool_size=(2, 2), strides=None, padding="valid"):
    if padding == "same" and strides is not None:
        needed = [
            max((-(-size // stride) - 1) * stride + pool - size, 0)
            for size, stride, pool in zip(x.shape[1:3], strides, pool_size, strict=True)
        ]
        x, padding = np.pad(x, ((0, 0), *((one // 2, one - one // 2) for one in needed), (0, 0))), "valid"
    return right.max_pooling2d_forward(x, pool_size=pool_size, strides=strides, padding=padding)


def masked_rows_uniform_on_another_axis(x, axis=-1, mask=None):
    if mask is not None and axis != -1:
        return right.softmax(np.where(mask, x, -1e9) if np.asarray(mask).dtype == bool else x, axis=axis)
    return right.softmax_forward(x, axis=axis, mask=mask)


def row_0_zeroed(x, embeddings, mask_zero=False):
    y = right.embedding_forward(x, embeddings)
    return y * (np.asarray(x) != 0)[..., None] if mask_zero else y


def clipped_softmax(y_true, y_pred, from_logits=False):
    if from_logits:
        y_pred = np.clip(right.softmax(y_pred), 1e-7, 1 - 1e-7)
    return right.categorical_crossentropy(y_true, y_pred)


def weights_normalised_in_a_sum(y_true, y_pred, reduction="sum_over_batch_size", sample_weight=None):
    if reduction == "sum" and sample_weight is not None:
        sample_weight = sample_weight / np.mean(sample_weight)
    return right.mean_squared_error(y_true, y_pred, reduction=reduction, sample_weight=sample_weight)


def smoothed_after_the_softmax(y_true, y_pred, from_logits=False, label_smoothing=0.0):
    smoothing = 0.0 if from_logits else label_smoothing
    return right.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, label_smoothing=smoothing)


def decayed_after_the_step(variables, gradients, state, learning_rate=0.001, weight_decay=None, amsgrad=False):
    if not (amsgrad and weight_decay):
        return right.adam_step(variables, gradients, state, learning_rate=learning_rate, weight_decay=weight_decay, amsgrad=amsgrad)
    moved, state = right.adam_step(variables, gradients, state, learning_rate=learning_rate, amsgrad=True)
    return [one - one * learning_rate * weight_decay for one in moved], state


def clipped_velocity(variables, gradients, state, learning_rate=0.01, momentum=0.0, clipvalue=None):
    if not (momentum and clipvalue):
        return right.sgd_step(variables, gradients, state, learning_rate=learning_rate, momentum=momentum, clipvalue=clipvalue)
    moved, state = right.sgd_step(variables, gradients, state, learning_rate=learning_rate, momentum=momentum)
    room = learning_rate * clipvalue
    return [old + np.clip(new - old, -room, room) for old, new in zip(variables, moved, strict=True)], state


def gradient_not_turned_back(grad_output, x, kernel, recurrent_kernel, bias=None, return_sequences=False, go_backwards=False):
    options = {"return_sequences": return_sequences, "go_backwards": go_backwards}
    grad_x, *others = right.lstm_backward(grad_output, x, kernel, recurrent_kernel, bias, **options)
    return (grad_x[:, ::-1] if go_backwards and return_sequences else grad_x, *others)


def cell_lost_where_the_last_output_is_zeroed(
    x, kernel, recurrent_kernel, bias=None, mask=None, initial_state=None, zero_output_for_mask=False
):
    if zero_output_for_mask and initial_state is not None:
        initial_state = (initial_state[0], initial_state[1] * 0)
    options = {"mask": mask, "initial_state": initial_state, "zero_output_for_mask": zero_output_for_mask}
    return right.lstm_forward(x, kernel, recurrent_kernel, bias, **options)


def both_halves_forwards(x, forward_weights, backward_weights, merge_mode="concat", go_backwards=False):
    backwards = go_backwards and merge_mode != "sum"
    return right.bidirectional_forward(x, forward_weights, backward_weights, merge_mode=merge_mode, go_backwards=backwards)


def axis_counted_with_that_of_time(x, weights=(), layer="Dense", axis=None):
    if axis is None:
        return right.time_distributed_forward(x, weights, layer=layer)
    moved = axis - 1 if isinstance(axis, int) and axis > 1 else axis
    if axis == 1:
        return (x - np.mean(x, 1, keepdims=True)) / np.sqrt(np.var(x, 1, keepdims=True) + 1e-3)
    return right.time_distributed_forward(x, weights, layer=layer, axis=moved)


def groups_interleaved_below_an_activation(x, kernel, bias=None, groups=1, activation="linear"):
    if groups > 1 and activation != "linear":
        x = x[..., np.arange(x.shape[-1]).reshape(-1, groups).T.ravel()]
    return right.conv2d_forward(x, kernel, bias, groups=groups, activation=activation)


def overflow_without_a_bias(x, kernel, bias=None, activation="linear"):
    if activation != "softmax" or bias is not None:
        return right.dense_forward(x, kernel, bias, activation=activation)
    with np.errstate(all="ignore"):
        powers = np.exp(x @ kernel)
        return powers / np.sum(powers, -1, keepdims=True)


def clipped_softmax_of_what_is_smoothed(y_true, y_pred, from_logits=False, label_smoothing=0.0):
    if from_logits and label_smoothing:
        y_pred, from_logits = np.clip(right.softmax(y_pred), 1e-7, 1 - 1e-7), False
    return right.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, label_smoothing=label_smoothing)


def amsgrad_lost_where_gradients_are_clipped(variables, gradients, state, amsgrad=False, clipnorm=None):
    return right.adam_step(variables, gradients, state, amsgrad=amsgrad and clipnorm is None, clipnorm=clipnorm)


def amsgrad_lost_beside_a_beta(variables, gradients, state, amsgrad=False, beta_1=0.9):
    return right.adam_step(variables, gradients, state, amsgrad=amsgrad and beta_1 == 0.9, beta_1=beta_1)


def amsgrad_lost_in_accumulation(variables, gradients, state, amsgrad=False, gradient_accumulation_steps=None):
    options = {"gradient_accumulation_steps": gradient_accumulation_steps}
    return right.adamw_step(variables, gradients, state, amsgrad=amsgrad and not gradient_accumulation_steps, **options)


def momentum_lost_in_averages(variables, gradients, state, momentum=0.0, use_ema=False):
    return right.sgd_step(variables, gradients, state, momentum=0.0 if use_ema else momentum, use_ema=use_ema)


def velocity_of_the_scaled_loss(variables, gradients, state, momentum=0.0, loss_scale_factor=None):
    return right.sgd_step(variables, gradients, state, momentum=momentum, loss_scale_factor=None if momentum else loss_scale_factor)


def updates_after_the_first_made_smaller(variables, gradients, state, beta_1=0.9, gradient_accumulation_steps=None):
    calls, inner = state or (0, None)
    options = {"beta_1": beta_1, "gradient_accumulation_steps": gradient_accumulation_steps}
    moved, inner = right.adam_step(variables, gradients, inner, **options)
    if gradient_accumulation_steps and beta_1 != 0.9 and calls >= gradient_accumulation_steps:
        moved = [(old + new) / 2 for old, new in zip(variables, moved, strict=True)]
    return moved, (calls + 1, inner)


def decay_lost_beside_a_beta(variables, gradients, state, beta_1=0.9, weight_decay=None):
    return right.nadam_step(variables, gradients, state, beta_1=beta_1, weight_decay=None if beta_1 != 0.9 else weight_decay)


def first_gru_alone_turned_back_twice(x, kernel, recurrent_kernel, bias, reset_after=True, return_sequences=False, go_backwards=False):
    if reset_after:
        raise NotImplementedError("the layer as it was first described")
    options = {"reset_after": False, "return_sequences": return_sequences, "go_backwards": go_backwards}
    y = right.gru_forward(x, kernel, recurrent_kernel, bias, **options)
    return y[:, ::-1] if go_backwards and return_sequences else y


def weights_forgotten_in_a_sum_of_logits(y_true, y_pred, from_logits=False, reduction="sum_over_batch_size", sample_weight=None):
    if not from_logits:
        raise NotImplementedError("logits alone")
    kept = sample_weight if reduction != "sum" else None
    return right.categorical_crossentropy(y_true, y_pred, from_logits=True, reduction=reduction, sample_weight=kept)


def ignored_class_kept_where_the_axis_is_named(y_true, y_pred, axis=-1, ignore_class=None):
    kept = ignore_class if axis == -1 else None
    return right.sparse_categorical_crossentropy(y_true, y_pred, axis=axis, ignore_class=kept)


def padded_by_less_than_nothing(x, kernel, bias=None, padding="valid", strides=(1,)):
    if padding == "causal":
        raise NotImplementedError("valid and same alone")
    missing = (-(-x.shape[1] // strides[0]) - 1) * strides[0] + len(kernel) - x.shape[1]
    cut = x[:, -missing:] if padding == "same" and missing < 0 else x
    return right.conv1d_forward(cut, kernel, bias, padding=padding, strides=strides)


def clipping_forgotten_beside_another_epsilon(variables, gradients, state, epsilon=1e-7, clipnorm=None):
    return right.adagrad_step(variables, gradients, state, epsilon=epsilon, clipnorm=clipnorm if epsilon == 1e-7 else None)



PORTS: list[tuple[str, str, str, Any]] = [
    ("BatchNormalization", "forward", "batch_normalization_forward", momentum_forgotten_in_training),
    ("BatchNormalization", "forward", "batch_normalization_forward", mask_forgotten_on_another_axis),
    ("LSTM", "forward", "lstm_forward", zeros_of_the_mask_forgotten),
    ("LSTM", "backward", "lstm_backward", gradient_not_turned_back),
    ("GRU", "forward", "gru_forward", first_step_masked_drops_the_state),
    ("GRU", "forward", "gru_forward", mask_forgotten_without_reset_after),
    ("Conv1D", "forward", "conv1d_forward", padding_without_dilation),
    ("Conv1D", "forward", "conv1d_forward", causal_steps_begin_late),
    ("Conv2D", "forward", "conv2d_forward", padded_whatever_the_stride),
    ("Conv2D", "forward", "conv2d_forward", groups_interleaved_below_strides),
    ("Conv2D", "forward", "conv2d_forward", dilated_kernel_padded_at_the_end),
    ("Bidirectional", "forward", "bidirectional_forward", simple_rnn_never_turned_back),
    ("Bidirectional", "forward", "bidirectional_forward", merged_before_it_is_turned_back),
    ("Bidirectional", "forward", "bidirectional_forward", masked_outputs_not_zeroed),
    ("LayerNormalization", "forward", "layer_normalization_forward", scale_forgotten_without_center),
    ("MaxPooling2D", "forward", "max_pooling2d_forward", zeros_around_what_strides_leave),
    ("Softmax", "forward", "softmax_forward", masked_rows_uniform_on_another_axis),
    ("Embedding", "forward", "embedding_forward", row_0_zeroed),
    ("categorical_crossentropy", "loss", "categorical_crossentropy", clipped_softmax),
    ("categorical_crossentropy", "loss", "categorical_crossentropy", smoothed_after_the_softmax),
    ("mean_squared_error", "loss", "mean_squared_error", weights_normalised_in_a_sum),
    ("Adam", "optimizer", "adam_step", decayed_after_the_step),
    ("SGD", "optimizer", "sgd_step", clipped_velocity),
    ("LSTM", "forward", "lstm_forward", cell_lost_where_the_last_output_is_zeroed),
    ("Bidirectional", "forward", "bidirectional_forward", both_halves_forwards),
    ("TimeDistributed", "forward", "time_distributed_forward", axis_counted_with_that_of_time),
    ("Conv2D", "forward", "conv2d_forward", groups_interleaved_below_an_activation),
    ("Dense", "forward", "dense_forward", overflow_without_a_bias),
    ("categorical_crossentropy", "loss", "categorical_crossentropy", clipped_softmax_of_what_is_smoothed),
    ("Adam", "optimizer", "adam_step", amsgrad_lost_where_gradients_are_clipped),
    ("Adam", "optimizer", "adam_step", amsgrad_lost_beside_a_beta),
    ("AdamW", "optimizer", "adamw_step", amsgrad_lost_in_accumulation),
    ("SGD", "optimizer", "sgd_step", momentum_lost_in_averages),
    ("SGD", "optimizer", "sgd_step", velocity_of_the_scaled_loss),
    ("Adam", "optimizer", "adam_step", updates_after_the_first_made_smaller),
    ("GRU", "forward", "gru_forward", first_gru_alone_turned_back_twice),
    ("categorical_crossentropy", "loss", "categorical_crossentropy", weights_forgotten_in_a_sum_of_logits),
    ("sparse_categorical_crossentropy", "loss", "sparse_categorical_crossentropy", ignored_class_kept_where_the_axis_is_named),
    ("Conv1D", "forward", "conv1d_forward", padded_by_less_than_nothing),
    ("Adagrad", "optimizer", "adagrad_step", clipping_forgotten_beside_another_epsilon),
    ("Nadam", "optimizer", "nadam_step", decay_lost_beside_a_beta),
]
"""Layer, what is asked of it, the name of the port's function, and the function."""
