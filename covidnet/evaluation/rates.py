"""Accuracy, sensitivity and specificity: shares of images, with exact intervals and, where known, by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from covidnet.evaluation.bootstrap import Floats, Resamples, Statistic
from covidnet.evaluation.intervals import Interval, exact_interval
from covidnet.evaluation.limits import resampled_limits

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rate:
    """The share of the images ``among`` that are also ``hit``; both masks of shape (N,)."""

    among: Bools
    hit: Bools

    def exact(self, level: float) -> Interval:
        """Clopper and Pearson's interval, which takes images as independent."""
        return exact_interval(int((self.among & self.hit).sum()), int(self.among.sum()), level)

    def statistic(self) -> Statistic:
        """The share on resamples; some image must be among."""
        among, both = self.among.astype(np.float64), (self.among & self.hit).astype(np.float64)
        return lambda weights: (weights @ both) / (weights @ among)


def rates_to_json(
    rates: Mapping[str, Rate],
    patients: Sequence[str] | None,
    resamples: Resamples,
    level: float,
    resampled: Mapping[str, Floats] | None = None,
) -> dict[str, dict[str, object]]:
    """Each rate as `Interval.to_json` gives it, with ``by_patient``.

    Images of one patient are alike, so that ten images of two patients tell less than ten of ten. ``by_patient`` holds
    the limits that resampled patients give, and the number of patients among; it is None where no patients are known,
    or nobody is among.

    Args:
        rates: By name.
        patients: Of each image.
        resamples: Of the same images.
        level: Confidence level.
        resampled: The values of `rate_statistics`, if they are there already.
    """
    if resampled is None:
        resampled = resamples.values(rate_statistics(rates, patients))
    found: dict[str, dict[str, object]] = {}
    for name, rate in rates.items():
        interval = rate.exact(level)
        found[name] = {**interval.to_json(), "by_patient": None}
        if patients is not None and interval.value is not None:
            count = len({patients[int(position)] for position in np.flatnonzero(rate.among)})
            limits = resampled_limits(interval.value, resampled[name], count, level, resamples.method)
            found[name]["by_patient"] = {**limits.to_json(level), "patients": count}
    return found


def rate_statistics(rates: Mapping[str, Rate], patients: Sequence[str] | None) -> dict[str, Statistic]:
    """What is to be computed on every resample: nothing where no patients are known."""
    return {} if patients is None else {name: rate.statistic() for name, rate in rates.items() if rate.among.any()}
