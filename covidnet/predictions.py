"""`Predictions`, the table that every metric and figure is computed from, and its file predictions.csv."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from covidnet.errors import RunError
from covidnet.files import read_csv, write_csv
from covidnet.naming import cut, listed_names

PROBABILITY_PREFIX = "prob_"
OPTIONAL = ("patient", "source")


@dataclass(frozen=True)
class Prediction:
    """One row: an image, its split, its true class and one probability per class; its patient and source if known."""

    path: str
    split: str
    label: str
    probabilities: tuple[float, ...]
    patient: str = ""
    source: str = ""


@dataclass(frozen=True)
class Predictions:
    """Rows with their class names; probabilities stand in the order of ``classes``."""

    classes: tuple[str, ...]
    rows: tuple[Prediction, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def truth(self) -> NDArray[np.int64]:
        """True class indices, shape (N,)."""
        return np.array([self.classes.index(row.label) for row in self.rows], dtype=np.int64)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities in [0, 1], shape (N, C)."""
        return np.array([row.probabilities for row in self.rows], dtype=np.float64).reshape(-1, len(self.classes))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Indices of the most probable class, shape (N,); the first among equals."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def patients(self) -> tuple[str, ...] | None:
        """Who is on each image, where any patient is known: an image without one is a patient of its own."""
        if not any(row.patient for row in self.rows):
            return None
        return tuple(row.patient or f"\0{row.path}" for row in self.rows)

    def wrong_first(self) -> list[int]:
        """Row numbers in the order of showing: mistakes, the surest at the front, then right ones, the least sure."""
        best, truth = self.predicted if self.rows else self.truth, self.truth
        sure = [row.probabilities[index] for row, index in zip(self.rows, best.tolist(), strict=True)]
        right = (best == truth).tolist()
        return sorted(range(len(self)), key=lambda i: (right[i], sure[i] if right[i] else -sure[i], i))

    def of_split(self, split: str) -> Predictions:
        """Only the rows of ``split``."""
        return Predictions(self.classes, tuple(row for row in self.rows if row.split == split))

    def joined(self, other: Predictions) -> Predictions:
        """Both tables' rows, these first; the classes must be the same."""
        if self.classes != other.classes:
            raise ValueError(f"classes {self.classes} and {other.classes} cannot stand in one table")
        return Predictions(self.classes, self.rows + other.rows)

    def without_split(self, split: str) -> Predictions:
        """All rows but those of ``split``."""
        return Predictions(self.classes, tuple(row for row in self.rows if row.split != split))


def write_predictions(predictions: Predictions, path: Path) -> None:
    """Write predictions.csv: path, split, label, prob_CLASS ..., predicted, correct. Floats keep every bit.

    The columns patient and source follow where any row has one.
    """
    header = ["path", "split", "label", *(PROBABILITY_PREFIX + name for name in predictions.classes)]
    known = [name for name in OPTIONAL if any(getattr(row, name) for row in predictions.rows)]
    rows: list[Sequence[object]] = []
    for row, index in zip(predictions.rows, predictions.predicted, strict=True):
        name = predictions.classes[index]
        values = [repr(float(value)) for value in row.probabilities]
        more = [getattr(row, column) for column in known]
        rows.append([row.path, row.split, row.label, *values, name, int(name == row.label), *more])
    write_csv(path, [*header, "predicted", "correct", *known], rows)


def read_predictions(path: Path) -> Predictions:
    """Read predictions.csv back.

    Raises:
        RunError: The file is missing, or a column or value is not what `write_predictions` writes.
    """
    header, lines = read_csv(path, "Expected the table that train.py writes; re-score with evaluate.py run=RUN_DIR.")
    classes = tuple(name.removeprefix(PROBABILITY_PREFIX) for name in header if name.startswith(PROBABILITY_PREFIX))
    if not classes or not {"path", "split", "label"} <= set(header) or len(set(header)) < len(header):
        raise RunError(
            f"{path}: found the columns {listed_names(header) or 'none'}; expected path, split, label, prob_CLASS ..., "
            "each once."
        )
    rows = (_parse(f"{path}, line {number}", dict(zip(header, row, strict=True)), classes) for number, row in lines)
    return Predictions(classes, tuple(rows))


def _parse(place: str, row: dict[str, str], classes: tuple[str, ...]) -> Prediction:
    try:
        probabilities = tuple(float(row[PROBABILITY_PREFIX + name]) for name in classes)
    except ValueError as error:
        raise RunError(f"{place}: a probability is not a number ({cut(str(error))}).") from error
    if not all(math.isfinite(value) and 0.0 <= value <= 1.0 for value in probabilities):
        raise RunError(f"{place}: probabilities {probabilities} are not all in [0, 1].")
    if row["label"] not in classes:
        raise RunError(f"{place}: label {cut(row['label'])!r} is none of {listed_names(classes)}.")
    more = {name: row.get(name, "") for name in OPTIONAL}
    return Prediction(row["path"], row["split"], row["label"], probabilities, **more)
