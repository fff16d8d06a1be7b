"""What an evaluation says beyond accuracy: calibration.json, the figures of the probabilities, and lines in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from covidnet.console import RESEARCH_ONLY
from covidnet.evaluation.calibration import confidence, reliability_curve
from covidnet.evaluation.choice import Decider
from covidnet.evaluation.metrics import LEVEL
from covidnet.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CALIBRATION = "calibration.json"


def evaluation_figures(
    scored: Predictions, choice: Decider, metrics: Mapping[str, Any], suffix: str = ""
) -> dict[str, Figure]:
    """calibration.png and roc.png, by file name.

    Args:
        scored: Rows as the model gave them.
        choice: Whose temperature and threshold are shown.
        metrics: Of these rows.
        suffix: Comes before ``.png``.
    """
    from covidnet.figures.calibration import calibration_figure
    from covidnet.figures.roc import roc_figure

    options, positive = choice.options, choice.positive_class
    return {
        f"calibration{suffix}.png": calibration_figure(
            scored, choice.calibrated(scored), positive, options.bins, metrics
        ),
        f"roc{suffix}.png": roc_figure(choice.used(scored), positive, options.bootstrap, metrics),
    }


def calibration_to_json(scored: Predictions, choice: Decider, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The content of calibration.json: the temperature for later predictions, and the reliability curves."""
    curves = {"before": _reliability(scored, choice)}
    after = choice.calibrated(scored)
    if after is not None:
        curves["after"] = _reliability(after, choice)
    described = metrics["calibration"]
    return {
        "method": "temperature scaling: softmax(log(probabilities) / temperature)",
        **{key: value for key, value in described.items() if key not in {"before", "after"}},
        "classes": list(scored.classes),
        "positive_class": choice.positive_class,
        "operating_point": metrics["operating_point"],
        "reliability": {"split": metrics["split"], "bins": choice.options.bins, **curves},
        "notice": RESEARCH_ONLY,
    }


def _reliability(predictions: Predictions, choice: Decider) -> dict[str, list[dict[str, object]]]:
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
    """Intervals by patient, AUROC, calibration and operating point in words, as a run ends with them."""
    lines = _patient_lines(metrics)
    if metrics.get("auroc") is not None:
        lines.append(f"  AUROC {auroc_text(metrics)}")
    calibration = metrics.get("calibration")
    if calibration is not None and calibration["before"]["ece"] is not None:
        lines += _calibration_lines(metrics, calibration)
    point = metrics.get("operating_point")
    if point is not None:
        lines += operating_point_lines(point)
    values = (point or metrics).get("predictive_values")
    if values is not None:
        lines.append(_predictive_line(values))
    return lines


def _patient_lines(metrics: Mapping[str, Any]) -> list[str]:
    limits = {name: metrics[name].get("by_patient") for name in ("accuracy", "sensitivity", "specificity")}
    known = [f"{name} [{one['low']:.2f}, {one['high']:.2f}]" for name, one in limits.items() if one is not None]
    return [f"  by patient ({metrics['n_patients']} patients): {', '.join(known)}"] if known else []


def auroc_text(metrics: Mapping[str, Any]) -> str:
    """Such as ``0.893 [0.817, 0.940] (DeLong, logit limits)``."""
    limits = metrics.get("auroc_interval")
    value = f"{metrics['auroc']:.3f}"
    return value if limits is None else f"{value} [{limits['low']:.3f}, {limits['high']:.3f}] ({limits['method']})"


def _calibration_lines(metrics: Mapping[str, Any], calibration: Mapping[str, Any]) -> list[str]:
    before, after = calibration["before"], calibration["after"]
    usual = metrics["ece_if_calibrated"]
    lines = [
        f"  calibration error {before['ece']:.3f} (chance alone gives a calibrated model up to {usual['high']:.3f}), "
        f"Brier score {before['brier']:.3f}"
    ]
    if after is None:
        return [*lines, f"    no temperature: {calibration['reason']}"]
    state = "applied to all that follows from probabilities" if calibration["applied"] else "not applied"
    fitted = f"fitted on {calibration['n_fitted']} {calibration['fitted_on']} images"
    scores = f"calibration error {after['ece']:.3f}, Brier score {after['brier']:.3f}"
    lines.append(f"    {_temperatures(calibration)}, {fitted}, gives {scores}; {state}")
    return lines + ([f"    {calibration['warning']}"] if calibration["warning"] else [])


def _temperatures(calibration: Mapping[str, Any]) -> str:
    if calibration["per_fold"] is None:
        return f"temperature {calibration['temperature']:.2f}"
    return f"each fold's own temperature ({_span(calibration['per_fold'])})"


def _span(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{min(known):.2f} to {max(known):.2f}"


def operating_point_lines(point: Mapping[str, Any]) -> list[str]:
    """The threshold, what it was chosen for, and what it gives."""
    ((measure, value),) = point["target"].items()
    target = f"{measure} of at least {value:g}"
    if point["sensitivity"] is None:
        return [f"  no operating point for a {target}: {point['reason']}"]
    chosen = point["chosen_on"]
    reached = f"{chosen[measure]['successes']} of {chosen[measure]['n']} on {chosen['split']}"
    own = point["per_fold"]
    start = f"a probability of {point['threshold']:.3g}" if own is None else f"each fold's own threshold ({_span(own)})"
    lines = [
        f"  {point['positive_class']} from {start} on, for a {target} ({reached}): "
        f"sensitivity {_rate(point['sensitivity'])}, specificity {_rate(point['specificity'])}"
    ]
    return lines + [f"    {point[key]}" for key in ("note", "warning") if point[key]]


def _predictive_line(values: Mapping[str, Any]) -> str:
    return (
        f"  at a prevalence of {values['prevalence']:g}: positive predictive value {_rate(values['ppv'], '.3f')}, "
        f"negative {_rate(values['npv'], '.3f')}"
    )


def _rate(rate: Mapping[str, Any], form: str = ".2f") -> str:
    if rate["value"] is None:
        return "undefined"
    return f"{rate['value']:{form}} [{rate['low']:{form}}, {rate['high']:{form}}]"
