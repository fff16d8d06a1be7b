"""What differs between the classes before any pixel is looked at: sizes, shapes, colour modes, file types."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from covidnet.data.images import ImageInfo
from covidnet.data.records import Record

TUKEY_FACTOR = 1.5
LISTED_IN_TABLE = 20
"""Longer lists are cut in the table; the JSON form has them whole."""

MARKUP = re.compile(r"<(?=[A-Za-z/!?])|\](?=[(\[:])|:(?=//)")
"""Where Markdown takes what follows for more than text."""


@dataclass(frozen=True)
class Spread:
    """Five numbers of one quantity; quartiles by linear interpolation, as the box plot draws them."""

    min: float
    q1: float
    median: float
    q3: float
    max: float


@dataclass(frozen=True)
class Outlier:
    """An image whose width, height or both lie more than 1.5 interquartile ranges outside the quartiles."""

    path: str
    width: int
    height: int
    sides: tuple[str, ...]


@dataclass(frozen=True)
class ClassStudy:
    """The files of one class. Spreads and the median are None where the class has no readable image."""

    name: str
    n: int
    width: Spread | None
    height: Spread | None
    aspect_ratio: Spread | None
    modes: dict[str, int]
    formats: dict[str, int]
    bytes_median: float | None
    outliers: tuple[Outlier, ...]


@dataclass(frozen=True)
class DatasetStudy:
    """One `ClassStudy` per class in class order, what was left out of it, and what must not be passed on."""

    classes: tuple[ClassStudy, ...]
    skipped: tuple[str, ...] = field(default=())
    ignored: tuple[str, ...] = field(default=())
    burned_in: tuple[str, ...] = field(default=())
    """Paths of DICOM images whose header says that text in the pixels may name the patient."""

    @property
    def n(self) -> int:
        """Number of images that could be read."""
        return sum(one.n for one in self.classes)

    def to_json(self) -> dict[str, object]:
        """Plain values only; nothing is cut."""
        return {"n": self.n, **asdict(self)}


def study_dataset(
    pairs: Sequence[tuple[Record, ImageInfo]],
    classes: Sequence[str],
    skipped: Sequence[str] = (),
    ignored: Sequence[str] = (),
) -> DatasetStudy:
    """Describe the files of a dataset, class by class.

    Args:
        pairs: Every readable image with what its file says of itself.
        classes: The class names in order; one without images stays in the study with n = 0.
        skipped: A line for each file that could not be read.
        ignored: A line for each kind of file that was not looked at, such as "12 hidden files".
    """
    members: dict[str, list[tuple[Record, ImageInfo]]] = {name: [] for name in classes}
    for record, info in pairs:
        members[record.label].append((record, info))
    studies = tuple(_study_class(name, found) for name, found in members.items())
    burned_in = tuple(record.path for record, info in pairs if info.burned_in)
    return DatasetStudy(studies, tuple(skipped), tuple(ignored), burned_in)


def outlier_limits(values: Sequence[float]) -> tuple[float, float]:
    """Tukey's fences: the smallest and largest value that is no outlier. ``values`` must not be empty."""
    q1, q3 = np.percentile(values, [25, 75])
    reach = TUKEY_FACTOR * (q3 - q1)
    return float(q1 - reach), float(q3 + reach)


def _study_class(name: str, members: Sequence[tuple[Record, ImageInfo]]) -> ClassStudy:
    infos = [info for _, info in members]
    return ClassStudy(
        name=name,
        n=len(infos),
        width=_spread([info.width for info in infos]),
        height=_spread([info.height for info in infos]),
        aspect_ratio=_spread([info.width / info.height for info in infos]),
        modes=_counts(info.mode for info in infos),
        formats=_counts(info.format for info in infos),
        bytes_median=float(np.median([info.bytes for info in infos])) if infos else None,
        outliers=_outliers(members),
    )


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    return Spread(*(float(value) for value in np.percentile(values, [0, 25, 50, 75, 100])))


def _counts(names: Iterable[str]) -> dict[str, int]:
    """The most frequent first; by name among equals, so that the order does not depend on the files'."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def _outliers(members: Sequence[tuple[Record, ImageInfo]]) -> tuple[Outlier, ...]:
    if not members:
        return ()
    widths = outlier_limits([info.width for _, info in members])
    heights = outlier_limits([info.height for _, info in members])
    found = []
    for record, info in members:
        sides = []
        if not widths[0] <= info.width <= widths[1]:
            sides.append("width")
        if not heights[0] <= info.height <= heights[1]:
            sides.append("height")
        if sides:
            found.append(Outlier(record.path, info.width, info.height, tuple(sides)))
    return tuple(found)


def study_table(study: DatasetStudy) -> str:
    """The study as markdown that also reads well as plain text."""
    parts = [
        "# The dataset\n",
        f"{_counted(study.n, 'image')}; classes: {len(study.classes)}. Sizes in pixels, before resizing.\n",
        _sizes(study),
        "## Colour modes\n",
        _shares(study, lambda one: one.modes),
        "## File types\n",
        _shares(study, lambda one: one.formats),
        "## Outliers in width or height\n",
        f"More than {TUKEY_FACTOR} interquartile ranges outside the quartiles of their class (Tukey).\n",
        _outlier_lists(study),
    ]
    if study.burned_in:
        parts += [
            f"## Burnt-in text: {_counted(len(study.burned_in), 'image')}\n",
            "Their DICOM headers say that text in the pixels may name the patient. Pictures of this run may show it: "
            "look at them before you pass them on.\n",
            _bullets([f"`{_name(path)}`" for path in study.burned_in]),
        ]
    if study.skipped:
        parts += [f"## Skipped: {_counted(len(study.skipped), 'unreadable file')}\n", _bullets(study.skipped)]
    if study.ignored:
        parts += ["## Not looked at\n", _bullets(study.ignored)]
    return "\n".join(parts)


def printable(text: str) -> str:
    """``text`` on one line and encodable: a file name may hold line breaks and bytes that are no UTF-8."""
    replaced = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in replaced)


def inert(text: str) -> str:
    """``text`` for Markdown outside code: a space is set where a tag, link, picture or address would begin."""
    return MARKUP.sub(lambda found: f"{found.group()} ", text)


def _sizes(study: DatasetStudy) -> str:
    header = ["class", "images", "quantity", "min", "q1", "median", "q3", "max"]
    rows = []
    for one in study.classes:
        spreads = (
            ("width", one.width, 0),
            ("height", one.height, 0),
            ("width / height", one.aspect_ratio, 2),
        )
        for title, spread, digits in spreads:
            rows.append([one.name, str(one.n), title, *_five(spread, digits)])
        median = "–" if one.bytes_median is None else f"{one.bytes_median:,.0f}"
        rows.append([one.name, str(one.n), "bytes", "", "", median, "", ""])
    return _table(header, rows)


def _five(spread: Spread | None, digits: int) -> list[str]:
    if spread is None:
        return ["–"] * 5
    return [f"{value:.{digits}f}" for value in (spread.min, spread.q1, spread.median, spread.q3, spread.max)]


def _shares(study: DatasetStudy, counts_of: Callable[[ClassStudy], Mapping[str, int]]) -> str:
    """A row per class, a column per name with the count and its share of the class."""
    names = sorted({name for one in study.classes for name in counts_of(one)})
    rows = []
    for one in study.classes:
        counts = counts_of(one)
        cells = [f"{counts[name]} ({counts[name] / one.n:.0%})" if name in counts else "0" for name in names]
        rows.append([one.name, *cells])
    return _table(["class", *names], rows)


def _outlier_lists(study: DatasetStudy) -> str:
    lines = []
    for one in study.classes:
        described = [f"`{_name(o.path)}` {o.width} x {o.height} ({' and '.join(o.sides)})" for o in one.outliers]
        lines.append(f"**{inert(_name(one.name))}**: {_counted(len(described), 'outlier')}\n")
        if described:
            lines.append(_bullets(described))
    return "\n".join(lines)


def _bullets(lines: Sequence[str]) -> str:
    shown = [f"- {inert(printable(line))}" for line in lines[:LISTED_IN_TABLE]]
    if len(lines) > LISTED_IN_TABLE:
        shown.append(f"- and {len(lines) - LISTED_IN_TABLE} more")
    return "\n".join(shown) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table with padded columns, so that the plain text lines up too; numbers stand right."""
    cells = [[inert(_name(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]
    words = [not any(row[column][:1].isdigit() for row in cells[1:]) or column == 0 for column in range(len(header))]
    rule = [
        ":" + "-" * (width - 1) if word else "-" * (width - 1) + ":" for width, word in zip(widths, words, strict=True)
    ]
    lines = []
    for row in (cells[0], rule, *cells[1:]):
        padded = [
            cell.ljust(width) if word else cell.rjust(width)
            for cell, width, word in zip(row, widths, words, strict=True)
        ]
        lines.append(f"| {' | '.join(padded)} |")
    return "\n".join(lines) + "\n"


def _name(text: str) -> str:
    """A name that cannot break a markdown table or leave its code span."""
    return printable(text).replace("|", "¦").replace("`", "'")


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
