"""The product of a recurrent layer's input, or of its state, with the kernel of all gates; and the gradients of the product."""

from __future__ import annotations

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
        if self._own_masks:
            own = (x[..., None, :, :] * self.keep) @ self._weight_by_gate()
            return np.asarray(own if self.bias is None else own + self.bias.reshape(self.gates, 1, -1))
        product = (x if self.keep is None else x * self.keep) @ self.weight
        if self.bias is not None:
            product += self.bias
        return self._by_gate(product)

    def part(self, first: int, last: int) -> Projection:
        """The gates from `first` up to `last`, without it, as a projection of their own."""
        columns = slice(first * self._units, last * self._units)
        keep = self.keep[first:last] if self.keep is not None and self._own_masks else self.keep
        return Projection(self.weight[:, columns], None if self.bias is None else self.bias[columns], last - first, keep)

    def grad_x(self, grad: Array) -> Array:
        """``(grad @ weight.T) * keep``: the gradient of x, (..., batch, rows), from that of z, (..., batch, gates * units)."""
        if self._own_masks:
            own = self._by_gate(grad) @ np.swapaxes(self._weight_by_gate(), 1, 2)
            return np.asarray(np.sum(own * self.keep, axis=-3))
        before = (_rows(grad) @ self.weight.T).reshape(*grad.shape[:-1], len(self.weight))
        return before if self.keep is None else before * self.keep

    def grad_weight(self, x: Array, grad: Array) -> Array:
        """``(x * keep).T @ grad``, summed over all steps: one product.

        x is (time, batch, rows), or (time, gates, batch, rows) where the gates did not see the same; grad (time, batch, gates * units).
        """
        if self._own_masks and x.ndim == 3:
            x = x[:, None]
        if self.keep is not None:
            x = x * self.keep
        if x.ndim == 3:
            return np.asarray(_rows(x).T @ _rows(grad))
        # A product a gate, each over all steps.
        x, grad = (np.moveaxis(one, 1, 0).reshape(self.gates, -1, one.shape[-1]) for one in (x, self._by_gate(grad)))
        return np.moveaxis(np.swapaxes(x, 1, 2) @ grad, 0, 1).reshape(self.weight.shape)

    @property
    def _units(self) -> int:
        return int(self.weight.shape[1] // self.gates)

    @property
    def _own_masks(self) -> bool:
        return self.keep is not None and self.keep.ndim == 3

    def _by_gate(self, z: Array) -> Array:
        """(..., batch, gates * units) as (..., gates, batch, units)."""
        return np.moveaxis(z.reshape(*z.shape[:-1], self.gates, self._units), -2, -3)

    def _weight_by_gate(self) -> Array:
        return np.moveaxis(self.weight.reshape(len(self.weight), self.gates, self._units), 1, 0)


def total(grad: Array) -> Array:
    """``grad`` (time, batch, gates * units) summed over all steps and samples: the gradient of a bias.

    As a product, which is several times faster than np.sum along the first axes, and more exact.
    """
    rows = _rows(grad)
    return np.asarray(np.ones(len(rows), rows.dtype) @ rows)


def _rows(x: Array) -> Array:
    """All but the last axis in one."""
    return x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])
