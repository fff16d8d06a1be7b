"""What the number of test images can show."""

from __future__ import annotations

import math
from collections.abc import Sequence

from covidnet.audit.findings import Finding, counted
from covidnet.evaluation.intervals import Interval, exact_interval

HALF_WIDTH = 0.05
EXPECTED = 0.9
"""Accuracy that is assumed where there is no model yet."""


def images_needed(accuracy: float, half_width: float = HALF_WIDTH) -> int:
    """Fewest test images whose exact 95 % interval is at most 2 x ``half_width`` wide at ``accuracy``.

    An accuracy of 1 or 0 is taken as 0.95 or 0.05: nothing that was seen on a few images proves perfection.
    """
    share = min(max(accuracy, 0.05), 0.95)
    low, high = 10, 10
    while not _narrow(share, high, half_width):
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        if _narrow(share, middle, half_width):
            high = middle
        else:
            low = middle + 1
    return high


def _narrow(share: float, n: int, half_width: float) -> bool:
    interval = exact_interval(round(share * n), n)
    return interval.high - interval.low <= 2 * half_width


def judge_test_size(n: int, right: int | None) -> Finding:
    """A note on the interval that ``n`` test images leave, and on how many would be needed for +-5 points.

    Args:
        n: Number of test images.
        right: How many of them the model named right; None without a model.
    """
    interval = exact_interval(math.floor(EXPECTED * n + 0.5) if right is None else right, n)
    needed = images_needed(EXPECTED if interval.value is None else interval.value)
    observed = f"{interval.value:.2f}" if interval.value is not None else "-"
    subject = f"an accuracy of {observed}" if right is None else f"the model's {observed}"
    return Finding(
        id="test.size",
        severity="note",
        title="what the test images can show",
        evidence=f"On {counted(n, 'test image')} {subject} means {interval.low:.2f} to {interval.high:.2f} (exact 95 % "
        f"interval); for +-5 points it takes {needed}.",
        action="Quote the interval with the number; test on more images, or by cross-validation over all of them.",
        numbers={"interval": interval.to_json(), "needed": needed, "half_width": HALF_WIDTH},
    )


def interval_of(right: Sequence[bool]) -> Interval:
    """Exact interval of the share of ``right``."""
    return exact_interval(int(sum(bool(one) for one in right)), len(right))


AUROC_FLAG = 0.95


def judge_auroc(auroc: float | None, *, synthetic: bool) -> list[Finding]:
    """A held-out AUROC from 0.95 on is a first sign of a shortcut; on phantoms it is as it should be."""
    if auroc is None or auroc < AUROC_FLAG:
        return []
    if synthetic:
        evidence = f"The held-out AUROC is {auroc:.3f}; these are drawn phantoms, whose disease is easy to see."
        return [Finding("model.auroc", "note", "a very high AUROC", evidence, "Nothing.", numbers={"auroc": auroc})]
    return [
        Finding(
            id="model.auroc",
            severity="warning",
            title="too good: a very high AUROC",
            evidence=f"The held-out AUROC is {auroc:.3f}. Careful multi-site studies of COVID-19 on chest X-rays "
            "report 0.77 to 0.87, so 0.95 or more is a first sign of a shortcut.",
            action="Test on images from hospitals that gave none of the training images; docs/audit.md names the "
            "studies.",
            clause=f"a held-out AUROC of {auroc:.2f} is far above the 0.77 to 0.87 of careful studies",
            numbers={"auroc": auroc, "flagged_from": AUROC_FLAG},
        )
    ]
