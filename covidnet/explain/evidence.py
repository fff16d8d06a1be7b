"""How much of the evidence lies in the lungs: per image, and as medians with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Map = NDArray[np.floating[Any]]
"""Evidence of one image: shape (h, w), 0 or more, of any scale and of at most the image's size."""

RESAMPLES = 4999
LEVEL = 0.95
LEAST = 5
"""With fewer images a bootstrap interval says nothing."""


def enlarge(evidence: Map, height: int, width: int) -> NDArray[np.float32]:
    """The map at the size of the image, bilinear between the centres of its cells."""
    picture = Image.fromarray(np.asarray(evidence, dtype=np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


def share_inside(evidence: Map, field: NDArray[np.bool_]) -> float | None:
    """The part of all evidence that lies in ``field`` (H, W), from 0 to 1; None where there is no evidence at all."""
    whole = enlarge(evidence, *field.shape).astype(np.float64)
    total = float(whole.sum())
    if not np.isfinite(total) or total <= 0.0:
        return None
    return float(whole[field].sum() / total)


@dataclass(frozen=True)
class Median:
    """A median over images with its percentile bootstrap interval, which fewer than `LEAST` images do not have."""

    value: float
    low: float | None
    high: float | None
    n: int

    def to_json(self) -> dict[str, Any]:
        """Plain values with the method's name."""
        return {**vars(self), "level": LEVEL, "method": "percentile bootstrap of the median"}

    def __str__(self) -> str:
        return f"{self.value:.2f}" + ("" if self.low is None else f" [{self.low:.2f}, {self.high:.2f}]")


def median_of(values: Sequence[float], seed: int = 0) -> Median | None:
    """The median over images; None without any."""
    sample = np.asarray(values, dtype=np.float64)
    if not len(sample):
        return None
    value = float(np.median(sample))
    if len(sample) < LEAST:
        return Median(value, None, None, len(sample))
    from scipy.stats import bootstrap

    found = bootstrap(
        (sample,), np.median, n_resamples=RESAMPLES, confidence_level=LEVEL, method="percentile", rng=seed
    ).confidence_interval
    return Median(value, float(found.low), float(found.high), len(sample))


@dataclass(frozen=True)
class LungShare:
    """Evidence in the lungs over some images.

    Attributes:
        inside: Share of the evidence inside the lung field.
        area: Share of the image that the lung field covers: what evidence spread evenly would have inside.
        excess: ``inside - area``, image by image.
        empty: Images without any evidence, which the others leave out.
    """

    inside: Median
    area: Median
    excess: Median
    empty: int

    @property
    def verdict(self) -> str:
        """What the interval of the excess says: more, less, or unclear."""
        low, high = self.excess.low, self.excess.high
        if low is not None and low > 0:
            return "more"
        return "less" if high is not None and high < 0 else "unclear"

    def to_json(self) -> dict[str, Any]:
        """Plain values for saliency.json."""
        return {
            "inside_lungs": self.inside.to_json(),
            "lung_area": self.area.to_json(),
            "excess": self.excess.to_json(),
            "verdict": self.verdict,
            "images_without_evidence": self.empty,
        }


def lung_share(inside: Sequence[float | None], areas: Sequence[float]) -> LungShare | None:
    """Summarise images by their shares inside and their fields' areas; None where no image has evidence."""
    known = [(share, area) for share, area in zip(inside, areas, strict=True) if share is not None]
    medians = [median_of(values) for values in (
        [share for share, _ in known], [area for _, area in known], [share - area for share, area in known]
    )]  # fmt: skip
    if medians[0] is None or medians[1] is None or medians[2] is None:
        return None
    return LungShare(medians[0], medians[1], medians[2], len(inside) - len(known))
