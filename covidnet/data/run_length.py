"""DICOM's run-length encoding (PS3.5, annex G), by Pillow's PackBits decoder: pydicom's own takes seconds per film."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_HEADER = 64
"""Bytes: the number of segments and the offsets of 15, as 32-bit integers."""


def decode_run_length(frame: bytes, rows: int, columns: int, channels: int, depth: int) -> NDArray[np.unsignedinteger]:
    """Values of shape (H, W), or (H, W, C) where there are several channels.

    Args:
        frame: The compressed frame; a segment for each byte of each channel, the most significant first.
        rows: Height in pixels.
        columns: Width in pixels.
        channels: Samples per pixel.
        depth: Bytes of a value: 1, 2 or 4.

    Raises:
        ValueError: It is damaged, or has another number of segments.
    """
    count, *offsets = np.frombuffer(frame[:_HEADER], dtype="<u4").tolist()
    if depth not in {1, 2, 4} or count != channels * depth or count > len(offsets):
        raise ValueError(f"{count} segments; expected {channels * depth}")
    ends = [*offsets[1:count], len(frame)]
    planes = [
        # As one long row: the decoder then minds no ends of rows, and reads no further than the picture goes.
        np.asarray(Image.frombytes("L", (rows * columns, 1), frame[start:end], "packbits", "L"))
        for start, end in zip(offsets, ends, strict=False)
    ]
    values = np.zeros((rows * columns, channels), dtype=f"u{depth}")
    for number, plane in enumerate(planes):
        channel, significance = divmod(number, depth)
        values[:, channel] |= plane[0].astype(values.dtype) << (8 * (depth - 1 - significance))
    return values.reshape((rows, columns, channels) if channels > 1 else (rows, columns))
