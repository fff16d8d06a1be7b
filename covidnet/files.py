"""Writing files so that a stopped process leaves either the old file or the new one, never a torn one."""

from __future__ import annotations

import csv
import errno
import io
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from covidnet.errors import RunError
from covidnet.spreadsheet import guarded, unguarded
from covidnet.untrusted import read_plain

SEPARATING = frozenset("\r;\t")

CANNOT_WRITE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR}
)
"""Numbers of those system errors that say why a file cannot be written."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` when the block ends without an error.

    Raises:
        RunError: The system refuses to write there; what was there before is left as it was.
    """
    temporary = path.parent / f".{path.stem[:40]}-{uuid.uuid4().hex}{path.suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        raise RunError(
            f"{path}: cannot be written ({error.strerror}). What was there before is whole; make room or give another "
            "place, then go on."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all (UTF-8; undecodable file names survive)."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON whole or not at all; keys keep their order, NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV table whole or not at all; no text in it is taken for a formula (`covidnet.spreadsheet`)."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for values in (header, *rows):
            row = [guarded(value, first=at == 0) for at, value in enumerate(values)]
            # Before Python 3.13 the writer leaves a lone carriage return bare, and the reader ends the row there;
            # and a spreadsheet whose separator is another would begin a cell, and a formula, in the middle of a text.
            odd = any(isinstance(value, str) and not SEPARATING.isdisjoint(value) for value in row)
            (quoting if odd else writer).writerow(row)


def read_csv(path: Path, expected: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a table of `write_csv` back: its header, and its rows with the number of the line that each ends on.

    Raises:
        RunError: The file is missing (``expected`` says what to do then) or unreadable, is no CSV, or has a row with
            more or fewer values than the header.
    """
    if not path.is_file():
        raise RunError(f"{path}: missing. {expected}")
    try:
        text = read_plain(path).decode("utf-8", "surrogateescape")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, [unguarded(value) for value in row]) for row in reader if row]
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}).") from error
    except csv.Error as error:
        raise RunError(f"{path}, line {reader.line_num}: not a CSV table ({error}).") from error
    header = lines[0][1] if lines else []
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise RunError(f"{path}, line {number}: {len(row)} values, expected {len(header)} as in the header.")
    return header, lines[1:]


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make the file at a temporary path, then rename it to ``path``."""
    with replacing(path) as temporary:
        write(temporary)
