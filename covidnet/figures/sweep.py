"""A sweep at a glance: every run as a point, paired runs as lines, two swept keys as a heat map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from covidnet.figures import style

JITTER = 0.28
"""Half the height over which points of one configuration are spread, so that equal scores stay visible."""

MOST_ROWS = 40
MOST_PAIRS = 6


@dataclass(frozen=True)
class Row:
    """One configuration: its label, a line per key; its runs' scores; their mean, and its interval if there is one."""

    label: str
    scores: Sequence[float]
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PairedScores:
    """Two configurations' scores on the same splits and seeds, and what their difference says."""

    first: str
    second: str
    scores: Sequence[tuple[float, float]]
    caption: str


@style.styled
def points_figure(rows: Sequence[Row], score: str, interval: str, *, width: float = 9.5, titled: bool = True) -> Figure:
    """Each run as a point, each configuration's mean as a bar with its interval.

    Args:
        rows: Configurations in their order; at most `MOST_ROWS` are drawn, those with the highest means.
        score: The score's name.
        interval: What the interval is, in words.
        width: In inches.
        titled: Whether the figure says itself what it shows: with a title, and what points and lines are.
    """
    shown = list(rows)
    if len(shown) > MOST_ROWS:
        best = sorted(range(len(shown)), key=lambda index: -shown[index].mean)[:MOST_ROWS]
        shown = [shown[index] for index in sorted(best)]
    lines = max((row.label.count("\n") for row in shown), default=0)
    height = (1.8 if titled else 1.3) + (0.55 + 0.12 * lines) * len(shown)
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
    axes = figure.subplots()
    for position, row in enumerate(shown):
        _draw_row(axes, position, row)
    axes.set_yticks(range(len(shown)), [_short_lines(row.label, 36) for row in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.set_xlabel(f"{score}\npoints: runs; bar: mean; line: {interval}" if titled else score)
    if titled:
        title = _counted_title(score, len(shown), len(rows))
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure


def _short_lines(label: str, limit: int) -> str:
    return "\n".join(style.shorten_middle(line, limit) for line in label.splitlines())


def _counted_title(score: str, shown: int, total: int) -> str:
    subset = f" (the best {shown} of {total})" if shown < total else ""
    return f"{score.capitalize()} of each configuration{subset}"


def _draw_row(axes: Axes, position: int, row: Row) -> None:
    color = style.CLASS_COLORS[position % len(style.CLASS_COLORS)]
    offsets = np.linspace(-JITTER, JITTER, len(row.scores)) if len(row.scores) > 1 else np.zeros(1)
    axes.scatter(row.scores, position + offsets, s=26, color=color, alpha=0.65, linewidths=0, zorder=3)
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [position, position], color=style.INK, linewidth=1.4, zorder=2)
    axes.plot([row.mean, row.mean], [position - 0.36, position + 0.36], color=style.INK, linewidth=2.4, zorder=4)
    axes.annotate(
        f"{row.mean:.3f}", (row.mean, position - 0.38), ha="center", va="bottom", fontsize=8.5, color=style.INK
    )


@style.styled
def pairs_figure(
    pairs: Sequence[PairedScores], score: str, lower_is_better: bool = False, *, titled: bool = True
) -> Figure:
    """Lines between the two scores of each pair of runs; better in green, worse in red, level in grey.

    At most `MOST_PAIRS` panels are drawn, the first ones; ``titled`` gives the figure a title of its own.
    """
    shown = list(pairs)[:MOST_PAIRS]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    size = (max(6.4, 4.3 * columns), 1.0 + 4.3 * rows) if titled else (4.5 * columns, 4.1 * rows)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    low = min(value for pair in shown for both in pair.scores for value in both)
    high = max(value for pair in shown for both in pair.scores for value in both)
    margin = 0.06 * (high - low) or 0.05
    for axes, pair in zip(panels, shown, strict=False):
        _draw_pair(axes, pair, lower_is_better)
        axes.set_ylim(low - margin, high + margin)
        axes.set_ylabel(score)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    title = f"Paired runs: {score} on the same split and seed"
    if len(pairs) > len(shown):
        title += f" (the first {len(shown)} of {len(pairs)} pairs)"
    if titled:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure


def _draw_pair(axes: Axes, pair: PairedScores, lower_is_better: bool) -> None:
    spread = np.linspace(-0.04, 0.04, len(pair.scores)) if len(pair.scores) > 1 else np.zeros(1)
    for offset, (first, second) in zip(spread, pair.scores, strict=True):
        better = (second < first) == lower_is_better
        color = style.MUTED if first == second else style.CLASS_COLORS[2] if better else style.WRONG
        axes.plot(
            [offset, 1 + offset], [first, second], color=color, alpha=0.7, linewidth=1.4, marker="o", markersize=4
        )
    means = [float(np.mean([both[side] for both in pair.scores])) for side in (0, 1)]
    axes.plot([0, 1], means, color=style.INK, linewidth=2.6, marker="D", markersize=7, zorder=5)
    axes.set_xticks([0, 1], [_short_lines(label, 20) for label in (pair.first, pair.second)])
    axes.set_xlim(-0.3, 1.3)
    axes.grid(axis="y")
    axes.set_title(pair.caption, fontsize=9.5, fontweight="normal")


@style.styled
def heatmap_figure(
    keys: tuple[str, str],
    values: tuple[Sequence[str], Sequence[str]],
    means: Mapping[tuple[str, str], float],
    score: str,
) -> Figure:
    """Mean score for every pair of values of two keys; cells without a finished run stay empty.

    Args:
        keys: The keys down and across.
        values: Their values in order.
        means: By the two values.
        score: The score's name.
    """
    down, across = values
    cells: NDArray[np.float64] = np.full((len(down), len(across)), np.nan)
    for (one, other), mean in means.items():
        cells[list(down).index(one), list(across).index(other)] = mean
    size = (max(6.4, 2.6 + 1.1 * len(across)), max(3.2, 1.8 + 0.55 * len(down)))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    axes = figure.subplots()
    image = axes.imshow(cells, cmap="cividis", aspect="auto")
    middle = float(np.nanmean([np.nanmin(cells), np.nanmax(cells)]))
    for (row, column), mean in np.ndenumerate(cells):
        if np.isfinite(mean):
            color = "white" if mean <= middle else "black"
            axes.text(column, row, f"{mean:.3f}", ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(across)), style.short_names(list(across), 22), rotation=30 if len(across) > 5 else 0)
    axes.set_yticks(range(len(down)), style.short_names(list(down), 30))
    axes.set_xlabel(keys[1])
    axes.set_ylabel(keys[0])
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label=f"mean {score}", shrink=0.8)
    figure.suptitle(f"Mean {score} by {keys[0]} and {keys[1]}", x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure
