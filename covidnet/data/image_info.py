"""What decoding one file gives: pixels, what the file says of itself, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from covidnet.naming import cut

LONGEST_REASON = 300
"""Characters."""

Pixels = NDArray[np.uint8]
"""Decoded image of shape (C, H, W), values 0 to 255; C is 1 where the image is grey, else 3 (RGB)."""


class UnreadableImageError(Exception):
    """One file is not an image that can be decoded; the message says why on one short line, without the path."""

    def __init__(self, reason: str) -> None:
        super().__init__(cut(reason, LONGEST_REASON))  # libraries' words and headers' values may be of any length


@dataclass(frozen=True)
class ImageInfo:
    """What a file says of itself, before resizing.

    Attributes:
        width: In pixels, as the height, of the image turned upright.
        height: In pixels.
        mode: Pillow's colour mode, such as L or RGB; of DICOM the photometric interpretation, such as MONOCHROME1.
        format: JPEG, PNG, DICOM ...
        bytes: Size of the file.
        sha256: Of the file's content, in hexadecimal.
        bits: Bits per pixel, of all channels together; None where the mode says it.
        compression: How the pixels are stored where the format leaves a choice: the transfer syntax of DICOM, the
            compression of TIFF.
        patient: Hash of the patient's number in a DICOM header, see `covidnet.data.dicom.patient_group`.
        burned_in: Whether a DICOM header says that text which may name the patient is part of the pixels.
    """

    width: int
    height: int
    mode: str
    format: str
    bytes: int
    sha256: str
    bits: int | None = None
    compression: str | None = None
    patient: str | None = None
    burned_in: bool = False
