"""Means and differences of scores over repeated random splits, whose training sets overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MeanInterval:
    """The mean of repeated measurements.

    Attributes:
        mean: Their mean.
        sd: Their standard deviation (n - 1 in the denominator); None for one measurement.
        low: Lower limit of the interval; None where there are fewer than two measurements or all are equal.
        high: Upper limit, likewise.
        p_value: Two-sided, against a mean of 0; None where there is no interval.
        n: Number of measurements.
        level: Confidence level.
        method: How interval and p-value were computed.
    """

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    p_value: float | None
    n: int
    level: float
    method: str


def resampled_mean(
    values: Sequence[float],
    test_to_train: float | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> MeanInterval:
    """Mean with t interval of measurements on repeated random splits of the same images.

    The training sets of such splits overlap, so the measurements are correlated and their variance understates that
    of the mean. Nadeau and Bengio (Machine Learning 52, 2003, "Inference for the generalization error") replace 1/n
    in the variance of the mean by 1/n + n_test/n_train:

        t = mean / sqrt((1/n + n_test/n_train) * sd^2),   n - 1 degrees of freedom

    Args:
        values: One measurement, or difference of two, per split.
        test_to_train: n_test / n_train of a split; None for measurements that are independent, or that share one
            split, which gives the ordinary t interval.
        level: Confidence level.
        bounds: The smallest and largest value that the mean can have; the limits are cut there.

    Raises:
        ValueError: There are no values.
    """
    from scipy import stats

    if not len(values):
        raise ValueError("no values to average")
    array = np.asarray(values, dtype=np.float64)
    n, mean = len(array), float(array.mean())
    method = "t" if test_to_train is None else "corrected resampled t (Nadeau and Bengio 2003)"
    sd = float(array.std(ddof=1)) if n > 1 else None
    if sd is None or sd <= 1e-12:
        # Equal measurements have no spread to judge by; an interval of no width would claim certainty.
        return MeanInterval(mean, sd, None, None, None, n, level, method)
    error = sd * math.sqrt(1.0 / n + (test_to_train or 0.0))
    distribution = stats.t(df=n - 1, loc=mean, scale=error)
    low, high = (min(max(float(limit), bounds[0]), bounds[1]) for limit in distribution.interval(level))
    p_value = float(2.0 * stats.t.sf(abs(mean) / error, df=n - 1))
    return MeanInterval(mean, sd, low, high, p_value, n, level, method)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of McNemar's test.

    Args:
        only_first: Images that the first classifier alone got right.
        only_second: Images that the second classifier alone got right.
    """
    from statsmodels.stats.contingency_tables import mcnemar

    return float(mcnemar([[0, only_first], [only_second, 0]], exact=True).pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values adjusted for their number by Holm's method; None stays None and does not count."""
    from statsmodels.stats.multitest import multipletests

    known = [value for value in p_values if value is not None]
    adjusted = iter(multipletests(known, method="holm")[1].tolist() if known else [])
    return [None if value is None else float(next(adjusted)) for value in p_values]
