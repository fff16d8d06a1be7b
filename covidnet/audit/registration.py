"""Whether two pictures are one: lay the one over the other, then compare the fine structure they have left.

All chest films look alike when small, so plain correlation cannot tell a copy from another patient. Here the coarse
structure only finds how one picture lies on the other (mirrored, shifted, cropped), and the fine structure, which no
two films share, decides. Contrast is normalised locally, so a changed exposure makes no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft
from scipy.ndimage import affine_transform, gaussian_filter

Plane = NDArray[np.float32]

SIDE = 128
"""Pixels of the square pictures that are compared."""
COARSE_SIDE = 64
CROPS = ((1.0, 1.0), (0.94, 0.94), (0.88, 0.88), (1.0, 0.92), (0.92, 1.0))
"""Parts of the width and height that a crop may have left; what lies between comes from the refinement."""
REACH = 10
"""Largest shift, in pixels of the coarse picture, that is looked for."""
WORTH_REFINING = 0.80
"""Lower agreement of the coarse structure is no copy (copies reach 0.86 at a crop of a tenth on each side)."""
WORTH_COMPARING = 0.90
"""The same for the medium structure, once that is aligned (copies reach 0.96)."""
MARGIN = 0.12
"""Left out all round in the last comparison: there a cropped picture has nothing to compare with."""
STEPS = 6


@dataclass(frozen=True)
class Match:
    """How alike two pictures are.

    Attributes:
        similarity: Correlation of the fine structure after alignment, in [-1, 1].
        mirrored: Whether the one is the other's mirror image.
        cropped: Whether the alignment had to scale or shift by more than two hundredths of the side.
    """

    similarity: float
    mirrored: bool
    cropped: bool


class Picture:
    """One picture of shape (SIDE, SIDE), grey, 8 bits, with what is computed of it once."""

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        self.grey = grey.astype(np.float32)
        self._planes = np.stack([_central(Image.fromarray(grey), *crop) for crop in CROPS])

    @classmethod
    def _mirror(cls, picture: Picture) -> Picture:
        mirror = cls.__new__(cls)
        mirror.grey, mirror._planes = picture.grey[:, ::-1], picture._planes[:, :, ::-1]
        mirror.medium, mirror.fine = picture.medium[:, ::-1], picture.fine[:, ::-1]
        return mirror

    @cached_property
    def mirrored(self) -> Picture:
        """The same from left to right."""
        return Picture._mirror(self)

    @cached_property
    def coarse(self) -> NDArray[np.complex64]:
        """Spectra of the coarse structure of central crops, shape (len(CROPS), ...); the whole comes first."""
        return np.asarray(fft.rfft2(self._planes))

    @cached_property
    def medium(self) -> Plane:
        """Structure of a few hundredths of the side: the range in which the alignment is refined first."""
        return _band(self.grey, 2.0, 8.0)

    @cached_property
    def fine(self) -> Plane:
        """Structure of about a hundredth of the side."""
        return _band(self.grey, 1.0, 2.5)


def match_pictures(first: Picture, second: Picture) -> Match:
    """Compare two pictures, also mirrored, and each as a crop of the other."""
    best = Match(-1.0, False, False)
    for mirrored, other in ((False, second), (True, second.mirrored)):
        coarse, start = _align_coarsely(first, other)
        if coarse < WORTH_REFINING:
            continue
        similarity, placed = _refine(first, other, start)
        if similarity > best.similarity:
            moved = max(abs(placed[0] - 1), abs(placed[2] - 1), *(abs(placed[[1, 3]]) / SIDE))
            best = Match(similarity, mirrored, bool(moved > 0.02))
    return best


def _align_coarsely(first: Picture, second: Picture) -> tuple[float, NDArray[np.float64]]:
    """Best correlation over crops and shifts, and the placement [sx, tx, sy, ty] that maps first onto second.

    Pixel (x, y) from the first's centre lies at (sx * x + tx, sy * y + ty) from the second's centre.
    """
    best, placement = -1.0, np.array([1.0, 0.0, 1.0, 0.0])
    zoom = SIDE / COARSE_SIDE
    # The whole first against crops of the second, and crops of the first against the whole second.
    for spectra, inverse in (
        (first.coarse[:1] * np.conj(second.coarse), False),
        (first.coarse * np.conj(second.coarse[:1]), True),
    ):
        surfaces = np.roll(fft.irfft2(spectra, s=(COARSE_SIDE, COARSE_SIDE)), (REACH, REACH), axis=(1, 2))
        surfaces = surfaces[:, : 2 * REACH + 1, : 2 * REACH + 1]
        index, row, column = np.unravel_index(int(surfaces.argmax()), surfaces.shape)
        value = float(surfaces[index, row, column])
        if value > best:
            best = value
            across, down = CROPS[int(index)]
            # first(p) is like second(p - shift), each in its own crop's pixels.
            tx, ty = -(float(column) - REACH) * zoom, -(float(row) - REACH) * zoom
            placement = (
                np.array([1 / across, tx, 1 / down, ty])
                if inverse
                else np.array([across, tx * across, down, ty * down])
            )
    return best, placement


def _refine(first: Picture, second: Picture, placement: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Improve the placement by Gauss-Newton steps, coarser structure before fine; give the fine correlation, or -1."""
    similarity = -1.0
    for still, moving, least in ((first.medium, second.medium, WORTH_COMPARING), (first.fine, second.fine, -1.0)):
        for _ in range(STEPS):
            placement = placement + _step(still, _warp(moving, placement))
        similarity = _correlation(still, _warp(moving, placement))
        if similarity < least:
            return -1.0, placement
    return similarity, placement


def _step(still: Plane, moved: Plane) -> NDArray[np.float64]:
    """The change of [sx, tx, sy, ty] that makes ``moved`` more like ``still`` (least squares on the slopes)."""
    down, across = np.asarray(np.gradient(moved))
    x, y = _GRID
    slopes = np.stack([part[_INSIDE] for part in (across * x, across, down * y, down)], axis=1).astype(np.float64)
    left = _standard(still[_INSIDE]) * float(moved[_INSIDE].std() + 1e-6) - (moved - moved[_INSIDE].mean())[_INSIDE]
    normal = slopes.T @ slopes + 1e-6 * np.eye(4)
    change = np.linalg.solve(normal, slopes.T @ left)
    limit = np.array([0.03, 3.0, 0.03, 3.0])
    return np.asarray(np.clip(change, -limit, limit))


def _warp(plane: Plane, placement: NDArray[np.float64]) -> Plane:
    sx, tx, sy, ty = placement
    centre = (SIDE - 1) / 2
    offset = (centre - sy * centre + ty, centre - sx * centre + tx)
    return np.asarray(affine_transform(plane, np.diag([sy, sx]), offset, order=1, mode="nearest"))


def _correlation(first: Plane, second: Plane) -> float:
    return float(np.mean(_standard(first[_INSIDE]) * _standard(second[_INSIDE])))


def _standard(values: Plane) -> Plane:
    return np.asarray((values - values.mean()) / (values.std() + 1e-6), dtype=np.float32)


def _band(plane: Plane, small: float, large: float) -> Plane:
    """Structure between two sizes (standard deviations in pixels), with its contrast made even."""
    band = gaussian_filter(plane, small) - gaussian_filter(plane, large)
    strength = np.sqrt(gaussian_filter(band * band, 1.5 * large))
    return np.asarray(band / (strength + 0.5), dtype=np.float32)


def _central(picture: Image.Image, across: float, down: float) -> Plane:
    """Coarse structure of the central part of a picture, of length 1 as a vector."""
    left, top = (1 - across) / 2 * SIDE, (1 - down) / 2 * SIDE
    box = (left, top, SIDE - left, SIDE - top)
    small = picture.resize((COARSE_SIDE, COARSE_SIDE), Image.Resampling.BOX, box=box)
    band = _band(np.asarray(small, dtype=np.float32), 1.0, 5.0)
    centred = band - band.mean()
    return np.asarray(centred / (np.linalg.norm(centred) + 1e-6), dtype=np.float32)


def _inside() -> NDArray[np.bool_]:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    edge = round(MARGIN * SIDE)
    mask[edge:-edge, edge:-edge] = True
    return mask


_INSIDE = _inside()
_GRID = (
    (np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2)[None, :],
    (np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2)[:, None],
)
