"""Cases that Hypothesis draws: shapes, sizes, options and one seed; arrays are filled from the seed, so shrinking works on the case."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from conformance.base.record import CORE, EDGE
from conformance.cases.case import DTYPES, Case, LayerCases, make_case
from conformance.cases.gradients import differentiable
from conformance.cases.level import level
from conformance.cases.titles import words
from conformance.cases.tolerance import ITERATED

EXAMPLES = {"forward": {"smoke": 10, "standard": 30, "full": 1000}, "backward": {"smoke": 2, "standard": 5, "full": 200}}
"""By what is asked of them, and by profile: to differentiate takes many times as long."""
SHARE = {CORE: 2 / 3, EDGE: 1 / 3}
"""How much of them is asked about each level."""
DEAR = 2
"""A recurrent case costs Keras five times what another does: in the standard profile only every second one is drawn."""


@st.composite
def drawn_cases(draw: st.DrawFn, layer: LayerCases) -> Case:
    """A case of this layer that Keras accepts."""
    shape = tuple(draw(st.integers(*span)) for span in layer.drawn["shape"])
    config: dict[str, Any] = {}
    for name, values in {**layer.sizes, **layer.options}.items():
        value = draw(_values(layer.drawn.get(name), values))
        if name in layer.sizes or value != values[0]:
            config[name] = value
    call: dict[str, Any] = {}
    for name, values in layer.call.items():
        value = draw(st.sampled_from(values))
        if value != values[0]:
            call[name] = value
    dtype = draw(st.sampled_from(DTYPES))
    number = draw(st.integers(0, 2**31 - 1))
    said = [words(name, value) for name, value in {**config, **call}.items()]
    case = make_case(layer, config, shape, call, dtype, "-".join(["drawn", *said, "x".join(map(str, shape)), f"seed={number}"]))
    assume(layer.possible({**layer.constant, **config}, case.shape, call, dtype))
    return case


def _values(span: Any, values: Any) -> st.SearchStrategy[Any]:
    """One of the declared values, or any within the drawn range of it: (lowest, highest), one such pair an axis."""
    if span is None:
        return st.sampled_from(values)
    if isinstance(span[0], tuple):
        return st.tuples(*(st.integers(*axis) for axis in span))
    return st.integers(*span)


def examples(layer: LayerCases, profile: str, part: str, wanted: str) -> int:
    """How many cases are drawn."""
    dear = DEAR if profile == "standard" and layer.layer in ITERATED else 1
    return max(1, round(EXAMPLES[part][profile] * SHARE[wanted] / dear))


def run_drawn(layer: LayerCases, number: int, profile: str, check: Callable[[Case], None], part: str, wanted: str) -> None:
    """Run `check` on drawn cases of the level `wanted`, the same ones for the same `number`; the smallest failing case raises.

    The suite's own settings, wherever it runs: no deadline (machines differ), no database (runs do not depend on earlier ones).
    """
    # Where Hypothesis would leave a folder of its own in the user's.
    set_hypothesis_home_dir(tempfile.gettempdir())

    @seed(number)
    @settings(
        max_examples=examples(layer, profile, part, wanted),
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn_cases(layer))
    def check_drawn(case: Case) -> None:
        assume((part == "forward" or differentiable(layer, case)) and level(case, part) == wanted)
        check(case)

    check_drawn()
