"""The stored values of a DICOM image: uncompressed, run-length encoded, or a JPEG stream of any kind.

Which decoder is used does not depend on what else is installed. GDCM, which pydicom would prefer, is never used: on
damaged streams it ends the process. libjpeg-turbo, CharLS and OpenJPEG (in imagecodecs and Pillow) do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from covidnet.data.codestream import codestream_size
from covidnet.data.dicom_header import EXTRA, first_value, integer, known_name, one_line
from covidnet.data.image_info import UnreadableImageError
from covidnet.data.run_length import decode_run_length
from covidnet.errors import MissingExtraError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

NATIVE = frozenset({"ImplicitVRLittleEndian", "ExplicitVRLittleEndian", "ExplicitVRBigEndian"})
"""Keywords of the transfer syntaxes without compression, which pydicom reads."""
RUN_LENGTH = "RLELossless"
PILLOW = "JPEGBaseline8Bit"
LIBJPEG = frozenset({"JPEGExtended12Bit", "JPEGLossless", "JPEGLosslessSV1"})
JPEG_LS = frozenset({"JPEGLSLossless", "JPEGLSNearLossless"})
JPEG_2000 = frozenset({"JPEG2000Lossless", "JPEG2000"})
SUPPORTED = NATIVE | {RUN_LENGTH, PILLOW} | LIBJPEG | JPEG_LS | JPEG_2000

DECOMPRESSED = {"YBR_FULL_422": "YBR_FULL", "YBR_ICT": "RGB", "YBR_RCT": "RGB"}
"""What becomes of colours when they are decompressed: chroma of full size, and JPEG 2000's own transforms undone."""

_END_OF_IMAGE = b"\xff\xd9"


def transfer_syntax(header: Dataset) -> UID:
    """How the pixels are stored; a bare data set does not say it and holds them uncompressed."""
    from pydicom import uid

    said = first_value(header.file_meta, "TransferSyntaxUID")
    if said is not None:
        return uid.UID(said)
    implicit, little = header.original_encoding
    if not little:
        return uid.ExplicitVRBigEndian
    return uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian


def stored_values(header: Dataset, syntax: UID) -> NDArray[Any]:
    """Stored values of shape (H, W), or (H, W, 3) as RGB. Compressed pixels in ``header`` are replaced.

    Raises:
        UnreadableImageError: They are damaged, or stored in a way that is not supported.
        MissingExtraError: imagecodecs is needed and not installed.
    """
    from pydicom.pixels.decoders.base import get_decoder

    if syntax.keyword not in SUPPORTED:
        raise UnreadableImageError(f"DICOM with a transfer syntax that is not supported ({known_name(syntax)})")
    plugin = "pillow" if syntax.keyword == PILLOW else ""
    try:
        if syntax.keyword not in NATIVE:
            frame = _frame(header, syntax)
            if not plugin:
                syntax = _replace_pixels(header, _decompress(frame, header, syntax))
        values, found = get_decoder(syntax).as_array(header, index=0, decoding_plugin=plugin)
    except (UnreadableImageError, MissingExtraError):
        raise
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        reason = f": {one_line(error).split(' - ')[0]}" if syntax.keyword in NATIVE else ""
        raise UnreadableImageError(f"damaged DICOM pixels ({syntax.name}){reason}") from error
    colours = str(found["photometric_interpretation"])
    if values.shape[2:] != ((3,) if colours == "RGB" else ()):
        raise UnreadableImageError(f"{header.SamplesPerPixel} channels of {colours} are not supported")
    return values


def _frame(header: Dataset, syntax: UID) -> bytes:
    """The compressed frame.

    Raises:
        UnreadableImageError: It is not of the size that the header says.
    """
    from pydicom.encaps import get_frame

    frame = get_frame(header.PixelData, 0, number_of_frames=1)
    if syntax.keyword == RUN_LENGTH:
        return frame
    size = codestream_size(frame)
    if size is None:
        raise UnreadableImageError(f"damaged DICOM pixels ({syntax.name})")
    if size != (header.Rows, header.Columns):
        raise UnreadableImageError(
            f"damaged DICOM: {header.Columns}x{header.Rows} pixels in the header, {size[1]}x{size[0]} in the frame"
        )
    return frame


def _decompress(frame: bytes, header: Dataset, syntax: UID) -> NDArray[Any]:
    """Values of shape (H, W) or (H, W, C)."""
    channels = integer(header, "SamplesPerPixel")
    if syntax.keyword == RUN_LENGTH:
        return decode_run_length(frame, header.Rows, header.Columns, channels, header.BitsAllocated // 8)
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingExtraError(f"DICOM stored as {syntax.name}", EXTRA) from error
    if syntax.keyword in JPEG_2000:
        return np.asarray(imagecodecs.jpeg2k_decode(frame))
    if _END_OF_IMAGE not in frame[-1024:]:  # libjpeg would fill what is missing, and CharLS look for it for seconds
        raise UnreadableImageError(f"damaged DICOM pixels ({syntax.name}): cut off")
    if syntax.keyword in JPEG_LS:
        return np.asarray(imagecodecs.jpegls_decode(frame))
    if channels == 1:
        return np.asarray(imagecodecs.jpeg8_decode(frame))
    # The same colours on both sides: none are converted here, pydicom does it.
    return np.asarray(imagecodecs.jpeg8_decode(frame, colorspace="RGB", outcolorspace="RGB"))


def _replace_pixels(header: Dataset, values: NDArray[Any]) -> UID:
    """Store decompressed values in the header, and return their transfer syntax.

    Raises:
        ValueError: They are not what the header says.
    """
    from pydicom.uid import ExplicitVRLittleEndian

    channels = integer(header, "SamplesPerPixel")
    if values.shape != (header.Rows, header.Columns, channels)[: 2 if channels == 1 else 3]:
        raise ValueError(f"an array of shape {values.shape}")
    header.PixelData = values.astype(values.dtype.newbyteorder("<")).tobytes()
    header.BitsAllocated = 8 * values.dtype.itemsize
    header.BitsStored = min(header.BitsStored, header.BitsAllocated)
    header.PlanarConfiguration = 0
    colours = header.PhotometricInterpretation
    header.PhotometricInterpretation = DECOMPRESSED.get(colours, colours)
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ExplicitVRLittleEndian
