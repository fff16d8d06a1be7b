"""An operating point: the probability from which an image is called positive, chosen on validation images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from covidnet.evaluation.intervals import Interval, exact_interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Target:
    """What is asked of an operating point: ``measure``, sensitivity or specificity, of at least ``value``."""

    measure: str
    value: float

    def __str__(self) -> str:
        return f"{self.measure} of at least {self.value:g}"


@dataclass(frozen=True)
class Threshold:
    """A chosen threshold: an image is called positive where its probability is at least ``value``.

    Attributes:
        value: In [0, 1], or just above 1 where nothing may be called positive; None where none can be chosen.
        reason: Why none can be chosen, in words.
        note: What to know of a threshold that is of little use, in words.
    """

    value: float | None
    reason: str | None = None
    note: str | None = None


def choose_threshold(scores: Floats, positive: Bools, target: Target) -> Threshold:
    """The threshold that reaches ``target`` on these images at the least cost to the other measure.

    For a sensitivity that is the highest threshold that reaches it, for a specificity the lowest. Only the images'
    own scores are candidates (and, for a specificity, one above them all), and equal scores are never parted, so the
    measure that is reached can be above what was asked.

    Args:
        scores: Probabilities of the positive class on validation images, shape (N,).
        positive: Which of them are of that class, shape (N,).
        target: What is to be reached.
    """
    group = scores[positive] if target.measure == "sensitivity" else scores[~positive]
    kind = "of the positive class" if target.measure == "sensitivity" else "of another class than the positive one"
    if not len(scores):
        return Threshold(None, "there are no validation images")
    if not len(group):
        return Threshold(None, f"no validation image is {kind}, so no {target.measure} can be asked for")
    if not np.isfinite(scores).all():
        return Threshold(None, "some validation probabilities are no numbers")
    # The epsilon: 0.95 * 20 is 19, not a little more.
    needed = math.ceil(target.value * len(group) - 1e-9)
    ordered = np.sort(group)
    if target.measure == "sensitivity":
        value = float(ordered[len(group) - needed])
    else:
        value = _lowest_above(scores, float(ordered[needed - 1]))
    return Threshold(value, note=_note(scores, value, needed, len(group), kind, target))


def _lowest_above(scores: Floats, bound: float) -> float:
    """The lowest score above ``bound``, or the next number where it is the highest."""
    above = scores[scores > bound]
    return float(above.min()) if len(above) else float(np.nextafter(bound, np.inf))


def _note(scores: Floats, value: float, needed: int, count: int, kind: str, target: Target) -> str | None:
    called = scores >= value
    if called.all():
        return "every validation image is called positive at this threshold"
    if not called.any():
        return "no validation image is called positive at this threshold"
    if needed == count and target.value < 1:
        return f"with {count} validation image{'s' * (count != 1)} {kind}, {target.value:g} of them means all"
    return None


def predictive_values(sensitivity: Interval, specificity: Interval, prevalence: float) -> dict[str, object]:
    """What a positive and a negative answer are worth where ``prevalence`` of the people have the disease.

        PPV = se * p / (se * p + (1 - sp) * (1 - p)),   NPV = sp * (1 - p) / (sp * (1 - p) + (1 - se) * p)

    The share of the disease among test images is chosen by whoever collected them, so that predictive values counted
    on them hold nowhere else. Both values rise with sensitivity and specificity, so their limits follow from the exact
    limits of these, each taken at the square root of the level, because positive and negative images are independent
    samples: a cautious interval.

    Args:
        sensitivity: With its numbers of images.
        specificity: Likewise, at the same level.
        prevalence: In (0, 1).
    """
    level = sensitivity.level
    first, second = (exact_interval(i.successes, i.n, math.sqrt(level)) for i in (sensitivity, specificity))
    values: dict[str, object] = {"prevalence": prevalence}
    for name, formula in (("ppv", _ppv), ("npv", _npv)):
        known = sensitivity.value is not None and specificity.value is not None
        value = formula(sensitivity.value or 0.0, specificity.value or 0.0, prevalence) if known else None
        values[name] = {
            "value": value,
            "low": _or(formula(first.low, second.low, prevalence), 0.0),
            "high": _or(formula(first.high, second.high, prevalence), 1.0),
            "level": level,
            "method": "from exact limits of sensitivity and specificity",
        }
    return values


def _ppv(sensitivity: float, specificity: float, prevalence: float) -> float | None:
    """None where nobody is called positive."""
    true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    return true / (true + false) if true + false > 0 else None


def _npv(sensitivity: float, specificity: float, prevalence: float) -> float | None:
    """None where everybody is called positive."""
    return _ppv(specificity, sensitivity, 1 - prevalence)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
