"""Scores of the probabilities themselves: AUROC, average precision, Brier score, calibration error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from covidnet.evaluation.auroc import PAIRS, delong_limits, disjoint_pairs, ranked_classes
from covidnet.evaluation.bootstrap import Floats, Resamples, Statistic, clusters
from covidnet.evaluation.calibration import (
    brier_losses,
    calibration_scores,
    confidence,
    error_if_calibrated,
    expected_calibration_error,
)
from covidnet.evaluation.limits import ROUNDING, Limits, expanded_limits, resampled_limits
from covidnet.evaluation.ranking import Ranking
from covidnet.predictions import Predictions


class ProbabilityScores:
    """What the probabilities of a table are worth; built in two steps so that all numbers share their resamples.

    Args:
        predictions: The table, of any number of classes.
        positive: Index of the positive class, whose areas are taken where there are two classes.
        bins: Of the calibration error.
    """

    def __init__(self, predictions: Predictions, positive: int, bins: int) -> None:
        self._truth = predictions.truth
        self._probabilities = predictions.probabilities
        self._patients = clusters(predictions)
        self._bins = bins
        size = len(predictions.classes)
        self._defined = len(predictions) > 0 and size > 1 and bool(np.isfinite(self._probabilities).all())
        self._ranked = ranked_classes(self._truth, size, positive) if self._defined else []
        self._scores = calibration_scores(self._probabilities, self._truth, bins)

    def statistics(self) -> dict[str, Statistic]:
        """What is to be computed on every resample."""
        wanted: dict[str, Statistic] = {}
        if self._ranked:
            rankings = [Ranking(self._probabilities[:, index], self._truth == index) for index in self._ranked]
            wanted["areas"] = lambda weights: np.mean([ranking.areas(weights) for ranking in rankings], axis=0)
        if self._defined:
            losses = brier_losses(self._probabilities, self._truth)
            wanted["brier"] = lambda weights: weights @ losses / weights.sum(axis=1)
        return wanted

    def to_json(self, resampled: Mapping[str, Floats], resamples: Resamples, level: float) -> dict[str, object]:
        """All scores with their intervals, None where undefined.

        Args:
            resampled: The values of `statistics` on ``resamples``.
            resamples: Those resamples.
            level: Confidence level.
        """
        auroc, precision = self._areas()
        areas = resampled.get("areas")
        method, units = resamples.method, self._pairs()
        return {
            "auroc": auroc,
            "auroc_interval": None if auroc is None else self._auroc_limits(auroc, areas, method, level),
            "average_precision": precision,
            "average_precision_interval": None if areas is None else _plain(areas[:, 1], units, method, level),
            "log_loss": self._scores["log_loss"],
            "brier": self._scores["brier"],
            "brier_interval": _plain(resampled["brier"], resamples.patients, method, level) if self._defined else None,
            "ece": self._scores["ece"],
            **self._calibration(resamples.count, level),
        }

    def _areas(self) -> tuple[float | None, float | None]:
        """AUROC and average precision; the means over the ranked classes."""
        from sklearn import metrics as sk

        if not self._ranked:
            return None, None
        pairs = [(self._truth == index, self._probabilities[:, index]) for index in self._ranked]
        functions = (sk.roc_auc_score, sk.average_precision_score)
        auroc, precision = (float(np.mean([function(*pair) for pair in pairs])) for function in functions)
        return auroc, precision

    def _pairs(self) -> int:
        """Disjoint pairs for the class that has the fewest."""
        return min((disjoint_pairs(self._truth == index, self._patients) for index in self._ranked), default=0)

    def _auroc_limits(self, auroc: float, areas: Floats | None, method: str, level: float) -> dict[str, object]:
        if self._patients is None and len(self._ranked) == 1:
            positive = self._truth == self._ranked[0]
            scores = self._probabilities[:, self._ranked[0]]
            return delong_limits(auroc, scores[positive], scores[~positive], level).to_json(level)
        assert areas is not None
        return resampled_limits(auroc, areas[:, 0], self._pairs(), level, method, PAIRS).to_json(level)

    def _calibration(self, count: int, level: float) -> dict[str, object]:
        if not self._defined:
            return {"ece_equal_mass": None, "ece_if_calibrated": None}
        stated, true = confidence(self._probabilities, self._truth)
        drawn = error_if_calibrated(stated, self._bins, count)
        return {
            "ece_equal_mass": expected_calibration_error(stated, true, self._bins, equal_mass=True),
            "ece_if_calibrated": {
                "mean": float(drawn.mean()),
                "high": float(np.quantile(drawn, level)),
                "level": level,
            },
        }


def _plain(values: Floats, units: int, method: str, level: float) -> dict[str, object] | None:
    """Percentile limits; None where there is no spread to take them from, since no width would claim certainty."""
    if units < 2 or np.ptp(values) < ROUNDING:
        return None
    low, high = (float(limit) for limit in expanded_limits(values, level, units))
    return Limits(low, high, method).to_json(level)
