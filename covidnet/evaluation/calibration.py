"""Calibration: are the probabilities as often right as they say? Errors, scores and the reliability curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from covidnet.evaluation.intervals import Interval, exact_interval

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BINS = 10
"""Of equal width. Two classes put every confidence above 0.5, so five of them hold something: enough for few images."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Images whose stated probability lies in one bin.

    Attributes:
        low: Lower edge, exclusive (but 0 lies in the first bin).
        high: Upper edge, inclusive.
        stated: Mean stated probability of its images.
        found: How many of them it came true for, with the exact interval of the share.
    """

    low: float
    high: float
    stated: float
    found: Interval

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {"low": self.low, "high": self.high, "stated": self.stated, "found": self.found.to_json()}


def reliability_curve(stated: Floats, true: NDArray[np.bool_], bins: int, level: float) -> list[ReliabilityBin]:
    """The bins that hold images, in rising order.

    Args:
        stated: Probabilities in [0, 1], shape (N,).
        true: Whether what each stated came true, shape (N,).
        bins: Number of bins of equal width on [0, 1].
        level: Of the exact (Clopper-Pearson) intervals, which take the images of a bin as independent.
    """
    place = _equal_width(stated, bins)
    curve = []
    for index in np.unique(place):
        members = place == index
        found = exact_interval(int(true[members].sum()), int(members.sum()), level)
        curve.append(ReliabilityBin(index / bins, (index + 1) / bins, float(stated[members].mean()), found))
    return curve


def confidence(probabilities: Floats, truth: Indices) -> tuple[Floats, NDArray[np.bool_]]:
    """The probability of each image's predicted class, and whether that class is the true one; both (N,)."""
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == truth


def expected_calibration_error(stated: Floats, true: NDArray[np.bool_], bins: int, equal_mass: bool = False) -> float:
    """Mean distance of stated probability and true share over the bins, each weighted by its images.

        ECE = sum over bins of (n_b / N) * |share of true in b - mean stated probability in b|

    With the confidence of the predicted class this is that of Naeini et al. (AAAI 2015) and Guo et al. (ICML 2017).

    Args:
        stated: Probabilities, shape (N,), N at least 1.
        true: Whether each came true, shape (N,).
        bins: Number of bins.
        equal_mass: Bins of (nearly) as many images each, in place of equal width; equal probabilities stay together.
    """
    place = _equal_mass(stated, bins) if equal_mass else _equal_width(stated, bins)
    return float(np.abs(np.bincount(place, weights=stated - true)).sum() / len(stated))


def error_if_calibrated(stated: Floats, bins: int, count: int, seed: int = 0) -> Floats:
    """Calibration errors of a model that is right exactly as often as it says, from drawn truths; shape (count,).

    The expected calibration error cannot be negative, so with few images it is above 0 for every model. How far, is
    found by drawing what comes true from the stated probabilities themselves (consistency resampling; Broecker and
    Smith, Weather and Forecasting 22 (2007) 651-661; Vaicenavicius et al., AISTATS 2019).
    """
    random = np.random.default_rng(seed)
    place = _equal_width(stated, bins)
    order = np.argsort(place, kind="stable")
    starts = np.unique(place[order], return_index=True)[1]
    ordered = stated[order]
    at_once = max(1, (1 << 18) // len(stated))
    blocks = []
    for start in range(0, count, at_once):
        size = (min(at_once, count - start), len(stated))
        drawn = random.random(size) < ordered  # nosec B311  # numpy's generator, which keeps no secret
        gaps = np.add.reduceat(ordered - drawn, starts, axis=1)
        blocks.append(np.abs(gaps).sum(axis=1) / len(stated))
    return np.concatenate(blocks)


def brier_losses(probabilities: Floats, truth: Indices) -> Floats:
    """Each image's part of the Brier score, shape (N,).

    Two classes: the squared distance of the probability from 0 or 1, in [0, 1]. More: the sum of these over the
    classes, in [0, 2] (Brier 1950). This is scikit-learn's convention: the sum would count two classes twice.
    """
    size = probabilities.shape[1]
    distances = (probabilities - np.eye(size)[truth]) ** 2
    return np.asarray(distances[:, 0] if size == 2 else distances.sum(axis=1), dtype=np.float64)


def log_loss(truth: Indices, probabilities: Floats) -> float | None:
    """Mean negative log-likelihood (natural logarithm) of the true classes; None where it is undefined."""
    from sklearn import metrics as sk

    n, size = probabilities.shape
    if n == 0 or size < 2 or not np.isfinite(probabilities).all():
        return None
    sums = probabilities.sum(axis=1, keepdims=True)
    # Softmax in float32 sums to 1 only nearly, and scikit-learn warns of that; a row of zeros says nothing.
    shares = np.divide(probabilities, sums, out=np.full_like(probabilities, 1.0 / size), where=sums > 0)
    return float(sk.log_loss(truth, shares, labels=list(range(size))))


def calibration_scores(probabilities: Floats, truth: Indices, bins: int) -> dict[str, float | None]:
    """Expected calibration error (of the confidence), Brier score and log loss; None where undefined."""
    if not len(truth) or probabilities.shape[1] < 2 or not np.isfinite(probabilities).all():
        return {"ece": None, "brier": None, "log_loss": None}
    return {
        "ece": expected_calibration_error(*confidence(probabilities, truth), bins),
        "brier": float(brier_losses(probabilities, truth).mean()),
        "log_loss": log_loss(truth, probabilities),
    }


def _equal_width(stated: Floats, bins: int) -> Indices:
    """The bin of each probability; an edge belongs to the bin below it, as in Guo et al."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], stated, side="left").astype(np.int64)


def _equal_mass(stated: Floats, bins: int) -> Indices:
    edges = np.unique(np.quantile(stated, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, stated, side="left").astype(np.int64)
