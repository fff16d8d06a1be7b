"""The AUROC of one class against the rest: of which classes, of how many independent pairs, and DeLong's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from covidnet.evaluation.bootstrap import Floats
from covidnet.evaluation.delong import delong
from covidnet.evaluation.limits import ROUNDING, Limits, cautious, hoeffding_limits, unanimous_limits

Indices = NDArray[np.int64]

DELONG = "DeLong, logit limits"
PAIRS = "disjoint pairs"


def ranked_classes(truth: Indices, size: int, positive: int) -> list[int]:
    """Classes whose areas make up the AUROC: the positive one of two, else all that have images.

    Empty where the AUROC is undefined: fewer than two classes have images.
    """
    present: list[int] = np.unique(truth).tolist()
    if len(present) < 2:
        return []
    return [positive] if size == 2 else present


def disjoint_pairs(is_positive: NDArray[np.bool_], patients: Sequence[str] | None) -> int:
    """How many pairs of a positive and a negative image can be formed, no patient being in two of them.

    Args:
        is_positive: Shape (N,).
        patients: Of each image; None where each image is one of its own.
    """
    if patients is None:
        return int(min(is_positive.sum(), (~is_positive).sum()))
    ill = {name for name, is_ill in zip(patients, is_positive, strict=True) if is_ill}
    well = {name for name, is_ill in zip(patients, is_positive, strict=True) if not is_ill}
    # A patient with images of both kinds can be on either side, not on both.
    return min(len(ill), len(well), len(ill | well) // 2)


def delong_limits(area: float, positives: Floats, negatives: Floats, level: float) -> Limits:
    """The interval of an AUROC of independent images.

    DeLong's variance, with the normal interval taken of log(A / (1 - A)), which stays inside [0, 1] and holds better
    for few images; made `cautious`. Where that variance is 0 or unknown:

    * All pairs are in the right order (or all in the wrong one). Of k disjoint pairs of a positive and a negative
      image, which are independent and each in the right order with a probability of at most the AUROC, all are so
      with at most AUROC^k. The lower limit is therefore that of k successes in k trials.
    * A class has one image only, or all scores are equal: `hoeffding_limits` with these k pairs.

    Args:
        area: The estimate in [0, 1].
        positives: Scores of the positive class, shape (m,).
        negatives: Scores of the others, shape (n,).
        level: Confidence level.
    """
    pairs = min(len(positives), len(negatives))
    if min(area, 1 - area) < ROUNDING:
        return unanimous_limits(area, pairs, level, PAIRS)
    variance = delong(positives, negatives)[1] if pairs > 1 else 0.0
    if variance < ROUNDING**2:
        return hoeffding_limits(area, pairs, level, PAIRS)
    from scipy import stats
    from scipy.special import expit, logit

    reach = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt(variance) / (area * (1 - area))
    low, high = (float(expit(logit(area) + shift)) for shift in (-reach, reach))
    return Limits(*cautious(low, high, pairs, level), DELONG)
