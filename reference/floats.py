"""Float arrays where Keras makes floats of integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def floating(x: ArrayLike) -> Array:
    """`x` as a float array: integers and bools become float32, as in Keras."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float32)
