"""Cases of the normalisation layers."""

from __future__ import annotations

from conformance.cases.case import Alone, Config, LayerCases, Special
from conformance.cases.tolerance import batch_normalization, layer_normalization, root_of_squares

AXES = ("batch", "axis 1", "axis 2", "axis 3")


def _axis_there(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    """Whether every axis is one of the input, and none the batch."""
    axis = config.get("axis", -1)
    axes = axis if isinstance(axis, tuple) else (axis,)
    return max(axes) < len(shape) and min(axes) > -len(shape)


def _batch_possible(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    # One value for each channel has no variance: nothing could be told apart.
    alone = "training" in call and len(shape) == 2 and shape[0] == 1
    return _axis_there(config, shape, call, dtype) and not alone and ("mask" not in call or len(shape) == 3 or call["mask"] == "gap_3d")


def _one_channel(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    """D22: with a mask the statistics of one channel have no axis, which an axis counted from the front does not find."""
    return "training" in call and "mask" in call and config.get("axis", -1) == 2 and shape[2:] == (1,)


BATCH_NORMALIZATION = LayerCases(
    "BatchNormalization",
    inputs={"images": (3, 4, 5, 2), "sequence": (4, 6, 3), "features": (7, 5), "one_row": (1, 6), "square": (4, 4, 4)},
    axes=AXES,
    tolerance=batch_normalization,
    options={"axis": [1, 2], "epsilon": [0.1], "momentum": [0.6], "center": [False], "scale": [False]},
    call={"training": [False, True], "mask": [None, "gap", "right"]},
    possible=_batch_possible,
    special=[
        Special("empty_batch", (0, 5)),
        Special("one_row-training", (1, 6), {}, {"training": True, "values": "ordinary"}),
        Special("square-axis=1-training", (4, 4, 4), {"axis": 1}, {"training": True}),
        Special("many_rows-training", (300, 3), {}, {"training": True}),
        Special("large_mean-training", (40, 3), {}, {"training": True, "values": "large_mean"}),
        Special("integers", (4, 5), {}, {"values": "integers"}, ("float32",)),
        Special("nan", (4, 5), {}, {"values": "nan"}),
        Special("all_masked-training", (3, 5, 2), {}, {"training": True, "mask": "none_kept"}),
        Special("one_channel-axis=2-training-mask=gap", (4, 6, 1), {"axis": 2}, {"training": True, "mask": "gap"}),
        # A mask (2, 3, 1): all columns of a row count, or none.
        Special("mask_of_rows-training", (2, 3, 4, 5), {}, {"training": True, "mask": "gap_3d"}),
        Special("two_values-momentum=0.9-training", (2, 1), {"momentum": 0.9}, {"training": True}),
        Special("momentum=0-training", (5, 3), {"momentum": 0.0}, {"training": True}, ("float64",)),
    ],
    alone=Alone(
        shapes=[(3, 4, 2)],
        values={"axis": [1, -2]},
        acts_with={"momentum": {"training": True}, "mask": {"training": True}},
    ),
    deviations={"D22": _one_channel},
    untested=("renorm", "renorm_clipping", "renorm_momentum", "synchronized"),
    drawn={"shape": ((2, 4), (2, 5), (1, 5))},
)

LAYER_NORMALIZATION = LayerCases(
    "LayerNormalization",
    inputs={"images": (3, 4, 5, 2), "sequence": (4, 6, 3), "features": (3, 5), "one_row": (1, 6), "square": (4, 4, 4)},
    axes=AXES,
    tolerance=layer_normalization,
    options={"axis": [1, (1, 2), (2, 1), (-2, -1)], "epsilon": [0.1], "center": [False], "scale": [False]},
    possible=_axis_there,
    special=[
        Special("empty_batch", (0, 5)),
        Special("wide", (3, 500)),
        Special("large_mean", (5, 40), {}, {"values": "large_mean"}),
        Special("one_feature", (4, 1)),
        Special("all_axes", (2, 3, 5, 4), {"axis": (1, 2, 3)}),
        Special("square-axis=1", (4, 4, 4), {"axis": 1}),
        Special("square-axis=1x2", (4, 4, 4, 4), {"axis": (1, 2)}),
        Special("nan", (4, 5), {}, {"values": "nan"}),
    ],
    alone=Alone(shapes=[(2, 3, 4)], values={"axis": [1, -2, (1, 2), (2, 1), (-2, -1)]}),
    drawn={"shape": ((1, 4), (2, 5), (2, 6))},
)

UNIT_NORMALIZATION = LayerCases(
    "UnitNormalization",
    inputs={"images": (3, 4, 5, 2), "sequence": (4, 6, 3), "features": (3, 5), "one_row": (1, 6), "square": (4, 4, 4)},
    axes=AXES,
    tolerance=root_of_squares,
    options={"axis": [1, (1, 2), (2, 1), (-2, -1)]},
    call={"values": ["ordinary", "wide", "tiny", "masked_steps", "nan"]},
    possible=_axis_there,
    special=[
        Special("empty_batch", (0, 5)),
        Special("wide_rows", (3, 500)),
        Special("one_feature", (4, 1)),
        Special("all_axes", (2, 3, 5, 4), {"axis": (1, 2, 3)}),
        Special("infinite", (4, 5), {}, {"values": "infinite"}),
    ],
    alone=Alone(shapes=[(2, 3, 4)], values={"axis": [1, -2, (1, 2), (2, 1), (-2, -1)]}),
    drawn={"shape": ((1, 4), (2, 5), (2, 6))},
)


def _rms_possible(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    # Keras lays the scale along the last axes, whichever are normalised (D16), or raises.
    axis = config.get("axis", -1)
    axes = sorted(one % len(shape) for one in (axis if isinstance(axis, tuple) else (axis,)))
    return _axis_there(config, shape, call, dtype) and axes == list(range(len(shape) - len(axes), len(shape)))


RMS_NORMALIZATION = LayerCases(
    "RMSNormalization",
    inputs={"images": (3, 4, 5, 2), "sequence": (4, 6, 3), "features": (3, 5), "one_row": (1, 6), "square": (4, 4, 4)},
    axes=AXES,
    tolerance=root_of_squares,
    options={"axis": [(-2, -1), (2, 1), (1, 2)], "epsilon": [0.1]},
    call={"values": ["ordinary", "wide", "tiny", "masked_steps", "nan"]},
    possible=_rms_possible,
    special=[
        Special("empty_batch", (0, 5)),
        Special("wide_rows", (3, 500)),
        Special("one_feature", (4, 1)),
        Special("all_axes", (2, 3, 5, 4), {"axis": (1, 2, 3)}),
        Special("square-axis=1x2", (4, 4, 4), {"axis": (1, 2)}),
        Special("infinite", (4, 5), {}, {"values": "infinite"}),
    ],
    alone=Alone(shapes=[(2, 3, 4)]),
    drawn={"shape": ((1, 4), (2, 5), (2, 6))},
)

LAYERS = [BATCH_NORMALIZATION, LAYER_NORMALIZATION, UNIT_NORMALIZATION, RMS_NORMALIZATION]
