import numpy as np
import pytest

from covidnet.evaluation.delong import delong

# Hanley and McNeil, Radiology 143 (1982) 29-36, table 1: 109 CT images, rated from 1 (definitely normal) to 5.
NORMAL = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], [33, 6, 6, 11, 2])
ABNORMAL = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], [3, 2, 2, 11, 33])


def test_a_published_example():
    """Stata's manual ([R] roctab) gives 0.8932, 0.0307 and 0.83295 to 0.95339 for these images by DeLong's method."""
    area, variance = delong(ABNORMAL, NORMAL)
    error = variance**0.5
    assert round(area, 4) == 0.8932 and round(error, 4) == 0.0307
    assert [round(area + sign * 1.959964 * error, 5) for sign in (-1, 1)] == [0.83295, 0.95339]


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_definition_pair_by_pair(seed):
    """DeLong, DeLong and Clarke-Pearson (1988), written out over all pairs, with ties."""
    random = np.random.default_rng(seed)
    positives, negatives = random.integers(2, 9, 7) / 10, random.integers(0, 7, 12) / 10
    order = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    expected = order.mean(axis=1).var(ddof=1) / 7 + order.mean(axis=0).var(ddof=1) / 12
    assert delong(positives, negatives) == pytest.approx((order.mean(), expected))


def test_the_variance_is_about_that_of_repeated_draws():
    random = np.random.default_rng(1)
    found = [delong(random.normal(1, 1, 30), random.normal(0, 1, 50)) for _ in range(2000)]
    areas, variances = np.array(found).T
    assert variances.mean() == pytest.approx(areas.var(), rel=0.08)


@pytest.mark.parametrize(("m", "n"), [(1, 5), (5, 1), (0, 3)])
def test_one_image_of_a_class_has_no_variance(m, n):
    with pytest.raises(ValueError, match=f"{m} positives and {n} negatives: expected at least 2"):
        delong(np.ones(m), np.zeros(n))
