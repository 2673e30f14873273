"""The picture of a class: how its points are spread, and how much of every item it earned. Needs matplotlib."""

from __future__ import annotations

import importlib.util
import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path

from conformance.grading.formats.escape import one_line
from conformance.grading.formats.summary import by_item, share_of
from conformance.grading.formats.told import title_of
from conformance.grading.result import Result
from conformance.grading.rubric import Rubric
from reference.saving.files import whole_file

BINS = 10
MOST_TITLE = 40
BLUE, GREY = "#3b6ea5", "#b8c4d0"


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(path: Path, graded: Sequence[Result], rubric: Rubric) -> None:
    """Write the picture as PNG, whole or not at all, without the name and version of the program that drew it.

    Parameters
    ----------
    path : path
    graded : sequence of Result
        At least one; those that the harness failed on are left out by whoever asks.
    rubric : Rubric
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    items = by_item(graded, rubric)
    figure = Figure(figsize=(9.6, max(2.8, 0.34 * len(items) + 1.3)), layout="constrained")
    FigureCanvasAgg(figure)
    spread, hard = figure.subplots(1, 2, width_ratios=(1, 1.25))
    most = max([rubric.points, *(result.earned for result in graded)]) or 1.0
    spread.hist([result.earned for result in graded], bins=BINS, range=(0, most), color=BLUE, edgecolor="white")
    spread.set_xlabel(f"points (of {rubric.points:g})")
    spread.set_ylabel("submissions")
    spread.yaxis.get_major_locator().set_params(integer=True)
    shares = {name: 100 * statistics.fmean(map(share_of, own)) for name, own in items.items()}
    for width, colour in (([100.0] * len(shares), GREY), ([*shares.values()], BLUE)):
        hard.barh(range(len(shares)), width, color=colour, height=0.7)
    hard.set_yticks(range(len(items)), [_label(title_of(own[0])) for own in items.values()], parse_math=False, fontsize=8)
    for row, share in enumerate(shares.values()):
        hard.text(98, row, f"{share:.0f} %", ha="right", va="center", fontsize=8, color="white" if share > 88 else "black")
    hard.set_xlim(0, 100)
    hard.set_xlabel("mean share of its points, in %")
    hard.invert_yaxis()
    for panel in (spread, hard):
        panel.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=110, metadata={"Software": None})


def _label(title: str) -> str:
    """A title on two lines at most."""
    return textwrap.fill(one_line(title), MOST_TITLE, max_lines=2, placeholder="…")
