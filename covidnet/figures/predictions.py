"""What the model answered: the confusion matrix and the images with their predictions."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from covidnet.evaluation.metrics import confusion_matrix
from covidnet.figures import style
from covidnet.predictions import Prediction, Predictions

MOST_IMAGES = 64
MOST_LARGE_CELLS = 4
TOP, CELL, CAPTION, GAP, MARGIN = 0.8, 1.85, 0.64, 0.16, 0.2
"""Inches: the figure's title, an image's side, the text below it, the space between images, the margin."""


@style.styled
def confusion_figure(predictions: Predictions) -> Figure:
    """Counts and row percentages, true classes down and predicted ones across."""
    counts = confusion_matrix(predictions)
    size = len(counts)
    supports = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, supports, out=np.zeros(counts.shape), where=supports > 0)
    few = size <= MOST_LARGE_CELLS
    names = style.short_names(predictions.classes, 32 if few else 22)
    cell = 1.5 if few else max(0.55, 6.0 / size)
    # Six and a half inches at least, for the title; the rest is room for the class names.
    width, height = max(6.5, cell * size + 2.9), cell * size + 2.5
    layout = ConstrainedLayoutEngine(rect=(0.0, 0.3 / height, 1.0, 1 - 1.05 / height), w_pad=0.12)
    figure = Figure(figsize=(width, height), layout=layout)
    style.header(figure, "Confusion matrix", _summary(predictions, int(np.trace(counts))))
    style.footer(figure)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    _label_cells(axes, counts, shares, supports)
    _label_sides(axes, names, supports[:, 0])
    _separate_cells(axes, size)
    return figure


def _summary(predictions: Predictions, correct: int) -> str:
    """Such as "split test: 9 of 10 images right (90%). Percentages are of the row."."""
    splits = ", ".join(sorted({row.split for row in predictions.rows}))
    n = len(predictions)
    share = f" ({correct / n:.1%})" if n else ""
    return f"{_prefix(splits)}{correct} of {n} images right{share}. Percentages are of the row."


def _prefix(splits: str) -> str:
    return f"split {style.shorten_middle(splits, 30)}: " if splits else ""


def _label_cells(
    axes: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64], supports: NDArray[np.int64]
) -> None:
    size = len(counts)
    big, small = (15.0, 10.0) if size <= MOST_LARGE_CELLS else (max(8.0, 13.0 - size / 3), max(6.5, 10.0 - size / 4))
    for (row, column), count in np.ndenumerate(counts):
        # In a large matrix a zero is noise around the numbers that matter.
        if count == 0 and size > 8:
            continue
        color = "white" if shares[row, column] > 0.55 else style.INK
        axes.text(column, row, f"{count}", ha="center", va="bottom", fontsize=big, fontweight="bold", color=color)
        share = f"{shares[row, column]:.0%}" if supports[row, 0] else "–"
        axes.text(column, row + 0.06, share, ha="center", va="top", fontsize=small, color=color)


def _label_sides(axes: Axes, names: Sequence[str], supports: NDArray[np.int64]) -> None:
    """Class names: wrapped in a small matrix, turned below a large one."""
    few = len(names) <= MOST_LARGE_CELLS
    wrapped = [textwrap.fill(name, 17) for name in names] if few else list(names)
    joint = "\n" if few else " "
    rows = [f"{name}{joint}(n={support})" for name, support in zip(wrapped, supports, strict=True)]
    axes.set_xticks(range(len(names)), wrapped, rotation=0 if few else 45, ha="center" if few else "right")
    axes.set_yticks(range(len(names)), rows)
    axes.set_xlabel("predicted class", fontweight="bold")
    axes.set_ylabel("true class", fontweight="bold")


def _separate_cells(axes: Axes, size: int) -> None:
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=style.FAINT, linewidth=1)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


@style.styled
def test_images_figure(predictions: Predictions, images: Mapping[str, NDArray[np.uint8]]) -> Figure:
    """Images with their true class, predicted class and its probability; at most 64.

    Wrong ones come first, the most confident mistake at the front; then the right ones, the least sure first.

    Args:
        predictions: The table; any split.
        images: 8-bit pixels (C, H, W) with C 1 or 3 by the rows' paths; a grey square where one is missing.
    """
    truth, best = (
        predictions.truth,
        predictions.predicted if len(predictions) else np.zeros(0, dtype=np.int64),
    )
    order = predictions.wrong_first()
    shown = order[:MOST_IMAGES]
    rows, columns = style.grid_shape(max(1, len(shown)), 8)
    width = max(7.5, 2 * MARGIN + columns * CELL + (columns - 1) * GAP)
    figure = Figure(figsize=(width, TOP + rows * (CELL + CAPTION) + 0.35))
    wrong = int((truth != best).sum())
    style.header(figure, "Images with their predictions", _counts_line(len(order), len(shown), wrong, predictions))
    style.footer(figure)
    for place, index in enumerate(shown):
        row, column = divmod(place, columns)
        axes = style.cell_axes(figure, MARGIN + column * (CELL + GAP), TOP + row * (CELL + CAPTION), CELL, CELL)
        prediction = predictions.rows[index]
        _show(axes, images.get(prediction.path))
        _caption(axes, prediction, predictions.classes, int(best[index]))
    return figure


def _counts_line(n: int, shown: int, wrong: int, predictions: Predictions) -> str:
    splits = ", ".join(sorted({row.split for row in predictions.rows}))
    line = f"{_prefix(splits)}{wrong} of {n} wrong" + (", shown first" if 0 < wrong < n else "")
    return f"{line}; {n - shown} more not shown" if n > shown else line


def _show(axes: Axes, image: NDArray[np.uint8] | None) -> None:
    if image is not None:
        style.draw_image(axes, image)
        return
    axes.set_facecolor(style.FAINT)
    axes.text(0.5, 0.5, "image not\navailable", ha="center", va="center", fontsize=9, transform=axes.transAxes)


def _caption(axes: Axes, row: Prediction, classes: Sequence[str], best: int) -> None:
    """Frame and text of one image; a wrong one has a red frame and the word WRONG, so not colour alone."""
    wrong = classes[best] != row.label
    style.frame(axes, style.WRONG if wrong else style.FAINT, 4 if wrong else 1)
    if wrong:
        axes.text(
            0.5,
            0.97,
            "WRONG",
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=10,
            fontweight="bold",
            color="white",
            bbox={"facecolor": style.WRONG, "edgecolor": "white", "pad": 2.5},
        )
    probability = f" {row.probabilities[best]:.2f}"
    color, weight = (style.WRONG, "bold") if wrong else (style.INK, "normal")
    # "pred " and the probability never give way to a long class name.
    predicted = f"pred {style.fit_text(classes[best], CELL - 0.65, 8.5, weight)}{probability}"
    lines = (
        (f"true {style.fit_text(row.label, CELL - 0.32, 8.5)}", 8.5, style.INK, "normal"),
        (predicted, 8.5, color, weight),
        (style.fit_text(PurePosixPath(row.path).name, CELL, 7), 7.0, style.MUTED, "normal"),
    )
    for number, (text, size, text_color, text_weight) in enumerate(lines):
        axes.annotate(
            text,
            (0, 0),
            xycoords="axes fraction",
            xytext=(0, -6 - 11.5 * number),
            textcoords="offset points",
            va="top",
            fontsize=size,
            color=text_color,
            fontweight=text_weight,
            annotation_clip=False,
        )
