"""Who trains and who is tested: a stratified split, its file split.csv, and what changed since it was written."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from covidnet.errors import DataError, RunError
from covidnet.files import write_csv

COLUMNS = ("path", "label", "split", "sha256")


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
        DataError: There are fewer than two classes, or a class or a part is too small.
    """
    _check_sizes(labels, test_size, val_size)
    from sklearn.model_selection import train_test_split

    everything = np.arange(len(labels))
    names = np.asarray(labels)
    rest, test = train_test_split(everything, test_size=test_size, random_state=random_state, stratify=names)
    parts = {"train": rest, "test": test}
    if val_size is not None:
        share = val_size / (1.0 - test_size)
        train, val = train_test_split(rest, test_size=share, random_state=random_state, stratify=names[rest])
        parts = {"train": train, "val": val, "test": test}
    return Split({name: np.sort(part).astype(np.int64) for name, part in parts.items()})


def _check_sizes(labels: Sequence[str], test_size: float, val_size: float | None) -> None:
    counts = Counter(labels)
    listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    if len(counts) < 2:
        raise DataError(
            f"found {len(counts)} class ({listed}); expected at least two. "
            "Give the folder above the class folders, data.root=PATH."
        )
    needed = 2 if val_size is None else 3
    small = [name for name, count in sorted(counts.items()) if count < needed]
    if small:
        raise DataError(
            f"class {', '.join(small)} has fewer than {needed} images (found {listed}), so it cannot be in every part "
            "of a stratified split. Add images, or take the class's folder out of data.root."
        )
    total, classes = len(labels), len(counts)
    shares = [("data.test_size", test_size)] + ([] if val_size is None else [("data.val_size", val_size)])
    for key, share in shares:
        if math.ceil(share * total) < classes:
            raise DataError(
                f"{key}={share:g} of {total} images is less than one image for each of {classes} classes; "
                f"expected at least {math.ceil(1000 * classes / total) / 1000:g}."
            )
    left = math.floor(total * (1.0 - sum(share for _, share in shares)))
    if left < classes:
        raise DataError(
            f"{' and '.join(f'{key}={share:g}' for key, share in shares)} leave {left} of {total} images to train on; "
            f"expected at least one for each of {classes} classes. Choose smaller shares."
        )


def write_split(path: Path, rows: Sequence[SplitRow]) -> None:
    """Write split.csv."""
    write_csv(path, COLUMNS, [(row.path, row.label, row.split, row.sha256) for row in rows])


def read_split(path: Path) -> list[SplitRow]:
    """Read split.csv back.

    Raises:
        RunError: The file is missing or is not such a table.
    """
    if not path.is_file():
        raise RunError(f"{path}: missing. Expected a run directory that train.py wrote.")
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise RunError(f"{path}: found the columns {reader.fieldnames}; expected {', '.join(COLUMNS)}.")
        return [SplitRow(**row) for row in reader]
