"""Cases of the convolution layers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from conformance.cases.case import Alone, Config, LayerCases, Special
from conformance.cases.titles import words
from conformance.cases.tolerance import dot_product

CHANNELS_FIRST = {"data_format": "channels_first"}


def _channels(config: Config, shape: tuple[int, ...]) -> int:
    return shape[1] if config.get("data_format") == "channels_first" else shape[-1]


def _spatial(config: Config, shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[2:] if config.get("data_format") == "channels_first" else shape[1:-1]


def _out_sizes(config: Config, shape: tuple[int, ...]) -> list[int]:
    """Sizes of the output, 0 or less where no window fits."""
    sizes = []
    rank = len(shape) - 2
    strides, dilation = config.get("strides", (1,) * rank), config.get("dilation_rate", (1,) * rank)
    for size, kernel, stride, step in zip(_spatial(config, shape), config["kernel_size"], strides, dilation, strict=True):
        covered = (kernel - 1) * step + 1
        sizes.append(-(-size // stride) if config.get("padding") in ("same", "causal") else (size - covered) // stride + 1)
    return sizes


def _possible(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    groups, filters = config.get("groups", 1), config["filters"]
    both = max(config.get("strides", (1,))) > 1 and max(config.get("dilation_rate", (1,))) > 1
    splits = _channels(config, shape) % groups == 0 and filters % groups == 0
    out = _out_sizes(config, shape)
    halves = config.get("activation") != "glu" or (out[-1] if config.get("data_format") == "channels_first" else filters) % 2 == 0
    return splits and not both and min(out) > 0 and halves


def _bias_along_the_width(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    """D1: Keras adds the bias along the last axis of ``channels_first`` when its size equals the filters."""
    first = config.get("data_format") == "channels_first" and config.get("use_bias", True)
    return first and config["filters"] > 1 and _out_sizes(config, shape)[-1] == config["filters"]


def _empty_batch(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    """D11: an empty float32 batch raises, or has the wrong shape."""
    return shape[0] == 0 and dtype == "float32" and config.get("groups", 1) == 1


def _geometries(
    shape: tuple[int, ...], kernels: Sequence[tuple[int, ...]], paddings: Sequence[str], **steps: Sequence[tuple[int, ...]]
) -> Iterator[Special]:
    """Every padding with every stride and every dilation, on every kernel: pairs that show by the sizes that meet in them."""
    for kernel, padding in itertools.product(kernels, paddings):
        plain = {} if padding == "valid" else {"padding": padding}
        for option, value in [(None, None), *((option, value) for option, values in steps.items() for value in values)]:
            config: dict[str, Any] = {**plain, **({option: value} if option else {})}
            full = {"filters": 2, "kernel_size": kernel, **config}
            if _possible(full, shape, {}, "float64"):
                said = [words(name, one) for name, one in {**config, "kernel_size": kernel}.items()]
                yield Special("-".join(said), shape, full, dtypes=("float64",))


ZERO_SAMPLE = {"activation": "relu", "use_bias": False}
"""With a sample of zeros every number is exactly at the kink."""

CONV2D = LayerCases(
    "Conv2D",
    inputs={
        "image_7x9": (2, 7, 9, 4),
        "image_8x5": (3, 8, 5, 4),
        "one_image_6x11": (1, 6, 11, 8),
        "square": (4, 4, 4, 4),
    },
    axes=("batch", "row", "column", "filter"),
    tolerance=dot_product,
    sizes={"filters": [6, 8, 4], "kernel_size": [(3, 2), (2, 3), (1, 1), (3, 3), (4, 4), (5, 4)]},
    options={
        "padding": ["same"],
        "strides": [(2, 2), (2, 3), (3, 1), (4, 5)],
        "dilation_rate": [(2, 2), (2, 3), (1, 2)],
        "groups": [2, 4],
        "data_format": ["channels_first"],
        "activation": ["relu", "softmax", "glu", "tanh", "gelu"],
        "use_bias": [False],
    },
    possible=_possible,
    special=[
        Special("kernel_larger_than_image-padding=same", (2, 3, 2, 3), {"filters": 4, "kernel_size": (5, 4), "padding": "same"}),
        Special(
            "stride_larger_than_kernel", (2, 9, 11, 3), {"filters": 4, "kernel_size": (2, 3), "strides": (4, 5), "padding": "same"}
        ),
        Special(
            "channels_first-even_kernel-padding=same", (2, 5, 7, 2),
            {"filters": 4, "kernel_size": (2, 4), "padding": "same", "data_format": "channels_first"}, dtypes=("float64",)
        ),
        *[
            Special(
                f"padding=same-strides=3x2-rows_{rows}", (2, rows, 8, 3),
                {"filters": 4, "kernel_size": (4, 3), "strides": (3, 2), "padding": "same"},
            )
            for rows in (7, 8, 9)
        ],
        Special("one_channel", (2, 5, 6, 1), {"filters": 3, "kernel_size": (3, 2)}),
        Special("one_filter", (2, 5, 6, 3), {"filters": 1, "kernel_size": (3, 2), "padding": "same"}),
        Special("one_pixel", (2, 1, 1, 3), {"filters": 4, "kernel_size": (1, 1)}),
        Special("groups_equal_channels", (2, 5, 6, 4), {"filters": 8, "kernel_size": (3, 2), "groups": 4}),
        Special("many_channels", (2, 6, 7, 64), {"filters": 5, "kernel_size": (3, 3), "padding": "same"}),
        Special(
            "huge_logits-activation=softmax", (2, 5, 6, 3), {"filters": 4, "kernel_size": (3, 2), "activation": "softmax"},
            {"values": "huge"},
        ),
        Special("infinite", (2, 6, 7, 2), {"filters": 3, "kernel_size": (3, 2), "padding": "same"}, {"values": "infinite"}),
        Special("nan", (2, 6, 7, 2), {"filters": 3, "kernel_size": (3, 2)}, {"values": "nan"}),
        Special("width_equals_filters", (2, 5, 6, 3), {"filters": 5, "kernel_size": (2, 2), **CHANNELS_FIRST}),
        Special(
            "width_equals_filters-activation=relu", (2, 5, 4, 3),
            {"filters": 4, "kernel_size": (3, 3), "padding": "same", "activation": "relu", **CHANNELS_FIRST},
        ),
        Special("empty_batch", (0, 5, 6, 3), {"filters": 4, "kernel_size": (3, 2)}),
        Special("empty_batch-one_channel", (0, 5, 5, 1), {"filters": 2, "kernel_size": (3, 3)}),
        Special("padding=SAME", (2, 5, 6, 3), {"filters": 4, "kernel_size": (3, 2), "padding": "SAME"}),
        Special("many_filters", (2, 5, 6, 3), {"filters": 70, "kernel_size": (3, 2), "activation": "softmax"}),
        Special("large_image", (1, 37, 41, 3), {"filters": 4, "kernel_size": (3, 5), "strides": (2, 3), "padding": "same"}),
        # More images than fit into one chunk of a patch matrix.
        Special(
            "many_images", (70, 9, 8, 16), {"filters": 5, "kernel_size": (3, 3), "padding": "same", "activation": "relu"},
            dtypes=("float32",),
        ),
        Special(
            "many_images-activation=softmax", (70, 8, 9, 16),
            {"filters": 6, "kernel_size": (3, 3), "activation": "softmax", **CHANNELS_FIRST}, dtypes=("float32",),
        ),
        Special(
            "zero_sample-activation=relu", (2, 4, 5, 2), {"filters": 3, "kernel_size": (2, 2), **ZERO_SAMPLE}, {"values": "zero_sample"}
        ),
        *_geometries(
            (2, 7, 8, 2), [(2, 2), (3, 3)], ["valid", "same"], strides=[(2, 2), (3, 3), (4, 4)], dilation_rate=[(2, 2), (3, 3)]
        ),
        *_geometries((2, 7, 8, 2), [(3, 2)], ["valid", "same"], strides=[(2, 3), (3, 1), (4, 5)], dilation_rate=[(2, 3), (1, 2)]),
        # Windows of one pixel end before the image does: "same" must not pad by less than nothing.
        *_geometries((2, 7, 8, 2), [(1, 1)], ["valid", "same"], strides=[(2, 2), (3, 3), (2, 3)]),
    ],
    alone=Alone(
        shapes=[(2, 6, 7, 2), (2, 7, 8, 2)],
        sizes={"filters": 4, "kernel_size": (3, 3)},
        # Two channels in a group of two, so that their order shows.
        shapes_with={"groups": [(2, 6, 7, 4), (2, 7, 8, 4)]},
    ),
    deviations={"D1": _bias_along_the_width, "D11": _empty_batch},
    drawn={
        "shape": ((1, 3), (1, 9), (1, 9), (1, 6)),
        "filters": (1, 6),
        "kernel_size": ((1, 4), (1, 4)),
        "strides": ((1, 4), (1, 4)),
        "dilation_rate": ((1, 3), (1, 3)),
        "groups": (1, 3),
    },
)

CONV1D = LayerCases(
    "Conv1D",
    inputs={"sequence_of_9": (2, 9, 4), "sequence_of_8": (3, 8, 4), "one_sequence_of_11": (1, 11, 8), "square": (4, 4, 4)},
    axes=("batch", "step", "filter"),
    tolerance=dot_product,
    sizes={"filters": [6, 8, 4], "kernel_size": [(3,), (2,), (1,), (4,), (5,)]},
    options={
        "padding": ["same", "causal"],
        "strides": [(2,), (3,), (5,)],
        "dilation_rate": [(2,), (3,)],
        "groups": [2, 4],
        "data_format": ["channels_first"],
        "activation": ["relu", "softmax", "glu", "tanh", "gelu"],
        "use_bias": [False],
    },
    possible=_possible,
    special=[
        Special("kernel_longer_than_sequence-padding=same", (2, 3, 3), {"filters": 4, "kernel_size": (5,), "padding": "same"}),
        Special("kernel_longer_than_sequence-padding=causal", (2, 3, 3), {"filters": 4, "kernel_size": (5,), "padding": "causal"}),
        Special("stride_longer_than_kernel", (2, 11, 3), {"filters": 4, "kernel_size": (2,), "strides": (4,), "padding": "same"}),
        *[
            Special(
                f"padding={padding}-strides=3-steps_{steps}", (2, steps, 3),
                {"filters": 4, "kernel_size": (4,), "strides": (3,), "padding": padding},
            )
            for padding in ("same", "causal")
            for steps in (7, 8, 9)
        ],
        Special("one_step", (2, 1, 3), {"filters": 4, "kernel_size": (1,)}),
        Special("one_channel", (2, 6, 1), {"filters": 3, "kernel_size": (3,)}),
        Special("one_filter", (2, 6, 3), {"filters": 1, "kernel_size": (3,), "padding": "causal"}),
        Special("length_equals_filters", (2, 6, 3), {"filters": 5, "kernel_size": (2,), **CHANNELS_FIRST}),
        Special("nan", (2, 7, 2), {"filters": 3, "kernel_size": (3,), "padding": "causal"}, {"values": "nan"}),
        Special("infinite", (2, 7, 2), {"filters": 3, "kernel_size": (3,), "padding": "same"}, {"values": "infinite"}),
        Special("empty_batch", (0, 6, 3), {"filters": 4, "kernel_size": (3,)}),
        Special("padding=CAUSAL", (2, 6, 3), {"filters": 4, "kernel_size": (3,), "padding": "CAUSAL"}),
        Special(
            "long_sequences", (20, 300, 6), {"filters": 5, "kernel_size": (7,), "padding": "causal", "dilation_rate": (4,)},
            dtypes=("float32",),
        ),
        Special("zero_sample-activation=relu", (2, 5, 2), {"filters": 3, "kernel_size": (2,), **ZERO_SAMPLE}, {"values": "zero_sample"}),
        Special("stride_far_beyond_kernel", (2, 9, 2), {"filters": 4, "kernel_size": (2,), "strides": (5,), "padding": "same"}),
        Special(
            "channels_first-even_kernel-padding=same", (2, 7, 2),
            {"filters": 4, "kernel_size": (4,), "padding": "same", "data_format": "channels_first"}, dtypes=("float64",)
        ),
        *_geometries((2, 9, 2), [(2,), (4,)], ["valid", "same", "causal"], strides=[(2,), (3,), (4,)], dilation_rate=[(2,), (3,)]),
        *_geometries((2, 10, 2), [(3,)], ["valid", "same", "causal"], strides=[(2,), (3,), (4,)], dilation_rate=[(2,), (3,)]),
        *_geometries((2, 10, 2), [(1,)], ["valid", "same", "causal"], strides=[(2,), (3,), (4,)]),
    ],
    alone=Alone(shapes=[(2, 11, 2)], sizes={"filters": 4, "kernel_size": (3,)}, shapes_with={"groups": [(2, 11, 4)]}),
    deviations={"D1": _bias_along_the_width, "D11": _empty_batch},
    drawn={
        "shape": ((1, 3), (1, 11), (1, 6)),
        "filters": (1, 6),
        "kernel_size": ((1, 4),),
        "strides": ((1, 4),),
        "dilation_rate": ((1, 3),),
        "groups": (1, 3),
    },
)

LAYERS = [CONV1D, CONV2D]
