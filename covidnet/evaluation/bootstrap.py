"""The bootstrap over patients: how much a number would vary with other patients of the same kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from covidnet.predictions import Predictions

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""From weights of shape (b, N), how often each image was drawn, to values of shape (b,) or (b, K)."""

RESAMPLES = 2000
"""Percentiles of 95 % intervals rest on the 50 values at each end, and widened ones on some fewer."""

AT_ONCE = 1 << 18
"""Weights in memory at a time; more would leave the processor's cache."""


def clusters(predictions: Predictions) -> tuple[str, ...] | None:
    """Who is on each image, where that matters: None where no patients are known, or each has one image only."""
    patients = predictions.patients
    return None if patients is None or len(set(patients)) == len(patients) else patients


class Resamples:
    """Patients drawn anew with replacement, always the same ones for the same table.

    Patients are drawn within strata: those who have images of the same set of classes. So every class that the table
    has stays in every resample, and the share of the classes hardly varies, as in the stratified splits that the
    images come from. Where no patients are known each image is one.

    Attributes:
        patients: Number of patients, or of images where no patients are known.
        count: Number of resamples.
        method: What was drawn and how often, in words.
    """

    def __init__(
        self, truth: NDArray[np.int64], patients: Sequence[str] | None = None, count: int = RESAMPLES, seed: int = 0
    ) -> None:
        self.count = count
        self.method = f"bootstrap by {'image' if patients is None else 'patient'}, {count} resamples"
        self._seed = seed
        self._patient: NDArray[np.int64] | None = None  # of each image; None where each is its own
        if patients is None:
            kinds = np.unique(truth, return_inverse=True)[1]
        else:
            names, self._patient = np.unique(np.asarray(patients, dtype=object).astype(str), return_inverse=True)
            has = np.zeros((len(names), int(truth.max(initial=0)) + 1), dtype=bool)
            has[self._patient, truth] = True
            kinds = np.unique(has, axis=0, return_inverse=True)[1].reshape(-1)
        self.patients = len(kinds)
        self._strata = [np.flatnonzero(kinds == kind) for kind in range(int(kinds.max(initial=-1)) + 1)]

    def weights(self) -> Iterator[Floats]:
        """How often each image is in each resample, in blocks of shape (b, N), ``count`` rows in all."""
        random = np.random.default_rng(self._seed)
        most = max(1, AT_ONCE // max(1, self.patients))
        for start in range(0, self.count, most):
            block = min(most, self.count - start)
            drawn = np.empty((block, self.patients))
            for stratum in self._strata:
                size = len(stratum)
                picks = random.integers(0, size, (block, size)) + size * np.arange(block)[:, None]
                drawn[:, stratum] = np.bincount(picks.ravel(), minlength=block * size).reshape(block, size)
            yield drawn if self._patient is None else drawn[:, self._patient]

    def values(self, statistics: Mapping[str, Statistic]) -> dict[str, Floats]:
        """Every statistic on every resample: arrays whose first axis is ``count`` long."""
        blocks: dict[str, list[Floats]] = {name: [] for name in statistics}
        for weights in self.weights():
            for name, statistic in statistics.items():
                blocks[name].append(statistic(weights))
        return {name: np.concatenate(parts) for name, parts in blocks.items()}
