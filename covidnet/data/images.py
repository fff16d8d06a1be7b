"""The only decoder of images: a file of any common kind to 8-bit pixels of one size."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

Pixels = NDArray[np.uint8]
"""Decoded image of shape (C, H, W), values 0 to 255; C is 1 where the image is grey, else 3 (RGB)."""

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit; data.max_pixels takes its place

DECODER_VERSION = 2
"""Part of every cache key; raise it when the same file would decode to other pixels."""


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by its EXIF orientation."""


class UnreadableImageError(Exception):
    """One file is not an image that can be decoded; the message says why, without the path."""


@dataclass(frozen=True)
class ImageInfo:
    """What a file says of itself, before resizing."""

    width: int
    """In pixels, as the height, of the image turned upright."""
    height: int
    mode: str
    format: str
    bytes: int
    sha256: str


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence the decoders' remarks on odd metadata (real damage raises).

    Python's filters belong to the whole process: enter this before threads start, never inside one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_content(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        UnreadableImageError: The system refuses them.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {error.strerror}") from error


def decode_image(path: Path, size: tuple[int, int], max_pixels: int) -> tuple[Pixels, ImageInfo]:
    """Read one file and decode it; see `decode_content`."""
    return decode_content(read_content(path), size, max_pixels)


def decode_content(content: bytes, size: tuple[int, int], max_pixels: int) -> tuple[Pixels, ImageInfo]:
    """Decode a file's bytes, turn the image upright, and resize it (antialiased, bilinear, aspect ratio not kept).

    Of an animation or a file of several pages the first picture counts. Transparency is dropped.

    Args:
        content: The bytes of an image file.
        size: Height and width of the result in pixels.
        max_pixels: Larger images are refused before their pixels are read.

    Raises:
        UnreadableImageError: The bytes cannot be decoded, or the image is larger than ``max_pixels``.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        with Image.open(io.BytesIO(content)) as image:
            _check_area(image, max_pixels)
            image.load()
            upright = _upright(image)
            info = ImageInfo(upright.width, upright.height, image.mode, image.format or "?", len(content), sha256)
            pixels = _resize(_to_eight_bits(upright), size)
    except UnreadableImageError:
        raise
    # Pillow's decoders raise nearly anything on hostile bytes; each means the same to the user.
    except Exception as error:
        raise UnreadableImageError(_reason(content, error)) from error
    return pixels, info


def _check_area(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise UnreadableImageError(f"{image.width}x{image.height} pixels, more than data.max_pixels={max_pixels}")


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; as it is stored where the EXIF data are damaged.

    Pillow's own exif_transpose also writes the EXIF data anew, and fails where any entry is odd.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except (SyntaxError, TypeError, ValueError, KeyError, OSError, struct.error):
        return image
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Grey images as mode L, all others as RGB. Depths over 8 bits are scaled, not cut to their low byte."""
    if image.mode in {"L", "RGB"}:
        return image
    if image.mode in {"1", "LA"}:
        return image.convert("L")
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_scale_depth(np.asarray(image)))
    return image.convert("RGB")


def _scale_depth(values: NDArray[np.generic]) -> Pixels:
    """Grey values of any depth to 8 bits.

    Fractions of 1 are multiplied by 255; whole numbers stay as they are up to 255, else 65535 (or the largest value,
    if that is more) becomes 255. Negative values and what is no number become 0.
    """
    fractions = np.issubdtype(values.dtype, np.floating)
    grey = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    largest = float(grey.max(initial=0.0))
    if fractions and largest <= 1.0:
        grey = grey * 255.0
    elif largest > 255.0:
        grey = grey * (255.0 / max(65535.0, largest))
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _resize(image: Image.Image, size: tuple[int, int]) -> Pixels:
    height, width = size
    resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    if resized.ndim == 2:
        return resized[None].copy()
    if np.array_equal(resized[..., 0], resized[..., 1]) and np.array_equal(resized[..., 0], resized[..., 2]):
        return resized[None, ..., 0].copy()
    return np.ascontiguousarray(resized.transpose(2, 0, 1))


def _reason(content: bytes, error: Exception) -> str:
    if not content:
        return "empty file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image that Pillow knows"
    return str(error) or type(error).__name__
