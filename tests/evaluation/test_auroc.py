import itertools
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from covidnet.evaluation.auroc import delong_limits, disjoint_pairs, ranked_classes
from covidnet.evaluation.intervals import exact_interval


def limits(positives, negatives, level=0.95):
    positives, negatives = np.asarray(positives, dtype=float), np.asarray(negatives, dtype=float)
    truth = np.r_[np.ones(len(positives)), np.zeros(len(negatives))]
    return delong_limits(roc_auc_score(truth, np.r_[positives, negatives]), positives, negatives, level)


def test_a_published_example_on_the_logit_scale():
    """The images of Hanley and McNeil (1982); area and error are Stata's, the limits the delta method's by hand."""
    ratings = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = limits(np.repeat(ratings, [3, 2, 2, 11, 33]), np.repeat(ratings, [33, 6, 6, 11, 2]))
    area, error = 0.893171, 0.0307244
    reach = 1.959964 * error / (area * (1 - area))
    centre = math.log(area / (1 - area))
    assert found.low == pytest.approx(1 / (1 + math.exp(-(centre - reach))), abs=1e-5)
    assert found.high == pytest.approx(1 / (1 + math.exp(-(centre + reach))), abs=1e-5)
    assert found.method == "DeLong, logit limits"


@pytest.mark.parametrize(("m", "n"), [(5, 5), (3, 90), (40, 12)])
def test_complete_separation_is_no_certainty(m, n):
    """It is worth as much as all of so many disjoint pairs being in order: Clopper and Pearson's limit."""
    found = limits(np.arange(m) + 100, np.arange(n))
    pairs = min(m, n)
    assert found.low == pytest.approx(exact_interval(pairs, pairs).low) and found.high == 1.0
    assert found.method == f"exact, from {pairs} disjoint pairs that agree"
    turned = limits(np.arange(m) - 100, np.arange(n))
    assert (turned.low, turned.high) == pytest.approx((0.0, 1 - found.low))


def test_an_error_never_makes_the_lower_limit_higher():
    separated = limits([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]).low
    for wrong in (5.5, 4.5, 0.5):
        assert limits([wrong - 1, 7, 8, 9, 10], [1, 2, 3, 4, 5]).low <= separated


def test_without_spread_only_a_bound_is_left():
    """Equal scores for all: DeLong's variance is 0, which says nothing of another model's scores."""
    found = limits(np.full(200, 0.5), np.full(100, 0.5))
    reach = math.sqrt(math.log(2 / 0.05) / 200)
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach))
    assert found.method == "Hoeffding, from 100 disjoint pairs"
    assert limits([0.5], [0.1, 0.2, 0.9])[:2] == (0.0, 1.0)


@pytest.mark.parametrize(("area", "each", "least", "most"), [(0.8, 20, 0.92, 0.985), (0.97, 10, 0.93, 1.0)])
def test_coverage(area, each, least, most):
    """300 draws of two normal classes."""
    random = np.random.default_rng(7)
    shift = math.sqrt(2) * stats.norm.ppf(area)
    hits = 0
    for _ in range(300):
        found = limits(random.normal(shift, 1, each), random.normal(0, 1, each))
        hits += found.low <= area <= found.high
    assert least <= hits / 300 <= most


def test_which_classes_are_ranked():
    assert ranked_classes(np.array([0, 1, 1]), 2, 1) == [1]
    assert ranked_classes(np.array([0, 2, 2]), 3, 1) == [0, 2]
    assert ranked_classes(np.array([1, 1]), 2, 1) == ranked_classes(np.array([], dtype=int), 3, 0) == []


def test_disjoint_pairs_of_images():
    assert disjoint_pairs(np.array([True] * 3 + [False] * 9), None) == 3


@pytest.mark.parametrize("seed", range(20))
def test_disjoint_pairs_of_patients(seed):
    """Against trying all sets of pairs of a few images."""
    random = np.random.default_rng(seed)
    positive = random.random(7) < 0.5
    patients = [str(one) for one in random.integers(0, 5, 7)]
    pairs = [
        {patients[i], patients[j]}
        for i, j in itertools.product(np.flatnonzero(positive), np.flatnonzero(~positive))
        if patients[i] != patients[j]
    ]
    most = 0
    for count in (1, 2, 3):
        disjoint = any(len(set().union(*chosen)) == 2 * count for chosen in itertools.combinations(pairs, count))
        most = count if disjoint else most
    assert disjoint_pairs(positive, patients) == most
