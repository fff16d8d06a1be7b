"""DICOM files of the tests' own making."""

import io

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

NO_LIMIT = 10**9


def dicom(values, syntax=ExplicitVRLittleEndian, *, frame=None, bits=None, preamble=True, without=(), **elements):
    """The bytes of a DICOM file.

    Args:
        values: Stored values of shape (H, W) or (H, W, 3); their type is the container.
        syntax: Transfer syntax.
        frame: The compressed frame, where ``syntax`` is a compressed one.
        bits: Bits stored; the container's where None.
        preamble: Whether to write the 128 bytes, DICM and the file meta information.
        without: Keywords of elements to leave out.
        **elements: Further elements by keyword, or other values for those below.
    """
    values = np.asarray(values)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["test"])
    header = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    header.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian)
    header.SOPClassUID = meta.MediaStorageSOPClassUID
    header.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    header.PatientID, header.PatientName = "P-1", "Doe^Jane"
    header.Rows, header.Columns = values.shape[:2]
    header.SamplesPerPixel = 3 if values.ndim == 3 else 1
    header.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        header.PlanarConfiguration = 0
    header.BitsAllocated = values.dtype.itemsize * 8
    header.BitsStored = bits or header.BitsAllocated
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(values.dtype.kind == "i")
    for keyword, value in elements.items():
        setattr(header, keyword, value)
    order = "<" if syntax.is_little_endian else ">"
    if header.get("PlanarConfiguration") == 1:
        values = values.transpose(2, 0, 1)
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
    header.PixelData = raw + b"\0" * (len(raw) % 2) if frame is None else encapsulate([frame])
    header["PixelData"].VR = "OB" if frame is not None or header.BitsAllocated == 8 else "OW"
    for keyword in without:
        delattr(header, keyword)
    buffer = io.BytesIO()
    if preamble:
        header.save_as(buffer, enforce_file_format=True)
    else:
        del header.file_meta, header.preamble
        header.save_as(buffer, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return buffer.getvalue()


def lookup_table(first, bits, entries):
    """A sequence of one lookup table, for ModalityLUTSequence and VOILUTSequence."""
    item = Dataset()
    item.LUTDescriptor = [len(entries) % 2**16, first, bits]
    item.add_new("LUTData", "US", list(entries))
    return [item]
