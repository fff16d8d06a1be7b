"""What no network is needed for: an image in colours, one that is blank, one that is far too wide or too high."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from covidnet.data.images import Pixels

COLOURED = 26
"""Grey values of 255 by which a pixel's channels differ before it counts as coloured; tinted films stay below."""

RARE = 99.0
"""Percentile of the training images that the limits leave room for."""
ROOM = 1.25
"""How much further than that percentile an image may go."""


@dataclass(frozen=True)
class PixelStatistics:
    """One image in three numbers.

    Attributes:
        colour: Share of its pixels that are coloured, from 0 to 1.
        contrast: Standard deviation of its grey values, of a range from 0 to 1.
        aspect: Width over height of the file.
    """

    colour: float
    contrast: float
    aspect: float


@dataclass(frozen=True)
class PixelLimits:
    """How far an image may go; the defaults hold for any chest film.

    Attributes:
        colour: Highest share of coloured pixels.
        contrast: Lowest standard deviation of the grey values.
        narrow: Lowest width over height.
        wide: Highest width over height.
    """

    colour: float = 0.1
    contrast: float = 0.02
    narrow: float = 0.4
    wide: float = 2.5

    def widened(self, images: Sequence[PixelStatistics]) -> PixelLimits:
        """Limits that also admit what is usual among ``images``: those that a network was trained on."""
        if not images:
            return self
        colour, contrast, aspect = np.array([astuple(image) for image in images]).T
        return PixelLimits(
            colour=max(self.colour, min(1.0, ROOM * float(np.percentile(colour, RARE)))),
            contrast=min(self.contrast, float(np.percentile(contrast, 100.0 - RARE)) / ROOM),
            narrow=min(self.narrow, float(np.percentile(aspect, 100.0 - RARE)) / ROOM),
            wide=max(self.wide, ROOM * float(np.percentile(aspect, RARE))),
        )

    def reasons(self, image: PixelStatistics) -> list[str]:
        """Why an image is none that the network can judge, in words; empty where nothing speaks against it."""
        found = []
        if image.colour > self.colour:
            found.append(f"in colour: {image.colour:.0%} of its pixels; of an X-ray at most {self.colour:.0%}")
        if image.contrast < self.contrast:
            found.append(
                f"blank: its grey values vary by {image.contrast:.3f}; those of an X-ray by {self.contrast:.3f}"
            )
        if not self.narrow <= image.aspect <= self.wide:
            usual = f"an X-ray is {self.narrow:.2f} to {self.wide:.2f} times"
            found.append(f"odd shape: {image.aspect:.2f} times as wide as high; {usual}")
        return found


def pixel_statistics(pixels: Pixels, aspect: float) -> PixelStatistics:
    """Describe a decoded image.

    Args:
        pixels: Shape (C, H, W).
        aspect: Width over height of the file, which decoding to a square forgets.
    """
    spread = pixels.max(axis=0) - pixels.min(axis=0)
    grey = pixels.mean(axis=0, dtype=np.float64) / 255.0
    return PixelStatistics(float((spread >= COLOURED).mean()), float(grey.std()), aspect)
