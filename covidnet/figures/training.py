"""How a training went: loss, accuracy and learning rate over the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from covidnet.figures import style

TRAIN, HELD_OUT = style.CLASS_COLORS[0], style.CLASS_COLORS[5]
LOG_FROM = 30.0
"""Where the largest loss is so many times the median, a linear axis would show one spike and a flat line."""


@style.styled
def curves_figure(
    history: Sequence[Mapping[str, float]], best_epoch: int | None = None, val_name: str = "validation"
) -> Figure:
    """Loss, accuracy and learning rate on one time axis.

    Args:
        history: One mapping per epoch with epoch, train_loss, train_acc, val_loss, val_acc, lr and seconds.
            Values that are missing or not finite leave a gap.
        best_epoch: The epoch whose model was kept, marked where given.
        val_name: What the held-out set is; "test" in the article's protocol.
    """
    epochs = _column(history, "epoch")
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    figure = Figure(figsize=(9.5, 8.0), layout=layout)
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1])
    figure.suptitle(_title(history, val_name), x=0.01, ha="left", fontsize=13, fontweight="bold")
    _pair(loss, history, "loss", val_name)
    _scale_loss(loss, history)
    _pair(accuracy, history, "acc", val_name)
    accuracy.set_title("Accuracy (share of images classified rightly)")
    accuracy.set_ylim(-0.03, 1.04)
    accuracy.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    _learning_rate(rate, epochs, _column(history, "lr"))
    _mark_best((loss, accuracy, rate), history, best_epoch, val_name)
    handles, labels = loss.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), fontsize=10)
    return figure


def _column(history: Sequence[Mapping[str, float]], key: str) -> NDArray[np.float64]:
    """The values of ``key`` per epoch; NaN where there is none."""
    values = [row.get(key) for row in history]
    column = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.isfinite(column), column, math.nan)


def _title(history: Sequence[Mapping[str, float]], val_name: str) -> str:
    count = f"{len(history)} epoch" + ("" if len(history) == 1 else "s")
    seconds = _column(history, "seconds")
    spent = f" in {np.nansum(seconds):.1f} s" if np.isfinite(seconds).any() else ""
    return f"Training and {val_name} curves: {count}{spent}"


def _pair(axes: Axes, history: Sequence[Mapping[str, float]], key: str, val_name: str) -> None:
    """The training curve and the held-out one, which differ in colour, dash and marker."""
    epochs = _column(history, "epoch")
    # Markers show single epochs; on long histories they would only thicken the line.
    marked = len(history) <= 60
    for prefix, name, color, dash, marker in (
        ("train", "training", TRAIN, "-", "o"),
        ("val", val_name, HELD_OUT, "--", "s"),
    ):
        axes.plot(
            epochs,
            _column(history, f"{prefix}_{key}"),
            color=color,
            linestyle=dash,
            linewidth=1.8,
            marker=marker if marked else None,
            markersize=3.5 if len(history) > 5 else 7,
            label=name,
        )
    axes.grid(axis="y")


def _scale_loss(axes: Axes, history: Sequence[Mapping[str, float]]) -> None:
    values = np.concatenate([_column(history, "train_loss"), _column(history, "val_loss")])
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() > LOG_FROM * np.median(values):
        axes.set_yscale("log")
        _plain_log_ticks(axes)
        axes.set_title("Cross-entropy loss (log scale)")
    else:
        axes.set_ylim(0, 1.1 * values.max() if values.size and values.max() > 0 else 1)
        axes.set_title("Cross-entropy loss")


def _learning_rate(axes: Axes, epochs: NDArray[np.float64], rates: NDArray[np.float64]) -> None:
    axes.step(epochs, rates, where="mid", color=style.INK, linewidth=1.8, marker="." if len(epochs) == 1 else None)
    axes.set_title("Learning rate (log scale)")
    axes.set_xlabel("epoch")
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
        axes.set_xticks(epochs)
    positive = rates[rates > 0]
    if positive.size:
        axes.set_yscale("log")
        # At least a decade, or a constant rate would have no labelled tick.
        axes.set_ylim(positive.min() / 4, positive.max() * 4)
        _plain_log_ticks(axes)
        axes.yaxis.set_minor_locator(NullLocator())


def _plain_log_ticks(axes: Axes) -> None:
    """Powers of ten as plain text: the style reads no dollar signs, so matplotlib's own would show them."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _mark_best(
    panels: Sequence[Axes], history: Sequence[Mapping[str, float]], best_epoch: int | None, val_name: str
) -> None:
    """A line through all panels at the kept epoch, with that epoch's held-out values in words."""
    row = next((row for row in history if row.get("epoch") == best_epoch), None)
    if best_epoch is None or row is None:
        return
    for axes in panels:
        axes.axvline(best_epoch, color=style.CLASS_COLORS[2], linewidth=1.6, linestyle=":", zorder=1)
    late = best_epoch > float(np.nanmean(_column(history, "epoch")))
    panels[0].annotate(
        f"kept: epoch {best_epoch}\n{val_name} loss {row.get('val_loss', math.nan):.4g}",
        (best_epoch, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-6 if late else 6, -4),
        textcoords="offset points",
        ha="right" if late else "left",
        va="top",
        fontsize=9,
        color="#00694d",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
    )
