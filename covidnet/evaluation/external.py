"""How much a score falls from the internal test images to images from elsewhere."""

from __future__ import annotations

from covidnet.predictions import Predictions

LEVEL = 0.95
METHOD = "Newcombe (1998), hybrid score interval of a difference of independent proportions"


def accuracy_drop(internal: Predictions, external: Predictions) -> dict[str, object]:
    """Internal minus external accuracy with its interval; positive where the model does worse elsewhere.

    R. G. Newcombe, Statistics in Medicine 17 (1998): interval estimation for the difference between independent
    proportions, method 10.

    Returns:
        ``value`` in [-1, 1] with ``low`` and ``high``; None where one side has no images.
    """
    if not len(internal) or not len(external):
        return {"value": None, "low": None, "high": None, "level": LEVEL, "method": METHOD}
    from statsmodels.stats.proportion import confint_proportions_2indep

    right = [int((one.truth == one.predicted).sum()) for one in (internal, external)]
    sizes = [len(internal), len(external)]
    low, high = confint_proportions_2indep(right[0], sizes[0], right[1], sizes[1], method="newcomb", compare="diff")
    value = right[0] / sizes[0] - right[1] / sizes[1]
    return {"value": value, "low": float(low), "high": float(high), "level": LEVEL, "method": METHOD}
