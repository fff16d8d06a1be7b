"""All scores of some images, with what was chosen on others: their calibration and the operating point."""

from __future__ import annotations

from covidnet.evaluation.bootstrap import Resamples, clusters
from covidnet.evaluation.calibration import calibration_scores
from covidnet.evaluation.choice import Decider
from covidnet.evaluation.metrics import LEVEL, compute_metrics
from covidnet.evaluation.operating_point import predictive_values
from covidnet.evaluation.rates import Rate, rates_to_json
from covidnet.predictions import Predictions


def assess(scored: Predictions, choice: Decider) -> dict[str, object]:
    """What `compute_metrics` says of ``scored``, its calibration, and the operating point applied to it.

    Returns:
        Plain values; docs/metrics.md describes them. Those of ``calibration.before`` are of the probabilities as the
        model gave them; all others of the ones that are used, calibrated if that was asked for.
    """
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
        "operating_point": _operating_point(scored, choice),
    }


def _calibration(scored: Predictions, choice: Decider) -> dict[str, object]:
    after = choice.calibrated(scored)
    return {
        **choice.temperature_to_json(),
        "warning": None if after is None else choice.warning(scored),
        "before": _scores(scored, choice),
        "after": None if after is None else _scores(after, choice),
    }


def _scores(predictions: Predictions, choice: Decider) -> dict[str, float | None]:
    return calibration_scores(predictions.probabilities, predictions.truth, choice.options.bins)


def _operating_point(scored: Predictions, choice: Decider) -> dict[str, object] | None:
    described = choice.threshold_to_json()
    if described is None:
        return None
    called = choice.called(scored)
    if called is None:
        return {**described, "warning": None, "sensitivity": None, "specificity": None, "predictive_values": None}
    positive = scored.truth == scored.classes.index(choice.positive_class)
    rates = {"sensitivity": Rate(positive, called), "specificity": Rate(~positive, ~called)}
    patients = clusters(scored)
    resamples = Resamples(scored.truth, patients, choice.options.bootstrap)
    exact = {name: rate.exact(LEVEL) for name, rate in rates.items()}
    prevalence = choice.options.prevalence
    return {
        **described,
        "warning": choice.warning(scored),
        **rates_to_json(rates, patients, resamples, LEVEL),
        "predictive_values": None if prevalence is None else predictive_values(**exact, prevalence=prevalence),
    }
