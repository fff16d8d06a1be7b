"""Areas and curves of one class against the rest, on many resamples of the same images at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from covidnet.evaluation.bootstrap import Floats

NEARLY = 1e-9
"""A rounding error must not take away the step that lies on the grid."""


class Ranking:
    """Images in falling order of their score; equal scores make one step.

    The weights that the methods take say how often each image counts, shape (b, N); both classes must have weight in
    every row. Ones give the plain values.

    Args:
        scores: Of the positive class, shape (N,).
        positive: Which images are of it, shape (N,).
    """

    def __init__(self, scores: Floats, positive: NDArray[np.bool_]) -> None:
        self._order = np.argsort(-scores, kind="stable")
        falling = scores[self._order]
        steps = np.append(falling[1:] != falling[:-1], True)
        last = np.flatnonzero(steps)  # the last image of each step
        self._places = np.flatnonzero(positive[self._order])  # of the positive images
        # Only at steps with positive images does the sensitivity rise.
        hit = np.unique(np.searchsorted(last, self._places))
        self._after = last[hit] + 1
        self._before = np.append(0, last + 1)[hit]
        self._hits = np.searchsorted(self._places, self._after)

    def areas(self, weights: Floats) -> Floats:
        """Area under the ROC curve and average precision, (b, 2).

        The first by the trapezoidal rule, so that ties count half; the second the sum of precision times the
        sensitivity gained at each step. Both are scikit-learn's.
        """
        flagged, true = self._counts(weights)
        gained = np.diff(true, axis=1, prepend=0.0)
        after, before = np.take(flagged, self._after, axis=1), np.take(flagged, self._before, axis=1)
        precision = np.divide(true, after, out=np.ones_like(true), where=after > 0)
        positives = true[:, -1]
        negatives = flagged[:, -1] - positives
        # False positives halfway up each step.
        false = (after + before - 2.0 * true + gained) / 2.0
        area = 1.0 - (gained * false).sum(axis=1) / (positives * negatives)
        return np.stack([area, (gained * precision).sum(axis=1) / positives], axis=1)

    def sensitivity_at(self, grid: Floats, weights: Floats) -> Floats:
        """Highest sensitivity with a false positive rate of at most each of ``grid``, (b, len(grid))."""
        flagged, true = self._counts(weights)
        false = np.take(flagged, self._after, axis=1) - true
        negatives = flagged[:, -1] - true[:, -1]
        out = np.empty((len(weights), len(grid)))
        for row, allowed in enumerate(grid * negatives[:, None] + NEARLY):
            steps = np.searchsorted(false[row], allowed, side="right")
            out[row] = np.append(0.0, true[row])[steps] / true[row, -1]
        return out

    def precision_at(self, grid: Floats, weights: Floats) -> Floats:
        """Precision at the first step with a sensitivity of at least each of ``grid``, (b, len(grid))."""
        flagged, true = self._counts(weights)
        after = np.take(flagged, self._after, axis=1)
        out = np.empty((len(weights), len(grid)))
        for row, asked in enumerate(np.maximum(grid * true[:, -1:] - NEARLY, NEARLY)):
            steps = np.searchsorted(true[row], asked, side="left")
            out[row] = true[row, steps] / after[row, steps]
        return out

    def _counts(self, weights: Floats) -> tuple[Floats, Floats]:
        """Images among the first 0, 1, ... N, (b, N + 1); positive ones after each step that has some, (b, K)."""
        ordered = np.take(weights, self._order, axis=1)
        flagged = np.zeros((len(weights), ordered.shape[1] + 1))
        np.cumsum(ordered, axis=1, out=flagged[:, 1:])
        true = np.cumsum(np.take(ordered, self._places, axis=1), axis=1)
        return flagged, np.take(true, self._hits - 1, axis=1)
