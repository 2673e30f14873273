"""Cases of the pooling layers."""

from __future__ import annotations

from conformance.allowance import exact
from conformance.cases.case import Config, LayerCases, Special

UNDEFINED = ("nan", "infinite", "all_nan", "all_minus_infinity")


def _possible(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    spatial = shape[2:] if config.get("data_format") == "channels_first" else shape[1:-1]
    fits = all(size >= pool for size, pool in zip(spatial, config.get("pool_size", (2, 2)), strict=True))
    return fits or config.get("padding") == "same"


MAX_POOLING2D = LayerCases(
    "MaxPooling2D",
    inputs={
        "image_7x9": (2, 7, 9, 4),
        "image_8x5": (3, 8, 5, 2),
        "one_image_6x11": (1, 6, 11, 3),
        "square": (4, 4, 4, 4),
    },
    axes=("batch", "row", "column", "channel"),
    allowance=exact,
    options={
        "pool_size": [(2, 2), (3, 2), (1, 3), (3, 3), (4, 5)],
        "strides": [None, (1, 1), (2, 3), (3, 2), (5, 4)],
        "padding": ["valid", "same"],
        "data_format": ["channels_last", "channels_first"],
    },
    call={"values": ["ordinary", "negative", "ties", "infinite", "integers"]},
    possible=_possible,
    special=[
        Special("pool_larger_than_image-padding=same", (2, 3, 2, 3), {"pool_size": (4, 5), "padding": "same"}),
        Special("empty_batch", (0, 4, 6, 3)),
        Special("many_images", (70, 6, 5, 3), {"pool_size": (3, 2), "strides": (2, 1)}),
        # More than is pooled at once.
        Special("large_batch", (9, 100, 90, 5), {"pool_size": (3, 2), "padding": "same"}),
        Special("large_image", (1, 37, 41, 2), {"pool_size": (3, 2), "padding": "same"}),
        Special("many_channels", (1, 4, 6, 130)),
        Special("nan", (2, 6, 7, 3), {"pool_size": (2, 3)}, {"values": "nan"}),
        Special("all_nan", (2, 4, 6, 3), {}, {"values": "all_nan"}),
        Special("all_minus_infinity", (2, 4, 6, 3), {}, {"values": "all_minus_infinity"}),
        Special("padding=SAME", (2, 5, 7, 3), {"padding": "SAME"}),
    ],
    deviations={"D8": lambda config, shape, call, dtype: call.get("values") in UNDEFINED},
    drawn={
        "shape": ((1, 3), (1, 9), (1, 9), (1, 4)),
        "pool_size": ((1, 4), (1, 4)),
        "strides": ((1, 5), (1, 5)),
    },
)

LAYERS = [MAX_POOLING2D]
