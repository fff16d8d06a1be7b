"""data=csv: a table with a row per image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from covidnet.data.classes import Classes, class_of_each_label
from covidnet.data.columns import choose_columns
from covidnet.data.records import Record, Scan
from covidnet.data.table_checks import refuse_faults
from covidnet.data.tables import AUTO, Table, read_table
from covidnet.errors import DataError
from covidnet.naming import cut

PART_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What tables call the parts of a split, in small letters."""


LONGEST_LABEL = 200
"""Characters of a class name, which stands in every table and figure."""


@dataclass(frozen=True)
class TableSettings:
    """How to read a table of images; see conf/data/csv.yaml."""

    columns: Mapping[str, str | None]
    classes: Classes | None = None
    separator: str = AUTO
    encoding: str = AUTO
    many_labels: bool = False


def scan_table(path: Path, root: Path, settings: TableSettings, *, missing: str = "error") -> Scan:
    """The images that a table lists.

    Args:
        path: The table.
        root: What its relative paths start from.
        settings: Which columns it has and which labels make which class.
        missing: ``error`` refuses a table that names files which are not there; ``skip`` leaves them to the decoder.

    Raises:
        DataError: A column is missing, or rows cannot be used; the first ten faults are listed with their lines.
    """
    table = read_table(path, settings.separator, settings.encoding)
    columns = choose_columns(path, table.header, settings.columns)
    labels = table.column(columns["label"])
    by_label = None if settings.classes is None else class_of_each_label(settings.classes, labels, "data.classes")
    reader = _RowReader(table, columns)
    scan = Scan(root)
    kept: list[int] = []
    for row, label in enumerate(labels):
        if by_label is not None and label not in by_label:
            scan.excluded[f"label {label or '(empty)'}"] += 1
            continue
        scan.records.append(reader.record(row, label if by_label is None else by_label[label]))
        kept.append(row)
    refuse_faults(table, scan, kept, reader.faults, many_labels=settings.many_labels, missing=missing)
    if not scan.records:
        raise DataError(f"{path}: holds no image of the chosen classes ({len(table.rows)} rows).")
    scan.records.sort(key=lambda record: record.path)
    return scan


class _RowReader:
    """Turns rows into records and notes what is wrong with them."""

    def __init__(self, table: Table, columns: Mapping[str, str]) -> None:
        self.table = table
        self.index = {role: table.header.index(name) for role, name in columns.items()}
        self.columns = columns
        self.faults: list[str] = []

    def record(self, row: int, label: str) -> Record:
        """The record of a row; a fault is noted and leaves a default behind."""
        path = self._text(row, "path").replace("\\", "/")
        if not path:
            self._fault(row, "path", "empty", "the path of an image")
        if not label:
            self._fault(row, "label", "empty", "a class; leave such rows out by naming the labels in data.classes")
        elif not label.isprintable() or len(label) > LONGEST_LABEL:
            self._fault(row, "label", repr(label), f"text on one line, of at most {LONGEST_LABEL} characters")
        split = self._text(row, "split")
        return Record(
            path=str(PurePosixPath(path)),
            label=label,
            patient=self._text(row, "patient"),
            source=self._text(row, "source"),
            split=PART_NAMES.get(split.lower(), split),
            view=self._text(row, "view"),
            age=self._text(row, "age"),
            sex=self._text(row, "sex"),
            weight=self._number(row, "weight", 1.0, math.inf),
            position=self._position(row),
        )

    def _text(self, row: int, role: str) -> str:
        index = self.index.get(role)
        return "" if index is None else self.table.rows[row][1][index]

    def _position(self, row: int) -> tuple[float, float] | None:
        if "x" not in self.index or "y" not in self.index:
            return None
        return self._number(row, "x", 0.5, 1.0), self._number(row, "y", 0.5, 1.0)

    def _number(self, row: int, role: str, default: float, largest: float) -> float:
        text = self._text(row, role)
        if role not in self.index:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (0.0 <= value <= largest and math.isfinite(value)):
            wanted = "a number from 0 to 1, in parts of the image" if largest == 1.0 else "a number of at least 0"
            self._fault(row, role, text or "empty", wanted)
            return default
        return value

    def _fault(self, row: int, role: str, found: str, expected: str) -> None:
        self.faults.append(f"{self.table.place(row)}: {cut(self.columns[role])} is {cut(found)}; expected {expected}")
