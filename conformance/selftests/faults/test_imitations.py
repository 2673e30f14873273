"""Wrong functions as students write them, none of them made of the faults' code: the first name that is offered is the right idea."""

from __future__ import annotations

import math
import re
import string
from collections import Counter

import numpy as np
import pytest

from conformance import check


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dense_backward(grad_output, x, kernel, bias=None, *, activation=None):
    if activation not in (None, "tanh"):
        raise NotImplementedError(activation)
    z = x @ kernel + (0 if bias is None else bias)
    g = grad_output * (1 - z**2) if activation == "tanh" else grad_output
    flat, rows = g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1])
    return g @ kernel.T, rows.T @ flat, None if bias is None else flat.sum(axis=0)


def flatten_backward(grad_output, x, data_format="channels_last"):
    shape = np.moveaxis(x, 1, -1).shape if data_format == "channels_first" and x.ndim > 2 else x.shape
    return (grad_output.reshape(shape),)


def silu_backward(grad_output, x):
    s = sigmoid(x)
    return grad_output * (s + x * s * s * (1 - s))


def gelu(x):
    return (0.5 * x * (1 + np.vectorize(math.erf)(x + math.sqrt(2)))).astype(x.dtype)


def max_pooling1d_backward(grad_output, x, pool_size=2, strides=None):
    size = int(np.ravel(pool_size)[0])
    step = size if strides is None else int(np.ravel(strides)[0])
    mask, grad = np.zeros_like(x), np.zeros_like(x)
    for t in range(grad_output.shape[1]):
        window = x[:, t * step : t * step + size]
        first = np.arange(size)[:, None] == window.argmax(axis=1)[:, None]
        mask[:, t * step : t * step + size] = np.maximum(mask[:, t * step : t * step + size], first)
    for t in range(grad_output.shape[1]):
        cells = np.s_[:, t * step : t * step + size]
        grad[cells] += mask[cells] * grad_output[:, t : t + 1]
    return (grad,)


def conv2d_forward(x, kernel, bias=None, *, strides=(1, 1), padding="valid"):
    (rows, columns), (down, right) = kernel.shape[:2], strides
    if padding == "same":
        up, left = (rows - 1) // 2, (columns - 1) // 2
        x = np.pad(x, ((0, 0), (up, up), (left, left), (0, 0)))
    size = (x.shape[1] - rows) // down + 1, (x.shape[2] - columns) // right + 1
    y = np.zeros((len(x), *size, kernel.shape[3]), x.dtype)
    for i in range(size[0]):
        for j in range(size[1]):
            patch = x[:, i * down : i * down + rows, j * right : j * right + columns]
            y[:, i, j] = np.tensordot(patch, kernel, 3)
    return y if bias is None else y + bias


def simple_rnn_forward(x, kernel, recurrent_kernel, bias=0, *, activation="tanh", return_sequences=False):
    h, outputs = np.zeros((len(x), len(recurrent_kernel)), x.dtype), []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ kernel + h @ recurrent_kernel + bias)
        outputs.append(h)
    return np.stack(outputs, axis=1) if return_sequences else h


def lstm_forward(x, kernel, recurrent_kernel, bias=0, *, activation="tanh"):
    f = {"tanh": np.tanh, "linear": lambda z: z, "relu": lambda z: np.maximum(z, 0), "sigmoid": sigmoid}[activation]
    h = c = np.zeros((len(x), len(recurrent_kernel)), x.dtype)
    for t in range(x.shape[1]):
        i, forget, g, o = np.split(x[:, t] @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
        c = sigmoid(forget) * c + sigmoid(i) * f(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru_forward(x, kernel, recurrent_kernel, bias=((0, 0), (0, 0))):
    h = np.zeros((len(x), len(recurrent_kernel)), x.dtype)
    for t in range(x.shape[1]):
        of_x, of_h = x[:, t] @ kernel + bias[0], h @ recurrent_kernel + bias[0]
        (z_x, r_x, h_x), (z_h, r_h, h_h) = np.split(of_x, 3, axis=-1), np.split(of_h, 3, axis=-1)
        z, r = sigmoid(z_x + z_h), sigmoid(r_x + r_h)
        h = z * h + (1 - z) * np.tanh(h_x + r * h_h)
    return h


def categorical_crossentropy(y_true, y_pred, from_logits=False, reduction="sum_over_batch_size"):
    if from_logits:
        e = np.exp(y_pred - y_pred.max(axis=-1, keepdims=True))
        y_pred = e / e.sum(axis=-1, keepdims=True)
    p = np.clip(y_pred / y_pred.sum(axis=-1, keepdims=True), 1e-7, 1 - 1e-7)
    losses = -(y_true * np.log(p)).sum(axis=-1)
    if reduction in (None, "none") or losses.shape == (0,):
        return losses
    return losses.sum() if reduction == "sum" or not losses.size else losses.mean()


def mean_absolute_error(y_true, y_pred):
    return np.abs(y_true - y_pred).mean() if y_pred.size else np.zeros(0, y_pred.dtype)


def sgd_step(variables, gradients, state=None, learning_rate=0.01, momentum=0.0):
    state = state or [np.zeros_like(v) for v in variables]
    state = [momentum * m + (1 - momentum) * g for m, g in zip(state, gradients, strict=True)]
    return [v - learning_rate * m for v, m in zip(variables, state, strict=True)], state


def text_vectorization_adapt(texts, max_tokens=None):
    small = str.maketrans(string.ascii_uppercase, string.ascii_lowercase, string.punctuation)
    words = [word for text in np.ravel(texts) for word in re.split(r"[ \t\n\v\f\r]+", str(text).translate(small)) if word]
    return (["", "[UNK]"] + [word for word, _ in Counter(words).most_common()])[:max_tokens]


def embedding_compute_mask(x, mask=None, mask_zero=False):
    return x == 0 if mask_zero else None


def masking_compute_mask(x, mask=None, mask_value=0.0):
    return (x != mask_value).all(axis=-1)


def concatenate_compute_mask(x, mask=None, axis=-1):
    if mask is None or all(one is None for one in mask):
        return None
    full = [np.ones(a.shape[:2], bool) if one is None else one for a, one in zip(x, mask, strict=True)]
    return np.concatenate(full, axis=1) if axis == 1 else np.logical_and.reduce(full)


IMITATIONS = [
    ("Dense", dense_backward, "the derivative of tanh, 1 - y**2, is given the argument"),
    ("Flatten", flatten_backward, "with channels_first the axes of the gradient are not moved back"),
    ("silu", silu_backward, "the derivative of silu has a sigmoid s too many"),
    ("gelu", gelu, "the square root of 2 is added to x inside erf"),
    ("MaxPooling1D", max_pooling1d_backward, "one mask of largest cells serves all windows"),
    ("Conv2D", conv2d_forward, "padding='same' adds (k - 1) // 2 cells on both sides"),
    ("SimpleRNN", simple_rnn_forward, "the option activation is ignored: tanh is always used"),
    ("LSTM", lstm_forward, "the cell state goes through tanh whatever the option activation is"),
    ("GRU", gru_forward, "the first row of the bias is used for the recurrent product too"),
    ("categorical_crossentropy", categorical_crossentropy, "logits become probabilities that are clipped at 1e-7"),
    ("mean_absolute_error", mean_absolute_error, "labels (n,) meet predictions (n, 1)"),
    ("SGD", sgd_step, "the momentum is an average"),
    ("TextVectorization", text_vectorization_adapt, "terms of equal frequency stand in the order in which they first come"),
    ("Embedding", embedding_compute_mask, "the mask is inverted"),
    ("Masking", masking_compute_mask, "the mask hides a step as soon as one of its features"),
    ("Concatenate", concatenate_compute_mask, "along the last axis the mask is True where all masks are"),
]
NAMED = re.compile("You would get exactly these values when (.*)|  looks like   (.*)")


@pytest.mark.parametrize(("layer", "function", "idea"), IMITATIONS, ids=[function.__name__ for _, function, _ in IMITATIONS])
def test_the_first_name_is_the_right_idea(layer, function, idea):
    report = check({function.__name__: function}, [layer])
    first = next(record for record in report.failed() if record.status == "failed" and record.kind not in ("repeated", "properties"))
    causes = report.diagnose([first]).get(first.id, [])
    told = "\n".join([report.explanations[first.id](), *(f"You would get exactly these values when {cause}" for cause in causes)])
    named = NAMED.search(told)
    assert named, f"no mistake is named:\n{told}"
    assert (named[1] or named[2]).startswith(idea), f"the first name is another one:\n{told}"
