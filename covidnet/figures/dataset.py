"""What the model is given: the study of the files, and a batch as augmentation leaves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from covidnet.data.images import ImageInfo
from covidnet.data.records import Record
from covidnet.data.study import outlier_limits
from covidnet.figures import style

MOST_IMAGES = 24
SMALLEST_LABELLED = 4.0
"""Narrower parts of a bar, in percent, have no room for their count."""

# `vert` is deprecated from 3.10 on, and 3.9 does not know `orientation`.
LYING: dict[str, Any] = {"orientation": "horizontal"} if matplotlib.__version_info__ >= (3, 10) else {"vert": False}

ASPECT_GUIDES = ((0.75, "3:4"), (1.0, "1:1"), (4 / 3, "4:3"), (2.0, "2:1"))


@style.styled
def dataset_figure(pairs: Sequence[tuple[Record, ImageInfo]], classes: Sequence[str]) -> Figure:
    """Sizes, shapes, colour modes and file types per class, side by side.

    Args:
        pairs: Every readable image with what its file says of itself.
        classes: The class names in order; one without images keeps its place.
    """
    members: dict[str, list[ImageInfo]] = {name: [] for name in classes}
    for record, info in pairs:
        members[record.label].append(info)
    groups = list(members.values())
    names = style.short_names(classes, 24)
    rows = max(0, len(classes) - 3)
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(14.5, 7.5 + 0.55 * rows), layout=layout)
    panels = figure.subplot_mosaic(
        [["width", "height", "shape"], ["mode", "format", "shape"]],
        width_ratios=[1, 1, 1.3],
        height_ratios=[1.3, 1],
    )
    title = f"The dataset before resizing: {len(pairs)} images"
    figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
    joint = "\n" if len(groups) <= 6 else ", "
    counted = [f"{name}{joint}n={len(group)}" for name, group in zip(names, groups, strict=True)]
    _boxes(panels["width"], [[info.width for info in group] for group in groups], "Width (pixels)")
    _boxes(panels["height"], [[info.height for info in group] for group in groups], "Height (pixels)")
    _scatter(panels["shape"], groups, names)
    _bars(panels["mode"], [[info.mode for info in group] for group in groups], "Colour modes")
    _bars(panels["format"], [[info.format for info in group] for group in groups], "File types")
    for key in ("width", "height", "mode", "format"):
        # The panels of a row share their classes, so the names stand once, at the left.
        panels[key].set_yticks(range(len(groups)), counted if key in {"width", "mode"} else [""] * len(groups))
        panels[key].set_ylim(len(groups) - 0.4, -0.6)
    if groups:
        figure.legend(*panels["shape"].get_legend_handles_labels(), loc="outside lower right", ncols=4)
    return figure


def _boxes(axes: Axes, values: Sequence[Sequence[int]], title: str) -> None:
    """A lying box per class, with every outlier as a point and their number in words."""
    size = len(values)
    axes.set_title(title)
    axes.grid(axis="x")
    for index, group in enumerate(values):
        color = style.class_color(index, size)
        axes.boxplot(
            [group],
            positions=[index],
            widths=0.42,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": color, "alpha": 0.45, "edgecolor": style.INK},
            medianprops={"color": style.INK, "linewidth": 2},
            flierprops={
                "marker": style.class_marker(index),
                "markerfacecolor": color,
                "markeredgecolor": style.INK,
                "markeredgewidth": 0.6,
                "markersize": 7,
            },
            **LYING,
        )
        place = (1, index - 0.27)
        across = axes.get_yaxis_transform()
        axes.text(
            *place,
            _outlier_count(group),
            transform=across,
            ha="right",
            va="bottom",
            fontsize=8,
            color=style.MUTED,
        )
    axes.set_xlim(left=0)


def _outlier_count(group: Sequence[int]) -> str:
    if not group:
        return "no images"
    low, high = outlier_limits(group)
    count = sum(not low <= value <= high for value in group)
    return f"{count} outlier{'' if count == 1 else 's'}"


def _scatter(axes: Axes, groups: Sequence[Sequence[ImageInfo]], names: Sequence[str]) -> None:
    # Room above the panel for the ratios of the lines that leave it there.
    axes.set_title("Width, height and aspect ratio", pad=20)
    total = sum(len(group) for group in groups)
    for index, group in enumerate(groups):
        axes.scatter(
            [info.width for info in group],
            [info.height for info in group],
            s=45 if total < 500 else 12,
            marker=style.class_marker(index),
            color=style.class_color(index, len(groups)),
            edgecolor="white",
            linewidth=0.6 if total < 500 else 0,
            alpha=0.85,
            label=names[index],
            zorder=3,
        )
    _aspect_guides(axes, [info for group in groups for info in group])
    axes.set(xlabel="width (pixels)", ylabel="height (pixels)")


def _aspect_guides(axes: Axes, infos: Sequence[ImageInfo]) -> None:
    """Lines of equal width : height, each with its ratio where it leaves the panel."""
    right = 1.12 * max((info.width for info in infos), default=1)
    top = 1.12 * max((info.height for info in infos), default=1)
    axes.set_xlim(0, right)
    axes.set_ylim(0, top)
    for ratio, label in ASPECT_GUIDES:
        x = min(right, top * ratio)
        y = x / ratio
        axes.plot([0, x], [0, y], color=style.FAINT, linewidth=1.2, zorder=1)
        leaves_right = x == right
        axes.annotate(
            label,
            (x, y),
            xytext=(4, 0) if leaves_right else (0, 4),
            textcoords="offset points",
            color=style.MUTED,
            fontsize=9,
            ha="left" if leaves_right else "center",
            va="center" if leaves_right else "bottom",
            annotation_clip=False,
        )


def _bars(axes: Axes, groups: Sequence[Sequence[str]], title: str) -> None:
    """A bar per class, split into the shares of each value, with the counts inside."""
    counts = [Counter(group) for group in groups]
    totals = Counter(value for group in groups for value in group)
    sizes = np.array([max(1, len(group)) for group in groups])
    lefts = np.zeros(len(groups))
    for index, value in enumerate(sorted(totals, key=lambda name: (-totals[name], name))):
        found = np.array([count[value] for count in counts])
        shares = 100 * found / sizes
        color = style.VALUE_COLORS[index % len(style.VALUE_COLORS)]
        axes.barh(range(len(groups)), shares, left=lefts, color=color, edgecolor="white", height=0.62, label=value)
        for row, share in enumerate(shares):
            if share >= SMALLEST_LABELLED:
                axes.text(lefts[row] + share / 2, row, f"{found[row]}", ha="center", va="center", fontsize=9)
        lefts += shares
    legend_rows = -(-len(totals) // 4)
    axes.set_title(title, pad=10 + 16 * legend_rows)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of the class (counts in the bars)")
    if totals:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=4, handlelength=1, columnspacing=1)


@style.styled
def batch_figure(
    images: NDArray[np.generic],
    labels: Sequence[str],
    classes: Sequence[str] | None = None,
    title: str = "A training batch after augmentation",
) -> Figure:
    """The first images of a batch as the model sees them, with their classes; at most 24.

    Args:
        images: Pixels of shape (N, C, H, W) with C 1 or 3, floats in [0, 1] or 8-bit.
        labels: A class name for each image.
        classes: All class names in order, which fixes the colours; by default those in ``labels``, sorted.
        title: What is seen.
    """
    order = list(classes) if classes is not None else sorted(set(labels))
    shown = min(len(labels), MOST_IMAGES)
    rows, columns = style.grid_shape(max(1, shown), 6)
    cell, label_height, margin = 1.7, 0.3, 0.2
    size = (max(6.0, margin + columns * (cell + 0.12) + margin), 0.75 + rows * (cell + label_height) + 0.1)
    figure = Figure(figsize=size)
    style.header(figure, title, f"{shown} of {len(labels)} images")
    for index in range(shown):
        row, column = divmod(index, columns)
        top = 0.75 + row * (cell + label_height)
        axes = style.cell_axes(figure, margin + column * (cell + 0.12), top + label_height - 0.06, cell, cell)
        style.draw_image(axes, images[index])
        style.frame(axes, style.class_color(order.index(labels[index]), len(order)), 2.5)
        axes.set_title(style.shorten_middle(labels[index], 22), fontsize=9, fontweight="normal", pad=3)
    return figure
