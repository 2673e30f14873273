"""Cases of the layers that make one array of several; the input's shape is that of the first, ``others`` says what follows it."""

from __future__ import annotations

from conformance.cases.case import Alone, Config, LayerCases, Special, shapes_of_inputs
from conformance.cases.tolerance import elementwise, exact

INPUTS = {"images": (2, 3, 5, 4), "sequence": (3, 6, 4), "features": (3, 5), "one_row": (1, 7), "square": (4, 4)}
AXES = ("batch", "axis 1", "axis 2", "axis 3")


def _bias_add(config: Config, shape: tuple[int, ...], call: Config, dtype: str) -> bool:
    """D1: a second array with one long axis is added along the last axis, or along axis 1, if the size fits there;
    an empty one raises.
    """
    first, *others = shapes_of_inputs(shape, config, call)
    for other in others:
        rank = max(len(first), len(other))
        aligned = (*other[:1], *(1,) * (rank - len(other)), *other[1:])
        long = [(axis, size) for axis, size in enumerate(aligned) if size > 1]
        if len(long) == 1 and (0 in aligned or _misplaced(long[0], first)):
            return True
    return False


def _misplaced(long: tuple[int, int], first: tuple[int, ...]) -> bool:
    axis, size = long
    if size == first[-1]:
        return axis != len(first) - 1
    return size == first[1] and axis != 1


ADD = LayerCases(
    "Add",
    inputs=INPUTS,
    axes=AXES,
    tolerance=elementwise,
    call={"others": ["same", "three", "alone", "row", "column", "sample", "lower_rank", "first_is_row"]},
    possible=lambda config, shape, call, dtype: len(shape) > 2 or call.get("others") != "lower_rank",
    special=[
        Special("empty_batch", (0, 4)),
        Special("one_square-others=column", (1, 5, 5), {}, {"others": "column"}),
        Special("rows_as_long_as_the_batch-others=sample", (3, 3), {}, {"others": "sample"}),
        # Where alignment at the front and at the end both fit, and give other numbers.
        Special("cube-others=lower_rank", (4, 4, 4), {}, {"others": "lower_rank"}),
        Special("sequence-others=one_for_all", (3, 6, 4), {}, {"others": "one_for_all"}),
        Special("features-others=one_for_all", (3, 5), {}, {"others": "one_for_all"}),
        Special("nan", (3, 4), {}, {"values": "nan"}),
        Special("infinite", (3, 4), {}, {"values": "infinite"}),
    ],
    deviations={"D1": _bias_add},
    drawn={"shape": ((1, 3), (1, 4), (1, 5))},
)

CONCATENATE = LayerCases(
    "Concatenate",
    inputs=INPUTS,
    axes=AXES,
    tolerance=exact,
    options={"axis": [1, 2, -2, 0]},
    call={"others": ["same", "three", "alone", "longer"], "values": ["ordinary", "nan", "integers"]},
    possible=lambda config, shape, call, dtype: -len(shape) < config.get("axis", -1) < len(shape),
    special=[Special("empty_batch", (0, 4))],
    alone=Alone(shapes=[(2, 3, 4, 5)]),
    drawn={"shape": ((1, 3), (1, 4), (1, 5))},
)

LAYERS = [ADD, CONCATENATE]
