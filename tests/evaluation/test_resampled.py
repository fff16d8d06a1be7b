import math

import pytest
from scipy import stats

from covidnet.evaluation.resampled import holm, mcnemar_exact, resampled_mean


def test_the_corrected_variance_by_hand():
    """Mean 0.2, sd 0.1, 1/n + n_test/n_train = 1/3 + 1/4; Student's t with 2 degrees of freedom has a closed form."""
    found = resampled_mean([0.1, 0.2, 0.3], test_to_train=0.25)
    error = 0.1 * math.sqrt(1 / 3 + 1 / 4)
    t = 0.2 / error
    assert found.mean == pytest.approx(0.2)
    assert found.sd == pytest.approx(0.1)
    assert found.p_value == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert (found.low, found.high) == pytest.approx((0.2 - 4.302652729911275 * error, 0.2 + 4.302652729911275 * error))


def test_without_correction_it_is_scipys_t_test():
    values = [0.03, -0.01, 0.04, 0.02, 0.05]
    found, expected = resampled_mean(values), stats.ttest_1samp(values, 0.0)
    limits = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high))


def test_overlapping_training_sets_make_the_interval_wider():
    values = [0.03, -0.01, 0.04, 0.02, 0.05, 0.0, 0.01, 0.02, 0.03, 0.01]
    plain, corrected = resampled_mean(values), resampled_mean(values, test_to_train=0.25)
    ratio = math.sqrt(1 / 10 + 0.25) / math.sqrt(1 / 10)
    assert corrected.high - corrected.low == pytest.approx(ratio * (plain.high - plain.low))
    assert "Nadeau" in corrected.method and "Nadeau" not in plain.method


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]])
def test_no_spread_gives_no_interval_rather_than_certainty(values):
    found = resampled_mean(values, test_to_train=0.25)
    assert (found.mean, found.low, found.high, found.p_value) == (0.5, None, None, None)


def test_limits_stay_where_scores_can_be():
    assert resampled_mean([0.5, 1.0], 0.25, bounds=(0.0, 1.0)).high == 1.0


def test_no_values():
    with pytest.raises(ValueError, match="no values"):
        resampled_mean([])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(5, 15, 2 * sum(math.comb(20, k) for k in range(6)) / 2**20), (0, 0, 1.0), (0, 6, 2 / 2**6), (3, 3, 1.0)],
)
def test_mcnemar_is_the_binomial_test_of_the_disagreements(first, second, expected):
    assert mcnemar_exact(first, second) == pytest.approx(expected)


def test_holm_by_hand():
    """Sorted 0.01, 0.03, 0.04: times 3, 2, 1, and never below the one before."""
    assert holm([0.01, 0.04, None, 0.03]) == [
        pytest.approx(0.03), pytest.approx(0.06), None, pytest.approx(0.06)
    ]  # fmt: skip
    assert holm([None]) == [None]
