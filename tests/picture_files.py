"""PNG and TIFF files written byte by byte, so that what is stored does not depend on the library that reads it."""

import io
import struct
import zlib

import numpy as np
import PIL

GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
"""Colour types of PNG."""

PILLOW_13 = int(PIL.__version__.partition(".")[0]) >= 13
"""It reads TIFF with premultiplied alpha, and YCbCr without compression; before, they are refused."""


def encoded(image, kind="PNG", **options):
    """What Pillow writes of an image."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(samples, bits, colour_type, **chunks):
    """A PNG of samples of shape (H, W) or (H, W, C); ``chunks`` are further ones by name, such as PLTE."""
    samples = np.asarray(samples)
    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1)
    lines = [row.astype(">u2").tobytes() if bits == 16 else _packed(row, bits) for row in rows]
    body = zlib.compress(b"".join(b"\0" + line for line in lines))
    parts = [("IHDR", struct.pack(">LLBBBBB", width, height, bits, colour_type, 0, 0, 0)), *chunks.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in [*parts, ("IDAT", body), ("IEND", b"")])


def _packed(row, bits):
    if bits == 8:
        return row.astype(np.uint8).tobytes()
    spread = (row[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.astype(np.uint8)).tobytes()


def _chunk(name, data):
    return struct.pack(">L", len(data)) + name.encode() + data + struct.pack(">L", zlib.crc32(name.encode() + data))


def tiff(values, *, order="<", photometric=1, bits=None, sample_format=1, orientation=1, samples=1, extra=()):
    """An uncompressed TIFF of one strip.

    Args:
        values: Samples of shape (H, W) or (H, W, C), or the strip's bytes with their height and width.
        order: ``<`` for little endian (II), ``>`` for big endian (MM).
        photometric: 0 white is zero, 1 black is zero, 2 RGB, 5 CMYK.
        bits: Per sample; of the values' type where None.
        sample_format: 1 unsigned, 2 signed, 3 floating point.
        orientation: Tag 274.
        samples: Per pixel.
        extra: Kinds of extra samples, such as 1 for associated alpha.
    """
    if isinstance(values, tuple):
        strip, height, width = values
    else:
        height, width = values.shape[:2]
        strip = values.astype(values.dtype.newbyteorder(order)).tobytes()
        bits = bits or values.dtype.itemsize * 8
    tags = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * samples), (259, 3, [1]), (262, 3, [photometric]),
        (273, 4, [0]), (274, 3, [orientation]), (277, 3, [samples]), (278, 4, [height]), (279, 4, [len(strip)]),
        *([(338, 3, list(extra))] if extra else []), (339, 3, [sample_format] * samples),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(tags) + 4
    overflow, entries = b"", b""
    for tag, kind, numbers in tags:
        data = struct.pack(f"{order}{len(numbers)}{'HL'[kind - 3]}", *numbers)
        if tag == 273:
            data = struct.pack(f"{order}L", start + 256)
        if len(data) > 4:
            data, overflow = struct.pack(f"{order}L", start + len(overflow)), overflow + data
        entries += struct.pack(f"{order}HHL", tag, kind, len(numbers)) + data.ljust(4, b"\0")
    header = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}L", 8)
    directory = struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}L", 0)
    return header + directory + overflow.ljust(256, b"\0") + strip
