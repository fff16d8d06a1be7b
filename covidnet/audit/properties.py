"""What a file says of itself without its pixels: everything that a scanner, a journal or a converter leaves in it."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidnet.data.images import ImageInfo
from covidnet.untrusted import open_plain

NOT_JPEG = "none"

BITS = {
    "1": 1, "L": 8, "P": 8, "LA": 16, "La": 16, "PA": 16, "RGB": 24, "RGBA": 32, "CMYK": 32, "YCbCr": 24, "LAB": 24,
    "I;16": 16, "I;16B": 16, "I;16L": 16, "I": 32, "F": 32,
}  # fmt: skip
"""Bits per pixel of Pillow's modes."""


@dataclass(frozen=True)
class FileProperties:
    """One file.

    Attributes:
        mode: Pillow's colour mode, such as L or RGB; of DICOM the photometric interpretation.
        format: JPEG, PNG, DICOM ...
        width: Pixels.
        height: Pixels.
        bits: Bits per pixel as decoded; of DICOM as stored.
        bytes_per_pixel: File size over the number of pixels.
        quantization: Short digest of the JPEG quantisation tables; "none" where the file has none.
        compression: DICOM's transfer syntax, TIFF's compression; "none" where the format leaves no choice.
    """

    mode: str
    format: str
    width: int
    height: int
    bits: int
    bytes_per_pixel: float
    quantization: str
    compression: str = "none"

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height


def read_properties(path: Path, info: ImageInfo) -> FileProperties:
    """Properties of one file, from what the decoder recorded and from its header; pixels are not decoded."""
    return FileProperties(
        mode=info.mode,
        format=info.format,
        width=info.width,
        height=info.height,
        bits=BITS.get(info.mode, 0) if info.bits is None else info.bits,
        bytes_per_pixel=info.bytes / (info.width * info.height),
        quantization=_quantization(path) if info.format in {"JPEG", "MPO"} else NOT_JPEG,
        compression=info.compression or "none",
    )


def _quantization(path: Path) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_plain(path) as file, Image.open(file, formats=["JPEG"]) as image:
                tables = getattr(image, "quantization", None)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return NOT_JPEG  # it was readable when it was decoded; without the table one property is missing
    if not tables:
        return NOT_JPEG
    text = ";".join(f"{number}:{','.join(map(str, table))}" for number, table in sorted(tables.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def property_features(files: Sequence[FileProperties]) -> dict[str, NDArray[np.float32]]:
    """Features of shape (N, D) for each kind of property, by its name in plain words.

    Quantities enter by their logarithm; kinds as one column per value. Values that only one file has are left out, as
    nothing can be learnt from them.
    """
    return {
        "colour mode": _kinds([file.mode for file in files]),
        "file format": _kinds([file.format for file in files]),
        "bits per pixel": _logs([max(1, file.bits) for file in files]),
        "JPEG quantisation": _kinds([file.quantization for file in files]),
        "compression": _kinds([file.compression for file in files]),
        "size": np.hstack(
            [
                _logs([file.width for file in files]),
                _logs([file.height for file in files]),
                _kinds([f"{file.width}x{file.height}" for file in files]),
            ]
        ),
        "aspect ratio": _logs([file.aspect for file in files]),
        "bytes per pixel": _logs([file.bytes_per_pixel for file in files]),
    }


def _logs(values: Sequence[float]) -> NDArray[np.float32]:
    return np.array([[math.log(value)] for value in values], dtype=np.float32)


def _kinds(values: Sequence[str]) -> NDArray[np.float32]:
    counts = Counter(values)
    names = sorted(name for name, count in counts.items() if 2 <= count < len(values))
    return np.array([[float(value == name) for name in names] for value in values], dtype=np.float32).reshape(
        len(values), len(names)
    )
