"""What an audit found, to look at: the offending images side by side, the cues, and what the tests saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from covidnet.audit.after_training import AfterTraining
from covidnet.audit.duplicates import Pair, groups
from covidnet.audit.examine import Material
from covidnet.audit.shortcuts import CueScore
from covidnet.audit.views import border, corners, lung_field
from covidnet.evaluation.intervals import exact_interval
from covidnet.figures import style

CELL, CAPTION, GAP, MARGIN, TOP = 1.5, 0.5, 0.12, 0.2, 0.85
MOST_ROWS, MOST_COLUMNS = 12, 6

Picture = NDArray[np.uint8]
Fetch = Callable[[int], Picture]


class Cell(NamedTuple):
    """A picture (C, H, W) with up to two lines below it, the first in ink, the second quieter."""

    picture: Picture | None
    first: str
    second: str = ""
    wrong: bool = False


@style.styled
def gallery(title: str, note: str, rows: Sequence[Sequence[Cell]], labels: Sequence[str] = ()) -> Figure:
    """Rows of pictures; ``labels`` stand left of the rows."""
    left = MARGIN + (1.35 if labels else 0.0)
    columns = max(len(row) for row in rows)
    width = max(7.5, left + columns * (CELL + GAP) + MARGIN)
    figure = Figure(figsize=(width, TOP + len(rows) * (CELL + CAPTION) + 0.35))
    style.header(figure, title, style.fit_text(note, width - 2 * MARGIN, 9.5))
    style.footer(figure)
    across, down = figure.get_size_inches()
    for number, row in enumerate(rows):
        top = TOP + number * (CELL + CAPTION)
        if labels:
            figure.text(MARGIN / across, 1 - (top + CELL / 2) / down, labels[number], fontsize=9, va="center")
        for column, cell in enumerate(row):
            axes = style.cell_axes(figure, left + column * (CELL + GAP), top, CELL, CELL)
            if cell.picture is not None:
                style.draw_image(axes, cell.picture)
            style.frame(axes, style.WRONG if cell.wrong else style.FAINT, 2.5 if cell.wrong else 1)
            for line, (text, size, color) in enumerate(((cell.first, 8, style.INK), (cell.second, 7, style.MUTED))):
                axes.annotate(
                    style.fit_text(text, CELL, size),
                    (0, 0),
                    xycoords="axes fraction",
                    xytext=(0, -5 - 11 * line),
                    textcoords="offset points",
                    va="top",
                    fontsize=size,
                    color=color,
                    annotation_clip=False,
                )
    return figure


def duplicates_figure(pairs: Sequence[Pair], material: Material, picture: Fetch) -> Figure:
    """A row per picture that is there more than once; red where its copies differ in label or part."""
    found = groups(pairs)
    found.sort(key=lambda group: not _grave(group, material))
    kinds = {position: pair.kind for pair in pairs for position in (pair.second, pair.first)}
    rows = [
        [
            Cell(picture(p), _where(p, material), PurePosixPath(material.records[p].path).name, _grave(group, material))
            for p in group[:MOST_COLUMNS]
        ]
        for group in found[:MOST_ROWS]
    ]
    labels = [_two_lines(kinds[group[0]]) for group in found[:MOST_ROWS]]
    note = f"{len(found)} pictures; red: copies that differ in label or in part of the split"
    more = len(found) - len(rows)
    return gallery("The same picture more than once", note + (f"; {more} more not shown" if more else ""), rows, labels)


def _two_lines(text: str) -> str:
    return text.replace(" and ", " and\n").replace(" copy", "\ncopy")


def _grave(group: Sequence[int], material: Material) -> bool:
    labels = {material.records[position].label for position in group}
    parts = {material.parts[position] for position in group} - {""} if material.parts else set()
    return len(labels) > 1 or len(parts) > 1


def _where(position: int, material: Material) -> str:
    part = material.parts[position] if material.parts else ""
    return f"{material.records[position].label}{f', {part}' if part else ''}"


def files_figure(title: str, files: Sequence[str], material: Material, picture: Fetch) -> Figure:
    """The images of these paths, in rows."""
    positions = {record.path: position for position, record in enumerate(material.records)}
    shown = [positions[file] for file in files if file in positions][: MOST_ROWS * MOST_COLUMNS // 2]
    cells = [Cell(picture(p), _where(p, material), PurePosixPath(material.records[p].path).name) for p in shown]
    rows = [cells[start : start + MOST_COLUMNS] for start in range(0, len(cells), MOST_COLUMNS)]
    more = len(files) - len(shown)
    return gallery(title, f"{len(files)} images" + (f"; {more} not shown" if more else ""), rows)


@style.styled
def cues_figure(cues: Sequence[CueScore], model: tuple[int, int] | None) -> Figure:
    """Balanced accuracy with intervals of every cue, beside chance and the model."""
    rows: list[tuple[str, float, float, float, str, str]] = []
    for cue in cues:
        score = cue.score
        color = style.WRONG if cue.alarming and cue.cue.lungless else style.CLASS_COLORS[0]
        kind = "no lungs in it" if cue.cue.lungless else "lungs in it"
        rows.append((f"{cue.cue.title}\n({kind})", score.balanced_accuracy, score.low, score.high, color, "o"))
    if model is not None:
        interval = exact_interval(*model)
        rows.append(
            (
                f"the model's accuracy\n({model[1]} test images)",
                interval.value or 0.0,
                interval.low,
                interval.high,
                style.INK,
                "D",
            )
        )
    figure = Figure(figsize=(8.5, 1.5 + 0.52 * len(rows)))
    style.header(
        figure,
        "How well the label can be read without looking at the lungs",
        "Cross-validated balanced accuracy with 95 % intervals; red: beyond chance, and no lung in it.",
    )
    style.footer(figure)
    across, down = figure.get_size_inches()
    axes = figure.add_axes((2.2 / across, 0.75 / down, 1 - 3.5 / across, 1 - 1.6 / down))
    for place, (_, value, low, high, color, marker) in enumerate(rows):
        axes.plot(
            [low, high], [place, place], color=color, linewidth=3, alpha=0.45, solid_capstyle="round", clip_on=False
        )
        axes.plot(value, place, marker, color=color, markersize=7, clip_on=False)
        axes.annotate(
            f"{value:.2f} [{low:.2f}, {high:.2f}]",
            (1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            color=color,
        )
    chance = cues[0].score.chance
    axes.axvline(chance, color=style.MUTED, linewidth=1, linestyle="--")
    axes.annotate(
        "chance", (chance, -0.6), ha="center", va="bottom", fontsize=8.5, color=style.MUTED, annotation_clip=False
    )
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_xlim(min(0.3, chance - 0.1, *(row[2] for row in rows)), 1.0)
    axes.set_xlabel("balanced accuracy")
    axes.grid(axis="x")
    axes.tick_params(length=0)
    return figure


def views_figure(material: Material) -> Figure:
    """What the pixel tests see: an example and the mean of each class, what they do not see in flat grey."""
    thumbnails, labels = material.views.thumbnails, material.labels
    side = thumbnails.shape[1]
    regions = {
        "the outer\nborder": border(side, side),
        "without the\nlung field": ~lung_field(side, side),
        "the corners": corners(side, side),
    }
    rows, names = [], []
    for name, region in {"all": np.ones((side, side), dtype=bool), **regions}.items():
        row = []
        for index, label in enumerate(material.classes[:3]):
            members = np.flatnonzero(labels == index)
            mean = thumbnails[members].mean(axis=0)
            row += [
                Cell(_seen(thumbnails[members[0]], region), f"{label}, an example"),
                Cell(_seen(mean, region), f"{label}, mean of {len(members)}"),
            ]
        rows.append(row)
        names.append("the whole\nimage" if name == "all" else name)
    rows.append([Cell(_coarse(cell.picture), cell.first) for cell in rows[0]])
    names.append("8x8\nthumbnail")
    return gallery(
        "What the tests see", "Means that differ outside the lungs show what gives the label away.", rows, names
    )


def _seen(picture: NDArray[np.generic], region: NDArray[np.bool_]) -> Picture:
    return np.where(region, np.rint(np.asarray(picture, dtype=np.float64)), 128).astype(np.uint8)[None]


def _coarse(picture: Picture | None) -> Picture | None:
    if picture is None:
        return None
    side = picture.shape[-1]
    means = picture[0].reshape(8, side // 8, 8, side // 8).mean(axis=(1, 3))
    return np.rint(np.kron(means, np.ones((16, 16)))).astype(np.uint8)[None]


def after_training_figure(after: AfterTraining) -> Figure:
    """What the model was given, and how many of the test images it still named right."""
    rows, labels = [], []
    for score in after.scores:
        pictures = [(path, picture) for name, path, picture in after.pictures if name == score.name]
        rows.append(
            [Cell(picture, PurePosixPath(path).parent.name, PurePosixPath(path).name) for path, picture in pictures]
        )
        right = score.accuracy
        interval = f"[{right.low:.2f}, {right.high:.2f}]"
        labels.append(f"{_wrapped(score.title)}\n\n{right.successes} of {right.n} right\n{interval}")
    return gallery(
        "The model on altered test images", "A model that reads lungs fails where there are none.", rows, labels
    )


def _wrapped(title: str) -> str:
    words = title.split()
    half = (len(words) + 1) // 2
    return " ".join(words[:half]) + ("\n" + " ".join(words[half:]) if words[half:] else "")
