"""Small grey views of the images: all that the pixel tests look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidnet.data.pixels import PixelSource

SIDE = 128
"""Height and width of a view in pixels; the aspect ratio of the film is not kept, as in training."""
BINS = 32
CHUNK = 64

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601, as Pillow turns colours into grey."""

LUNGS_CENTRE = (0.46, 0.50)
LUNGS_HALF = (0.38, 0.42)
LUNGS_POWER = 4
"""Where the lungs of a usual frontal film lie: a rounded rectangle, in parts of the height and the width.

It is generous on purpose: what is left must not show the disease. It reaches from 8 to 84 % of the height and from 8 to
92 % of the width.
"""


@dataclass(frozen=True)
class Views:
    """Grey thumbnails of shape (N, SIDE, SIDE), uint8, and histograms of shape (N, BINS) that sum to 1."""

    thumbnails: NDArray[np.uint8]
    histograms: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.thumbnails)

    def grid(self, size: int) -> NDArray[np.float32]:
        """Block means of shape (N, size, size) in [0, 1]; ``size`` divides SIDE."""
        return np.asarray(self._blocks(size).mean(axis=(2, 4), dtype=np.float32) / 255.0)

    def peaks(self, size: int) -> NDArray[np.float32]:
        """The brightest pixel of each block, shape (N, size, size) in [0, 1]; thin letters vanish in the means."""
        return np.asarray(self._blocks(size).max(axis=(2, 4)) / np.float32(255.0))

    def _blocks(self, size: int) -> NDArray[np.uint8]:
        block = SIDE // size
        return self.thumbnails.reshape(len(self), size, block, size, block)


def take_views(source: PixelSource, count: int) -> Views:
    """The views of all ``count`` images of a source, a few images in memory at a time."""
    thumbnails = np.empty((count, SIDE, SIDE), dtype=np.uint8)
    histograms = np.empty((count, BINS), dtype=np.float32)
    for start in range(0, count, CHUNK):
        rows = np.arange(start, min(count, start + CHUNK))
        for row, pixels in zip(rows, source.fetch(rows), strict=True):
            grey = to_grey(pixels)
            histograms[row] = np.bincount(grey.ravel() // (256 // BINS), minlength=BINS) / grey.size
            thumbnails[row] = np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BOX))
    return Views(thumbnails, histograms)


def to_grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(C, H, W) with 1 or 3 channels to (H, W)."""
    if pixels.shape[0] == 1:
        return np.asarray(pixels[0])
    return np.asarray(np.rint(np.tensordot(LUMA, pixels.astype(np.float32), axes=1)), dtype=np.uint8)


def lung_field(height: int, width: int) -> NDArray[np.bool_]:
    """Where the lungs of a usual frontal film lie: shape (H, W), True inside."""
    y = (np.arange(height) + 0.5)[:, None] / height
    x = (np.arange(width) + 0.5)[None, :] / width
    down, across = (y - LUNGS_CENTRE[0]) / LUNGS_HALF[0], (x - LUNGS_CENTRE[1]) / LUNGS_HALF[1]
    return np.asarray(np.abs(down) ** LUNGS_POWER + np.abs(across) ** LUNGS_POWER <= 1.0)


def border(height: int, width: int) -> NDArray[np.bool_]:
    """The outer eighth on each side (28 of 224 pixels): shape (H, W), True there."""
    mask = np.ones((height, width), dtype=bool)
    down, across = round(height / 8), round(width / 8)
    mask[down : height - down, across : width - across] = False
    return mask


def corners(height: int, width: int) -> NDArray[np.bool_]:
    """The four corners, three sixteenths of each side, where markers and text sit: shape (H, W), True there."""
    down, across = round(height * 3 / 16), round(width * 3 / 16)
    rows = np.zeros(height, dtype=bool)
    rows[:down] = rows[height - down :] = True
    columns = np.zeros(width, dtype=bool)
    columns[:across] = columns[width - across :] = True
    return np.asarray(rows[:, None] & columns[None, :])
