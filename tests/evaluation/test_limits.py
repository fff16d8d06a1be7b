import math

import numpy as np
import pytest
from scipy import stats

from covidnet.evaluation.intervals import exact_interval
from covidnet.evaluation.limits import cautious, expanded_limits, perfect_limit, resampled_limits


@pytest.mark.parametrize("units", [1, 5, 10, 100])
def test_the_perfect_limit_is_clopper_and_pearsons(units):
    assert perfect_limit(units, 0.95) == pytest.approx(exact_interval(units, units).low)
    assert cautious(0.999, 1.0, units, 0.95) == pytest.approx((exact_interval(units, units).low, 1.0))
    assert cautious(0.0, 0.001, units, 0.95) == pytest.approx((0.0, exact_interval(0, units).high))
    assert perfect_limit(0, 0.95) == 0.0


@pytest.mark.parametrize("units", [4, 10, 50])
def test_expanded_percentiles_of_a_mean_have_the_width_of_its_t_interval(units):
    """The resamples of a mean of normal values have a standard deviation of s * sqrt((n - 1) / n) / sqrt(n)."""
    spread = math.sqrt((units - 1) / units)
    values = stats.norm(0, spread).ppf((np.arange(20_000) + 0.5) / 20_000)
    low, high = expanded_limits(values, 0.95, units)
    assert high == pytest.approx(stats.t.ppf(0.975, units - 1), rel=0.02) and low == pytest.approx(-high, rel=1e-6)


def test_of_many_units_they_are_plain_percentiles():
    values = np.linspace(0, 1, 10_001)
    assert expanded_limits(values, 0.9, 10**6) == pytest.approx((0.05, 0.95), abs=1e-4)


def test_each_blind_spot_has_its_bound():
    even = np.linspace(0.4, 0.6, 1001)
    assert resampled_limits(0.5, even, 30, 0.95, "bootstrap").method == "bootstrap"
    agreed = resampled_limits(1.0, np.ones(100), 12, 0.95, "bootstrap")
    assert agreed == (pytest.approx(exact_interval(12, 12).low), 1.0, "exact, from 12 patients that agree")
    still = resampled_limits(0.5, np.full(100, 0.5), 12, 0.95, "bootstrap")
    assert still.method == "Hoeffding, from 12 patients" and still.low < 0.2 and still.high > 0.8
    assert resampled_limits(0.5, even, 1, 0.95, "bootstrap")[:2] == (0.0, 1.0)
