"""What validation images decide for others: a temperature, and the threshold of an operating point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from covidnet.config.schema import EvaluationConfig
from covidnet.evaluation.intervals import exact_interval
from covidnet.evaluation.metrics import LEVEL, known_class
from covidnet.evaluation.operating_point import Target, Threshold, choose_threshold
from covidnet.evaluation.temperature import Temperature, fit_temperature, scaled
from covidnet.predictions import Predictions

Bools = NDArray[np.bool_]

SAME = "chosen on these same images: optimistic"
PARTLY = "chosen on some of these images: optimistic"


class Decider(Protocol):
    """What scoring needs to know of a choice, be it that of one run or of its folds."""

    @property
    def options(self) -> EvaluationConfig:
        """What was asked for."""

    @property
    def positive_class(self) -> str:
        """The positive class."""

    def used(self, predictions: Predictions) -> Predictions:
        """The rows as all scores take them: calibrated if that was asked for and can be, else as they are."""

    def calibrated(self, predictions: Predictions) -> Predictions | None:
        """The rows with calibrated probabilities; None where there is no temperature, or nothing to scale."""

    def called(self, predictions: Predictions) -> Bools | None:
        """Which images are called positive at the operating point, shape (N,); None where there is none."""

    def warning(self, scored: Predictions) -> str | None:
        """Whether images that are scored also chose what they are scored with."""

    def temperature_to_json(self) -> dict[str, object]:
        """The temperature and where it comes from; the keys are those of `Choice.temperature_to_json`."""

    def threshold_to_json(self) -> dict[str, object] | None:
        """The threshold and where it comes from, likewise; None where none was asked for."""


@dataclass(frozen=True)
class Choice:
    """What one run's validation images decided; nothing of the images that are scored with it went into it.

    Attributes:
        options: What was asked for.
        positive_class: The positive class.
        validation: The rows it was chosen on, as the model gave them; may be empty.
        temperature: Fitted on them.
        threshold: Of the operating point that was asked for; None where none was.
    """

    options: EvaluationConfig
    positive_class: str
    validation: Predictions
    temperature: Temperature
    threshold: Threshold | None

    @property
    def calibrates(self) -> bool:
        """Whether probabilities are scaled before anything is computed from them."""
        return self.options.calibrate == "temperature" and self.temperature.value is not None

    def used(self, predictions: Predictions) -> Predictions:
        """See `Decider.used`."""
        return self.calibrated(predictions) or predictions if self.calibrates else predictions

    def calibrated(self, predictions: Predictions) -> Predictions | None:
        """See `Decider.calibrated`."""
        if self.temperature.value is None or not len(predictions):
            return None
        return scaled(predictions, self.temperature.value)

    def called(self, predictions: Predictions) -> Bools | None:
        """See `Decider.called`."""
        if self.threshold is None or self.threshold.value is None:
            return None
        index = predictions.classes.index(self.positive_class)
        return np.asarray(self.used(predictions).probabilities[:, index] >= self.threshold.value)

    def warning(self, scored: Predictions) -> str | None:
        """See `Decider.warning`."""
        own = {(row.split, row.path) for row in scored.rows}
        shared = len(own & {(row.split, row.path) for row in self.validation.rows})
        if not shared:
            return None
        return SAME if shared == len(own) else PARTLY

    def temperature_to_json(self) -> dict[str, object]:
        """Plain values."""
        fitted = self.temperature
        limits = {"low": fitted.low, "high": fitted.high, "level": LEVEL, "method": "profile likelihood"}
        return {
            "temperature": fitted.value,
            "temperature_interval": None if fitted.value is None else limits,
            "per_fold": None,
            "applied": self.calibrates,
            "fitted_on": self._part,
            "n_fitted": fitted.n,
            "reason": fitted.reason,
        }

    def threshold_to_json(self) -> dict[str, object] | None:
        """Plain values; ``chosen_on`` holds what the threshold reaches on the validation images."""
        target, threshold = target_of(self.options), self.threshold
        if target is None or threshold is None:
            return None
        return {
            "positive_class": self.positive_class,
            "target": {target.measure: target.value},
            "threshold": threshold.value,
            "per_fold": None,
            "probabilities": "temperature" if self.calibrates else "raw",
            "reason": threshold.reason,
            "note": threshold.note,
            "chosen_on": None if threshold.value is None else self._reached(),
        }

    @property
    def _part(self) -> str | None:
        return self.validation.rows[0].split if len(self.validation) else None

    def _reached(self) -> dict[str, object]:
        called = self.called(self.validation)
        assert called is not None
        positive = self.validation.truth == self.validation.classes.index(self.positive_class)
        return {
            "split": self._part,
            "n": len(self.validation),
            "sensitivity": exact_interval(int((called & positive).sum()), int(positive.sum()), LEVEL).to_json(),
            "specificity": exact_interval(int((~called & ~positive).sum()), int((~positive).sum()), LEVEL).to_json(),
        }


def choose(validation: Predictions, positive_class: str | None, options: EvaluationConfig) -> Choice:
    """Fit the temperature, and choose the threshold that was asked for, on validation images.

    Raises:
        ConfigError: ``positive_class`` is none of the classes.
    """
    positive = known_class(positive_class, validation.classes)
    temperature = fit_temperature(validation.probabilities, validation.truth, LEVEL)
    choice = Choice(options, positive, validation, temperature, None)
    target = target_of(options)
    if target is None:
        return choice
    index = validation.classes.index(positive)
    used = choice.used(validation)
    threshold = choose_threshold(used.probabilities[:, index], used.truth == index, target)
    return Choice(options, positive, validation, temperature, threshold)


def target_of(options: EvaluationConfig) -> Target | None:
    """The operating point that is asked for, if any is."""
    if options.at_sensitivity is not None:
        return Target("sensitivity", options.at_sensitivity)
    return None if options.at_specificity is None else Target("specificity", options.at_specificity)
