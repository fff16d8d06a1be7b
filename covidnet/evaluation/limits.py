"""Limits for numbers in [0, 1] that stay honest where few patients, or patients who all agree, show no spread."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from covidnet.evaluation.bootstrap import Floats

ROUNDING = 1e-12
UNANIMOUS = "exact, from {units} {noun} that agree"
HOEFFDING = "Hoeffding, from {units} {noun}"


class Limits(NamedTuple):
    """An interval and how it was found."""

    low: float
    high: float
    method: str

    def to_json(self, level: float) -> dict[str, object]:
        """Plain values."""
        return {"low": self.low, "high": self.high, "level": level, "method": self.method}


def resampled_limits(
    value: float, resampled: Floats, units: int, level: float, method: str, noun: str = "patients"
) -> Limits:
    """The interval of a share, or of an AUROC, from its resamples, with the cases that these are blind to.

    * ``value`` is 0 or 1: every resample is too, which would claim certainty. Clopper and Pearson's limits of so many
      agreeing patients, see `perfect_limit`.
    * There is one patient only, or no spread: Hoeffding's inequality, see `hoeffding_limits`.
    * Else `expanded_limits`, made `cautious`.

    Args:
        value: The estimate in [0, 1].
        resampled: Its values on resamples, shape (count,).
        units: Independent patients (or images, or disjoint pairs of them) that the estimate rests on.
        level: Confidence level.
        method: The name of the resampling.
        noun: What the units are.
    """
    if min(value, 1 - value) < ROUNDING:
        return unanimous_limits(value, units, level, noun)
    if units < 2 or np.ptp(resampled) < ROUNDING:
        return hoeffding_limits(value, units, level, noun)
    low, high = (float(limit) for limit in expanded_limits(resampled, level, units))
    return Limits(*cautious(low, high, units, level), method)


def unanimous_limits(value: float, units: int, level: float, noun: str) -> Limits:
    """For a value of 0 or 1: the exact limits of ``units`` failures or successes in as many trials."""
    return Limits(*cautious(value, value, units, level), UNANIMOUS.format(units=units, noun=noun))


def hoeffding_limits(value: float, units: int, level: float, noun: str) -> Limits:
    """``value`` +- sqrt(log(2 / (1 - level)) / (2 units)), cut to [0, 1]: true of any mean of values in [0, 1].

    Hoeffding, Journal of the American Statistical Association 58 (1963) 13-30; section 5a extends it to U-statistics
    such as the AUROC, the units being disjoint pairs then.
    """
    reach = math.sqrt(math.log(2 / (1 - level)) / (2 * units)) if units else 1.0
    return Limits(max(0.0, value - reach), min(1.0, value + reach), HOEFFDING.format(units=units, noun=noun))


def expanded_limits(values: Floats, level: float, units: int) -> tuple[Floats, Floats]:
    """Percentile limits of resampled values, over the first axis, widened for few patients.

    Plain percentiles are too narrow there, as a standard deviation with n in the denominator is. Hesterberg (The
    American Statistician 69 (2015) 371-386) takes percentiles further out, so that the interval of a mean gets about
    the width of its t interval: the lower one is Phi(-sqrt(n / (n - 1)) t), with Student's t of n - 1 degrees of
    freedom at (1 + level) / 2.

    Args:
        values: Shape (count, ...), without NaN.
        level: Confidence level.
        units: The n above, at least 2.
    """
    from scipy import stats

    reach = math.sqrt(units / (units - 1)) * float(stats.t.ppf((1 + level) / 2, df=units - 1))
    tail = float(stats.norm.cdf(-reach))
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high


def perfect_limit(units: int, level: float) -> float:
    """The lower limit that ``units`` successes in as many independent trials allow: Clopper and Pearson's.

    No result on so many patients can prove more than this, so it bounds the other intervals; 0 where there are none.
    """
    return float(((1 - level) / 2) ** (1 / units)) if units else 0.0


def cautious(low: float, high: float, units: int, level: float) -> tuple[float, float]:
    """Limits in [0, 1] that claim no more than ``units`` successes in as many trials would, or as many failures.

    Resampling and normal approximations see next to no uncertainty where nearly all agree.
    """
    perfect = perfect_limit(units, level)
    return min(low, perfect), max(high, 1.0 - perfect)
