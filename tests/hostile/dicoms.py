"""DICOM files: sound ones of several kinds, every element of them mutated, cut off, nested without end."""

import io
import struct

import numpy as np
import pydicom
from dicom_files import dicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from .cases import SIDE, Case
from .pictures import drawn, saved

HOSTILE = (
    b"",
    b"\0",
    b"\xff" * 2,
    b"\xff" * 8,
    b"-1",
    b"1e400",
    b"nan",
    b"9" * 5000,
    b"\\" * 100,
    b"\x1b[31m",
    b"\xff\xfe\xfd",
    b"../../etc/passwd",
    b"<script>alert(1)</script>",
    b"a\nb",
    b"1.2.840.10008.1.2.4.50",
    b"\0\0\0\0",
    b"\x01\x80",
)


def dicom_case(rng):
    """A case by one of the ways below."""
    return (sound, cut, flips, element, element, element, header_only, nested, liar)[rng.integers(9)](rng)


def sound(rng):
    """A whole file: 16-bit grey, whose lowest and highest values are black and white, or RGB."""
    if rng.integers(2):
        colour = drawn(rng, colour=True)
        return Case("DICOM RGB", suffix(rng), dicom(colour), colour)
    values = rng.integers(0, 4096, (SIDE, SIDE)).astype(np.uint16)
    content = dicom(values, bits=12, WindowCenter=2048, WindowWidth=4096)
    shown = np.clip((values - 2047.5) / 4095 + 0.5, 0, 1) * 255
    return Case("DICOM grey", suffix(rng), content, np.rint(shown).astype(np.uint8), 1)


def suffix(rng):
    return str(rng.choice([".dcm", ".png", ".dicom", ".IMA"]))


def any_content(rng):
    """A sound file, perhaps with a compressed frame."""
    from PIL import Image

    grey = drawn(rng, colour=False)
    way = int(rng.integers(5))
    if way == 0:
        return dicom(grey, ImplicitVRLittleEndian)
    if way == 1:
        return dicom(grey, JPEGBaseline8Bit, frame=saved(Image.fromarray(grey), "JPEG"))
    if way == 2:
        return dicom(grey, JPEG2000Lossless, frame=saved(Image.fromarray(grey), "JPEG2000", no_jp2=True))
    if way == 3:
        return dicom(grey, preamble=False)
    return dicom(grey, WindowCenter=[100, 50], WindowWidth=[50, 20], RescaleSlope="2", RescaleIntercept="-1024",
                 BurnedInAnnotation="YES", NumberOfFrames="1", PixelPaddingValue=0)  # fmt: skip


def cut(rng):
    content = any_content(rng)
    return Case("DICOM truncated", suffix(rng), content[: int(rng.integers(0, len(content)))])


def flips(rng):
    damaged = bytearray(any_content(rng))
    end = len(damaged) if rng.integers(2) else min(len(damaged), 900)
    for at in rng.integers(0, end, int(rng.choice([1, 2, 8, 50]))):
        damaged[at] ^= 1 << int(rng.integers(8))
    return Case("DICOM bits flipped", suffix(rng), bytes(damaged))


def element(rng):
    """One element of the file or its meta information replaced: raw bytes, another length or VR, twice, or gone."""
    content = any_content(rng)
    header = pydicom.dcmread(io.BytesIO(content), force=True)
    tags = [one.tag for one in header] + [one.tag for one in getattr(header, "file_meta", [])]
    tag = tags[rng.integers(len(tags))]
    mark = struct.pack("<HH", tag.group, tag.element)
    at = content.find(mark, 128 if content[128:132] == b"DICM" else 0)
    if at < 0:
        return Case("DICOM bits flipped", suffix(rng), content)
    way, damaged = int(rng.integers(5)), bytearray(content)
    value = HOSTILE[rng.integers(len(HOSTILE))]
    if way == 0:  # its length
        damaged[at + 6 : at + 8] = struct.pack("<H", int(rng.choice([0, 1, 3, 0x7FFF, 0xFFFF])))
    elif way == 1:  # its VR
        damaged[at + 4 : at + 6] = [b"SQ", b"UN", b"OB", b"US", b"DS", b"PN", b"\0\0", b"zz"][rng.integers(8)]
    elif way == 2:  # another value in its place
        length = struct.unpack("<H", content[at + 6 : at + 8])[0]
        start = at + 8
        damaged[at + 6 : at + 8] = struct.pack("<H", len(value))
        damaged[start : start + length] = value
    elif way == 3:  # twice
        damaged[at:at] = mark + b"LO" + struct.pack("<H", len(value)) + value
    else:  # another element
        damaged[at : at + 4] = rng.integers(0, 256, 4, dtype=np.uint8).tobytes()
    return Case(f"DICOM element mutated ({pydicom.datadict.keyword_for_tag(tag)})", suffix(rng), bytes(damaged))


def header_only(rng):
    plain = dicom(drawn(rng, colour=False), without=["PixelData"])
    return Case("DICOM without pixels", suffix(rng), plain, refused=True)


def nested(rng):
    """Sequences in sequences in sequences."""
    depth = int(rng.choice([10, 300, 3000]))
    start = dicom(drawn(rng, colour=False), without=["PixelData"])
    opened = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * depth
    return Case(f"DICOM nested {depth}", suffix(rng), start + opened)


def liar(rng):
    """A header and a frame of other sizes, channels, depths or transfer syntax than are there."""
    from PIL import Image

    grey = drawn(rng, colour=False)
    way = int(rng.integers(7))
    if way == 0:
        content = dicom(grey, Rows=65535, Columns=65535)
    elif way == 1:
        frame = bytearray(saved(Image.fromarray(grey), "JPEG"))
        at = frame.index(b"\xff\xc0")
        frame[at + 5 : at + 9] = b"\xff\xff\xff\xff"
        content = dicom(grey, JPEGBaseline8Bit, frame=bytes(frame))
    elif way == 2:
        content = dicom(grey, SamplesPerPixel=int(rng.choice([0, 2, 3, 4, 65535])))
    elif way == 3:
        content = dicom(grey, BitsAllocated=int(rng.choice([0, 1, 7, 12, 16, 32, 64, 65535])))
    elif way == 4:
        content = dicom(grey, NumberOfFrames=str(rng.choice(["-1", "100000", "2147483647"])))
    elif way == 5:
        syntaxes = [JPEGLossless, JPEGLSLossless, RLELossless, JPEG2000Lossless, JPEGBaseline8Bit]
        content = dicom(grey, syntaxes[rng.integers(5)], frame=rng.bytes(int(rng.choice([2, 10, 500]))))
    else:
        plain = dicom(grey, ExplicitVRLittleEndian)
        content = plain.replace(
            ExplicitVRLittleEndian.encode() + b"\0", DeflatedExplicitVRLittleEndian.encode()[:20], 1
        )
    return Case("DICOM that lies of itself", suffix(rng), content)
