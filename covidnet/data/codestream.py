"""The size that a compressed frame claims for itself, read before anything is decoded.

A DICOM header and the JPEG stream within it are written by different hands: a header of 10 x 10 pixels may hold
a stream of 65,000 x 65,000, which a decoder would make room for.
"""

from __future__ import annotations

_SOI, _SOC = b"\xff\xd8", b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
_FRAME_HEADERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Second byte of the markers SOF0 to SOF15 and SOF55 (JPEG-LS); C4, C8 and CC mean other things."""
_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a segment."""


def codestream_size(frame: bytes) -> tuple[int, int] | None:
    """Height and width in pixels that a JPEG, JPEG-LS or JPEG 2000 stream claims; None where it is none of them.

    Sources: ISO/IEC 10918-1 B.2.2 (frame header), 14495-1 C.2.2, 15444-1 A.5.1 (SIZ) and I.4 (JP2 boxes).
    """
    if frame.startswith(_SOI):
        return _jpeg_size(frame)
    start = _jp2_codestream(frame) if frame.startswith(_JP2) else 0
    if start is None or frame[start : start + 4] != _SOC:
        return None
    siz = frame[start + 8 : start + 24]
    if len(siz) < 16:
        return None
    right, bottom, left, top = (int.from_bytes(siz[at : at + 4], "big") for at in (0, 4, 8, 12))
    return (bottom - top, right - left) if bottom > top and right > left else None


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAME_HEADERS:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        else:
            at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None


def _jp2_codestream(frame: bytes) -> int | None:
    """Where the codestream begins in a JP2 file; None where its boxes lead nowhere."""
    at = len(_JP2) + 4
    while at + 8 <= len(frame):
        length = int.from_bytes(frame[at : at + 4], "big")
        if frame[at + 4 : at + 8] == b"jp2c":
            return at + 8
        if length < 8:  # to the end of the file, or 64 bits long: no box before the codestream has reason to be
            return None
        at += length
    return None
