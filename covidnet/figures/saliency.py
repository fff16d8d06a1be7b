"""Where the evidence for the predicted class lies: overlays of single images, and the figure of them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter

from covidnet.explain.evidence import enlarge
from covidnet.figures import style

TOP, CELL, CAPTION, GAP, MARGIN = 0.85, 1.7, 0.8, 0.18, 0.2
"""Inches: the figure's title, an image's side, the text below it, the space between images, the margin."""
MOST_COLUMNS, MOST_PANELS, MOST_MEANS = 8, 10, 6
COLORS = "inferno"
OUTLINE = "#56d4e9"
OVERLAY_SIDE = 224

Picture = NDArray[np.uint8]
Heat = NDArray[np.float32]


@dataclass(frozen=True)
class Shown:
    """One image with its maps.

    Attributes:
        picture: Shape (C, H, W), the model's view.
        maps: By the method's title: any scale, any size up to the picture's.
        field: The lung field, shape (H, W).
        inside: By the method's title: share of the evidence inside the field; None where there is no evidence, no
            entry where it was not measured.
        label: True class.
        predicted: Predicted class.
        probability: Its probability.
        path: As in predictions.csv.
    """

    picture: Picture
    maps: Mapping[str, NDArray[np.floating[Any]]]
    field: NDArray[np.bool_]
    inside: Mapping[str, float | None]
    label: str
    predicted: str
    probability: float
    path: str


@dataclass(frozen=True)
class MeanMap:
    """The mean map (H, W) of the images taken for one class by one method, over their mean picture."""

    title: str
    picture: Picture
    heat: Heat
    field: NDArray[np.bool_]
    note: str


def heat_of(evidence: NDArray[np.floating[Any]], height: int, width: int) -> Heat:
    """A map for the eye: shape (height, width), 0 to 1.

    A map as fine as the picture is smoothed and cut at its highest 0.5 %, or nothing but single points would be seen.
    """
    heat = enlarge(evidence, height, width)
    if evidence.shape == (height, width):
        heat = gaussian_filter(heat, sigma=max(height, width) / 64)
        top = float(np.quantile(heat, 0.995))
    else:
        top = float(heat.max())
    return np.clip(heat / top, 0, 1).astype(np.float32) if top > 0 else np.zeros_like(heat)


def blend(picture: Picture, heat: Heat) -> Picture:
    """The picture (C, H, W) in grey under the heat (H, W) in colour, opaque where there is most; shape (3, H, W)."""
    grey = picture.astype(np.float32).mean(axis=0) / 255
    colored = np.moveaxis(matplotlib.colormaps[COLORS](heat)[..., :3], 2, 0)
    opacity = 0.8 * heat
    mixed = (1 - opacity) * grey + opacity * colored
    return np.asarray(np.rint(255 * np.clip(mixed, 0, 1)), dtype=np.uint8)


def overlay(picture: Picture, evidence: NDArray[np.floating[Any]], field: NDArray[np.bool_]) -> Picture:
    """One image with its map and the outline of its lung field: shape (3, H, W), at most `OVERLAY_SIDE` wide."""
    mixed = blend(picture, heat_of(evidence, *picture.shape[1:]))
    edge = field & ~binary_erosion(field)
    color = np.array([int(OUTLINE[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.uint8)
    return np.where(edge, color[:, None, None], mixed)


@style.styled
def saliency_figure(title: str, note: str, means: Sequence[MeanMap], images: Sequence[Shown]) -> Figure:
    """Mean maps of the classes, then the images, each once per method.

    Args:
        title: Headline.
        note: One line below it.
        means: May be empty.
        images: In the order of showing.
    """
    panels = max((len(image.maps) for image in images), default=1)
    columns = style.grid_shape(max(1, len(images)), max(1, min(MOST_COLUMNS, MOST_PANELS // panels)))[1]
    across = columns * panels
    means = means[:MOST_MEANS]
    top_rows = int(bool(means))
    rows = -(-len(images) // columns)
    width = max(8.5, 2 * MARGIN + max(across, len(means)) * (CELL + GAP))
    first = TOP + top_rows * (CELL + CAPTION)
    figure = Figure(figsize=(width, first + rows * (CELL + CAPTION) + 0.35))
    style.header(figure, title, style.fit_text(note, width - 2 * MARGIN - 2.2, 9.5))
    style.footer(figure)
    _scale(figure, outlined=any(field.any() for field in [one.field for one in means] + [one.field for one in images]))
    for place, mean in enumerate(means):
        axes = style.cell_axes(figure, MARGIN + place * (CELL + GAP), TOP, CELL, CELL)
        _draw(axes, blend(mean.picture, mean.heat), mean.field)
        style.frame(axes, style.MUTED, 1)
        _lines(
            axes,
            [(mean.title, 8.5, style.INK, "bold"), *((part, 8, style.INK, "normal") for part in mean.note.split("\n"))],
        )
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        _show(figure, MARGIN + column * panels * (CELL + GAP), first + row * (CELL + CAPTION), image)
    return figure


def _show(figure: Figure, left: float, top: float, image: Shown) -> None:
    """All maps of one image; a wrong one has a red frame and the word WRONG, so not colour alone."""
    wrong = image.predicted != image.label
    for number, (method, evidence) in enumerate(image.maps.items()):
        axes = style.cell_axes(figure, left + number * (CELL + GAP), top, CELL, CELL)
        heat = heat_of(evidence, *image.picture.shape[1:])
        _draw(axes, blend(image.picture, heat), image.field)
        style.frame(axes, style.WRONG if wrong else style.FAINT, 4 if wrong else 1)
        if wrong and number == 0:
            box = {"facecolor": style.WRONG, "edgecolor": "white", "pad": 2.5}
            axes.text(0.5, 0.97, "WRONG", transform=axes.transAxes, ha="center", va="top", fontsize=9,
                      fontweight="bold", color="white", bbox=box)  # fmt: skip
        share = image.inside.get(method)
        inside = "no evidence" if share is None else f"{share:.2f} in the lung field"
        if number == 0 and len(image.maps) > 1:
            inside = f"{method}: {inside.replace('lung field', 'field')}"
        measured = [(inside, 8.0, style.INK, "normal")] if method in image.inside else []
        color, weight = (style.WRONG, "bold") if wrong else (style.INK, "normal")
        predicted = f"pred {style.fit_text(image.predicted, CELL - 0.65, 8.5, weight)} {image.probability:.2f}"
        own = [
            (f"true {style.fit_text(image.label, CELL - 0.32, 8.5)}", 8.5, style.INK, "normal"),
            (predicted, 8.5, color, weight),
        ]
        name = [(style.fit_text(PurePosixPath(image.path).name, CELL, 7), 7.0, style.MUTED, "normal")]
        _lines(axes, [*own, *measured, *name] if number == 0 else [(method, 8.5, style.INK, "normal"), *measured])


def _draw(axes: Axes, picture: Picture, field: NDArray[np.bool_]) -> None:
    style.draw_image(axes, picture)
    if field.any() and not field.all():
        axes.contour(field, levels=[0.5], colors=[OUTLINE], linewidths=0.9)


def _lines(axes: Axes, lines: Sequence[tuple[str, float, str, str]]) -> None:
    for number, (text, size, color, weight) in enumerate(lines):
        axes.annotate(text, (0, 0), xycoords="axes fraction", xytext=(0, -6 - 11.5 * number),
                      textcoords="offset points", va="top", fontsize=size, color=color, fontweight=weight,
                      annotation_clip=False)  # fmt: skip


def _scale(figure: Figure, outlined: bool) -> None:
    """A bar that says what the colours mean, at the top right."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes(((width - 1.95) / width, 1 - 0.38 / height, 1.2 / width, 0.12 / height))
    axes.imshow(np.linspace(0, 1, 128)[None], aspect="auto", cmap=COLORS)
    axes.set_xticks([])
    axes.set_yticks([])
    style.frame(axes, style.FAINT, 0.5)
    for x, text, align in ((-0.04, "none", "right"), (1.04, "most", "left")):
        axes.text(x, 0.5, text, transform=axes.transAxes, ha=align, va="center", fontsize=8, color=style.MUTED)
    text = "evidence, by image" + ("; line: lung field" if outlined else "")
    axes.annotate(text, (0.5, 0), xycoords="axes fraction", xytext=(0, -4), textcoords="offset points", ha="center",
                  va="top", fontsize=7.5, color=style.MUTED, annotation_clip=False)  # fmt: skip
