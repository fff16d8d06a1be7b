"""Reading files that strangers may have made: plain files only, of bounded size, and nothing of them is executed.

A pipe would wait for a writer that never comes, a device has no end, and a file of a few bytes may claim to hold
terabytes.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from covidnet.errors import RunError

MOST_TEXT = 1 << 28
"""Bytes of a table or a JSON file; larger ones are not read."""
MOST_ARRAYS = 1 << 30
"""Bytes of all arrays of a file together, when they are unpacked."""
MOST_BESIDE = 1 << 24
_BLOCK = 1 << 20


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading, but no pipe, device, socket or folder; links are followed.

    Raises:
        OSError: It is none, or cannot be opened; ``strerror`` says why.
    """
    _require_plain(path, path.stat().st_mode)  # devices may do something when they are opened
    # It may have become a pipe since: opening must not wait for whoever writes into it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _require_plain(path, os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _require_plain(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a pipe, socket or device, not a file", str(path))


def read_plain(path: Path, most: int = MOST_TEXT) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: See `open_plain`; or there are more than ``most`` of them.
    """
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        # Python makes room for as many bytes as are asked for, so it is asked for those that are there and one more.
        content = file.read(size + 1) if size <= most else b""
        while size < len(content) <= most and (more := file.read(_BLOCK)):  # it grows, or has no size, as in /proc
            content += more
    if max(size, len(content)) > most:
        raise OSError(errno.EFBIG, f"{max(size, len(content)):,} bytes, more than {most:,}", str(path))
    return content


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        RunError: It cannot be read, or is no JSON.
    """
    try:
        return json.loads(read_plain(path))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}).") from error
    except RecursionError as error:
        raise RunError(f"{path}: not readable as JSON (nested too deeply).") from error
    except ValueError as error:
        raise RunError(f"{path}: not readable as JSON ({error}).") from error


def read_object(path: Path) -> dict[str, Any]:
    """What a JSON file holds that must be an object.

    Raises:
        RunError: It cannot be read, or holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise RunError(f"{path}: found {type(content).__name__}, expected a JSON object.")
    return content


def refuse_packed(path: Path) -> None:
    """Refuse a zip file that unpacks to far more than its size; files of torch.save are not compressed.

    Raises:
        ValueError: It does.
        OSError: It cannot be opened.
    """
    with open_plain(path) as file:
        if not zipfile.is_zipfile(file):
            return
        with zipfile.ZipFile(file) as archive:
            total = sum(member.file_size for member in archive.infolist())
        size = os.fstat(file.fileno()).st_size
    if total > 2 * size + MOST_BESIDE:
        raise ValueError(f"{size:,} bytes that unpack to {total:,}")


@contextmanager
def open_arrays(path: Path, most: int = MOST_ARRAYS) -> Iterator[Any]:
    """A .npz file as numpy opens it, without pickles, after its sizes were looked at.

    Raises:
        OSError: It cannot be opened.
        ValueError: It holds more than ``most`` bytes, or an array that claims more than is there.
        Exception: Nearly any, of numpy and zipfile on damaged files, also when an array is taken.
    """
    with open_plain(path) as file:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > most:
                raise ValueError(f"unpacks to {total:,} bytes, more than {most:,}")
            for member in members:
                _check_header(archive, member)
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            yield arrays


def _check_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Numpy makes room for what an array's header claims before it reads anything of it."""
    with archive.open(member) as opened:
        version = np.lib.format.read_magic(opened)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(opened)
    if dtype.hasobject or min(shape, default=0) < 0 or _count(shape) * dtype.itemsize > member.file_size:
        raise ValueError(f"{member.filename} claims {dtype} of shape {shape}, which is not there")


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:  # in Python's whole numbers, which do not overflow
        count *= side
    return count


def numbers(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """The same array, if it holds real numbers.

    Raises:
        ValueError: It holds texts, dates, records or complex numbers.
    """
    if values.dtype.kind not in "biuf":
        raise ValueError(f"found {values.dtype}, expected numbers")
    return values
