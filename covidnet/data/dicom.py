"""DICOM files: one image as a viewer shows it, and a hash for its patient. Nothing else of the header leaves here.

Needs the extra ``dicom``: pydicom, and imagecodecs for some of the compressed images.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from covidnet.data.dicom_grey import colour_levels, grey_levels
from covidnet.data.dicom_header import (
    RECOGNISED_BY,
    first_value,
    hashed_patient,
    integer,
    is_dicom,
    known_name,
    read_header,
)
from covidnet.data.dicom_pixels import stored_values, transfer_syntax
from covidnet.data.image_info import UnreadableImageError
from covidnet.errors import MissingExtraError
from covidnet.untrusted import open_plain

if TYPE_CHECKING:
    from pydicom import Dataset

DECODERS = ("pydicom", "imagecodecs")
"""Packages of the extra ``dicom``."""

MONOCHROME = frozenset({"MONOCHROME1", "MONOCHROME2"})
COLOUR = frozenset({"PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})


@dataclass(frozen=True)
class DicomImage:
    """One decoded image.

    Attributes:
        pixels: Shape (H, W), or (H, W, 3) for RGB; 0 is black.
        mode: Photometric interpretation of the file.
        bits: Bits stored per pixel, of all channels together.
        compression: Keyword of the transfer syntax, such as JPEGLosslessSV1.
        patient: See `patient_group`.
        burned_in: Whether the header says that there is text in the pixels which may name the patient.
    """

    pixels: NDArray[np.uint8]
    mode: str
    bits: int
    compression: str
    patient: str | None
    burned_in: bool


def patient_group(source: bytes | Path) -> str | None:
    """Who is on a DICOM image, as the first 16 hexadecimal digits of the SHA-256 of its PatientID.

    Files of one patient get the same value, on every machine; that is all it is for. It is a pseudonym, and the
    patient is not anonymous: patient numbers are few and follow a scheme, so whoever knows the scheme can hash them
    all and compare. There is no secret salt, since the groups must agree between runs, machines and data sets. The
    issuer of the number is left out: two patients taken for one cost little, one taken for two would leak from
    training into test.

    Args:
        source: A file's bytes or its path; only the header is read.

    Returns:
        None where the file is not DICOM, cannot be read, or has no number that tells patients apart
        (`covidnet.data.dicom_header.NO_PATIENT`).

    Raises:
        MissingExtraError: It is DICOM and pydicom is not installed.
    """
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open_plain(source) as file:
            start = file.read(RECOGNISED_BY)
            file.seek(0)
            return hashed_patient(read_header(file, pixels=False)) if is_dicom(start) else None
    except (OSError, UnreadableImageError):
        return None


def decoder_versions() -> list[str]:
    """Such as ``pydicom 3.0.2``, of everything installed that has a part in the pixels of a DICOM file."""
    return [f"{package} {version}" for package in DECODERS if (version := _version(package)) is not None]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def decode_dicom(content: bytes, max_pixels: int) -> DicomImage:
    """Decode a file's bytes to 8 bits; how is said in `covidnet.data.dicom_grey`.

    Overlays, shutters and presentation states are not applied.

    Raises:
        UnreadableImageError: Damaged, of several frames, without pixels, larger than ``max_pixels``, or stored in
            a way that nothing installed decodes.
        MissingExtraError: The packages of the extra ``dicom`` are not installed.
    """
    try:
        return _decode(read_header(io.BytesIO(content), pixels=True), max_pixels)
    except (UnreadableImageError, MissingExtraError):
        raise
    except Exception as error:  # an element that pydicom cannot convert; its words might show the bytes
        raise UnreadableImageError(f"damaged DICOM header ({type(error).__name__})") from error


def _decode(header: Dataset, max_pixels: int) -> DicomImage:
    _check_frame(header, max_pixels)
    syntax, mode = transfer_syntax(header), str(first_value(header, "PhotometricInterpretation"))
    if mode not in MONOCHROME | COLOUR:
        raise UnreadableImageError(
            f"DICOM with another photometric interpretation than {', '.join(sorted(MONOCHROME | COLOUR))}"
        )
    stored = stored_values(header, syntax)
    pixels = grey_levels(stored, header) if mode in MONOCHROME else colour_levels(stored, header)
    return DicomImage(
        pixels=pixels,
        mode=mode,
        bits=integer(header, "BitsStored") * integer(header, "SamplesPerPixel"),
        compression=syntax.keyword or "private",
        patient=hashed_patient(header),
        burned_in=str(first_value(header, "BurnedInAnnotation") or "").strip().upper() == "YES",
    )


def _check_frame(header: Dataset, max_pixels: int) -> None:
    """Raise UnreadableImageError where there is not exactly one image of an allowed size."""
    frames = integer(header, "NumberOfFrames")
    if frames > 1:
        raise UnreadableImageError(f"multi-frame DICOM with {frames} frames; expected one image per file")
    if "PixelData" not in header:
        kind = known_name(first_value(header, "SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID"))
        raise UnreadableImageError(f"DICOM ({kind}) without pixel data, or cut off before them")
    height, width = integer(header, "Rows"), integer(header, "Columns")
    if height < 1 or width < 1:
        raise UnreadableImageError(f"DICOM of {width}x{height} pixels")
    if height * width > max_pixels:
        raise UnreadableImageError(f"{width}x{height} pixels, more than data.max_pixels={max_pixels}")
    for keyword in ("SamplesPerPixel", "BitsAllocated", "BitsStored"):
        if integer(header, keyword) < 1:
            raise UnreadableImageError(f"damaged DICOM header: {keyword} is missing")
