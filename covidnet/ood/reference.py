"""How far vectors of an image are from those of the training images: a Gaussian, and a limit for the distance.

The distance is Mahalanobis's, as in Lee, Lee, Lee and Shin, "A simple unified framework for detecting
out-of-distribution samples and adversarial attacks" (NeurIPS 2018), of a network's features after they were scaled to
length 1 (Mueller and Hein, "Mahalanobis++", ICML 2025), with one mean for all classes; docs/predict.md has the numbers
that speak for it. There are more numbers in a vector than images in most runs, so the covariance is shrunk towards a
multiple of the identity (Ledoit and Wolf 2004). Such a matrix is a few directions with their variances and one variance
for all others, which is how it is stored; the vectors of single images are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_DIRECTIONS = 512
"""Kept of the covariance; of more, the smallest are joined to one variance."""
SAME, ROUNDING = 1e-4, 1e-5
"""Parts of the vectors' size: what varies by less than the first is a network's rounding, taken to be the second."""
LEAST_IMAGES = 5
"""Of the training and of the validation part; from fewer nothing is concluded."""


@dataclass(frozen=True)
class Reference:
    """Vectors of training images as a Gaussian, and how far those of validation images are from it.

    Attributes:
        mean: Shape (F,).
        directions: Orthonormal rows, shape (K, F).
        variances: Along the directions, shape (K,).
        rest: Variance along every other direction.
        limit: Distance from which an image counts as far.
        n_train: Number of training images that it was fitted to.
        n_limit: Number of images that the limit was chosen on.
        limit_part: Their part of the split: ``val``, or ``test`` where the test images validate.
    """

    mean: Floats
    directions: Floats
    variances: Floats
    rest: float
    limit: float
    n_train: int
    n_limit: int
    limit_part: str

    def scores(self, vectors: Floats) -> Floats:
        """Distances of vectors (N, F) as parts of the limit, shape (N,); above 1 an image counts as far.

        What is no number is infinitely far.
        """
        with np.errstate(invalid="ignore"):
            distances = mahalanobis(vectors, self.mean, self.directions, self.variances, self.rest)
        return np.where(np.isfinite(distances), distances / self.limit, np.inf)


def fit_reference(train: Floats, held_out: Floats, part: str, share: float) -> Reference:
    """Fit the Gaussian to training images, and choose the limit on others.

    Args:
        train: Vectors of training images without augmentation, shape (N, F).
        held_out: Those of images that were not trained on, shape (M, F).
        part: Their part of the split.
        share: Of images like the training images that are to be within the limit.

    Raises:
        ValueError: There are too few images, or the vectors are not finite or all the same.
    """
    if min(len(train), len(held_out)) < LEAST_IMAGES:
        raise ValueError(f"{len(train)} training and {len(held_out)} {part} images; at least {LEAST_IMAGES} of each")
    if not (np.isfinite(train).all() and np.isfinite(held_out).all()):
        raise ValueError("not all of it is a number")
    mean = train.mean(axis=0)
    size = float(np.sqrt((train**2).mean()))
    spread = float(np.sqrt(((train - mean) ** 2).mean()))
    if spread <= SAME * size:
        raise ValueError("it is the same for every training image, but for rounding")
    directions, variances, rest = _covariance(train - mean, (ROUNDING * size) ** 2)
    distances = mahalanobis(held_out, mean, directions, variances, rest)
    limit = prediction_bound(distances, share)
    return Reference(mean, directions, variances, rest, limit, len(train), len(held_out), part)


def scaled_to_one(vectors: Floats) -> Floats:
    """Vectors (N, F) of length 1; those of length 0 stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.array(vectors), where=lengths > 0))


def mahalanobis(vectors: Floats, mean: Floats, directions: Floats, variances: Floats, rest: float) -> Floats:
    """Distances (N,) of vectors (N, F) under a covariance as `Reference` holds it."""
    centred = vectors - mean
    along = centred @ directions.T
    squared = (along**2 / variances).sum(axis=1)
    if len(directions) < len(mean):
        squared += np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0.0) / rest
    return np.asarray(np.sqrt(squared))


def prediction_bound(distances: Floats, share: float) -> float:
    """What a further distance of the same kind stays below with probability ``share``, logarithms being normal.

    The upper prediction limit for one future observation (Hahn and Meeker, "Statistical intervals", 1991). The largest
    of a dozen distances is no 99th percentile: taken for one it refuses about every tenth image of the same kind.

    Args:
        distances: Positive, of images held out, shape (M,), M at least 2.
        share: Above 0.5, below 1.
    """
    from scipy.stats import t as student

    logs = np.log(np.maximum(distances, np.finfo(np.float64).tiny))
    n = len(logs)
    factor = float(student.ppf(share, n - 1)) * np.sqrt(1.0 + 1.0 / n)
    return float(np.exp(logs.mean() + factor * logs.std(ddof=1)))


def _covariance(centred: Floats, least: float) -> tuple[Floats, Floats, float]:
    """The shrunk covariance of centred vectors (N, F): directions (K, F), variances (K,), and one for the rest.

    ``least`` is added to every variance: what rounding alone does.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    n, size = centred.shape
    average = float((centred**2).sum() / (n * size))
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    known = min(n - 1, size)  # the centred rows add up to nothing
    variances = (1.0 - shrinkage) * singular[:known] ** 2 / n + shrinkage * average + least
    kept = min(known, MOST_DIRECTIONS)
    unseen = shrinkage * average + least
    dropped = float(variances[kept:].sum()) + (size - known) * unseen
    rest = dropped / (size - kept) if size > kept else unseen
    return directions[:kept], variances[:kept], rest
