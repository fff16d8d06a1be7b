"""What a table beside the images says of them: patient, source, age, sex, view. One CSV row per image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from covidnet.data import tables
from covidnet.data.columns import ROLES, plain_name
from covidnet.data.records import Record
from covidnet.errors import DataError

DEFAULT_NAME = "metadata.csv"

FILE_COLUMNS = ROLES["path"]
DESCRIBED = ("age", "sex", "view")


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
    """The table given, else what the records say themselves, else metadata.csv in the data root, else an empty one.

    Raises:
        DataError: The table cannot be read, names no files, or none of the images.
    """
    own = _of_records(records)
    if given is None and own is not None:
        return own
    path = root / DEFAULT_NAME if given is None else Path(given).expanduser()
    if given is None and not path.is_file():
        return Table()
    return read_table(path, records)


def _of_records(records: Sequence[Record]) -> Table | None:
    """What the data source knows of the images, or None where it knows nothing."""
    columns = {}
    for role in ("patient", "source", *DESCRIBED):
        column = Column(role, tuple(str(getattr(record, role)) for record in records))
        if column.known:
            columns[role] = column
    if not columns:
        return None
    sources = (columns["source"],) if "source" in columns else ()
    described = {role: columns[role] for role in DESCRIBED if role in columns}
    return Table(columns.get("patient"), sources, described, "the data source")


def read_table(path: Path, records: Sequence[Record]) -> Table:
    """Read a CSV file whose rows are matched to the images by path, by file name or by stem.

    Raises:
        DataError: See `find_table`.
    """
    table = tables.read_table(path)
    header = [name for name in table.header if name]
    rows = [dict(zip(table.header, values, strict=True)) for _, values in table.rows]
    keys = [name for name in header if plain_name(name) in FILE_COLUMNS]
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
    by_role: dict[str, list[Column]] = {role: [] for role in ("patient", "source", *DESCRIBED)}
    for name in header:
        for role, columns in by_role.items():
            if plain_name(name) in ROLES[role]:
                column = Column(name, tuple((row.get(name) or "").strip() for row in rows))
                if column.known:
                    columns.append(column)
    described = {role: by_role[role][0] for role in DESCRIBED if by_role[role]}
    patients = by_role["patient"]
    return Table(patients[0] if patients else None, tuple(by_role["source"]), described, str(path))
