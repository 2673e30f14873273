"""Cases of the activation functions that Keras has as layers."""

from __future__ import annotations

from conformance.cases.activations import AT_KINKS, NAMES, _splits
from conformance.cases.case import Alone, LayerCases, Special
from conformance.cases.tolerance import elementwise, softmax_layer

INPUTS = {"images": (2, 3, 5, 4), "sequence": (2, 3, 6), "rows": (3, 8), "one_row": (1, 5)}
AXES = ("batch", "axis 1", "axis 2", "axis 3")
VALUES = ("ordinary", "wide", "kinks", "nan", "infinite")
DRAWN = {"shape": ((1, 3), (1, 4), (2, 6))}
EMPTY = [Special("empty_batch", (0, 4))]

ACTIVATION = LayerCases(
    "Activation",
    inputs={"images": (2, 3, 5, 4), "sequence": (2, 3, 6)},
    axes=AXES,
    tolerance=elementwise,
    sizes={"activation": ["linear", *(name for name in NAMES if name not in ("linear", "softmax", "sparsemax", "squareplus"))]},
    possible=lambda config, shape, call, dtype: config["activation"] != "glu" or _splits({}, shape, call, dtype),
    drawn=DRAWN,
)

RE_LU = LayerCases(
    "ReLU",
    inputs=INPUTS,
    axes=AXES,
    tolerance=elementwise,
    options={"max_value": [6.0, 0.5, 0.0], "negative_slope": [0.1], "threshold": [0.5]},
    call={"values": VALUES},
    special=[*EMPTY, *AT_KINKS],
    alone=Alone(values={"max_value": [0.5, 0.0], "negative_slope": [0.25], "values": ["tiny", "kinks"]}),
    drawn=DRAWN,
)

LEAKY_RE_LU = LayerCases(
    "LeakyReLU",
    inputs=INPUTS,
    axes=AXES,
    tolerance=elementwise,
    options={"negative_slope": [0.2, 0.01, 1.5]},
    call={"values": VALUES},
    alone=Alone(values={"negative_slope": [0.25, 1.5]}),
    special=EMPTY,
    drawn=DRAWN,
)

ELU = LayerCases(
    "ELU",
    inputs=INPUTS,
    axes=AXES,
    tolerance=elementwise,
    options={"alpha": [0.3, -0.5]},
    call={"values": VALUES},
    special=EMPTY,
    drawn=DRAWN,
)

P_RE_LU = LayerCases(
    "PReLU",
    inputs={"images": (2, 3, 5, 4), "sequence": (2, 3, 6), "one_row": (1, 5), "square": (3, 3, 3)},
    axes=AXES,
    tolerance=elementwise,
    sizes={"shared_axes": [None, [1], [2], [1, 2]]},
    call={"values": VALUES},
    possible=lambda config, shape, call, dtype: max(config["shared_axes"] or [0]) < len(shape),
    special=[Special("empty_batch", (0, 4), {"shared_axes": None}), Special("all_shared", (2, 3, 5, 4), {"shared_axes": [1, 2, 3]})],
    drawn=DRAWN,
)

SOFTMAX = LayerCases(
    "Softmax",
    inputs={"images": (2, 3, 5, 4), "sequence": (2, 3, 6), "rows": (3, 8), "one_row": (1, 7), "square": (4, 4, 4)},
    axes=AXES,
    tolerance=softmax_layer,
    options={"axis": [1, (1, 2), (-2, -1)]},
    call={"values": ["ordinary", "wide", "huge"], "mask": [None, "full", "last_axis", "row_masked", "numbers"]},
    possible=lambda config, shape, call, dtype: not isinstance(config.get("axis"), tuple) or len(shape) > 2,
    special=[Special("long_rows", (3, 150)), Special("many_rows", (140, 4))],
    alone=Alone(shapes=[(3, 4, 5)], values={"axis": [1, -2, (1, 2), (-2, -1)], "values": ["wide"]}),
    drawn=DRAWN,
)

LAYERS = [ACTIVATION, RE_LU, LEAKY_RE_LU, ELU, P_RE_LU, SOFTMAX]
