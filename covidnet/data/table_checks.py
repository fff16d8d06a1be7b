"""What must hold of a table of images before anything is decoded: files exist, none twice, patients agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from covidnet.data.records import Record, Scan
from covidnet.data.tables import Table, listed
from covidnet.errors import DataError
from covidnet.naming import cut


def refuse_faults(
    table: Table, scan: Scan, rows: Sequence[int], faults: Sequence[str], *, many_labels: bool, missing: str
) -> None:
    """Refuse a table with rows that cannot be used; the first ten are listed with their lines.

    Args:
        table: Where the records come from.
        scan: The records.
        rows: The row of each record.
        faults: What was found wrong before.
        many_labels: Whether a patient may have images of several classes.
        missing: ``error`` refuses files that are not there; ``skip`` leaves them to the decoder.

    Raises:
        DataError: There is a fault.
    """
    found = [*faults, *_repeated_paths(table, scan.records, rows)]
    if missing == "error":
        found += _missing_files(table, scan, rows)
    if not found and not many_labels:
        found = _patients_with_two_labels(table, scan.records, rows)
    if found:
        raise DataError(f"{table.path}: {len(found)} of its {len(table.rows)} rows cannot be used:\n{listed(found)}")


def _repeated_paths(table: Table, records: Sequence[Record], rows: Sequence[int]) -> list[str]:
    first: dict[str, int] = {}
    faults = []
    for record, row in zip(records, rows, strict=True):
        before = first.setdefault(record.path, row)
        if before != row and record.path != ".":
            line = table.rows[before][0]
            faults.append(
                f"{table.place(row)}: {cut(record.path)} stands in line {line} already; give each image one row"
            )
    return faults


def _missing_files(table: Table, scan: Scan, rows: Sequence[int]) -> list[str]:
    return [
        f"{table.place(row)}: {cut(str(scan.root / record.path), 300)}: no such file. Paths start from "
        f"data.root={scan.root}; data.on_bad_image=skip leaves it out"
        for record, row in zip(scan.records, rows, strict=True)
        if record.path != "." and not _is_file(scan.root / record.path)
    ]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False


def _patients_with_two_labels(table: Table, records: Sequence[Record], rows: Sequence[int]) -> list[str]:
    first: dict[str, tuple[Record, int]] = {}
    faults = []
    for record, row in zip(records, rows, strict=True):
        if not record.patient:
            continue
        before, line = first.setdefault(record.patient, (record, table.rows[row][0]))
        if before.label != record.label:
            faults.append(
                f"{table.place(row)}: patient {cut(record.patient)} is {record.label} here and {before.label} in line "
                f"{line}; mend one, or allow it with data.patient_labels=many"
            )
    return faults
