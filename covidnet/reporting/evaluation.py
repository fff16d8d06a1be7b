"""What an evaluation says beyond accuracy: calibration.json, the figures of the probabilities, and lines in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from covidnet.console import RESEARCH_ONLY
from covidnet.evaluation.assessment import Choice
from covidnet.evaluation.calibration import confidence, reliability_curve
from covidnet.evaluation.metrics import LEVEL
from covidnet.figures.calibration import calibration_figure
from covidnet.figures.roc import roc_figure
from covidnet.predictions import Predictions

CALIBRATION = "calibration.json"


def evaluation_figures(
    scored: Predictions, choice: Choice, metrics: Mapping[str, Any], suffix: str = ""
) -> dict[str, Figure]:
    """calibration.png and roc.png, by file name.

    Args:
        scored: Rows as the model gave them.
        choice: Whose temperature and threshold are shown.
        metrics: Of these rows.
        suffix: Comes before ``.png``.
    """
    options, positive = choice.options, choice.positive_class
    return {
        f"calibration{suffix}.png": calibration_figure(
            scored, choice.calibrated(scored), positive, options.bins, metrics
        ),
        f"roc{suffix}.png": roc_figure(choice.used(scored), positive, options.bootstrap, metrics),
    }


def calibration_to_json(scored: Predictions, choice: Choice, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The content of calibration.json: the temperature for later predictions, and the reliability curves."""
    curves = {"before": _reliability(scored, choice)}
    after = choice.calibrated(scored)
    if after is not None:
        curves["after"] = _reliability(after, choice)
    described = metrics["calibration"]
    return {
        "method": "temperature scaling: softmax(log(probabilities) / temperature)",
        **{key: described[key] for key in ("temperature", "temperature_interval", "applied", "fitted_on", "n_fitted")},
        "reason": described["reason"],
        "warning": described["warning"],
        "classes": list(scored.classes),
        "positive_class": choice.positive_class,
        "operating_point": metrics["operating_point"],
        "reliability": {"split": metrics["split"], "bins": choice.options.bins, **curves},
        "notice": RESEARCH_ONLY,
    }


def _reliability(predictions: Predictions, choice: Choice) -> dict[str, list[dict[str, object]]]:
    """The curves of the predicted class's probability and of the positive class's."""
    if not len(predictions):
        return {"confidence": [], "positive_class": []}
    index = predictions.classes.index(choice.positive_class)
    stated = {
        "confidence": confidence(predictions.probabilities, predictions.truth),
        "positive_class": (predictions.probabilities[:, index], predictions.truth == index),
    }
    return {
        name: [one.to_json() for one in reliability_curve(*pair, choice.options.bins, LEVEL)]
        for name, pair in stated.items()
    }


def probability_lines(metrics: Mapping[str, Any]) -> list[str]:
    """AUROC, calibration and operating point in words, as a run ends with them."""
    lines = []
    if metrics.get("auroc") is not None:
        lines.append(f"  AUROC {auroc_text(metrics)}")
    calibration = metrics.get("calibration")
    if calibration is not None and calibration["before"]["ece"] is not None:
        lines.append(_calibration_line(metrics, calibration))
    point = metrics.get("operating_point")
    if point is not None:
        lines += _operating_point_lines(point)
    values = (point or metrics).get("predictive_values")
    if values is not None:
        lines.append(_predictive_line(values))
    return lines


def auroc_text(metrics: Mapping[str, Any]) -> str:
    """Such as ``0.893 [0.817, 0.940] (DeLong, logit limits)``."""
    limits = metrics.get("auroc_interval")
    value = f"{metrics['auroc']:.3f}"
    return value if limits is None else f"{value} [{limits['low']:.3f}, {limits['high']:.3f}] ({limits['method']})"


def _calibration_line(metrics: Mapping[str, Any], calibration: Mapping[str, Any]) -> str:
    before, after = calibration["before"], calibration["after"]
    chance = metrics["ece_if_calibrated"]
    line = f"  calibration error {before['ece']:.3f}, Brier score {before['brier']:.3f}"
    if not calibration["applied"]:
        line += f" (calibrated, so few images give an error of {chance['mean']:.3f})"
    if after is None:
        return f"{line}; no temperature: {calibration['reason']}"
    state = "applied" if calibration["applied"] else "not applied"
    fitted = f"fitted on {calibration['n_fitted']} {calibration['fitted_on']} images, {state}"
    scores = f"error {after['ece']:.3f}, Brier score {after['brier']:.3f}"
    warning = f" ({calibration['warning']})" if calibration["warning"] else ""
    return f"{line}; temperature {calibration['temperature']:.2f}, {fitted}: {scores}{warning}"


def _operating_point_lines(point: Mapping[str, Any]) -> list[str]:
    ((measure, value),) = point["target"].items()
    target = f"{measure} of at least {value:g}"
    if point["threshold"] is None:
        return [f"  no operating point for a {target}: {point['reason']}"]
    chosen = point["chosen_on"]
    reached = f"{chosen[measure]['successes']} of {chosen[measure]['n']} on {chosen['split']}"
    lines = [
        f"  {point['positive_class']} from probability {point['threshold']:.3g} on, for a {target} ({reached}): "
        f"sensitivity {_rate(point['sensitivity'])}, specificity {_rate(point['specificity'])}"
    ]
    return lines + [f"    {point[key]}" for key in ("note", "warning") if point[key]]


def _predictive_line(values: Mapping[str, Any]) -> str:
    return (
        f"  at a prevalence of {values['prevalence']:g}: positive predictive value {_rate(values['ppv'])}, "
        f"negative {_rate(values['npv'])}"
    )


def _rate(rate: Mapping[str, Any]) -> str:
    if rate["value"] is None:
        return "undefined"
    return f"{rate['value']:.3g} [{rate['low']:.3g}, {rate['high']:.3g}]"
