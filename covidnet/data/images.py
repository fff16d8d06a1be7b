"""The only decoder of images: a file of any common kind to 8-bit pixels of one size."""

from __future__ import annotations

import errno
import hashlib
import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageChops, UnidentifiedImageError

from covidnet.data.depth import scale_depth
from covidnet.data.dicom import decode_dicom
from covidnet.data.dicom_header import is_dicom
from covidnet.data.image_info import ImageInfo, Pixels, UnreadableImageError
from covidnet.errors import MissingExtraError
from covidnet.untrusted import read_plain

__all__ = [
    "DECODER_VERSION", "ImageInfo", "Pixels", "UnreadableImageError", "decode_content", "decode_image", "read_content",
    "without_warnings",
]  # fmt: skip

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit; data.max_pixels takes its place

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "DIB", "WEBP", "GIF", "PPM", "JPEG2000")
"""What Pillow is asked for. Of its other formats some start programs (EPS Ghostscript) or inflate without limit."""

BYTES_PER_PIXEL = 16
"""A file of more bytes than that for each pixel that an image may have is no image; it is not read into memory."""
BYTES_BESIDE = 1 << 24
"""What else a file may hold: profiles, previews, texts."""

DECODER_VERSION = 3
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


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence the decoders' remarks on odd metadata (real damage raises).

    Python's filters belong to the whole process: enter this before threads start, never inside one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_content(path: Path, max_pixels: int) -> bytes:
    """A file's bytes.

    Raises:
        UnreadableImageError: It is no plain file, the system refuses its bytes, or there are too many of them for an
            image of ``max_pixels``.
    """
    most = BYTES_PER_PIXEL * max_pixels + BYTES_BESIDE
    try:
        return read_plain(path, most)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise UnreadableImageError(f"{error.strerror}, which data.max_pixels={max_pixels} allows") from error
        raise UnreadableImageError(f"cannot be read: {error.strerror}") from error


def decode_image(path: Path, size: tuple[int, int], max_pixels: int) -> tuple[Pixels, ImageInfo]:
    """Read one file and decode it; see `decode_content`."""
    return decode_content(read_content(path, max_pixels), size, max_pixels)


def decode_content(content: bytes, size: tuple[int, int], max_pixels: int) -> tuple[Pixels, ImageInfo]:
    """Decode a file's bytes, turn the image upright, and resize it (antialiased, bilinear, aspect ratio not kept).

    The content counts, not the file's name. Of an animation or a file of several pages the first picture counts; DICOM
    of several frames is refused. Transparency is dropped.

    Args:
        content: The bytes of an image file.
        size: Height and width of the result in pixels.
        max_pixels: Larger images are refused before their pixels are read.

    Raises:
        UnreadableImageError: The bytes cannot be decoded, or the image is larger than ``max_pixels``.
        MissingExtraError: They are DICOM, and packages of the extra ``dicom`` are not installed.
    """
    try:
        image, info = (_read_dicom if is_dicom(content) else _read_picture)(content, max_pixels)
        return _resize(image, size), info
    except (UnreadableImageError, MissingExtraError):
        raise
    # Decoders raise nearly anything on hostile bytes; each means the same to the user.
    except Exception as error:
        raise UnreadableImageError(_reason(content, error)) from error


def _read_dicom(content: bytes, max_pixels: int) -> tuple[Image.Image, ImageInfo]:
    decoded = decode_dicom(content, max_pixels)
    height, width = decoded.pixels.shape[:2]
    return Image.fromarray(decoded.pixels), ImageInfo(
        width=width,
        height=height,
        mode=decoded.mode,
        format="DICOM",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        bits=decoded.bits,
        compression=decoded.compression,
        patient=decoded.patient,
        burned_in=decoded.burned_in,
    )


def _read_picture(content: bytes, max_pixels: int) -> tuple[Image.Image, ImageInfo]:
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        _check_area(image, max_pixels)
        image.load()
        upright = _upright(image)
        info = ImageInfo(
            width=upright.width,
            height=upright.height,
            mode=image.mode,
            format=image.format or "?",
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            compression=image.info.get("compression") if image.format == "TIFF" else None,
        )
        return _to_eight_bits(upright, image), info


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


def _to_eight_bits(image: Image.Image, stored: Image.Image) -> Image.Image:
    """Grey images as mode L, all others as RGB. Depths over 8 bits are scaled, not cut to their low byte.

    Args:
        image: Turned upright.
        stored: As opened, with what the file says of itself.
    """
    if image.mode in {"L", "RGB"}:
        return image
    if image.mode in {"1", "LA"}:
        return image.convert("L")
    if image.mode == "La":  # grey, multiplied by its transparency
        return image.convert("LA").convert("L")
    if image.mode.startswith(("I", "F")):
        grey = Image.fromarray(scale_depth(np.asarray(image)))
        return ImageChops.invert(grey) if _white_is_zero(stored) else grey
    if image.mode == "CMYK" and stored.format == "JPEG" and "adobe" not in stored.info:
        # Pillow takes every CMYK JPEG for Adobe's, which stores 255 for no ink; without that mark 0 is no ink.
        image = ImageChops.invert(image)
    return image.convert("RGB")


def _white_is_zero(image: Image.Image) -> bool:
    """Whether a TIFF of more than 8 bits stores white as 0; Pillow inverts only shallower ones."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(ExifTags.Base.PhotometricInterpretation) == 0


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
    return " ".join(str(error).split()) or type(error).__name__
