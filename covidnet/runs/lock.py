"""One process at a time works in a directory of results, and clears away what a killed one left half written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from covidnet.console import say
from covidnet.errors import BusyError

PATIENCE = 15.0
"""Seconds to wait for another process: the loader processes of a killed run notice that within a few."""

LEFT_OVER = re.compile(r"\..+-[0-9a-f]{32}(\.\w+)?|\.(best|last)\.ckpt")
"""Names of files before they are renamed; see `covidnet.files.replacing` and `covidnet.training.checkpoints`."""


@contextmanager
def alone_in(directory: Path, lock: Path) -> Iterator[None]:
    """Keep other processes out of ``directory`` while the block runs; the system frees the lock of a dead process.

    Where the file system knows no locks, nobody is kept out.

    Args:
        directory: Of a run or a sweep.
        lock: The lock's file in it.

    Raises:
        BusyError: Another process works there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    locked = True
    try:
        _acquire(held, directory)
    except NotImplementedError:
        locked = False
    try:
        yield
    finally:
        if locked:
            held.release()


def _acquire(lock: FileLock, directory: Path) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"{directory}: in use by another process, waiting {PATIENCE:.0f} s for it to end")
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            raise BusyError(
                f"{directory}: another process is at work there. Let it end or stop it, or choose another directory."
            ) from None


def clear_left_over(paths: Iterable[Path]) -> None:
    """Remove those of the files that a killed process wrote under a temporary name; only for who is `alone_in`."""
    for path in paths:
        if LEFT_OVER.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)
