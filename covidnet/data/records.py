"""What an experiment is made of: one `Record` per image, found by a scan that is the same on every file system."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from covidnet.errors import DataError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, order=True)
class Record:
    """One image: its path relative to the data root (posix separators) and its class name."""

    path: str
    label: str


@dataclass
class Scan:
    """What a scan of a folder found: the records in sorted order, and what it left aside."""

    root: Path
    records: list[Record] = field(default_factory=list)
    other_files: int = 0
    hidden: int = 0
    outside_classes: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """The class names, sorted; a class's position is its index everywhere."""
        return sorted({record.label for record in self.records})

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each class, in class order."""
        counted = Counter(record.label for record in self.records)
        return {name: counted[name] for name in self.classes}


def scan_folder(root: Path) -> Scan:
    """Find every image below ``root``; its label is the name of the folder it lies in.

    Hidden files and folders and files without an image suffix are counted, not read. Symbolic links are followed,
    but never into a folder that they lie in, so loops end. Images directly in ``root`` belong to no class and are
    listed apart.

    Raises:
        DataError: ``root`` is missing, not a folder, not readable, or holds no image in a class folder.
    """
    check_root(root)
    scan = Scan(root)
    for path in _walk(root, scan, frozenset()):
        relative = path.relative_to(root)
        if len(relative.parts) == 1:
            scan.outside_classes.append(relative.as_posix())
        else:
            scan.records.append(Record(relative.as_posix(), path.parent.name))
    scan.records.sort()
    scan.outside_classes.sort()
    if not scan.records:
        raise DataError(_nothing_found(scan))
    return scan


def check_root(root: Path) -> None:
    """Refuse a root that is no folder.

    Raises:
        DataError: ``root`` is missing or not a folder.
    """
    if not root.exists():
        raise DataError(f"data.root={root}: no such folder. Give the folder that holds one sub-folder per class.")
    if not root.is_dir():
        raise DataError(f"data.root={root}: a file, not a folder. Give the folder that holds one sub-folder per class.")


def _walk(folder: Path, scan: Scan, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    """Yield image files below ``folder``; ``above`` holds the identities of the folders on the way down."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read ({error.strerror}). Check its permissions.") from error
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        scan.loops.append(folder.relative_to(scan.root).as_posix())
        return
    for entry in entries:
        if entry.name.startswith("."):
            scan.hidden += 1
        elif _links_to_itself(entry):
            scan.loops.append(Path(entry.path).relative_to(scan.root).as_posix())
        elif entry.is_dir():
            yield from _walk(Path(entry.path), scan, above | {identity})
        elif entry.is_file() and Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
            yield Path(entry.path)
        else:
            scan.other_files += 1


def _links_to_itself(entry: os.DirEntry[str]) -> bool:
    try:
        entry.is_dir()
    except OSError:  # too many levels of symbolic links; a link to nothing is no error here
        return True
    return False


def _nothing_found(scan: Scan) -> str:
    message = f"data.root={scan.root}: no image in any class folder"
    if scan.outside_classes:
        message += f"; {len(scan.outside_classes)} images lie directly in it, outside any class folder"
    elif scan.other_files:
        message += f"; {scan.other_files} files there are not images"
    suffixes = " ".join(sorted(IMAGE_SUFFIXES))
    return f"{message}. Expected {scan.root}/CLASS/IMAGE with one folder per class and the suffixes {suffixes}."
