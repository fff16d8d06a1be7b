"""Folders of drawn images: made whole or not at all, and known again by their manifest."""

from __future__ import annotations

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from covidnet.data.records import MANIFEST
from covidnet.errors import DataError, RunError
from covidnet.files import CANNOT_WRITE, write_json
from covidnet.untrusted import read_json


def draw_once(
    folder: Path, manifest: Mapping[str, Any], files: Callable[[], Sequence[str]], draw: Callable[[Path], None]
) -> Path:
    """Let ``draw`` make the folder's files, or leave a folder that already holds them as it is.

    The folder appears whole or not at all. Of several processes that want it at once one draws it, and the others wait
    and use its images.

    Args:
        folder: To be made.
        manifest: Everything that decides what is drawn; the folder's content is known by it.
        files: Gives the images' paths relative to the folder.
        draw: Given a folder that does not exist yet, makes it with all files but the manifest.

    Raises:
        DataError: ``folder`` holds anything else, or cannot be written.
    """
    if _is_finished(folder, manifest, files):
        return folder
    prefix = f".{folder.name[:40]}-"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_name(f"{prefix}lock")) as alone:
            if _is_finished(folder, manifest, files):
                return folder
            if alone:
                _clear(folder.parent, prefix)
            temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
            try:
                contents = temporary / "phantoms"  # made there so that its mode follows the umask; mkdtemp's is private
                draw(contents)
                write_json(contents / MANIFEST, manifest)
                _move(contents, folder, manifest, files)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        raise DataError(f"{folder}: cannot be written ({error.strerror}). Name a writable folder.") from error
    return folder


@contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Let one process draw a folder at a time; False where the file system knows no locks."""
    held = FileLock(lock)
    try:
        held.acquire()
    except NotImplementedError:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


def _clear(parent: Path, prefix: str) -> None:
    """Remove what killed processes left half drawn."""
    for left in parent.glob(f"{glob.escape(prefix)}????????"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)


def _move(contents: Path, folder: Path, manifest: Mapping[str, Any], files: Callable[[], Sequence[str]]) -> None:
    """Rename into place; where another process was faster, its folder stays if it holds the same."""
    try:
        os.rename(contents, folder)  # noqa: PTH104 - fails where a folder with content exists
    except OSError as error:
        if not _is_finished(folder, manifest, files):
            raise DataError(f"{folder}: cannot be written ({error.strerror}). Name another folder.") from error


def _is_finished(folder: Path, wanted: Mapping[str, Any], files: Callable[[], Sequence[str]]) -> bool:
    """Whether ``folder`` already holds what is wanted; False when it is missing or empty."""
    if not folder.exists():
        return False
    expected = f"expected {json.dumps(wanted)}"
    remedy = f"Delete {folder} to draw it again, or name another folder."
    if not folder.is_dir():
        raise DataError(f"{folder}: found a file, expected a folder of phantoms or none. Name another folder.")
    found = _read_manifest(folder)
    if found is None:
        names = sorted(entry.name for entry in folder.iterdir())
        if not names:
            return False
        listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise DataError(f"{folder}: found {listed} without a readable {MANIFEST}, {expected}. Name another folder.")
    if found != wanted:
        raise DataError(f"{folder}: found phantoms of {json.dumps(found)}, {expected}. {remedy}")
    paths = files()
    missing = [path for path in paths if not (folder / path).is_file()]
    if missing:
        raise DataError(
            f"{folder}: found {len(missing)} of {len(paths)} images missing ({missing[0]}), {expected}. {remedy}"
        )
    return True


def _read_manifest(folder: Path) -> Any:
    """What the folder says of itself, or None where it says nothing readable."""
    try:
        return read_json(folder / MANIFEST)
    except RunError:
        return None
