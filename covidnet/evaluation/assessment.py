"""What is chosen on validation images, a temperature and an operating point, and all scores of other images with it."""

from __future__ import annotations

from dataclasses import dataclass

from covidnet.config.schema import EvaluationConfig
from covidnet.evaluation.bootstrap import Resamples
from covidnet.evaluation.calibration import calibration_scores
from covidnet.evaluation.metrics import LEVEL, compute_metrics, known_class
from covidnet.evaluation.operating_point import Target, Threshold, choose_threshold, predictive_values
from covidnet.evaluation.rates import Rate, rates_to_json
from covidnet.evaluation.temperature import Temperature, fit_temperature, scaled
from covidnet.predictions import Predictions

SAME = "chosen on these same images: optimistic"
PARTLY = "chosen on some of these images: optimistic"


@dataclass(frozen=True)
class Choice:
    """What the validation images decided; nothing of the images that are scored with it went into it.

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

    @property
    def chosen_on(self) -> str | None:
        """The part of the split that it was chosen on."""
        return self.validation.rows[0].split if len(self.validation) else None

    def used(self, predictions: Predictions) -> Predictions:
        """The rows as all scores take them: calibrated if that was asked for and can be, else as they are."""
        return self.calibrated(predictions) or predictions if self.calibrates else predictions

    def calibrated(self, predictions: Predictions) -> Predictions | None:
        """The rows with calibrated probabilities; None where there is no temperature, or nothing to scale."""
        if self.temperature.value is None or not len(predictions):
            return None
        return scaled(predictions, self.temperature.value)

    def warning(self, scored: Predictions) -> str | None:
        """Whether images that are scored also chose what they are scored with."""
        own = {(row.split, row.path) for row in scored.rows}
        shared = len(own & {(row.split, row.path) for row in self.validation.rows})
        if not shared:
            return None
        return SAME if shared == len(own) else PARTLY


def choose(validation: Predictions, positive_class: str | None, options: EvaluationConfig) -> Choice:
    """Fit the temperature, and choose the threshold that was asked for, on validation images.

    Raises:
        ConfigError: ``positive_class`` is none of the classes.
    """
    positive = known_class(positive_class, validation.classes)
    temperature = fit_temperature(validation.probabilities, validation.truth, LEVEL)
    choice = Choice(options, positive, validation, temperature, None)
    target = _target(options)
    if target is None:
        return choice
    index = validation.classes.index(positive)
    used = choice.used(validation)
    threshold = choose_threshold(used.probabilities[:, index], used.truth == index, target)
    return Choice(options, positive, validation, temperature, threshold)


def assess(scored: Predictions, choice: Choice) -> dict[str, object]:
    """All scores of ``scored``: those of `compute_metrics`, its calibration, and the operating point applied to it."""
    options = choice.options
    return {
        **compute_metrics(
            choice.used(scored),
            choice.positive_class,
            bins=options.bins,
            bootstrap=options.bootstrap,
            prevalence=options.prevalence,
        ),
        "calibration": _calibration(scored, choice),
        "operating_point": None if choice.threshold is None else _operating_point(scored, choice, choice.threshold),
    }


def _target(options: EvaluationConfig) -> Target | None:
    if options.at_sensitivity is not None:
        return Target("sensitivity", options.at_sensitivity)
    return None if options.at_specificity is None else Target("specificity", options.at_specificity)


def _calibration(scored: Predictions, choice: Choice) -> dict[str, object]:
    fitted = choice.temperature
    after = choice.calibrated(scored)
    limits = {"low": fitted.low, "high": fitted.high, "level": LEVEL, "method": "profile likelihood"}
    return {
        "temperature": fitted.value,
        "temperature_interval": None if fitted.value is None else limits,
        "applied": choice.calibrates,
        "fitted_on": choice.chosen_on,
        "n_fitted": fitted.n,
        "warning": None if fitted.value is None else choice.warning(scored),
        "reason": fitted.reason,
        "before": _scores(scored, choice),
        "after": None if after is None else _scores(after, choice),
    }


def _scores(predictions: Predictions, choice: Choice) -> dict[str, float | None]:
    return calibration_scores(predictions.probabilities, predictions.truth, choice.options.bins)


def _operating_point(scored: Predictions, choice: Choice, threshold: Threshold) -> dict[str, object]:
    target = _target(choice.options)
    assert target is not None
    described: dict[str, object] = {
        "positive_class": choice.positive_class,
        "target": {target.measure: target.value},
        "threshold": threshold.value,
        "probabilities": "temperature" if choice.calibrates else "raw",
        "reason": threshold.reason,
        "note": threshold.note,
        "warning": None if threshold.value is None else choice.warning(scored),
        "chosen_on": None,
        "sensitivity": None,
        "specificity": None,
        "predictive_values": None,
    }
    if threshold.value is None:
        return described
    reached = {name: rate.exact(LEVEL).to_json() for name, rate in _rates(choice.validation, choice).items()}
    described["chosen_on"] = {"split": choice.chosen_on, "n": len(choice.validation), **reached}
    rates = _rates(scored, choice)
    resamples = Resamples(scored.truth, scored.patients, choice.options.bootstrap)
    described.update(rates_to_json(rates, scored.patients, resamples, LEVEL))
    if choice.options.prevalence is not None:
        exact = {name: rate.exact(LEVEL) for name, rate in rates.items()}
        described["predictive_values"] = predictive_values(**exact, prevalence=choice.options.prevalence)
    return described


def _rates(predictions: Predictions, choice: Choice) -> dict[str, Rate]:
    """Sensitivity and specificity at the chosen threshold."""
    assert choice.threshold is not None and choice.threshold.value is not None
    index = predictions.classes.index(choice.positive_class)
    positive = predictions.truth == index
    called = choice.used(predictions).probabilities[:, index] >= choice.threshold.value
    return {"sensitivity": Rate(positive, called), "specificity": Rate(~positive, ~called)}
