"""Reliability: what became of the images to which the model gave such a probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from covidnet.evaluation.calibration import ReliabilityBin, confidence, reliability_curve
from covidnet.figures import style
from covidnet.predictions import Predictions

LEVEL = 0.95
BEFORE, AFTER = style.CLASS_COLORS[0], style.CLASS_COLORS[5]


@style.styled
def calibration_figure(
    predictions: Predictions,
    calibrated: Predictions | None,
    positive_class: str,
    bins: int,
    metrics: Mapping[str, Any],
) -> Figure:
    """Two reliability diagrams, of the predicted class and of the positive one, with counts below.

    Args:
        predictions: Rows as the model gave them.
        calibrated: The same rows after temperature scaling, if there is a temperature.
        positive_class: One of the classes.
        bins: Of equal width.
        metrics: The entries of metrics.json, for the numbers in words.
    """
    layout = ConstrainedLayoutEngine(rect=(0.0, 0.045, 1.0, 0.825), w_pad=0.12, h_pad=0.06)
    figure = Figure(figsize=(10.5, 7.0), layout=layout)
    style.header(figure, "Calibration: do the probabilities come true as often as they say?", _note(metrics))
    figure.text(
        0.2 / 10.5, 1 - 0.66 / 7.0, style.fit_text(_temperature(metrics), 10.1, 9.5), fontsize=9.5,
        color=style.MUTED, va="top",
    )  # fmt: skip
    style.footer(figure)
    panels = figure.subplots(2, 2, sharex="col", height_ratios=[4, 1])
    name = style.shorten_middle(positive_class, 24)
    for column, (title, stated, found) in enumerate(
        (
            ("The predicted class", "its probability (confidence)", "share predicted rightly"),
            (f"The class {name}", f"probability of {name}", f"share that is {name}"),
        )
    ):
        curve, counts = panels[0, column], panels[1, column]
        series = [(_series(predictions, column, positive_class), BEFORE, "o", "as the model gives it")]
        if calibrated is not None:
            scaled = _series(calibrated, column, positive_class)
            series.append((scaled, AFTER, "D", "after temperature scaling"))
        _diagram(curve, series, bins, title, found)
        _counts(counts, [(values[0], color) for values, color, _, _ in series], bins, stated)
    # Confidence is never low, so this corner is free.
    panels[0, 0].legend(loc="upper left")
    return figure


def _series(predictions: Predictions, column: int, positive_class: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Stated probabilities and whether they came true."""
    if not len(predictions):
        return np.zeros(0), np.zeros(0, dtype=bool)
    if column == 0:
        return confidence(predictions.probabilities, predictions.truth)
    index = predictions.classes.index(positive_class)
    return predictions.probabilities[:, index], predictions.truth == index


def _diagram(
    axes: Axes,
    series: Sequence[tuple[tuple[NDArray[Any], NDArray[Any]], Any, str, str]],
    bins: int,
    title: str,
    found: str,
) -> None:
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle="--", label="perfect calibration")
    for values, color, marker, label in series:
        curve = reliability_curve(*values, bins, LEVEL) if len(values[0]) else []
        _points(axes, curve, color, marker, label)
    axes.set_title(title)
    axes.set_ylabel(found)
    axes.set_ylim(-0.03, 1.03)
    axes.grid(axis="both")
    if not any(len(values[0]) for values, _, _, _ in series):
        axes.text(0.5, 0.6, "no images", ha="center", transform=axes.transAxes, color=style.MUTED)


def _points(axes: Axes, curve: Sequence[ReliabilityBin], color: Any, marker: str, label: str) -> None:
    """A point per bin at its mean probability, with the exact interval of its share."""
    x = [one.stated for one in curve]
    y = [one.found.value or 0.0 for one in curve]
    down = [value - one.found.low for value, one in zip(y, curve, strict=True)]
    up = [one.found.high - value for value, one in zip(y, curve, strict=True)]
    axes.errorbar(
        x, y, yerr=np.array([down, up]) if curve else None, fmt=marker, color=color, markersize=6, linewidth=1.3,
        capsize=3, alpha=0.9, markeredgecolor="white", markeredgewidth=0.7, label=label,
    )  # fmt: skip


def _counts(axes: Axes, series: Sequence[tuple[NDArray[Any], Any]], bins: int, stated: str) -> None:
    """How many images lie in each bin; the numbers where they have room."""
    edges = np.linspace(0, 1, bins + 1)
    width = 1 / bins / len(series)
    highest = 1
    for place, (values, color) in enumerate(series):
        # Intervals are open below, as those of the curve.
        counts = np.bincount(np.searchsorted(edges[1:-1], values, side="left"), minlength=bins)
        lefts = edges[:-1] + place * width
        axes.bar(lefts, counts, width=width * 0.92, align="edge", color=color, alpha=0.75)
        highest = max(highest, int(counts.max()))
        for left, count in zip(lefts, counts, strict=True):
            if count and bins * len(series) <= 20:
                axes.text(left + width / 2, count, str(count), ha="center", va="bottom", fontsize=7, color=style.INK)
    axes.set_ylim(0, highest * 1.3)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylabel("images")
    axes.set_xlabel(stated)
    axes.locator_params(axis="y", integer=True, nbins=3)


def _note(metrics: Mapping[str, Any]) -> str:
    before = metrics["calibration"]["before"]
    if before["ece"] is None:
        return "There are no images, so nothing can be said."
    chance = metrics["ece_if_calibrated"]
    return (
        f"{metrics['n']} images: expected calibration error {before['ece']:.3f}, Brier score {before['brier']:.3f}. "
        f"A calibrated model with such probabilities: {chance['mean']:.3f} on average, rarely above "
        f"{chance['high']:.3f}."
    )


def _temperature(metrics: Mapping[str, Any]) -> str:
    calibration = metrics["calibration"]
    after = calibration["after"]
    if after is None:
        return f"No temperature: {calibration['reason']}."
    own = calibration["per_fold"]
    name = "Each fold's own temperature" if own else f"Temperature {calibration['temperature']:.2f}"
    warning = f" ({calibration['warning']})" if calibration["warning"] else ""
    fitted_on = f"{calibration['n_fitted']} {calibration['fitted_on']} images{warning}"
    return f"{name} from {fitted_on}: error {after['ece']:.3f}, Brier score {after['brier']:.3f}."
