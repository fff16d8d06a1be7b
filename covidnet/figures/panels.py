"""Small figures of one diagram each, for pages that set their own titles and stand beside each other or below.

They are laid out by hand: a layout engine would take longer than all the drawing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from covidnet.evaluation.calibration import ReliabilityBin
from covidnet.evaluation.curves import Curve
from covidnet.figures import style

WIDTH, HEIGHT = 4.7, 3.3
LEFT, RIGHT, TOP, BOTTOM = 0.62, 0.16, 0.34, 0.56
"""Inches around the axes; the legend stands in the upper margin."""

TRAIN, HELD_OUT = style.CLASS_COLORS[0], style.CLASS_COLORS[5]
LINE, CHOSEN = style.CLASS_COLORS[0], style.CLASS_COLORS[5]


def panel(width: float = WIDTH, height: float = HEIGHT, left: float = LEFT) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, in inches."""
    figure = Figure(figsize=(width, height))
    across, down = 1 - (left + RIGHT) / width, 1 - (TOP + BOTTOM) / height
    return figure, figure.add_axes((left / width, BOTTOM / height, across, down))


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=columns, borderaxespad=0.2, handlelength=1.6,
        columnspacing=1.4, fontsize=9,
    )  # fmt: skip


@style.styled
def history_panel(
    history: Sequence[Mapping[str, float]], quantity: str, label: str, val_name: str, kept: int | None
) -> Figure:
    """The training curve and the held-out one over the epochs, and the kept epoch.

    Args:
        history: Rows of history.csv.
        quantity: ``loss`` or ``acc``.
        label: What the ordinate shows.
        val_name: What the held-out set is.
        kept: The epoch whose model was kept, if known.
    """
    figure, axes = panel()
    epochs = [row["epoch"] for row in history]
    for prefix, name, color, dash, marker in (
        ("train", "training", TRAIN, "-", "o"),
        ("val", val_name, HELD_OUT, "--", "s"),
    ):
        values = [row.get(f"{prefix}_{quantity}", math.nan) for row in history]
        shown = [value if math.isfinite(value) else math.nan for value in values]
        axes.plot(
            epochs, shown, color=color, linestyle=dash, linewidth=1.8, label=name,
            marker=marker if len(history) <= 40 else None, markersize=4,
        )  # fmt: skip
    if kept is not None:
        axes.axvline(kept, color=style.MUTED, linewidth=1.2, linestyle=":", zorder=1, label=f"kept: epoch {kept}")
    axes.grid(axis="y")
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if quantity == "acc":
        axes.set_ylim(-0.03, 1.04)
    else:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    _legend(axes, 3)
    return figure


def _unit_axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure, axes = panel(height=4.1)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.grid(axis="both")
    return figure, axes


@style.styled
def roc_panel(curve: Curve, points: Sequence[tuple[str, Mapping[str, Any]]]) -> Figure:
    """The ROC curve with its band, and some points of it with exact intervals in both directions.

    Args:
        curve: Its x is 1 - specificity, its y the sensitivity.
        points: A label, and ``sensitivity`` and ``specificity`` as metrics.json has them.
    """
    figure, axes = _unit_axes("1 - specificity", "sensitivity")
    axes.fill_between(curve.grid, curve.low, curve.high, color=LINE, alpha=0.16, linewidth=0, label="95 % band")
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle="--")
    axes.plot(curve.x, curve.y, color=LINE, linewidth=2)
    for (label, rates), marker, color in zip(points, "oD", (style.INK, CHOSEN), strict=False):
        hit, cleared = rates["sensitivity"], rates["specificity"]
        if hit["value"] is None or cleared["value"] is None:
            continue
        x, y = 1 - cleared["value"], hit["value"]
        axes.errorbar(
            x, y, xerr=[[x - (1 - cleared["high"])], [1 - cleared["low"] - x]],
            yerr=[[y - hit["low"]], [hit["high"] - y]], fmt="none", ecolor=color, linewidth=1, capsize=3, zorder=4,
        )  # fmt: skip
        _marks(axes, [x], [y], marker, color, label)
    _legend(axes, 3)
    return figure


def _marks(axes: Axes, x: Sequence[float], y: Sequence[float], marker: str, color: str, label: str) -> None:
    """Points drawn by themselves, so that the legend shows a point and no error bar."""
    axes.plot(
        x, y, linestyle="none", marker=marker, color=color, markersize=6.5, markeredgecolor="white",
        markeredgewidth=0.8, label=label, zorder=5,
    )  # fmt: skip


@style.styled
def precision_recall_panel(curve: Curve, share: float) -> Figure:
    """The precision-recall curve with its band, and the precision of guessing."""
    figure, axes = _unit_axes("sensitivity (recall)", "positive predictive value (precision)")
    axes.fill_between(curve.grid, curve.low, curve.high, color=LINE, alpha=0.16, linewidth=0, label="95 % band")
    axes.axhline(share, color=style.MUTED, linewidth=1, linestyle="--", label=f"guessing: {share:.2f}")
    axes.plot(
        np.append(0.0, curve.x), np.append(curve.y[:1], curve.y), color=LINE, linewidth=2, drawstyle="steps-pre"
    )  # fmt: skip
    _legend(axes, 2)
    return figure


@style.styled
def reliability_panel(series: Sequence[tuple[str, Sequence[ReliabilityBin]]], stated: str, found: str) -> Figure:
    """A point per bin at its mean probability, with the exact interval of what came true.

    Args:
        series: A label and the bins that hold images, once or twice: before and after calibration.
        stated: What the abscissa is.
        found: What the ordinate is.
    """
    figure, axes = _unit_axes(stated, found)
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle="--", label="perfect")
    for (label, curve), marker, color in zip(series, "oD", (LINE, CHOSEN), strict=False):
        x = [one.stated for one in curve]
        y = [one.found.value or 0.0 for one in curve]
        down = [value - one.found.low for value, one in zip(y, curve, strict=True)]
        up = [one.found.high - value for value, one in zip(y, curve, strict=True)]
        if curve:
            axes.errorbar(x, y, yerr=np.array([down, up]), fmt="none", ecolor=color, linewidth=1.3, capsize=3)
        _marks(axes, x, y, marker, color, label)
    _legend(axes, 3)
    return figure


@style.styled
def spread_panel(spreads: Sequence[tuple[str, Mapping[str, float] | None]], label: str) -> Figure:
    """A lying box per class: the middle half with its median, and a line from the smallest to the largest.

    Args:
        spreads: Class names with ``min``, ``q1``, ``median``, ``q3``, ``max``; None for a class without images.
        label: The quantity with its unit.
    """
    names = style.short_names([name for name, _ in spreads], 18)
    figure, axes = panel(height=0.95 + 0.42 * len(spreads), left=0.25 + 0.08 * max(map(len, names)))
    boxes = [
        (place, {"whislo": one["min"], "q1": one["q1"], "med": one["median"], "q3": one["q3"], "whishi": one["max"]})
        for place, (_, one) in enumerate(spreads)
        if one is not None
    ]
    for place, box in boxes:
        color = style.class_color(place, len(spreads))
        axes.plot([box["whislo"], box["whishi"]], [place, place], color=style.MUTED, linewidth=1.2, zorder=1)
        axes.barh(place, box["q3"] - box["q1"], left=box["q1"], height=0.5, color=color, alpha=0.55, zorder=2)
        axes.plot([box["med"], box["med"]], [place - 0.25, place + 0.25], color=style.INK, linewidth=2, zorder=3)
    axes.set_yticks(range(len(spreads)), names)
    axes.set_ylim(len(spreads) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_xlabel(label)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    return figure
