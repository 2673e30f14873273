"""Layers that give their input back when a model predicts: augmentation, noise, ``Identity``, ``ActivityRegularization``.

What they do in training is not implemented. They are no layers of the contract: a port needs no function for them, and none of them is
among :data:`.spec.LAYERS`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reference._arrays import Array, Gradients, fitting, of_floats
from reference.layers.shapes import Config, check_rank
from reference.layers.spec import LayerSpec

__all__ = ["IDENTITIES", "IdentitySpec"]


def _run(x: Any) -> tuple[Array, Array]:
    x = np.asarray(x)
    return x.copy(), x


def _forward(x: Any) -> Array:
    return _run(x)[0]


def _gradients(grad_output: ArrayLike, saved: Array) -> Gradients:
    return (of_floats(saved, fitting(grad_output, saved.shape, saved.dtype)),)


@dataclass(frozen=True, eq=False)
class IdentitySpec(LayerSpec):
    """The record of a layer that gives its input back where it is not in training.

    Attributes
    ----------
    amounts : tuple of str or None
        Options which all are 0 where the layer does nothing in training either; None where it always does something.
    in_loss : bool
        Whether it adds something to the loss, in an evaluation as well.
    """

    amounts: tuple[str, ...] | None = None
    in_loss: bool = False

    @property
    def name(self) -> str:
        """Keras's snake-case name of the class."""
        words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", self.class_name)
        return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()

    def acts(self, config: Config) -> bool:
        """Whether the layer is more than the identity in training."""
        return self.amounts is None or any(config.get(name) for name in self.amounts)


def _image(config: Config, shape: Any) -> Any:
    check_rank(shape, 3, 4)
    return shape


def _record(class_name: str, *amounts: str, **options: Any) -> IdentitySpec:
    return IdentitySpec(class_name, _forward, _run, _gradients, takes=("training",), keeps_mask=True, amounts=amounts, **options)


def _augmentation(class_name: str, *groups: str) -> IdentitySpec:
    """Of images: whole numbers become floats, and the mask ends."""
    return IdentitySpec(class_name, _forward, _run, _gradients, output=_image, takes=("training",), floats=True, groups=groups)


STEPS = ("random_brightness", "random_contrast", "random_color_degeneration", "random_posterization", "random_rotation")
AUGMENTATIONS = (
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomShear", "RandomPerspective", "RandomElasticTransform",
    "RandomContrast", "RandomBrightness", "RandomHue", "RandomSaturation", "RandomColorDegeneration", "RandomSharpness", "RandomGrayscale",
    "RandomInvert", "RandomPosterization", "RandomErasing", "RandomGaussianBlur", "CutMix", "MixUp",
)  # fmt: skip
"""RandomCrop is none of them: its output has another shape than its input."""
COMPOSED = (*STEPS, "random_sharpness", "random_shear", "random_translation", "auto_contrast", "equalization", "solarization")
IDENTITIES: dict[str, IdentitySpec] = {
    spec.class_name: spec
    for spec in (
        _record("Identity"),
        _record("ActivityRegularization", "l1", "l2", in_loss=True),
        _record("GaussianNoise", "stddev"),
        _record("GaussianDropout", "rate"),
        _record("AlphaDropout", "rate"),
        _record("SpatialDropout3D", "rate"),
        *(_augmentation(name) for name in AUGMENTATIONS),
        _augmentation("RandomColorJitter", "random_brightness", "random_contrast", "random_saturation", "random_hue"),
        _augmentation("RandAugment", *COMPOSED),
        _augmentation("AugMix", *COMPOSED),
    )
}
"""Their records by Keras's class name."""
