"""Temperature scaling: one number, fitted on validation images, that makes the probabilities milder or sharper."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from covidnet.predictions import Predictions

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BOUNDS = (0.01, 100.0)
"""Temperatures that are looked at; softmax in float32 gives logits whose temperature lies well within."""

NEAR = 1e-3
CHANCE = "the probabilities say hardly more than chance"

SMALLEST = float(np.finfo(np.float32).tiny)
"""Taken for a probability of 0, whose logarithm does not exist."""


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature.

    Attributes:
        value: Above 1: the model was too sure of itself; below 1: not sure enough. None where none can be fitted.
        low: Lower limit of its interval, from the profile of the likelihood, images taken as independent.
        high: Upper limit; None where there is none.
        n: Number of images that it was fitted on.
        reason: Why there is none, in words.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None


def fit_temperature(probabilities: Floats, truth: Indices, level: float = 0.95) -> Temperature:
    """The temperature T that minimises the mean negative log-likelihood of ``softmax(logits / T)``.

    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017. Logarithms of the
    probabilities serve as logits, from which they differ by a constant for each image, which softmax ignores. The
    likelihood is concave in 1/T. Its greatest value lies at a positive, finite T only if some image is classified
    wrongly (else sharper is always better) and the model knows more than chance (else flatter is).

    Args:
        probabilities: Of validation images, shape (N, C).
        truth: Their classes, shape (N,).
        level: Of the interval.
    """
    n, size = probabilities.shape
    if n == 0:
        return Temperature(None, None, None, 0, "there are no validation images")
    if size < 2 or not np.isfinite(probabilities).all():
        return Temperature(None, None, None, n, "the probabilities leave nothing to fit")
    logits = _logits(probabilities)
    own = logits[np.arange(n), truth]
    if not (own < logits.max(axis=1)).any():
        reason = f"all {n} validation images are classified rightly, so that any sharper probability fits them better"
        return Temperature(None, None, None, n, reason)
    if own.mean() <= logits.mean():
        return Temperature(None, None, None, n, f"on the {n} validation images {CHANCE}")
    return _fit(logits, own, level)


def _fit(logits: Floats, own: Floats, level: float) -> Temperature:
    from scipy.optimize import brentq, minimize_scalar
    from scipy.special import logsumexp
    from scipy.stats import chi2

    def loss(log_temperature: float) -> float:
        sharpness = np.exp(-log_temperature)
        return float((logsumexp(sharpness * logits, axis=1) - sharpness * own).mean())

    bounds = np.log(BOUNDS)
    best = minimize_scalar(loss, bounds=tuple(bounds), method="bounded", options={"xatol": 1e-8})
    n = len(own)
    if bounds[1] - best.x < NEAR:
        return Temperature(None, None, None, n, f"on the {n} validation images {CHANCE}")
    # Wilks: twice the fall of the log-likelihood is about chi-squared with one degree of freedom.
    allowed = best.fun + float(chi2.ppf(level, df=1)) / (2 * n)
    low, high = (
        float(np.exp(brentq(lambda t: loss(t) - allowed, *sorted((best.x, end))))) if loss(end) > allowed else None
        for end in bounds
    )
    return Temperature(float(np.exp(best.x)), low, high, n, None)


def scale(probabilities: Floats, temperature: float) -> Floats:
    """``softmax(log(probabilities) / temperature)``, shape (N, C); the order of the classes stays as it is."""
    from scipy.special import softmax

    return np.asarray(softmax(_logits(probabilities) / temperature, axis=1), dtype=np.float64)


def scaled(predictions: Predictions, temperature: float) -> Predictions:
    """The same rows with calibrated probabilities."""
    values = scale(predictions.probabilities, temperature).tolist()
    rows = (replace(row, probabilities=tuple(own)) for row, own in zip(predictions.rows, values, strict=True))
    return Predictions(predictions.classes, tuple(rows))


def _logits(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, SMALLEST))
