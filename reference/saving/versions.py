"""Which Keras wrote a file, by the ``keras_version`` that stands in it, and what its layers meant then.

A configuration of Keras 2 has the names of Keras 3 with other meanings, and leaves out what did not exist yet:

==========================  ===============================================  ==========================================
what                        in Keras 2                                       in Keras 3
==========================  ===============================================  ==========================================
``hard_sigmoid``            ``0.2 x + 0.5`` held between 0 and 1             ``x / 6 + 0.5`` held between 0 and 1
``recurrent_activation``    ``hard_sigmoid`` where it is missing, until 2.2  ``sigmoid``
``reset_after`` of a GRU    False where it is missing                        True
kernels of convolutions     turned round where the backend was Theano        not turned
``Bidirectional``, masked   repeats outputs, before ``tf.keras``; not read   gives zeros where it returns sequences
==========================  ===============================================  ==========================================

What decides and cannot be known is refused. Source: the releases of Keras 2.0 to 2.3 and of tf.keras 2.15.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reference.layers import LAYERS
from reference.layers.spec import LayerSpec
from reference.network.config import Entry
from reference.network.errors import ArchiveError
from reference.saving.hdf5 import Weights

VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?([-.+\w]{0,40})")
OLD_HARD_SIGMOID = "hard_sigmoid_keras2"
"""The name that the reference gives the function of Keras 2."""
GATED = ("LSTM", "GRU")
CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D")
"""Classes whose kernels Keras 2 turned when it read a file that another backend had written."""
NOT_KNOWN = "and the file does not say which Keras wrote it: give the configuration its keras_version"


@dataclass(frozen=True)
class Origin:
    """Who wrote a file.

    Attributes
    ----------
    version : str or None
        As it stands in the file.
    backend : str or None
    """

    version: str | None = None
    backend: str | None = None

    @property
    def number(self) -> tuple[int, int, int] | None:
        """The version in numbers; None where it is not known."""
        found = VERSION.fullmatch(self.version or "")
        return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None

    @property
    def is_tf(self) -> bool:
        """Whether it was ``tf.keras``, which counted its versions with a suffix up to 2.2.4 and was the only Keras 2 from 2.4 on."""
        return "-tf" in (self.version or "") or (self.number or (0,)) >= (2, 4)

    @property
    def is_old(self) -> bool:
        """Whether it was Keras 1 or 2, as far as the version says."""
        return self.number is not None and self.number < (3,)

    def __str__(self) -> str:
        return f"written by Keras {self.version}" if self.number else "written by a Keras that the file does not name"


def check_origin(origin: Origin) -> None:
    """Refuse what Keras 1 wrote: its layers have other options under other names."""
    if origin.number and origin.number < (2,):
        raise ArchiveError(
            "the options of Keras 1 (output_dim, init, border_mode) are not read; Keras 2.0 to 2.3 loads the file, what it saves is read"
        )


def with_old_meaning(class_name: str, config: Mapping[str, Any], origin: Origin, where: str) -> dict[str, Any]:
    """The options of a layer in an older form, with the functions and defaults that they meant when they were written.

    Raises
    ------
    ArchiveError
        If it matters which Keras that was, and the file does not say.
    """
    config = {**_missing(class_name, config, origin, where), **config}
    for name, value in config.items():
        if value == "hard_sigmoid" and name.endswith("activation"):
            if origin.number is None:
                raise ArchiveError(f"{where}: {name} 'hard_sigmoid' is 0.2 x + 0.5 in Keras 2 and x / 6 + 0.5 in Keras 3, {NOT_KNOWN}")
            if origin.is_old:
                config[name] = OLD_HARD_SIGMOID
    return config


def _missing(class_name: str, config: Mapping[str, Any], origin: Origin, where: str) -> dict[str, Any]:
    """Options that the configuration of a gated layer leaves out, with the value that this meant."""
    number = origin.number
    found: dict[str, Any] = {}
    if class_name in GATED and "recurrent_activation" not in config and (number is None or number < (2, 3)):
        found["recurrent_activation"] = "hard_sigmoid"
    if class_name == "GRU" and "reset_after" not in config and (number is None or number < (2, 4)):
        found["reset_after"] = False
    if found and (number is None or (origin.is_tf and number >= (2, 2, 4))):
        by = "Keras 2 and Keras 3" if number is None else "TensorFlow 1 and TensorFlow 2"
        end = NOT_KNOWN if number is None else f"and both call themselves {origin.version}: give the configuration the option"
        raise ArchiveError(f"{where}: {class_name} has no {' and no '.join(found)}, whose default differs between {by}, {end}")
    return found


def masked_steps(layer: Mapping[str, Any], origin: Origin) -> str | None:
    """What a layer of a model with masks computed otherwise then, where that is not read; None where nothing."""
    inner = layer["config"].get("layer")
    options = inner.get("config") if isinstance(inner, Mapping) else None
    if layer["class_name"] != "Bidirectional" or not origin.is_old or origin.is_tf or not isinstance(options, Mapping):
        return None
    then = "the outputs at masked steps are zeros, as in Keras 3; the Keras that wrote the file repeated the last output of each half"
    return then if options.get("return_sequences") is True else None


def turned(weights: Weights, entries: Mapping[str, Entry]) -> Weights:
    """Weights with the kernels of convolutions turned round along all their spatial axes, as the Theano backend kept them."""
    return {path: _turned(entries[path], arrays) for path, arrays in weights.items()}


def _turned(entry: Entry, arrays: list[Any]) -> list[Any]:
    result = list(arrays)
    place = 0
    owners: list[tuple[str, LayerSpec, Any]] = LAYERS[entry.class_name].owners(entry.config) if entry.class_name in LAYERS else []
    for _, owner, config in owners:
        if owner.class_name in CONVOLUTIONS:
            kernel = result[place]
            result[place] = kernel[(slice(None, None, -1),) * (kernel.ndim - 2)].copy()
            result[place].flags.writeable = False
        place += len(owner.weight_names(config))
    return result
