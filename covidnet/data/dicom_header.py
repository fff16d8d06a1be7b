"""The header of a DICOM file: recognised, read with care for hostile bytes, and never shown."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from covidnet.data.image_info import UnreadableImageError
from covidnet.errors import MissingExtraError

if TYPE_CHECKING:
    from pydicom import Dataset

EXTRA = "dicom"
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
"""Names of DICOM files; many have no suffix at all, see `covidnet.data.records`."""

RECOGNISED_BY = 132
"""So many bytes of a file tell whether it is DICOM."""

NO_PATIENT = frozenset(
    {"", "0", "anon", "anonym", "anonymous", "anonymized", "anonymised", "none", "unknown", "removed"}
)
"""Patient numbers (in small letters) that anonymisers write into every file: they group nothing."""


def is_dicom(start: bytes) -> bool:
    """Whether a file that begins with these bytes (`RECOGNISED_BY` or more) is DICOM.

    Files of the DICOM file format have the letters DICM after 128 bytes. A bare data set, as old archives hold them,
    begins with an element of group 0002 or 0008, little-endian, with its value representation or a short length.
    """
    if has_dicom_mark(start):
        return True
    tag, after = start[:4], start[4:8]
    if tag[:2] not in {b"\x02\x00", b"\x08\x00"} or tag[3:] != b"\x00" or len(after) < 4:
        return False
    return after[:2] in {b"UL", b"CS", b"UI", b"OB", b"DA", b"SH"} or after[1:] == b"\x00\x00\x00"


def has_dicom_mark(start: bytes) -> bool:
    """Whether a file that begins with these bytes is of the DICOM file format (PS3.10, 7.1)."""
    return start[128:RECOGNISED_BY] == b"DICM"


def require_pydicom(what: str) -> None:
    """Check that DICOM can be read at all.

    Raises:
        MissingExtraError: pydicom is not installed; ``what`` needs it.
    """
    if util.find_spec("pydicom") is None:
        raise MissingExtraError(what, EXTRA)


def require_decoders(files: Iterable[Path]) -> None:
    """Check before any work that what decodes these files is installed, as far as their names tell.

    Raises:
        MissingExtraError: There is a DICOM file and pydicom is not installed.
    """
    first = next((file for file in files if file.suffix.lower() in DICOM_SUFFIXES), None)
    if first is not None:
        require_pydicom(f"reading DICOM images such as {first}")


def read_header(file: BinaryIO, *, pixels: bool) -> Dataset:
    """The elements of a file; of the pixels, if wanted, the undecoded bytes.

    Raises:
        UnreadableImageError: It is damaged.
        MissingExtraError: pydicom is not installed.
    """
    require_pydicom("reading DICOM images")
    import pydicom

    # Odd values would be shown in warnings and logs, and those of personal elements are personal.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    stream: Any = _Stream(file)
    try:
        return pydicom.dcmread(stream, force=True, stop_before_pixels=not pixels)
    except UnreadableImageError:
        raise
    except Exception as error:  # pydicom's reader raises nearly anything on hostile bytes
        raise UnreadableImageError(f"damaged DICOM header ({type(error).__name__})") from error


class _Stream:
    """A file that is not read whole: pydicom does that only to inflate it, to a size that nobody knows."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            raise UnreadableImageError("deflated DICOM (Deflated Explicit VR Little Endian) is not supported")
        return self._file.read(size)


def first_value(header: Dataset, keyword: str) -> Any:
    """The value of an element, of several the first; None where it is missing or empty."""
    value = header.get(keyword)
    if hasattr(value, "__getitem__") and not isinstance(value, (str, bytes)):
        value = value[0] if len(value) else None
    return None if value is None or value == "" else value


def number(header: Dataset, keyword: str) -> float | None:
    """The first value of a numeric element; None where it is missing or empty."""
    value = first_value(header, keyword)
    return None if value is None else float(value)


def integer(header: Dataset, keyword: str) -> int:
    """The first value of an element of whole numbers; 0 where it is missing or empty.

    Raises:
        UnreadableImageError: It holds something else.
    """
    try:
        value = first_value(header, keyword)
    except Exception as error:  # pydicom's conversion of the bytes
        raise UnreadableImageError(f"damaged DICOM header: {keyword} is no number") from error
    if value is None:
        return 0
    if not isinstance(value, int):
        raise UnreadableImageError(f"damaged DICOM header: {keyword} is no number")
    return int(value)


def hashed_patient(header: Dataset) -> str | None:
    """See `covidnet.data.dicom.patient_group`."""
    try:
        text = str(header.get("PatientID") or "").strip()
    except Exception:  # bytes that are no text in the file's character set; the error would show them
        return None
    return None if text.casefold() in NO_PATIENT else hashlib.sha256(text.encode()).hexdigest()[:16]


def known_name(value: object) -> str:
    """The name of a UID that the standard defines; a damaged element may hold anything, a patient's name too."""
    name = getattr(value, "name", "")
    return name if name and name != value else "of an unknown kind"


def one_line(text: object) -> str:
    """``text`` on one line of printable characters, cut where it is long."""
    line = " ".join(str(text).split())
    return "".join(char if char.isprintable() else "?" for char in line)[:300]
