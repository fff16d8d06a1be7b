"""The choices of a run over folds: each fold scales and calls its own images with its own temperature and threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from covidnet.config.schema import EvaluationConfig
from covidnet.evaluation.choice import Bools
from covidnet.evaluation.folds import Fold, pool_folds
from covidnet.evaluation.intervals import exact_interval
from covidnet.evaluation.metrics import LEVEL
from covidnet.evaluation.temperature import scaled
from covidnet.predictions import Predictions

UNKNOWN = {"temperature": None, "fitted_on": None, "n_fitted": 0, "reason": "the folds were not calibrated"}


@dataclass(frozen=True)
class FoldChoices:
    """What the folds' validation images decided, as their metrics.json tell it; see `choice.Decider`.

    Attributes:
        options: What was asked for, of every fold.
        folds: The finished folds.
    """

    options: EvaluationConfig
    folds: Sequence[Fold]

    @property
    def positive_class(self) -> str:
        """The positive class."""
        return str(self.folds[0].metrics["positive_class"])

    @property
    def _calibrations(self) -> list[dict[str, Any]]:
        # A fold that was trained before there was a calibration has none.
        return [fold.metrics.get("calibration") or UNKNOWN for fold in self.folds]

    @property
    def _temperatures(self) -> list[float | None]:
        return [calibration["temperature"] for calibration in self._calibrations]

    @property
    def _points(self) -> list[dict[str, Any]]:
        """The folds' operating points; empty unless every fold has one."""
        points = [point for fold in self.folds if (point := fold.metrics.get("operating_point")) is not None]
        return points if len(points) == len(self.folds) else []

    def used(self, predictions: Predictions) -> Predictions:
        """The pooled rows, from calibrated probabilities if that was asked for and some fold has a temperature."""
        if self.options.calibrate != "temperature":
            return predictions
        return self.calibrated(predictions) or predictions

    def calibrated(self, predictions: Predictions) -> Predictions | None:
        """The rows of ``predictions``, pooled anew from calibrated ones; a fold without temperature gives its own."""
        if not len(predictions) or all(value is None for value in self._temperatures):
            return None
        pairs = zip(self.folds, self._temperatures, strict=True)
        pooled = pool_folds([fold if value is None else _scaled(fold, value) for fold, value in pairs])
        found = {(row.split, row.path): row for row in pooled.rows}
        return Predictions(predictions.classes, tuple(found[row.split, row.path] for row in predictions.rows))

    def called(self, predictions: Predictions) -> Bools | None:
        """Images that at least half of the folds that scored them call positive; None unless all have a threshold."""
        if not self._points or any(point["threshold"] is None for point in self._points):
            return None
        votes: dict[tuple[str, str], list[bool]] = {}
        for fold, point, temperature in zip(self.folds, self._points, self._temperatures, strict=True):
            calibrates = point["probabilities"] == "temperature" and temperature is not None
            own = scaled(fold.predictions, temperature) if calibrates and temperature else fold.predictions
            index = own.classes.index(self.positive_class)
            for row in own.rows:
                called = row.probabilities[index] >= point["threshold"]
                votes.setdefault((row.split, row.path), []).append(called)
        return np.array([np.mean(votes[row.split, row.path]) >= 0.5 for row in predictions.rows], dtype=bool)

    def warning(self, scored: Predictions) -> str | None:
        """None: no fold chooses on images that it tests."""
        return None

    def temperature_to_json(self) -> dict[str, object]:
        """Plain values; ``per_fold`` has the temperatures, None for a fold without."""
        known = [value for value in self._temperatures if value is not None]
        parts = self._calibrations
        return {
            "temperature": None,
            "temperature_interval": None,
            "per_fold": self._temperatures,
            "applied": self.options.calibrate == "temperature" and bool(known),
            "fitted_on": parts[0]["fitted_on"],
            "n_fitted": sum(part["n_fitted"] for part in parts),
            "reason": None if known else parts[0]["reason"],
        }

    def threshold_to_json(self) -> dict[str, object] | None:
        """Plain values; ``per_fold`` has the thresholds, ``chosen_on`` what they reach on all validation images."""
        points = self._points
        if not points:
            return None
        lacking = [number for number, point in enumerate(points) if point["threshold"] is None]
        noted = [number for number, point in enumerate(points) if point["note"]]
        return {
            "positive_class": self.positive_class,
            "target": points[0]["target"],
            "threshold": None,
            "per_fold": [point["threshold"] for point in points],
            "probabilities": "temperature" if self.options.calibrate == "temperature" else "raw",
            "reason": f"fold {lacking[0]}: {points[lacking[0]]['reason']}" if lacking else None,
            "note": f"{len(noted)} folds, such as fold {noted[0]}: {points[noted[0]]['note']}" if noted else None,
            "chosen_on": None if lacking else self._reached([point["chosen_on"] for point in points]),
        }

    def _reached(self, chosen: Sequence[dict[str, Any]]) -> dict[str, object]:
        totals = {
            measure: [sum(one[measure][key] for one in chosen) for key in ("successes", "n")]
            for measure in ("sensitivity", "specificity")
        }
        return {
            "split": chosen[0]["split"],
            "n": sum(one["n"] for one in chosen),
            **{measure: exact_interval(hits, n, LEVEL).to_json() for measure, (hits, n) in totals.items()},
        }


def _scaled(fold: Fold, temperature: float) -> Fold:
    return Fold(scaled(fold.predictions, temperature), fold.metrics, fold.n_train)
