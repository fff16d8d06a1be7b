"""Whether an exported file gives what PyTorch gives, on real images of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidnet.errors import ExportError

Floats = NDArray[np.float32]
Outputs = tuple[Floats, Floats]
"""Logits and probabilities, each of shape (B, C)."""
Run = Callable[[Floats], Outputs]
"""Images (B, 3, S, S), RGB in [0, 1], to outputs."""

TOLERANCE = 1e-4
"""Largest difference of a probability, and of a logit as a part of the largest logit where that is above 1."""


@dataclass(frozen=True)
class Agreement:
    """How two ways to compute the same thing differ.

    Attributes:
        images: How many they were compared on.
        logits: Largest absolute difference of a logit.
        probabilities: Largest absolute difference of a probability.
        largest_logit: Largest absolute logit.
        same_class: Of how many images they name the same class.
    """

    images: int
    logits: float
    probabilities: float
    largest_logit: float
    same_class: int

    @property
    def holds(self) -> bool:
        """Whether both differences are within the tolerance; not where anything is no number."""
        return self.probabilities <= TOLERANCE and self.logits <= TOLERANCE * max(1.0, self.largest_logit)

    def to_json(self) -> dict[str, Any]:
        """Plain values with the tolerance."""
        return {**asdict(self), "tolerance": TOLERANCE}


def compare(first: Iterable[Outputs], second: Iterable[Outputs]) -> Agreement:
    """Compare outputs for the same batches in the same order."""
    pairs = list(zip(first, second, strict=True))
    logits = [np.abs(one[0] - two[0]).max() for one, two in pairs]
    probabilities = [np.abs(one[1] - two[1]).max() for one, two in pairs]
    same = sum(int((one[0].argmax(axis=1) == two[0].argmax(axis=1)).sum()) for one, two in pairs)
    return Agreement(
        sum(len(one[0]) for one, _ in pairs),
        float(np.max(logits)),
        float(np.max(probabilities)),
        float(np.max([np.abs(one[0]).max() for one, _ in pairs])),
        same,
    )


def require(agreement: Agreement, file: str) -> None:
    """Refuse a file that does not agree.

    Raises:
        ExportError: It does not.
    """
    if not agreement.holds:
        raise ExportError(
            f"{file}: does not agree with PyTorch on {agreement.images} images: logits differ by up to "
            f"{agreement.logits:.2g} (of up to {agreement.largest_logit:.3g}), probabilities by up to "
            f"{agreement.probabilities:.2g}; expected {TOLERANCE:g}. It was not kept."
        )
