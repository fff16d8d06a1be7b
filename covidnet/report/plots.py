"""The diagrams of a run's page, drawn anew from its files so that they follow the page's theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from covidnet.data.study import printable
from covidnet.evaluation.calibration import BINS, ReliabilityBin, confidence, reliability_curve
from covidnet.evaluation.curves import Curves, curves
from covidnet.figures.panels import (
    history_panel,
    precision_recall_panel,
    reliability_panel,
    roc_panel,
    spread_panel,
)
from covidnet.figures.svg import Plot, to_plot
from covidnet.predictions import Predictions
from covidnet.report.data import DataSection
from covidnet.report.source import RunFiles
from covidnet.report.words import interval, number

LEVEL = 0.95
MOST_BINS = 100
RESAMPLES = 2000
WORK = 4_000_000
"""Resamples times images at most, so that the bands of a large test set take no longer than those of a small one."""


def draw_plots(files: RunFiles, data: DataSection) -> dict[str, Plot]:
    """All diagrams that the files allow, by name."""
    return (
        _spread_plots(data)
        | _history_plots(files)
        | _curve_plots(files, files.used(files.scored), files.metrics, "")
        | _reliability_plots(files, files.scored, "")
        | (_external_plots(files) if len(files.external) else {})
    )


def _external_plots(files: RunFiles) -> dict[str, Plot]:
    found = files.metrics.get("external")
    metrics = found if isinstance(found, dict) else {}
    own = _curve_plots(files, files.used(files.external), metrics, "_external")
    return own | _reliability_plots(files, files.external, "_external")


def _spread_plots(data: DataSection) -> dict[str, Plot]:
    plots = {}
    for quantity, spreads in data.spreads.items():
        described = "; ".join(
            f"{name} median {number(one['median'], 0)}, {number(one['min'], 0)} to {number(one['max'], 0)}"
            for name, one in spreads
            if one is not None
        )
        figure = spread_panel(spreads, f"{quantity} in pixels, before resizing")
        plots[quantity] = to_plot(figure, quantity, f"Image {quantity} by class: {described}.")
    return plots


def _history_plots(files: RunFiles) -> dict[str, Plot]:
    rows = files.history
    if not rows:
        return {}
    chosen_on = (files.metrics.get("protocol") or {}).get("chosen_on")
    held_out = {"val": "validation", "test": "test"}.get(str(chosen_on), "held out")
    kept = files.metrics.get("epoch_kept")
    kept = int(kept) if isinstance(kept, int) and not files.is_evaluation else None
    last = rows[-1]
    plots = {}
    for quantity, label in (("loss", "cross-entropy loss"), ("acc", "accuracy")):
        figure = history_panel(rows, quantity, label, held_out, kept)
        text = (
            f"{label.capitalize()} over {len(rows)} epochs; at the end {_finite(last[f'train_{quantity}'])} on "
            f"training and {_finite(last[f'val_{quantity}'])} on {held_out} images."
        )
        plots[f"history_{quantity}"] = to_plot(figure, f"history-{quantity}", text)
    return plots


def _finite(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "undefined"


def _curve_plots(files: RunFiles, used: Predictions, metrics: dict[str, Any], suffix: str) -> dict[str, Plot]:
    resamples = max(200, min(RESAMPLES, WORK // max(1, len(used))))
    found: Curves | None = curves(used, files.positive, resamples)
    if found is None:
        return {}
    name, identifier = printable(files.positive), suffix.replace("_", "-")
    points = [("predicted class", metrics)] if metrics.get("sensitivity") and metrics.get("specificity") else []
    chosen = metrics.get("operating_point")
    if isinstance(chosen, dict) and chosen.get("sensitivity") and chosen.get("specificity"):
        points.append(("operating point" + (" (optimistic)" if chosen.get("warning") else ""), chosen))
    mean = ", mean of the classes," if len(used.classes) > 2 else ""
    area, precision = (
        f"{title}{mean} {number(metrics.get(key), 3)} {interval(metrics.get(f'{key}_interval'), 3)}".rstrip()
        for title, key in (("AUROC", "auroc"), ("Average precision", "average_precision"))
    )
    return {
        f"roc{suffix}": to_plot(
            roc_panel(found.roc, points), f"roc{identifier}", f"ROC curve of {name} against the rest. {area}."
        ),
        f"precision_recall{suffix}": to_plot(
            precision_recall_panel(found.precision_recall, found.share),
            f"pr{identifier}",
            f"Precision-recall curve of {name}. {precision}; guessing has a precision of {found.share:.2f}.",
        ),
    }


def _reliability_plots(files: RunFiles, scored: Predictions, suffix: str) -> dict[str, Plot]:
    if not len(scored) or len(scored.classes) < 2:
        return {}
    stored = ((files.json("calibration.json", files.directory) or {}).get("reliability") or {}).get("bins")
    bins = stored if isinstance(stored, int) and 0 < stored <= MOST_BINS else BINS
    tables = [("as the model says", scored)]
    after = files.calibrated(scored)
    if after is not None:
        tables.append(("with a temperature", after))
    index, name = scored.classes.index(files.positive), printable(files.positive)
    certain = [(label, reliability_curve(*confidence(t.probabilities, t.truth), bins, LEVEL)) for label, t in tables]
    own = [(label, reliability_curve(t.probabilities[:, index], t.truth == index, bins, LEVEL)) for label, t in tables]
    identifier = suffix.replace("_", "-")
    return {
        f"confidence{suffix}": to_plot(
            reliability_panel(certain, "probability of the predicted class", "share predicted rightly"),
            f"confidence{identifier}",
            f"Reliability of the predicted class's probability: {_described(certain)}.",
        ),
        f"reliability{suffix}": to_plot(
            reliability_panel(own, f"probability of {name[:24]}", f"share that is {name[:24]}"),
            f"reliability{identifier}",
            f"Reliability of the probability of {name}: {_described(own)}.",
        ),
    }


def _described(series: Sequence[tuple[str, Sequence[ReliabilityBin]]]) -> str:
    return "; ".join(
        f"stated {one.stated:.2f}, found {number(one.found.value)} of {one.found.n}" for one in series[0][1]
    )
