"""Who trains and who is tested: a stratified split, its file split.csv, and what changed since it was written."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from covidnet.errors import DataError, RunError
from covidnet.files import read_csv, write_csv
from covidnet.naming import cut, listed_names

PARTS = ("train", "val", "test", "external", "unused")
"""With protocol=source, ``external`` is the source left out, ``unused`` other images of its patients."""
COLUMNS = ("path", "label", "split", "sha256")
OPTIONAL = ("patient", "source")
"""Further columns of split.csv, where the data source knows them."""


@dataclass(frozen=True)
class Split:
    """Positions of the images in each part, sorted. Without a ``val`` part, the test images validate."""

    parts: Mapping[str, NDArray[np.int64]]

    @property
    def validation(self) -> str:
        """Name of the part that chooses the epoch: ``val``, or ``test`` in the article's protocol."""
        return "val" if "val" in self.parts else "test"

    def positions(self, name: str) -> NDArray[np.int64]:
        """Positions of ``train``, ``val``, ``test`` or ``all``."""
        if name == "all":
            return np.sort(np.concatenate(list(self.parts.values())))
        return self.parts[self.validation if name == "val" else name]

    def names(self) -> dict[int, str]:
        """The part of each position."""
        return {int(position): name for name, part in self.parts.items() for position in part}


@dataclass(frozen=True)
class SplitRow:
    """One line of split.csv."""

    path: str
    label: str
    split: str
    sha256: str
    patient: str = ""
    source: str = ""


def whole(records: Sequence[object], part: str) -> Split:
    """All images in one part."""
    return Split({part: np.arange(len(records), dtype=np.int64)})


def stratified_split(
    labels: Sequence[str], random_state: int, test_size: float, val_size: float | None = None
) -> Split:
    """Split with the class shares kept, as scikit-learn's train_test_split does with ``stratify``.

    Args:
        labels: One class name per image, in the records' order.
        random_state: Decides the split, and nothing else.
        test_size: Share of all images in the test part.
        val_size: Share of all images in a validation part; None makes none.

    Raises:
        DataError: There are fewer than two classes, or a class or a part is too small for each class to be in each
            part.
    """
    names = np.asarray(labels)
    check_classes(names, 2 if val_size is None else 3)
    rest, test = split_off(np.arange(len(labels)), names, test_size, random_state, f"data.test_size={test_size:g}")
    parts = {"train": rest, "test": test}
    if val_size is not None:
        share = val_size / (1.0 - test_size)
        train, val = split_off(rest, names, share, random_state, f"data.val_size={val_size:g}")
        parts = {"train": train, "val": val, "test": test}
    return Split({name: np.sort(part).astype(np.int64) for name, part in parts.items()})


def check_classes(names: NDArray[np.str_], needed: int) -> None:
    """Refuse labels of fewer than two classes, or a class of fewer than ``needed`` images.

    Raises:
        DataError: See above.
    """
    counts = Counter(names.tolist())
    if len(counts) < 2:
        raise DataError(
            f"found {len(counts)} class ({listed_counts(counts)}); expected at least two. "
            "Give the folder above the class folders, data.root=PATH."
        )
    small = [name for name, count in sorted(counts.items()) if count < needed]
    if small:
        raise DataError(
            f"class {', '.join(small)} has fewer than {needed} images (found {listed_counts(counts)}), so it cannot be "
            "in every part of a stratified split. Add images, or take the class's folder out of data.root."
        )


def split_off(
    positions: NDArray[np.int64], names: NDArray[np.str_], share: float, random_state: int, setting: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide images with the class shares kept.

    Args:
        positions: The images to divide.
        names: Class of each image of the dataset, shape (N,).
        share: Of ``positions``, to be taken.
        random_state: Decides the division.
        setting: What the user chose, for messages.

    Returns:
        The positions that stay and those taken, each with all classes.

    Raises:
        DataError: One side would lack a class.
    """
    from sklearn.model_selection import train_test_split

    counts = Counter(names[positions].tolist())
    taken = math.ceil(share * len(positions))  # scikit-learn's rounding
    left = len(positions) - taken
    if min(taken, left) < len(counts):
        low = math.ceil(1000 * len(counts) / len(names)) / 1000
        high = math.floor(1000 * (len(positions) - len(counts)) / len(names)) / 1000
        advice = f"Choose a share from {low:g} to {high:g}." if low <= high else "Add images."
        raise DataError(
            f"{setting} divides {len(positions)} images into {taken} and {left}; expected at least one for each of "
            f"{len(counts)} classes on both sides. {advice}"
        )
    found = f"(found {listed_counts(counts)}). Choose another share, add images, or take the folder out of data.root."
    single = [name for name, count in sorted(counts.items()) if count < 2]
    if single:
        raise DataError(f"{setting} cannot divide class {', '.join(single)}, of which one image is left {found}")
    stay, go = train_test_split(positions, test_size=share, random_state=random_state, stratify=names[positions])
    lacking = sorted(set(counts) - set(names[stay].tolist()) | set(counts) - set(names[go].tolist()))
    if lacking:
        raise DataError(f"{setting} leaves one side of the split without any image of {', '.join(lacking)} {found}")
    return stay, go


def listed_counts(counts: Counter[str]) -> str:
    """Such as ``covid 25, normal 25``."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def write_split(path: Path, rows: Sequence[SplitRow]) -> None:
    """Write split.csv."""
    columns = [*COLUMNS, *(name for name in OPTIONAL if any(getattr(row, name) for row in rows))]
    write_csv(path, columns, [[getattr(row, name) for name in columns] for row in rows])


def read_split(path: Path) -> list[SplitRow]:
    """Read split.csv back.

    Raises:
        RunError: The file is missing or is not such a table; the message names the line.
    """
    header, lines = read_csv(path, "Expected a run directory that train.py wrote.")
    if tuple(header[: len(COLUMNS)]) != COLUMNS or not set(header[len(COLUMNS) :]) <= set(OPTIONAL):
        raise RunError(f"{path}: found the columns {listed_names(header)}; expected {', '.join(COLUMNS)}.")
    rows = []
    for number, values in lines:
        row = SplitRow(**dict(zip(header, values, strict=True)))
        if row.split not in PARTS:
            raise RunError(f"{path}, line {number}: split {cut(row.split)!r} is none of {', '.join(PARTS)}.")
        if not re.fullmatch("[0-9a-f]{64}", row.sha256):
            raise RunError(f"{path}, line {number}: {cut(row.sha256)!r} is not a SHA-256 in hexadecimal.")
        rows.append(row)
    return rows
