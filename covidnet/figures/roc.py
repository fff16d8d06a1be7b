"""How well one class is told from the rest, at every threshold: the ROC and the precision-recall curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from covidnet.evaluation.curves import Curve, Curves, curves
from covidnet.figures import style
from covidnet.predictions import Predictions

LINE = style.CLASS_COLORS[0]
MOST_CLASSES = len(style.CLASS_COLORS)


@style.styled
def roc_figure(predictions: Predictions, positive_class: str, bootstrap: int, metrics: Mapping[str, Any]) -> Figure:
    """ROC and precision-recall curve of the positive class with their bands; for more classes, the others' ROC thin.

    Args:
        predictions: Rows whose probabilities the metrics were computed from.
        positive_class: One of the classes.
        bootstrap: Number of resamples of the bands.
        metrics: The entries of metrics.json: the numbers in words, and the points on the curve.
    """
    layout = ConstrainedLayoutEngine(rect=(0.0, 0.07, 1.0, 0.80), w_pad=0.12, h_pad=0.06)
    figure = Figure(figsize=(10.5, 6.0), layout=layout)
    name = style.shorten_middle(positive_class, 24)
    style.header(figure, f"How well {name} is told from the rest, at every threshold", _note(metrics))
    style.footer(figure)
    left, right = figure.subplots(1, 2)
    found = curves(predictions, positive_class, bootstrap)
    _axes(left, "ROC curve", f"share of the other images called {name} (1 - specificity)", "sensitivity")
    _axes(right, "Precision-recall curve", "sensitivity (recall)", f"share of {name} among those called so (precision)")
    if found is None:
        for axes in (left, right):
            axes.text(0.5, 0.5, "undefined: one class only", ha="center", color=style.MUTED)
        return figure
    _roc(left, found, name)
    if len(predictions.classes) > 2:
        _other_classes(left, predictions, positive_class)
    _points(left, metrics)
    _precision_recall(right, found, name)
    left.legend(loc="lower right", frameon=True, edgecolor="none", framealpha=0.85)
    right.legend(loc="lower left", frameon=True, edgecolor="none", framealpha=0.85)
    return figure


def _axes(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.grid(axis="both")


def _roc(axes: Axes, found: Curves, name: str) -> None:
    _band(axes, found.roc)
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle="--", label="guessing")
    axes.plot(found.roc.x, found.roc.y, color=LINE, linewidth=2, label=name)


def _precision_recall(axes: Axes, found: Curves, name: str) -> None:
    curve = found.precision_recall
    _band(axes, curve)
    axes.axhline(
        found.share, color=style.MUTED, linewidth=1, linestyle="--", label=f"guessing ({found.share:.0%} {name})"
    )
    axes.plot(np.append(0.0, curve.x), np.append(curve.y[:1], curve.y), color=LINE, linewidth=2,
              drawstyle="steps-pre", label=name)  # fmt: skip


def _band(axes: Axes, curve: Curve) -> None:
    label = f"{curve.level:.0%} at each place"
    axes.fill_between(curve.grid, curve.low, curve.high, color=LINE, alpha=0.16, linewidth=0, label=label)


def _other_classes(axes: Axes, predictions: Predictions, positive_class: str) -> None:
    from sklearn.metrics import roc_curve

    truth, probabilities = predictions.truth, predictions.probabilities
    for index, name in enumerate(predictions.classes[:MOST_CLASSES]):
        own = truth == index
        if name == positive_class or own.all() or not own.any():
            continue
        false, true, _ = roc_curve(own, probabilities[:, index])
        color = style.class_color((index + 1) % MOST_CLASSES, MOST_CLASSES)
        axes.plot(false, true, color=color, linewidth=0.9, label=style.shorten_middle(name, 20))


def _points(axes: Axes, metrics: Mapping[str, Any]) -> None:
    """Where the model's own answer and the operating point lie, with exact intervals in both directions."""
    _point(axes, metrics, "o", style.INK, "most probable class")
    chosen = metrics.get("operating_point")
    if chosen is not None and chosen["sensitivity"] is not None:
        start = "each fold's own threshold" if chosen["threshold"] is None else f"{chosen['threshold']:.3g}"
        mark = "\n" + chosen["warning"].replace(": ", ":\n") if chosen["warning"] else ""
        _point(axes, chosen, "D", style.CLASS_COLORS[5], f"probability from {start} on{mark}")


def _point(axes: Axes, rates: Mapping[str, Any], marker: str, color: Any, label: str) -> None:
    hit, cleared = rates["sensitivity"], rates["specificity"]
    if hit["value"] is None or cleared["value"] is None:
        return
    x, y = 1 - cleared["value"], hit["value"]
    axes.errorbar(
        x, y, xerr=[[x - (1 - cleared["high"])], [1 - cleared["low"] - x]], yerr=[[y - hit["low"]], [hit["high"] - y]],
        fmt=marker, color=color, markersize=7, linewidth=1, capsize=3, markeredgecolor="white", label=label, zorder=4,
    )  # fmt: skip


def _note(metrics: Mapping[str, Any]) -> str:
    if metrics["auroc"] is None:
        return "Images of one class only: there is nothing to tell apart."
    kind = "" if len(metrics["classes"]) == 2 else "means over the classes, each against the rest: "
    areas = f"AUROC {_interval(metrics, 'auroc')}, average precision {_interval(metrics, 'average_precision')}"
    return f"{metrics['n']} images; {kind}{areas}."


def _interval(metrics: Mapping[str, Any], key: str) -> str:
    limits = metrics[f"{key}_interval"]
    return f"{metrics[key]:.3f}" + (f" [{limits['low']:.3f}, {limits['high']:.3f}]" if limits else "")
