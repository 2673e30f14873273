"""The figures of the training reports, drawn to be read in black and white.

A figure carries the SHA-256 of what it shows, and is drawn again only when that has changed: pixels depend on the version of the plotting
library and of its fonts, and reports must come out the same where nothing was measured anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reference.saving.files import whole_file

KEYWORD = "Data"
"""The name of the checksum among the texts of a PNG file."""
STYLE: dict[str, dict[str, Any]] = {"keras": {"color": "black", "linestyle": "-"}, "numpy": {"color": "0.45", "linestyle": (0, (4, 2))}}
MARKER = {"adam": "o", "sgd": "x"}
LINE = {"adam": "-", "sgd": "--"}
CURVE: dict[str, dict[str, Any]] = {
    "train": {"label": "training split", "color": "0.4", "linestyle": (0, (4, 2)), "marker": "o", "markerfacecolor": "white"},
    "valid": {"label": "validation split", "color": "black", "linestyle": "-"},
}
BAND: dict[str, dict[str, Any]] = {
    "train": {"facecolor": "none", "edgecolor": "0.75", "hatch": "////", "linewidth": 0},
    "valid": {"color": "0.82", "linewidth": 0},
}


def shows(path: Path, data: Any) -> bool:
    """Whether the figure is there and shows exactly these data."""
    return path.is_file() and f"{KEYWORD}\0{_digest(data)}".encode() in path.read_bytes()


def draw_drift(path: Path, data: Sequence[Mapping[str, Any]]) -> None:
    """How far the loss has been from that of the float64 training up to each step: Keras and NumPy in float32.

    Parameters
    ----------
    path : Path
    data : sequence of mappings
        Of each panel the ``title`` and the distances of ``keras`` and ``numpy`` by step.
    """
    figure, axes = _grid(2, -(-len(data) // 2), 2.5)
    for panel, one in zip(axes.T.flat, data, strict=False):
        for side, label in (("keras", "Keras, float32"), ("numpy", "NumPy, float32")):
            so_far = np.maximum.accumulate(one[side])
            panel.semilogy(range(1, len(so_far) + 1), np.maximum(so_far, 1e-9), label=label, linewidth=1.4, **STYLE[side])
        panel.set_title(one["title"], fontsize=9)
        panel.grid(True, linewidth=0.3)
    for panel in axes[-1]:
        panel.set_xlabel("step")
    for panel in axes[:, 0]:
        panel.set_ylabel("largest distance of the loss\nfrom float64 so far", fontsize=8)
    _save(figure, axes, 2, path, data)


def draw_histories(path: Path, data: Sequence[Mapping[str, Any]]) -> None:
    """Training loss and macro-F1 on the validation split by epoch: Keras as lines, NumPy as marks upon them.

    Parameters
    ----------
    path : Path
    data : sequence of mappings
        Of each model the ``title`` and its ``runs``: optimizer, side, ``train_loss`` and ``valid_macro_f1`` by epoch.
    """
    figure, axes = _grid(2, len(data), 2.6)
    for column, one in zip(axes.T, data, strict=True):
        column[0].set_title(one["title"], fontsize=9)
        for panel, name in zip(column, ("train_loss", "valid_macro_f1"), strict=True):
            for run in one["runs"]:
                optimizer, values = run["optimizer"], run[name]
                drawn = {"linestyle": LINE[optimizer]} if run["side"] == "keras" else {"linestyle": "", "marker": MARKER[optimizer]}
                title = {"adam": "Adam", "sgd": "SGD"}[optimizer]
                label = f"{'Keras' if run['side'] == 'keras' else 'NumPy'}, {title}"
                panel.plot(
                    range(1, len(values) + 1),
                    values,
                    label=label,
                    color="black",
                    markerfacecolor="none",
                    markersize=5,
                    linewidth=1,
                    **drawn,
                )
            panel.grid(True, linewidth=0.3)
        column[1].set_ylim(0, 1)
        column[1].set_xlabel("epoch")
    axes[0, 0].set_ylabel("loss on the training split")
    axes[1, 0].set_ylabel("macro-F1 on the validation split")
    _save(figure, axes, 4, path, data)


def draw_curves(path: Path, data: Sequence[Mapping[str, Any]]) -> None:
    """Loss and macro-F1 by epoch on training and validation split: a column for each variation, on one scale.

    Lines are means over the seeds that still train, bands go from the least to the largest seed.

    Parameters
    ----------
    path : Path
    data : sequence of mappings
        Of each variation the ``title``, and ``train_loss``, ``valid_loss``, ``train_macro_f1``, ``valid_macro_f1``: by seed and epoch;
        an empty list where a curve is not known.
    """
    figure, axes = _grid(2, len(data), 1.9 if len(data) < 5 else 1.5, sharey="row")
    for column, one in zip(axes.T, data, strict=True):
        column[0].set_title(one["title"], fontsize=9)
        for panel, measure in zip(column, ("loss", "macro_f1"), strict=True):
            for split, style in CURVE.items():
                if not one[f"{split}_{measure}"]:
                    continue
                longest = max(map(len, one[f"{split}_{measure}"]))
                values = np.array([[*seed, *[np.nan] * (longest - len(seed))] for seed in one[f"{split}_{measure}"]])
                epochs = np.arange(1, longest + 1)
                if len(values) > 1:
                    panel.fill_between(epochs, np.nanmin(values, axis=0), np.nanmax(values, axis=0), **BAND[split])
                panel.plot(epochs, np.nanmean(values, axis=0), markersize=3.5, linewidth=1.2, markevery=max(1, longest // 10), **style)
            panel.grid(True, linewidth=0.3)
            panel.xaxis.get_major_locator().set_params(integer=True)
        column[1].set_ylim(0, 1.03)
        column[1].set_xlabel("epoch")
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].set_ylabel("loss")
    axes[1, 0].set_ylabel("macro-F1")
    _save(figure, axes, 2, path, data)


def _grid(rows: int, columns: int, width: float, sharey: bool | Literal["row"] = False) -> tuple[Any, Any]:
    """A figure and its panels, (rows, columns)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns + 0.8, 2.3 * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=sharey)


def _save(figure: Any, axes: Any, columns: int, path: Path, data: Any) -> None:
    """Write the PNG with a legend in so many columns, whole or not at all, without the name and version of the program that drew it."""
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=columns, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=110, metadata={"Software": None, KEYWORD: _digest(data)})


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
