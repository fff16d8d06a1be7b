"""The ROC and the precision-recall curve of one class against the rest, with bootstrap bands, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from covidnet.evaluation.auroc import disjoint_pairs
from covidnet.evaluation.bootstrap import RESAMPLES, Floats, Resamples, clusters
from covidnet.evaluation.limits import expanded_limits, perfect_limit
from covidnet.evaluation.ranking import Ranking
from covidnet.predictions import Predictions

LEVEL = 0.95
GRID = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Curve:
    """A step curve with its pointwise band.

    Attributes:
        x: Its steps' abscissae: false positive rate, or sensitivity (recall); rising, shape (K,).
        y: Sensitivity, or precision, shape (K,).
        grid: Abscissae of the band, shape (G,).
        low: Lower limits there, shape (G,).
        high: Upper limits there, shape (G,).
        level: Of the band at each single abscissa, not of the curve as a whole.
    """

    x: Floats
    y: Floats
    grid: Floats
    low: Floats
    high: Floats
    level: float


@dataclass(frozen=True)
class Curves:
    """Both curves of one class, and the class's share among the images, which is the precision of guessing."""

    roc: Curve
    precision_recall: Curve
    share: float


def curves(predictions: Predictions, positive_class: str, bootstrap: int = RESAMPLES) -> Curves | None:
    """The curves of ``positive_class`` against the rest; None where it has no image, or all of them.

    The bands are expanded percentiles over resampled patients (images where no patients are known), at each abscissa
    by itself: of the sensitivity at a given false positive rate, and of the precision at a given sensitivity. As in
    `limits`, they claim no more than a perfect result of so many patients would: without that, the band of a curve in
    the corner would have no width.

    Args:
        predictions: Rows with finite probabilities.
        positive_class: One of the classes.
        bootstrap: Number of resamples.
    """
    index = predictions.classes.index(positive_class)
    positive = predictions.truth == index
    if not len(positive) or positive.all() or not positive.any():
        return None
    ranking = Ranking(predictions.probabilities[:, index], positive)
    patients = clusters(predictions)
    resamples = Resamples(predictions.truth, patients, bootstrap)
    bands = resamples.values(
        {
            "roc": lambda weights: ranking.sensitivity_at(GRID, weights),
            "precision": lambda weights: ranking.precision_at(GRID, weights),
        }
    )
    units = max(2, disjoint_pairs(positive, patients))
    # At a sensitivity r, perfect precision means a share r of so many flagged, and nobody else.
    flagged = np.maximum(1, np.rint(GRID * units)).astype(np.int64)
    return Curves(
        roc=Curve(*_roc_steps(predictions.probabilities[:, index], positive), *_band(bands["roc"], units), LEVEL),
        precision_recall=Curve(*_precision_steps(ranking, positive), *_band(bands["precision"], units, flagged), LEVEL),
        share=float(positive.mean()),
    )


def _roc_steps(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(positive, scores)
    return false, true


def _precision_steps(ranking: Ranking, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Precision at each sensitivity that the images can reach."""
    count = int(positive.sum())
    reached = np.arange(1, count + 1) / count
    return reached, ranking.precision_at(reached, np.ones((1, len(positive))))[0]


def _band(values: Floats, units: int, flagged: NDArray[np.int64] | None = None) -> tuple[Floats, Floats, Floats]:
    """Grid, lower and upper limits of ``values`` (count, G)."""
    low, high = expanded_limits(values, LEVEL, units)
    among = np.full(len(GRID), units) if flagged is None else flagged
    perfect = np.array([perfect_limit(int(count), LEVEL) for count in among])
    return GRID, np.minimum(low, perfect), np.maximum(high, 1.0 - perfect)
