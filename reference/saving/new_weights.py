"""The weights of a model that has not been trained: which initializer its configuration names for each, and a stream of numbers for each.

Every weight is drawn from a stream of its own, which follows from the seed, the path of its layer and its name. So a layer that is added
or taken away leaves the weights of all others as they were, and so does another order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference import initializers
from reference.layers import LAYERS
from reference.layers.spec import Weight
from reference.network.config import Entry
from reference.network.errors import ArchiveError, malformed, shown
from reference.saving.hdf5 import Weights

Array = NDArray[Any]
Initializer = Callable[..., Array]

FUNCTIONS = (
    "zeros", "ones", "constant", "identity", "random_normal", "truncated_normal", "random_uniform", "variance_scaling",
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "orthogonal", "stft",
)  # fmt: skip
ALIASES = {
    **{name.title().replace("_", ""): name for name in FUNCTIONS},
    **{"STFT": "stft", "STFTInitializer": "stft", "OrthogonalInitializer": "orthogonal", "IdentityInitializer": "identity"},
    **{"uniform": "random_uniform", "normal": "random_normal", "zero": "zeros", "one": "ones"},
}
"""The other names that Keras knows an initializer by."""


def new_weights(entries: Sequence[Entry], dtype: str, seed: int) -> Weights:
    """The weights with which the training of a model begins.

    Parameters
    ----------
    entries : sequence of Entry
        The layers of the model, with the shapes of their weights.
    dtype : str
    seed : int
        From 0.

    Raises
    ------
    ArchiveError
        If a layer names an initializer that is not one of Keras's, or one that does not fit the weight; or if a size is not known.
    """
    return {entry.path: list(_layer_weights(entry, dtype, seed)) for entry in entries}


def initializer_of(identifier: str | Mapping[str, Any] | None) -> Initializer:
    """The initializer that a configuration names: a function of ``shape``, ``seed`` and ``dtype``.

    Parameters
    ----------
    identifier : str, mapping or None
        A name, ``"glorot_uniform"`` or ``"GlorotUniform"``; or ``{"class_name": ..., "config": {...}}``, as Keras writes it. A seed that
        stands there is used in place of that of the call, so that every call gives the same. None means ``glorot_uniform``.

    Raises
    ------
    ValueError
        If it is no initializer of Keras (the nearest names are said), or has options that the initializer does not take.
    """
    if identifier is None or isinstance(identifier, str):
        identifier = {"class_name": "glorot_uniform" if identifier is None else identifier}
    name, registered = identifier.get("class_name"), identifier.get("registered_name")
    function = ALIASES.get(str(name), str(name))
    if function not in FUNCTIONS or registered not in (None, name):
        from difflib import get_close_matches  # here, because only this message needs it

        near = get_close_matches(str(name), [*FUNCTIONS, *ALIASES], 3)
        raise ValueError(f"initializer {shown(registered or name)} is not one of Keras's own; near are {', '.join(near) or 'none'}")
    initialize, config = getattr(initializers, function), dict(identifier.get("config") or {})
    unknown = sorted(set(config) - set(signature(initialize).parameters).difference(("shape", "dtype")))
    if unknown:
        raise ValueError(f"initializer {name} takes no option {', '.join(unknown)}")
    seed = config.pop("seed", None)
    if seed is None or (isinstance(seed, Mapping) and seed.get("class_name") == "SeedGenerator"):
        return partial(initialize, **config)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"initializer {name}: seed is {shown(seed)}, not an int or None")
    own = seed % 2**64
    return lambda shape, *, seed=None, dtype="float32": initialize(shape, seed=own, dtype=dtype, **config)


def _layer_weights(entry: Entry, dtype: str, seed: int) -> Iterator[Array]:
    """The weights of one layer, in the order of ``get_weights()``."""
    if entry.class_name not in LAYERS:
        return
    owned = [
        (group, config, name, owner.weights[name])
        for group, owner, config in LAYERS[entry.class_name].owners(entry.config)
        for name in owner.weight_names(config)
    ]
    for (group, config, name, weight), shape in zip(owned, entry.shapes.values(), strict=True):
        where = f"layer {entry.path!r}: {group}{name}"
        if None in shape:
            raise ArchiveError(f"{where} has the shape {shape}: its sizes do not follow from the declared shapes of the inputs")
        with malformed(f"{where} cannot be initialised"):
            array = _initialize(config, name, weight)(shape, seed=_stream(seed, f"{entry.path}/{group}{name}"), dtype=dtype)
        array.flags.writeable = False
        yield array


def _stream(seed: int, name: str) -> np.random.Generator:
    """A stream of random numbers for each seed and name."""
    return np.random.default_rng([seed, *np.frombuffer(hashlib.sha256(name.encode()).digest(), "<u4").tolist()])


def _initialize(config: Mapping[str, Any], name: str, weight: Weight) -> Initializer:
    """The initializer of one weight of a layer."""
    initialize = initializer_of(config.get(f"{weight.prefix or name}_initializer", weight.initializer))
    return initialize if weight.adapted is None else weight.adapted(config, initialize)
