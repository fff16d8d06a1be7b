"""The area under one ROC curve and its variance by DeLong's method, in the midrank form of Sun and Xu."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def delong(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> tuple[float, float]:
    """AUROC and the estimated variance of it.

    The area is the share of pairs of a positive and a negative image in which the positive one has the higher score,
    ties counting half. Its variance comes from the placements of each image among those of the other class:

        var = var(V10) / m + var(V01) / n,   both with m - 1 and n - 1 in the denominator

    Sources: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845; Sun and Xu, IEEE Signal Processing
    Letters 21 (2014) 1389-1393, who get the placements from midranks in O(N log N).

    Args:
        positives: Scores of the m images of the positive class, shape (m,), m at least 2.
        negatives: Scores of the n others, shape (n,), n at least 2.

    Raises:
        ValueError: A class has fewer than two images, which leaves its variance unknown.
    """
    from scipy.stats import rankdata

    m, n = len(positives), len(negatives)
    if m < 2 or n < 2:
        raise ValueError(f"{m} positives and {n} negatives: expected at least 2 of each")
    together = rankdata(np.concatenate([positives, negatives]))
    above = (together[:m] - rankdata(positives)) / n
    below = 1.0 - (together[m:] - rankdata(negatives)) / m
    variance = above.var(ddof=1) / m + below.var(ddof=1) / n
    return float(above.mean()), float(variance)
