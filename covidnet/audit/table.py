"""What a table beside the images says of them: patient, source, age, sex, view. One CSV row per image."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from covidnet.data.records import Record
from covidnet.errors import DataError

DEFAULT_NAME = "metadata.csv"

FILE_COLUMNS = ("path", "file", "filename", "filepath", "image", "imageid", "imagepath", "imagename", "name")
ROLES: Mapping[str, tuple[str, ...]] = {
    "patient": ("patient", "patientid", "patientnumber", "subject", "subjectid", "participant", "participantid"),
    "source": (
        "source", "dataset", "datasetname", "device", "deviceid", "scanner", "manufacturer", "manufacturermodelname",
        "machine", "hospital", "site", "institution", "institutionname", "center", "centre", "origin",
    ),
    "age": ("age", "patientage", "ageyears"),
    "sex": ("sex", "gender", "patientsex", "patientgender"),
    "view": ("view", "viewposition", "projection", "position"),
}  # fmt: skip
"""Column names, in small letters without spaces and punctuation, and what they mean."""


@dataclass(frozen=True)
class Column:
    """One column: its name in the table and a value per image; empty where nothing is known."""

    name: str
    values: tuple[str, ...]

    @property
    def known(self) -> int:
        """How many images have a value."""
        return sum(bool(value) for value in self.values)


@dataclass(frozen=True)
class Table:
    """The columns that an audit understands, by role; several may say what the source is."""

    patient: Column | None = None
    sources: tuple[Column, ...] = ()
    described: Mapping[str, Column] = field(default_factory=dict)
    file: str | None = None


def find_table(root: Path, given: str | None, records: Sequence[Record]) -> Table:
    """The table given, else metadata.csv in the data root, else an empty one.

    Raises:
        DataError: The table cannot be read, names no files, or none of the images.
    """
    path = root / DEFAULT_NAME if given is None else Path(given).expanduser()
    if given is None and not path.is_file():
        return Table()
    return read_table(path, records)


def read_table(path: Path, records: Sequence[Record]) -> Table:
    """Read a CSV file whose rows are matched to the images by path, by file name or by stem.

    Raises:
        DataError: See `find_table`.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            reader = csv.DictReader(file)
            header = [name for name in (reader.fieldnames or []) if name]
            rows = list(reader)
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table ({error}). Expected CSV, audit.table=PATH.") from error
    keys = [name for name in header if _plain(name) in FILE_COLUMNS]
    if not keys:
        raise DataError(
            f"{path}: found the columns {', '.join(header)}; none names the image. "
            f"Expected one of {', '.join(FILE_COLUMNS)}."
        )
    index = _index(rows, keys)
    found = [_match(record, index) for record in records]
    if not any(found):
        raise DataError(f"{path}: the column {keys[0]} names none of the {len(records)} images. Is it the right table?")
    return _columns(path, header, found)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _index(rows: Sequence[dict[str, str]], keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Rows by every way of naming an image; a name that two rows share names neither."""
    index: dict[str, dict[str, str]] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        for name in {name for key in keys for name in _names(row.get(key) or "")}:
            index[name] = row
            counts[name] += 1
    return {name: row for name, row in index.items() if counts[name] == 1}


def _names(path: str) -> list[str]:
    """From the most to the least exact."""
    cleaned = PurePosixPath(path.replace("\\", "/").strip())
    return [name for name in (str(cleaned), cleaned.name, cleaned.stem) if name and name != "."]


def _match(record: Record, index: dict[str, dict[str, str]]) -> dict[str, str]:
    return next((index[name] for name in _names(record.path) if name in index), {})


def _columns(path: Path, header: Sequence[str], rows: Sequence[dict[str, str]]) -> Table:
    by_role: dict[str, list[Column]] = {role: [] for role in ROLES}
    for name in header:
        for role, names in ROLES.items():
            if _plain(name) in names:
                column = Column(name, tuple((row.get(name) or "").strip() for row in rows))
                if column.known:
                    by_role[role].append(column)
    described = {role: columns[0] for role, columns in by_role.items() if columns and role in ("age", "sex", "view")}
    patients = by_role["patient"]
    return Table(patients[0] if patients else None, tuple(by_role["source"]), described, str(path))
