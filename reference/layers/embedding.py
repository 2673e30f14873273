"""Embedding: rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference._arrays import Gradients, fitting
from reference.layers.options import COUNT, FLAG
from reference.layers.shapes import sizes
from reference.layers.spec import MASK, REQUIRED, LayerSpec, Option, Weight, layer

__all__ = ["embedding_backward", "embedding_compute_mask", "embedding_forward"]

Array = NDArray[Any]


def embedding_forward(x: Array, embeddings: Array, *, mask_zero: bool = False) -> Array:
    """Rows of a table: ``y[..., :] = embeddings[x[...]]``.

    Parameters
    ----------
    x : array (batch, ...) of ids
        Ids that are not int32 or int64 are cast to int32: floats are truncated towards zero.
    embeddings : array (input_dim, output_dim)
    mask_zero : bool
        Changes nothing here, where id 0 has a row as any other; see :func:`embedding_compute_mask`.

    Returns
    -------
    y : array (batch, ..., output_dim)
        A negative id counts from the end of the table, ``-input_dim <= id < 0``.

    Raises
    ------
    IndexError
        If an id lies outside the table.

    Source: keras.layers.Embedding.
    """
    return _embedding_run(x, embeddings)[0]


def embedding_backward(grad_output: ArrayLike, x: Array, embeddings: Array, *, mask_zero: bool = False) -> Gradients:
    """Gradients of :func:`embedding_forward`: ``grad_embeddings[i] = sum of grad_output[...]`` over the places with ``x[...] = i``.

    Returns
    -------
    None, grad_embeddings : ids have no gradient; that of the table is an array of its shape, 0 in rows that are not looked up
    """
    return _embedding_gradients(grad_output, _embedding_run(x, embeddings)[1])


def _embedding_run(x: Array, embeddings: Array) -> tuple[Array, tuple[Array, Array]]:
    ids = np.asarray(x)
    if ids.dtype not in (np.int32, np.int64):
        ids = ids.astype(np.int32)
    rows: Array = embeddings[ids]
    return rows, (ids, embeddings)


def _embedding_gradients(grad_output: ArrayLike, saved: tuple[Array, Array]) -> Gradients:
    ids, embeddings = saved
    input_dim, output_dim = embeddings.shape
    grad = fitting(grad_output, (*ids.shape, output_dim), embeddings.dtype).reshape(ids.size, output_dim)
    grad_embeddings = np.zeros_like(embeddings)
    if ids.size:
        # Sorted, the places of an id are one stretch, whose sum is one step of reduceat: much faster than adding place by place.
        wrapped = ids.reshape(-1) % input_dim
        order = np.argsort(wrapped, kind="stable")
        rows, starts = np.unique(wrapped[order], return_index=True)
        grad_embeddings[rows] = np.add.reduceat(grad[order], starts, axis=0)
    return None, grad_embeddings


def embedding_compute_mask(x: Array, mask: Array | None = None, *, mask_zero: bool = False) -> Array | None:
    """Mask of an embedding: ``x != 0`` (before any cast) with ``mask_zero=True``, else None, whatever `mask` came in.

    Source: keras.layers.Embedding.compute_mask.
    """
    return np.not_equal(x, 0) if mask_zero else None


def _rows(saved: tuple[Array, Array], grad_output: Array) -> tuple[Array, Array]:
    """The gradient of the table as Keras's tape has it: ``(indices, rows)``, an index as often as it was looked up."""
    ids, embeddings = saved
    return ids.reshape(-1) % len(embeddings), np.asarray(grad_output, embeddings.dtype).reshape(-1, embeddings.shape[1])


EMBEDDING = layer(
    LayerSpec(
        "Embedding", embedding_forward, _embedding_run, _embedding_gradients,
        weights={"embeddings": Weight(sizes("input_dim", "output_dim"), initializer="uniform")},
        options={
            "input_dim": Option(REQUIRED, COUNT, taken_by=()),
            "output_dim": Option(REQUIRED, COUNT, taken_by=()),
            "mask_zero": Option(False, FLAG, taken_by=(MASK,)),
        },
        output=lambda config, shape: (*shape, config["output_dim"]), compute_mask=embedding_compute_mask, rows=_rows,
    )
)  # fmt: skip
