"""Cases of the layers without spatial or temporal structure."""

from __future__ import annotations

from conformance.cases.activations import NAMES
from conformance.cases.case import Alone, Config, LayerCases, Special
from conformance.cases.tolerance import dot_product, elementwise, exact

ACTIVATION_NAMES = ("linear", *(name for name in NAMES if name != "linear"))


def _dense_possible(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    return config.get("activation") != "glu" or config["units"] % 2 == 0


DENSE = LayerCases(
    "Dense",
    inputs={"features": (3, 5), "sequence": (2, 4, 6), "images": (2, 3, 4, 5), "one_row": (1, 7), "square": (4, 4)},
    axes=("batch", "axis 1", "axis 2", "unit"),
    tolerance=dot_product,
    sizes={"units": [6, 4, 8]},
    options={"activation": ACTIVATION_NAMES, "use_bias": [False]},
    possible=_dense_possible,
    special=[
        Special("one_unit", (3, 5), {"units": 1}),
        Special("one_feature", (3, 1), {"units": 4}),
        Special("no_features", (3, 0), {"units": 4}),
        Special("empty_batch", (0, 5), {"units": 4}),
        Special("many_rows", (150, 5), {"units": 4, "activation": "softmax"}),
        Special("many_units", (3, 5), {"units": 150, "activation": "softmax"}),
        Special("wide_1024", (5, 1024), {"units": 7, "activation": "relu"}),
        *[
            Special(f"huge_logits-activation={name}", (3, 5), {"units": 6, "activation": name}, {"values": "huge"})
            for name in ("softmax", "log_softmax", "sigmoid", "log_sigmoid", "tanh", "softplus", "silu", "elu", "selu")
        ],
        Special("positive", (3, 300), {"units": 4}, {"values": "positive"}),
        Special("nan", (4, 5), {"units": 6}, {"values": "nan"}),
        Special("infinite", (4, 5), {"units": 6}, {"values": "infinite"}),
        Special("integers", (3, 5), {"units": 6}, {"values": "integers"}),
        Special("booleans", (3, 5), {"units": 6}, {"values": "booleans"}),
        # A row of zeros without a bias: every unit is exactly at the kink.
        *[
            Special(
                f"zero_sample-activation={name}", (3, 5), {"units": 6, "activation": name, "use_bias": False}, {"values": "zero_sample"}
            )
            for name in ("relu", "leaky_relu", "elu")
        ],
    ],
    alone=Alone(values={"activation": ["relu", "softmax"]}),
    deviations={"D5": lambda config, shape, call, dtype: config.get("activation") == "sparsemax"},
    drawn={"shape": ((1, 4), (1, 4), (1, 9)), "units": (1, 9)},
)

EMBEDDING = LayerCases(
    "Embedding",
    inputs={"sentences": (3, 7), "one_step": (2, 1), "grid": (2, 3, 4), "one_row": (1, 5), "square": (5, 5)},
    axes=("batch", "time", "axis 2", "feature"),
    tolerance=exact,
    sizes={"input_dim": [11, 5], "output_dim": [6, 1, 5]},
    options={"mask_zero": [True]},
    call={"values": ["ids", "ids_int64", "negative_ids", "float_ids", "repeated_ids", "ids_with_zeros"]},
    special=[
        Special("empty_batch", (0, 4), {"input_dim": 7, "output_dim": 3}),
        Special("large_table", (70, 5), {"input_dim": 1500, "output_dim": 35}),
        Special("one_id_a_row", (4,), {"input_dim": 7, "output_dim": 3}),
        Special("boolean_ids", (4, 6), {"input_dim": 7, "output_dim": 3}, {"values": "booleans"}),
        Special("negative_float_ids", (4, 6), {"input_dim": 7, "output_dim": 3}, {"values": "negative_float_ids"}),
        # Row 0 is a row as any other, whatever mask_zero makes of id 0; no function needs to be told.
        *[
            Special(
                f"mask_zero-given-values={values}", (4, 6), {"input_dim": 7, "output_dim": 3, "mask_zero": True},
                {"values": values, "given": ("mask_zero",)}, ("float64",),
            )
            for values in ("ids_with_zeros", "negative_ids")
        ],
    ],
    alone=Alone(values={"mask_zero": []}),
    drawn={"shape": ((1, 4), (1, 6)), "input_dim": (2, 12), "output_dim": (1, 6)},
)

FLATTEN = LayerCases(
    "Flatten",
    inputs={"images": (2, 3, 5, 4), "sequence": (3, 4, 2), "features": (4, 5), "volumes": (2, 3, 2, 4, 5), "square": (3, 3, 3, 3)},
    axes=("batch", "feature"),
    tolerance=exact,
    options={"data_format": ["channels_first"]},
    call={"values": ["ordinary", "integers", "booleans", "nan"]},
    special=[
        Special("one_value_a_row", (5,)),
        Special("empty_batch", (0, 3, 4)),
        Special("one_row", (1, 3, 4, 2)),
    ],
    alone=Alone(shapes=[(2, 3, 5, 4)]),
    drawn={"shape": ((1, 4), (1, 4), (1, 4), (1, 4))},
)


MASKING = LayerCases(
    "Masking",
    inputs={"sequence": (3, 6, 4), "features": (7, 3), "one_feature": (3, 5, 1), "one_row": (1, 4, 2), "square": (4, 4, 4)},
    axes=("batch", "step", "feature"),
    tolerance=exact,
    # Keras rounds 0.1 to float32, also in a float64 layer, where it then equals no input.
    possible=lambda config, shape, call, dtype: dtype == "float32" or config.get("mask_value") != 0.1,
    options={"mask_value": [0.1, -1.0]},
    call={"values": ["ordinary", "masked_steps", "nan", "infinite"]},
    special=[
        Special("empty_batch", (0, 3, 4)),
        Special("minus_zero", (2, 4, 3), {}, {"values": "minus_zero"}),
        Special("images", (2, 3, 4, 3), {"mask_value": -1.0}, {"values": "masked_steps"}),
    ],
    drawn={"shape": ((1, 3), (1, 5), (1, 3))},
)

RESHAPE = LayerCases(
    "Reshape",
    inputs={"sequence": (2, 6, 4), "images": (3, 4, 2, 3), "features": (5, 24), "one_row": (1, 24)},
    axes=("batch", "axis 1", "axis 2", "axis 3"),
    tolerance=exact,
    sizes={"target_shape": [(4, 6), (24,), (-1,), (2, -1, 3), (3, 8, 1), (2, 3, 2, 2), (-1, 12)]},
    call={"values": ["ordinary", "integers", "nan", "booleans"]},
    special=[Special("empty_batch", (0, 3, 4), {"target_shape": (6, -1)}), Special("one_value_a_row", (3,), {"target_shape": (1, 1)})],
    drawn={"shape": ((1, 4), (2, 2), (12, 12))},
)

WHOLE = ("integers", "booleans")


def _rescaling_possible(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    # A layer of float64 makes float64 of whole numbers, a function that gets nothing else cannot know that.
    return dtype == "float32" or call.get("values") not in WHOLE


RESCALING = LayerCases(
    "Rescaling",
    inputs={"images": (2, 3, 5, 4), "sequence": (3, 6, 4), "features": (7, 4), "one_row": (1, 4), "square": (4, 4, 4)},
    axes=("batch", "axis 1", "axis 2", "axis 3"),
    # No offset is larger than what a few roundings of 1 + |y| allow where it cancels.
    tolerance=elementwise,
    sizes={"scale": [0.5, 0.1, -2, (0.5, -1.5, 3.0, 0.25)]},
    options={"offset": [-1.5, (1.0, -0.5, 0.0, 2.0)]},
    call={"values": ["ordinary", "wide", "nan", "infinite", *WHOLE]},
    possible=_rescaling_possible,
    special=[
        Special("scale=0", (3, 5), {"scale": 0.0, "offset": 2.0}, {"values": "infinite"}),
        Special("one_value_a_row", (5,), {"scale": 2.0, "offset": -1.0}),
        Special("one_value_of_each", (3, 5), {"scale": (0.5,), "offset": (0.25,)}),
        Special("empty_batch", (0, 4), {"scale": 0.5, "offset": 1.0}),
    ],
    alone=Alone(values={"scale": [-2, (0.5, -1.5, 3.0, 0.25)]}),
    drawn={"shape": ((1, 3), (1, 5), (4, 4))},
)


def _dropout_possible(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    noise_shape = config.get("noise_shape")
    fits = noise_shape is None or (
        len(noise_shape) == len(shape) and all(given in (None, 1, size) for given, size in zip(noise_shape, shape, strict=True))
    )
    # NaN and infinities matter where they are dropped.
    return fits and (config["rate"] > 0 or "training" not in call)


DRAWING = ("seed", "dropout_mask")
"""Arguments that say what is dropped in training; no case varies them."""

DROPOUT = LayerCases(
    "Dropout",
    inputs={"sequence": (3, 4, 5), "features": (6, 7), "images": (2, 3, 4, 5), "one_row": (1, 9)},
    axes=("batch", "axis 1", "axis 2", "axis 3"),
    tolerance=elementwise,
    sizes={"rate": [0.3, 0.0, 0.5, 0.9]},
    options={"noise_shape": [[None, 1, None], [1, 4, 5]]},
    call={"training": [False, True], "values": ["ordinary", "nan", "infinite"]},
    possible=_dropout_possible,
    special=[
        Special("rate=1-training", (3, 5), {"rate": 1.0}, {"training": True}),
        Special("rate=0-training", (3, 5), {"rate": 0.0}, {"training": True}),
        Special("empty_batch-training", (0, 5), {"rate": 0.4}, {"training": True}),
    ],
    alone=Alone(acts_with={name: {"training": True} for name in ("rate", "noise_shape", *DRAWING)}),
    drawn={"shape": ((1, 4), (1, 6), (1, 6)), "rate": None},
)



def _spatial_dropout(name: str, inputs: dict[str, tuple[int, ...]], drawn: object, **options: list[str]) -> LayerCases:
    rank = len(next(iter(inputs.values())))
    return LayerCases(
        name,
        inputs=inputs,
        axes=("batch", "step", "channel") if rank == 3 else ("batch", "row", "column", "channel"),
        tolerance=elementwise,
        sizes={"rate": [0.3, 0.0, 0.5, 0.9]},
        options=options,
        call={"training": [False, True], "values": ["ordinary", "nan", "infinite"]},
        possible=_dropout_possible,
        special=[
            Special("rate=1-training", (3, *(4,) * (rank - 2), 5), {"rate": 1.0}, {"training": True}),
            Special("rate=0-training", (3, *(4,) * (rank - 2), 5), {"rate": 0.0}, {"training": True}),
            Special("empty_batch-training", (0, *(4,) * (rank - 2), 5), {"rate": 0.4}, {"training": True}),
        ],
        alone=Alone(acts_with={name: {"training": True} for name in ("rate", *options, *DRAWING)}),
        drawn={"shape": drawn},
    )


SPATIAL_DROPOUT1D = _spatial_dropout(
    "SpatialDropout1D", {"sequence": (3, 4, 5), "one_row": (1, 6, 9), "square": (4, 4, 4)}, ((1, 4), (1, 6), (1, 6))
)
SPATIAL_DROPOUT2D = _spatial_dropout(
    "SpatialDropout2D",
    {"images": (3, 4, 2, 5), "one_row": (1, 3, 4, 9), "square": (4, 4, 4, 4)},
    ((1, 3), (1, 4), (1, 4), (1, 5)),
    data_format=["channels_first"],
)

LAYERS: list[LayerCases] = [DENSE, EMBEDDING, MASKING, FLATTEN, RESHAPE, RESCALING, DROPOUT, SPATIAL_DROPOUT1D, SPATIAL_DROPOUT2D]
