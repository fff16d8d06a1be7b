"""What the threshold slider needs: how many images of each kind lie at or above each probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from covidnet.evaluation.intervals import Interval, exact_interval
from covidnet.predictions import Predictions
from covidnet.report.source import RunFiles
from covidnet.report.words import listed, probability

MOST_STEPS = 2000
"""Of more different probabilities only so many are kept, evenly by rank; counts at those are exact."""

MOST_CLASSES = 8
LEVEL = 0.95


@dataclass(frozen=True)
class Series:
    """One class of one set of images against the rest, from the highest probability down.

    Attributes:
        label: Such as ``test images``.
        name: The class.
        other: What the rest is called.
        p: Probabilities that some image has, falling.
        tp: Images of the class with at least this probability.
        fp: Others with at least this probability.
        positives: Images of the class.
        negatives: Others.
        thinned: Whether there are more probabilities than are kept.
    """

    label: str
    name: str
    other: str
    p: list[float]
    tp: list[int]
    fp: list[int]
    positives: int
    negatives: int
    thinned: bool

    def at(self, threshold: float) -> tuple[int, int]:
        """True and false positives where an image is called positive from ``threshold`` on."""
        count = int(np.searchsorted(-np.asarray(self.p), -threshold, side="right"))
        return (self.tp[count - 1], self.fp[count - 1]) if count else (0, 0)


@dataclass(frozen=True)
class ThresholdSection:
    """The slider: what it can show, where it starts, and what stands there.

    Attributes:
        series: At least one; the first is shown first.
        start: The threshold shown first.
        point: The run's operating point, if it has one threshold.
        point_text: What the operating point was chosen for and where, in words.
        rates: Name, text and interval at ``start``.
        counts: True positives, false negatives, false positives, true negatives at ``start``.
    """

    series: list[Series]
    start: float
    start_text: str
    point: float | None
    point_text: str
    rates: list[tuple[str, str, Interval]]
    counts: tuple[int, int, int, int]

    def to_json(self) -> dict[str, Any]:
        """Plain values for the page's script."""
        return {
            "series": [vars(one) for one in self.series],
            "start": self.start,
            "point": self.point,
            "level": LEVEL,
        }


def make_threshold(files: RunFiles) -> ThresholdSection | None:
    """The slider of a run; None where the images are of one class, or there are none."""
    series = _all_series(files)
    if not series:
        return None
    point = files.metrics.get("operating_point") or {}
    chosen = point.get("threshold")
    chosen = float(chosen) if isinstance(chosen, int | float) else None
    start = chosen if chosen is not None else 0.5
    first = series[0]
    tp, fp = first.at(start)
    counts = (tp, first.positives - tp, fp, first.negatives - fp)
    return ThresholdSection(
        series, start, probability(min(start, 1.0)), chosen, _point_text(point), rates(counts, first), counts
    )


def rates(counts: tuple[int, int, int, int], series: Series) -> list[tuple[str, str, Interval]]:
    """Sensitivity, specificity and predictive values with exact intervals.

    Args:
        counts: True positives, false negatives, false positives, true negatives.
        series: Gives the names.
    """
    tp, fn, fp, tn = counts
    name, other = listed([series.name]), series.other
    return [
        ("Sensitivity", f"of {name}, called so", exact_interval(tp, tp + fn, LEVEL)),
        ("Specificity", f"of {other}, not called so", exact_interval(tn, tn + fp, LEVEL)),
        ("Positive predictive value", f"of those called {name}, are it", exact_interval(tp, tp + fp, LEVEL)),
        ("Negative predictive value", f"of the rest, are {other}", exact_interval(tn, tn + fn, LEVEL)),
    ]


def _all_series(files: RunFiles) -> list[Series]:
    sets = [(f"{files.split_name} images", files.used(files.scored))]
    if len(files.external):
        sets.append(("external images", files.used(files.external)))
    classes = [files.positive]
    if len(files.table.classes) > 2:
        classes += [name for name in files.table.classes if name != files.positive][: MOST_CLASSES - 1]
    found = [make_series(label, table, name) for name in classes for label, table in sets]
    return [one for one in found if one.positives and one.negatives]


def make_series(label: str, table: Predictions, name: str) -> Series:
    """The series of one class in one table."""
    index = table.classes.index(name)
    stated = table.probabilities[:, index] if len(table) else np.zeros(0)
    positive = table.truth == index
    values, place = np.unique(-stated, return_inverse=True)
    tp = np.cumsum(np.bincount(place[positive], minlength=len(values)))
    fp = np.cumsum(np.bincount(place[~positive], minlength=len(values)))
    kept = np.arange(len(values))
    if len(values) > MOST_STEPS:
        kept = np.unique(np.linspace(0, len(values) - 1, MOST_STEPS).round().astype(np.int64))
    others = [one for one in table.classes if one != name]
    return Series(
        label, name, listed(others) if len(others) == 1 else "others", (-values[kept]).tolist(), tp[kept].tolist(),
        fp[kept].tolist(), int(positive.sum()), int((~positive).sum()), len(kept) < len(values),
    )  # fmt: skip


def _point_text(point: dict[str, Any]) -> str:
    """Such as "chosen for a sensitivity of at least 0.9 on 10 val images"."""
    target = point.get("target")
    if not isinstance(target, dict) or not target:
        return ""
    ((measure, value),) = list(target.items())[:1]
    text = f"for a {measure} of at least {value:g}"
    if point.get("per_fold"):
        return f"Each fold has its own operating point ({text}), so none is marked here."
    if point.get("threshold") is None:
        return f"No operating point {text}: {point.get('reason') or 'none could be chosen'}."
    chosen = point.get("chosen_on") or {}
    part = {"val": "validation", "test": "test"}.get(str(chosen.get("split")), str(chosen.get("split")))
    notes = [str(point[key]) for key in ("note", "warning") if point.get(key)]
    begin = f"The operating point was chosen {text}, on {chosen.get('n')} {part} images"
    return ". ".join([begin, *(note[0].upper() + note[1:] for note in notes)]) + "."
