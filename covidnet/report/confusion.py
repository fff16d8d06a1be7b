"""The confusion matrices and the scores of each class."""

from __future__ import annotations

from dataclasses import dataclass

from covidnet.data.study import printable
from covidnet.evaluation.metrics import confusion_matrix
from covidnet.predictions import Predictions
from covidnet.report.data import Table
from covidnet.report.source import RunFiles
from covidnet.report.words import number

SHADES = 10


@dataclass(frozen=True)
class MatrixCell:
    """A count, its share of the row, and how dark the cell is, 0 to 10."""

    count: int
    share: str
    shade: int
    right: bool


@dataclass(frozen=True)
class MatrixRow:
    """One true class."""

    name: str
    n: int
    cells: list[MatrixCell]


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix; rows are true classes."""

    classes: list[str]
    rows: list[MatrixRow]


def make_matrices(files: RunFiles) -> list[tuple[str, Matrix]]:
    """Of the scored images and of the external ones, with their titles."""
    found = [(f"{files.split_name.capitalize()} images", _matrix(files.scored))]
    if len(files.external):
        found.append(("External images", _matrix(files.external)))
    return found


def _matrix(table: Predictions) -> Matrix:
    names = [printable(name) for name in table.classes]
    rows = []
    for index, counts in enumerate(confusion_matrix(table).tolist()):
        n = sum(counts)
        cells = [
            MatrixCell(
                count, f"{100 * count / n:.0f} %" if n else "–", round(SHADES * count / n) if n else 0, index == at
            )
            for at, count in enumerate(counts)
        ]
        rows.append(MatrixRow(names[index], n, cells))
    return Matrix(names, rows)


def make_per_class(files: RunFiles) -> Table:
    """Precision, recall, F1 and number of images of each class."""
    found = files.metrics.get("per_class")
    rows = [
        [name, *(number(one.get(key)) for key in ("precision", "recall", "f1")), str(one.get("support", ""))]
        for name, one in (found.items() if isinstance(found, dict) else ())
        if isinstance(one, dict)
    ]
    return Table(["class", "precision", "recall", "F1", "images"], rows)
