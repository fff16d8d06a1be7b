"""Reading tables as people send them: any usual separator and encoding, every fault with file and line."""

from __future__ import annotations

import csv
import io
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from covidnet.errors import DataError
from covidnet.naming import cut, listed_names
from covidnet.untrusted import read_plain

SEPARATORS = (",", ";", "\t", "|")
FIELD_LIMIT = 1 << 20
"""Characters of one field; longer ones are no table of images."""
AUTO = "auto"
NAMED_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
LOOKED_AT = 50
"""Lines that the separator is found out from."""


@dataclass(frozen=True)
class Table:
    """A table in memory: every row has one text per column, stripped of white space.

    Attributes:
        path: The file.
        header: Column names, each once.
        rows: The number of the line that a row begins on, and its values.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def column(self, name: str) -> list[str]:
        """The values of one column, a value per row.

        Raises:
            ValueError: There is no such column.
        """
        index = self.header.index(name)
        return [values[index] for _, values in self.rows]

    def place(self, row: int) -> str:
        """Where the row at this position stands, for a message."""
        return f"{self.path}, line {self.rows[row][0]}"


def read_table(path: Path, separator: str = AUTO, encoding: str = AUTO) -> Table:
    """Read a table with a header line.

    Args:
        path: A CSV or TSV file.
        separator: ``auto`` takes the one of , ; tab | that divides the first lines most evenly; else comma,
            semicolon, tab or pipe.
        encoding: ``auto`` takes UTF-8 (or UTF-16 after its byte order mark), else Windows-1252 where no line with
            accents is valid UTF-8; else a name that Python knows.

    Raises:
        DataError: The file cannot be read or decoded, or is no table: the message names the line.
    """
    text = _decode(path, encoding)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, line {line}: holds a NUL character, so this is no text table. Export it anew as CSV.")
    chosen = _find_separator(text) if separator == AUTO else NAMED_SEPARATORS[separator]
    rows = list(_rows(path, text, chosen))
    if not rows:
        raise DataError(f"{path}: empty; expected a table whose first line names its columns.")
    header = tuple(rows[0][1])
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise DataError(f"{path}, line {rows[0][0]}: the column {listed_names(twice)} stands there twice. Rename one.")
    uneven = [(line, len(values)) for line, values in rows[1:] if len(values) != len(header)]
    if uneven:
        line, count = uneven[0]
        more = f" ({len(uneven)} such lines)" if len(uneven) > 1 else ""
        raise DataError(
            f"{path}, line {line}: {count} values, expected {len(header)} as in the header{more}. Put texts that hold "
            f"a {_name(chosen)} into quotes, or name the separator with data.separator=..."
        )
    return Table(path, header, tuple((line, tuple(values)) for line, values in rows[1:]))


def _rows(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the number of the line that each begins on."""
    before = csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begun = 1
    try:
        for row in reader:
            values = [value.strip() for value in row]
            if any(values):
                yield begun, values
            begun = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {begun}: not a row of a table ({error}). Mend it, or export anew.") from error
    finally:
        csv.field_size_limit(before)


def _decode(path: Path, encoding: str) -> str:
    try:
        content = read_plain(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such table.") from None
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read ({error.strerror}).") from error
    chosen = _find_encoding(path, content) if encoding == AUTO else encoding
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of codecs that are made for other things
            return content.decode(chosen)
    except LookupError:
        raise DataError(f"data.encoding={encoding}: unknown; expected auto or a name such as utf-8, cp1252.") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not valid {chosen}. Name its encoding, data.encoding=...") from error
    except ValueError as error:  # of codecs that tell no place, such as idna
        raise DataError(f"{path}: not valid {cut(chosen)} ({cut(str(error))}). Name its encoding.") from error


def _find_encoding(path: Path, content: bytes) -> str:
    """UTF-8 where it fits, by the byte order mark, or Windows-1252.

    Raises:
        DataError: Some lines are UTF-8 and others are not, as when two tables were pasted together.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        accented = [line for line in content.split(b"\n") if not line.isascii()]
        if any(_is_utf8(line) for line in accented):
            line_number = content.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"{path}, line {line_number}: not UTF-8, while other lines with accents are: the table mixes "
                "encodings. Save it whole in one, or name the one to read it in, data.encoding=cp1252"
            ) from error
        return "cp1252"
    return "utf-8-sig"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _find_separator(text: str) -> str:
    """The separator by which most of the first rows have as many values as the header; more columns win."""
    sample = text[: LOOKED_AT * 2000]

    def score(separator: str) -> tuple[int, int]:
        counts = _counts(sample, separator)
        width = counts[0] if counts else 0
        return (sum(count == width for count in counts) if width > 1 else 0, width)

    best = max(SEPARATORS, key=score)
    # With few rows that all fit, the number of columns decides, not the number of rows.
    fits = [one for one in SEPARATORS if score(one)[0] == score(best)[0] > 0]
    return max(fits, key=lambda one: score(one)[1]) if fits else ","


def _counts(sample: str, separator: str) -> list[int]:
    before = csv.field_size_limit(FIELD_LIMIT)
    try:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
        return [len(row) for _, row in zip(range(LOOKED_AT), reader, strict=False) if row]
    except csv.Error:
        return []
    finally:
        csv.field_size_limit(before)


def _name(separator: str) -> str:
    return next(name for name, one in NAMED_SEPARATORS.items() if one == separator)


def listed(faults: Sequence[str], shown: int = 10) -> str:
    """Faults as indented lines; the last says how many more there are."""
    lines = [f"  {fault}" for fault in faults[:shown]]
    if len(faults) > shown:
        lines.append(f"  and {len(faults) - shown} more")
    return "\n".join(lines)
