"""Cases of the pooling layers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from conformance.cases.case import Alone, Config, LayerCases, Special
from conformance.cases.titles import words
from conformance.cases.tolerance import exact, mean

UNDEFINED = ("nan", "infinite", "all_nan", "all_minus_infinity")


def _possible(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    spatial = shape[2:] if config.get("data_format") == "channels_first" else shape[1:-1]
    fits = all(size >= pool for size, pool in zip(spatial, config.get("pool_size", (2,) * len(spatial)), strict=True))
    return fits or config.get("padding") == "same"


def _geometries(shape: tuple[int, ...], pools: Sequence[tuple[int, ...]], strides: Sequence[tuple[int, ...]]) -> Iterator[Special]:
    """Every padding with every stride on every pool: pairs that show by the sizes that meet in them."""
    for pool, stride, padding in itertools.product(pools, strides, ({}, {"padding": "same"})):
        config = {"pool_size": pool, "strides": stride, **padding}
        yield Special("-".join(words(name, one) for name, one in config.items()), shape, config, dtypes=("float64",))


SQUARES = tuple(_geometries((2, 7, 8, 2), [(2, 2), (3, 3)], [(1, 1), (2, 2), (3, 3), (4, 4)]))
OBLONGS = tuple(_geometries((2, 7, 8, 2), [(2, 2), (3, 2)], [(1, 2), (2, 3), (4, 3)]))
LINES = tuple(_geometries((2, 10, 2), [(2,), (3,)], [(1,), (2,), (3,), (4,)]))

MAX_POOLING2D = LayerCases(
    "MaxPooling2D",
    inputs={
        "image_7x9": (2, 7, 9, 4),
        "image_8x5": (3, 8, 5, 2),
        "one_image_6x11": (1, 6, 11, 3),
        "square": (4, 4, 4, 4),
    },
    axes=("batch", "row", "column", "channel"),
    tolerance=exact,
    options={
        "pool_size": [(3, 2), (1, 3), (3, 3), (4, 5)],
        "strides": [(1, 1), (2, 3), (3, 2), (5, 4)],
        "padding": ["same"],
        "data_format": ["channels_first"],
    },
    call={"values": ["ordinary", "negative", "ties", "infinite", "integers"]},
    possible=_possible,
    special=[
        Special("pool_larger_than_image-padding=same", (2, 3, 2, 3), {"pool_size": (4, 5), "padding": "same"}),
        Special("empty_batch", (0, 4, 6, 3)),
        Special("many_images", (70, 6, 5, 3), {"pool_size": (3, 2), "strides": (2, 1)}),
        Special("large_image", (1, 37, 41, 2), {"pool_size": (3, 2), "padding": "same"}),
        Special("many_channels", (1, 4, 6, 130)),
        Special("nan", (2, 6, 7, 3), {"pool_size": (2, 3)}, {"values": "nan"}),
        Special("all_nan", (2, 4, 6, 3), {}, {"values": "all_nan"}),
        Special("all_minus_infinity", (2, 4, 6, 3), {}, {"values": "all_minus_infinity"}),
        Special("padding=SAME", (2, 5, 7, 3), {"padding": "SAME"}),
        *SQUARES,
        *OBLONGS,
    ],
    alone=Alone(shapes=[(2, 6, 11, 2)]),
    deviations={"D8": lambda config, shape, call, dtype: call.get("values") in UNDEFINED},
    drawn={
        "shape": ((1, 3), (1, 9), (1, 9), (1, 4)),
        "pool_size": ((1, 4), (1, 4)),
        "strides": ((1, 5), (1, 5)),
    },
)

AVERAGE_POOLING2D = LayerCases(
    "AveragePooling2D",
    inputs=MAX_POOLING2D.inputs,
    axes=MAX_POOLING2D.axes,
    tolerance=mean,
    sizes={"pool_size": MAX_POOLING2D.options["pool_size"]},
    options={name: values for name, values in MAX_POOLING2D.options.items() if name != "pool_size"},
    call={"values": ["ordinary", "wide", "infinite", "nan"]},
    possible=_possible,
    special=[
        Special("pool_larger_than_image-padding=same", (2, 3, 2, 3), {"pool_size": (4, 5), "padding": "same"}),
        Special("empty_batch", (0, 4, 6, 3), {"pool_size": (2, 2)}),
        Special("many_images", (70, 6, 5, 3), {"pool_size": (3, 2), "strides": (2, 1)}),
        Special("positive", (2, 24, 25, 3), {"pool_size": (20, 21)}, {"values": "positive"}),
        Special("padding=SAME", (2, 5, 7, 3), {"pool_size": (2, 2), "padding": "SAME"}),
        *SQUARES,
        *OBLONGS,
    ],
    alone=Alone(shapes=[(2, 6, 11, 2)], values={"values": ["wide"]}),
    drawn=MAX_POOLING2D.drawn,
)

SEQUENCES = {"sequence_of_9": (2, 9, 4), "sequence_of_8": (3, 8, 2), "one_sequence_of_11": (1, 11, 3), "square": (4, 4, 4)}
WINDOWS_1D: dict[str, list[Any]] = {
    "strides": [(1,), (2,), (3,), (5,)],
    "padding": ["same"],
    "data_format": ["channels_first"],
}
DRAWN_1D = {"shape": ((1, 3), (1, 11), (1, 4)), "pool_size": ((1, 4),), "strides": ((1, 5),)}

MAX_POOLING1D = LayerCases(
    "MaxPooling1D",
    inputs=SEQUENCES,
    axes=("batch", "step", "channel"),
    tolerance=exact,
    options={"pool_size": [(3,), (1,), (4,)], **WINDOWS_1D},
    call={"values": ["ordinary", "negative", "ties", "infinite", "integers"]},
    possible=_possible,
    special=[
        Special("pool_longer_than_sequence-padding=same", (2, 3, 3), {"pool_size": (5,), "padding": "same"}),
        Special("empty_batch", (0, 4, 3)),
        Special("long_sequences", (30, 200, 3), {"pool_size": (7,), "strides": (3,), "padding": "same"}, dtypes=("float32",)),
        Special("nan", (2, 6, 3), {"pool_size": (2,)}, {"values": "nan"}),
        Special("all_nan", (2, 4, 3), {}, {"values": "all_nan"}),
        *LINES,
    ],
    alone=Alone(shapes=[(2, 11, 2)]),
    deviations={"D8": lambda config, shape, call, dtype: call.get("values") in UNDEFINED},
    drawn=DRAWN_1D,
)

AVERAGE_POOLING1D = LayerCases(
    "AveragePooling1D",
    inputs=SEQUENCES,
    axes=("batch", "step", "channel"),
    tolerance=mean,
    sizes={"pool_size": [(2,), (3,), (1,), (4,)]},
    options=WINDOWS_1D,
    call={"values": ["ordinary", "wide", "infinite", "nan"]},
    possible=_possible,
    special=[
        Special("pool_longer_than_sequence-padding=same", (2, 3, 3), {"pool_size": (5,), "padding": "same"}),
        Special("empty_batch", (0, 4, 3), {"pool_size": (2,)}),
        Special("long_sequences", (30, 200, 3), {"pool_size": (7,), "strides": (3,), "padding": "same"}, dtypes=("float32",)),
        *LINES,
    ],
    alone=Alone(shapes=[(2, 11, 2)], sizes={"pool_size": (4,)}, values={"values": ["wide"]}),
    drawn=DRAWN_1D,
)

IMAGES = {"image_7x9": (2, 7, 9, 4), "image_8x5": (3, 8, 5, 2), "one_image_6x11": (1, 6, 11, 3), "square": (4, 4, 4, 4)}
GLOBAL: dict[str, list[Any]] = {"data_format": ["channels_first"], "keepdims": [True]}


def _global(name: str, *, values: list[str], mask: bool = False) -> LayerCases:
    flat = name.endswith("1D")
    one = (1, 3) if flat else (1, 1, 3)
    long = (3, 400, 2) if flat else (3, 40, 30, 2)
    return LayerCases(
        name,
        inputs=SEQUENCES if flat else IMAGES,
        axes=("batch", "step", "channel") if flat else ("batch", "row", "column", "channel"),
        tolerance=mean if "Average" in name else exact,
        options=GLOBAL,
        call={"values": values, **({"mask": [None, "gap", "right", "left", "gap_integers", "gap_floats", "none_kept"]} if mask else {})},
        # Keras divides masked whole numbers as float64, in a layer of any dtype.
        possible=lambda config, shape, call, dtype: call.get("values") != "integers" or "mask" not in call,
        special=[
            Special("one_place", (2, *one)),
            Special("large", long, {}, {"values": "positive"}),
            *([Special("empty_batch", (0, *one))] if "Average" in name else []),
            *([Special("nan_at_masked_steps", (2, 6, 3), {}, {"mask": "every_third", "values": "nan_at_masked_steps"})] if mask else []),
        ],
        alone=Alone(
            shapes=[(3, 5, 2) if flat else (2, 4, 5, 3)], values={"values": ["wide"] if "wide" in values else ["negative", "ties"]}
        ),
        drawn={"shape": ((1, 3), (1, 8), (1, 4)) if flat else ((1, 3), (1, 6), (1, 6), (1, 4))},
    )


GLOBAL_POOLING = [
    _global("GlobalMaxPooling1D", values=["ordinary", "negative", "ties", "nan", "minus_infinite", "integers"]),
    _global("GlobalMaxPooling2D", values=["ordinary", "negative", "ties", "nan", "minus_infinite", "integers"]),
    _global("GlobalAveragePooling1D", values=["ordinary", "wide", "nan", "infinite", "integers"], mask=True),
    _global("GlobalAveragePooling2D", values=["ordinary", "wide", "nan", "infinite", "integers"]),
]

LAYERS = [MAX_POOLING1D, MAX_POOLING2D, AVERAGE_POOLING1D, AVERAGE_POOLING2D, *GLOBAL_POOLING]
