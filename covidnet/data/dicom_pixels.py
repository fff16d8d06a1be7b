"""The stored values of a DICOM image: uncompressed, run-length encoded, or a JPEG stream of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from covidnet.data.codestream import codestream_size
from covidnet.data.dicom_header import EXTRA, first_value, integer, one_line
from covidnet.data.image_info import UnreadableImageError
from covidnet.errors import MissingExtraError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.pixels.decoders.base import Decoder
    from pydicom.uid import UID


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
    """Stored values of shape (H, W), or (H, W, 3) as RGB.

    Raises:
        UnreadableImageError: They are damaged, or stored in a way that nothing installed decodes.
        MissingExtraError: GDCM is not installed.
    """
    from pydicom.encaps import get_frame
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise UnreadableImageError(f"DICOM stored as {one_line(syntax.name)} is not supported") from None
    _check_available(decoder, header)
    try:
        if syntax.is_encapsulated and "JPEG" in syntax.keyword + syntax.name:
            _check_codestream(get_frame(header.PixelData, 0, number_of_frames=1), header)
        values, found = decoder.as_array(header, index=0)
    except UnreadableImageError:
        raise
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise UnreadableImageError(f"damaged DICOM pixels ({syntax.name}): {one_line(error)}") from error
    colours = found["photometric_interpretation"]
    if values.ndim == 3 and (values.shape[2] != 3 or colours != "RGB"):
        raise UnreadableImageError(f"DICOM with {values.shape[2]} channels of {one_line(colours)} is not supported")
    return values


def _check_available(decoder: Decoder, header: Dataset) -> None:
    """Raise where no installed package decodes the transfer syntax, and say which one does."""
    from pydicom import uid

    name = decoder.UID.name
    if decoder.UID in {uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL} and not decoder.is_available:
        raise UnreadableImageError(f"DICOM stored as {name} needs pip install pylibjpeg pylibjpeg-openjpeg")
    if not decoder.is_available:
        raise MissingExtraError(f"DICOM stored as {name}", EXTRA)
    twelve_bits = decoder.UID in {uid.JPEGExtended12Bit} and integer(header, "BitsStored") > 8
    if twelve_bits and "pylibjpeg" not in decoder.available_plugins:
        raise UnreadableImageError(
            f"DICOM stored as {name} with 12 bits needs pip install pylibjpeg pylibjpeg-libjpeg (licence: GPL)"
        )


def _check_codestream(frame: bytes, header: Dataset) -> None:
    """Raise UnreadableImageError where the compressed frame is not of the header's size."""
    size = codestream_size(frame)
    if size is None:
        raise UnreadableImageError("damaged DICOM pixels: the compressed frame has no size")
    if size != (header.Rows, header.Columns):
        raise UnreadableImageError(
            f"damaged DICOM: {header.Columns}x{header.Rows} pixels in the header, {size[1]}x{size[0]} in the frame"
        )
