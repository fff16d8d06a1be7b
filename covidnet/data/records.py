"""What an experiment is made of: one `Record` per image, found by a scan that is the same on every file system."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from covidnet.data.dicom_header import DICOM_SUFFIXES, RECOGNISED_BY, has_dicom_mark
from covidnet.data.masks import part_masks
from covidnet.errors import DataError
from covidnet.untrusted import open_plain

IMAGE_SUFFIXES = DICOM_SUFFIXES | {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp"}

MANIFEST = "phantoms.json"
"""Says what was drawn into a folder; where it is, an audit knows that the images are synthetic."""


@dataclass(frozen=True, order=True)
class Record:
    """One image and what the data source says of it; what it does not say is empty.

    Attributes:
        path: Relative to the data root, with posix separators; absolute where a table says so.
        label: Class name.
        patient: Who is on the image: all images of one patient stay on one side of a split.
        source: Where the image comes from: a hospital, a device, a data set.
        split: The part that the source puts the image into: train, val or test.
        view: Projection, such as PA, AP or L.
        age: In years, as the source writes it.
        sex: As the source writes it.
        weight: Of the image in the training loss; at least 0.
        position: Of a patch in its image, x and y in [0, 1] from the upper left corner.
    """

    path: str
    label: str
    patient: str = ""
    source: str = ""
    split: str = ""
    view: str = ""
    age: str = ""
    sex: str = ""
    weight: float = 1.0
    position: tuple[float, float] | None = None


@dataclass
class Scan:
    """What a scan of a folder found: the records in sorted order, and what it left aside."""

    root: Path
    records: list[Record] = field(default_factory=list)
    other_files: int = 0
    hidden: int = 0
    outside_classes: list[str] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)
    """Rows of a table that were not chosen, by reason."""
    masks: list[str] = field(default_factory=list)
    """Files that mark the lungs of an image, see `covidnet.data.masks`; they are no images."""
    loops: list[str] = field(default_factory=list)
    """Links that were not followed: to a folder that was read already or lies above the root, or to themselves."""

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

    Hidden files and folders and files without an image suffix are counted, not read; only of those without any suffix
    (or with a number in its place, as in the UIDs that name DICOM files) the first bytes are read, since DICOM files
    often have none. Symbolic links are followed,
    but no folder is read twice and none above ``root`` is: loops end, and no image appears under two paths because
    of a linked folder. Of several paths to a folder the one without links counts. A link to a missing image is
    a record like any other, so that the decoder reports it. Images directly in ``root`` belong to no class and are
    listed apart, and so are masks of the lungs.

    Raises:
        DataError: ``root`` is missing, not a folder, not readable, or holds no image in a class folder.
    """
    check_root(root)
    scan = Scan(root)
    images, scan.masks = part_masks(_relative(path, scan) for path in _image_files(scan))
    for path in images:
        folder = PurePosixPath(path).parent
        if folder.name:
            scan.records.append(Record(path, folder.name))
        else:
            scan.outside_classes.append(path)
    scan.records.sort()
    scan.outside_classes.sort()
    scan.loops.sort()
    if not scan.records:
        raise DataError(_nothing_found(scan))
    return scan


def image_files(root: Path) -> list[str]:
    """Every image file below ``root``, whatever folder it lies in: posix paths relative to it, sorted.

    Hidden files and links are treated as by `scan_folder`.

    Raises:
        DataError: A folder cannot be read.
    """
    return sorted(path.relative_to(root).as_posix() for path in _image_files(Scan(root)))


def check_root(root: Path) -> None:
    """Refuse a root that is no folder.

    Raises:
        DataError: ``root`` is missing, not a folder or not readable.
    """
    advice = "Give the folder that holds one sub-folder per class."
    try:
        is_folder = stat.S_ISDIR(root.stat().st_mode)
    except FileNotFoundError:
        raise DataError(f"data.root={root}: no such folder. {advice}") from None
    except OSError as error:
        raise DataError(f"data.root={root}: cannot be read ({error.strerror}). {advice}") from error
    if not is_folder:
        raise DataError(f"data.root={root}: a file, not a folder. {advice}")


def _image_files(scan: Scan) -> Iterator[Path]:
    """Yield the image files below the root and note the rest; linked folders wait until all others are read."""
    seen = {_identity(folder) for folder in scan.root.resolve().parents}
    folders, linked = [scan.root], deque[Path]()
    while folders or linked:
        folder = folders.pop() if folders else linked.popleft()
        identity = _identity(folder)
        if identity in seen:
            scan.loops.append(_relative(folder, scan))
            continue
        seen.add(identity)
        for entry in _entries(folder):
            kind = _kind(entry)
            if kind == "image":
                yield Path(entry.path)
            elif kind == "folder":
                (linked if entry.is_symlink() else folders).append(Path(entry.path))
            elif kind == "loop":
                scan.loops.append(_relative(Path(entry.path), scan))
            elif kind == "hidden":
                scan.hidden += 1
            elif entry.name != MANIFEST:
                scan.other_files += 1


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError as error:
        raise _unreadable(folder, error) from error
    return status.st_dev, status.st_ino


def _kind(entry: os.DirEntry[str]) -> Literal["hidden", "folder", "image", "loop", "other"]:
    """What ``entry``, or what it links to, is. A broken link with an image's name is an image that cannot be read.

    Raises:
        DataError: It is a link into a folder that may not be read; what it hides could be a class.
    """
    if entry.name.startswith("."):
        return "hidden"
    named_as_image = Path(entry.name).suffix.lower() in IMAGE_SUFFIXES
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        if named_as_image:
            return "image"
        if error.errno == errno.EACCES:
            raise _unreadable(Path(entry.path), error) from error
        return "loop" if error.errno == errno.ELOOP else "other"
    if stat.S_ISDIR(mode):
        return "folder"
    is_image = stat.S_ISREG(mode) and (named_as_image or _unnamed_dicom(entry))
    return "image" if is_image else "other"


def _unnamed_dicom(entry: os.DirEntry[str]) -> bool:
    """Whether it is DICOM though its name does not say so. DICOMDIR is the index of a medium and holds no image."""
    suffix = Path(entry.name).suffix[1:]
    if (suffix and not suffix.isdigit()) or entry.name.upper() == "DICOMDIR":
        return False
    try:
        with open_plain(Path(entry.path)) as file:
            return has_dicom_mark(file.read(RECOGNISED_BY))
    except OSError:
        return False


def _relative(path: Path, scan: Scan) -> str:
    return path.relative_to(scan.root).as_posix()


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: the folder cannot be read ({error.strerror}). Check its permissions.")


def _nothing_found(scan: Scan) -> str:
    message = f"data.root={scan.root}: no image in any class folder"
    if scan.outside_classes:
        message += f"; {len(scan.outside_classes)} images lie directly in it, outside any class folder"
    elif scan.masks:
        message += f"; what is there counts as masks of lungs: {len(scan.masks)}, such as {scan.masks[0]}"
    elif scan.other_files:
        message += f"; {scan.other_files} files there are not images"
    suffixes = " ".join(sorted(IMAGE_SUFFIXES))
    return (
        f"{message}. Expected {scan.root}/CLASS/IMAGE with one folder per class and the suffixes {suffixes}, "
        "or DICOM files without suffix."
    )
