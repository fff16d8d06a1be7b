"""The only decoder of images: a file of any common kind to 8-bit pixels of one size."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]
"""Decoded image of shape (C, H, W), values 0 to 255; C is 1 where the image is grey, else 3 (RGB)."""

DECODER_VERSION = 1
"""Part of every cache key; raise it when the same file would decode to other pixels."""


class UnreadableImageError(Exception):
    """One file is not an image that can be decoded; the message says why, without the path."""


@dataclass(frozen=True)
class ImageInfo:
    """What a file says of itself, before resizing."""

    width: int
    height: int
    mode: str
    format: str
    bytes: int
    sha256: str


def decode_image(path: Path, size: tuple[int, int], max_pixels: int) -> tuple[Pixels, ImageInfo]:
    """Read one file, turn it upright, and resize it with antialiasing (bilinear, aspect ratio not kept).

    Args:
        path: The image file.
        size: Height and width of the result in pixels.
        max_pixels: Larger images are refused before their pixels are read.

    Raises:
        UnreadableImageError: The file cannot be read or decoded, or is larger than ``max_pixels``.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {error.strerror}") from error
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings on odd metadata; real damage raises
            with Image.open(io.BytesIO(content)) as image:
                _check_area(image, max_pixels)
                info = ImageInfo(image.width, image.height, image.mode, image.format or "?", len(content), sha256)
                pixels = _resize(_to_eight_bits(ImageOps.exif_transpose(image)), size)
    except UnreadableImageError:
        raise
    # Pillow's decoders raise nearly anything on hostile bytes; each means the same to the user.
    except Exception as error:
        raise UnreadableImageError(_reason(content, error)) from error
    return pixels, info


def _check_area(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise UnreadableImageError(f"{image.width}x{image.height} pixels, more than data.max_pixels={max_pixels}")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Grey images as mode L, all others as RGB. Depths over 8 bits are scaled, not cut to their low byte."""
    if image.mode in {"L", "RGB"}:
        return image
    if image.mode in {"1", "LA", "La"}:
        return image.convert("L")
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_scale_depth(np.asarray(image)))
    return image.convert("RGB")


def _scale_depth(values: NDArray[np.generic]) -> Pixels:
    """Grey values of any depth to 8 bits: by 65535 when they exceed 255, as they are otherwise."""
    grey = np.nan_to_num(values.astype(np.float64))
    if grey.max(initial=0.0) > 255.0:
        grey = grey * (255.0 / max(65535.0, float(grey.max())))
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
