"""The product of a recurrent layer's input, or of its state, with the kernel of all gates; and the gradients of the product."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Projection:
    """``z = (x * keep) @ weight + bias``; the gates stand side by side along the last axis of weight and bias.

    Attributes
    ----------
    weight : array (rows, gates * units)
    bias : array (gates * units,), optional
    gates : int
    keep : array (batch, rows), or (gates, batch, rows) when every gate has a mask of its own, optional
        What dropout multiplies x with.
    """

    weight: Array
    bias: Array | None
    gates: int
    keep: Array | None

    def __call__(self, x: Array) -> Array:
        """The product by gate, (..., gates, batch, units), of x (..., batch, rows)."""
        if self.keep is not None and self.keep.ndim == 3:
            own = (x[..., None, :, :] * self.keep) @ self._by_gate(self.weight)
            return np.asarray(own if self.bias is None else own + self.bias.reshape(self.gates, 1, -1))
        product = (x if self.keep is None else x * self.keep) @ self.weight
        if self.bias is not None:
            product += self.bias
        return self._by_gate(product)

    def grad_x(self, grad: Array, first: int = 0, last: int | None = None) -> Array:
        """``(grad @ weight.T) * keep``: the gradient of x, (..., batch, rows), from that of z, (..., batch, gates * units).

        With `first` and `last`, from the gradient of these gates alone, `last` without itself.
        """
        weight = self._transposed[first:last]
        if self.keep is not None and self.keep.ndim == 3:
            return np.asarray(np.sum((self._by_gate(grad) @ weight) * self.keep[first:last], axis=-3))
        before = (_rows(grad) @ weight.reshape(grad.shape[-1], weight.shape[-1])).reshape(*grad.shape[:-1], weight.shape[-1])
        return before if self.keep is None else before * self.keep

    def grad_weight(self, x: Array, grad: Array) -> Array:
        """``(x * keep).T @ grad``, summed over all steps: one product.

        x is (time, batch, rows), or (time, gates, batch, rows) where the gates did not see the same; grad (time, batch, gates * units).
        """
        if self.keep is not None:
            x = (x[:, None] if self.keep.ndim == x.ndim else x) * self.keep
        if x.ndim == 3:
            return np.asarray(_rows(x).T @ _rows(grad))
        # A product a gate, each over all steps.
        grad = self._by_gate(grad)
        x, grad = (np.stack([_rows(one[:, gate]) for gate in range(self.gates)]) for one in (x, grad))
        return np.moveaxis(np.swapaxes(x, 1, 2) @ grad, 0, 1).reshape(self.weight.shape)

    @functools.cached_property
    def _transposed(self) -> Array:
        """(gates, units, rows): a copy, since the small products of one step are twice as fast with it as with a view."""
        rows, columns = self.weight.shape
        return np.ascontiguousarray(self.weight.T).reshape(self.gates, columns // self.gates, rows)

    def _by_gate(self, z: Array) -> Array:
        """(..., rows, gates * units) as (..., gates, rows, units), for all gates or some."""
        units = self.weight.shape[1] // self.gates
        return z.reshape(*z.shape[:-1], z.shape[-1] // units, units).swapaxes(-2, -3)


def total(grad: Array) -> Array:
    """``grad`` (time, batch, gates * units) summed over all steps and samples: the gradient of a bias.

    As a product, which is several times faster than np.sum along the first axes, and more exact.
    """
    rows = _rows(grad)
    return np.asarray(np.ones(len(rows), rows.dtype) @ rows)


def _rows(x: Array) -> Array:
    """All but the last axis in one."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
