"""Exact (Clopper-Pearson) intervals for proportions: what a score on few images is worth."""

from __future__ import annotations

from dataclasses import dataclass

METHOD = "Clopper-Pearson"


@dataclass(frozen=True)
class Interval:
    """A proportion and its exact confidence interval.

    Attributes:
        value: ``successes / n`` in [0, 1]; None where ``n`` is 0, since no images give no proportion.
        low: Lower limit in [0, 1].
        high: Upper limit in [0, 1].
        successes: How many of the ``n`` counted.
        n: How many there were.
        level: Confidence level, such as 0.95.
    """

    value: float | None
    low: float
    high: float
    successes: int
    n: int
    level: float

    def to_json(self) -> dict[str, object]:
        """Plain values with the method's name."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "successes": self.successes,
            "n": self.n,
            "level": self.level,
            "method": METHOD,
        }

    def __str__(self) -> str:
        return format_interval(self)


def exact_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """The Clopper-Pearson interval of ``successes`` out of ``n``.

    With ``n`` = 0 nothing is known: the value is None and the interval is [0, 1].

    Raises:
        ValueError: ``successes`` is not between 0 and ``n``, or ``level`` is not between 0 and 1.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes out of {n}: expected 0 <= successes <= n")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level}: expected a number between 0 and 1, such as 0.95")
    if n == 0:
        return Interval(None, 0.0, 1.0, 0, 0, level)
    # Half a second of import that a command which only prints its help should not pay.
    from scipy.stats import binomtest

    limits = binomtest(int(successes), int(n)).proportion_ci(confidence_level=level, method="exact")
    return Interval(successes / n, float(limits.low), float(limits.high), int(successes), int(n), level)


def format_interval(interval: Interval, noun: str = "images") -> str:
    """Such as ``1.00 [0.69, 1.00], 10 images``; a value that does not exist is a dash."""
    value = "–" if interval.value is None else f"{interval.value:.2f}"
    counted = noun.removesuffix("s") if interval.n == 1 else noun
    return f"{value} [{interval.low:.2f}, {interval.high:.2f}], {interval.n} {counted}"
