import numpy as np
import pytest
from sklearn import metrics as sk

from covidnet.evaluation.ranking import Ranking

GRID = np.linspace(0, 1, 11)


def draw(seed):
    """Scores with ties, classes, and three rows of weights, some 0."""
    random = np.random.default_rng(seed)
    n = int(random.integers(4, 60))
    positive = random.random(n) < 0.4
    positive[:2] = True, False
    scores = random.integers(0, random.integers(2, 40), n) / 10
    weights = random.integers(0, 3, (3, n)).astype(float)
    weights[:, :2] += 1
    return scores, positive, weights


@pytest.mark.parametrize("seed", range(30))
def test_areas_are_scikit_learns_with_sample_weights(seed):
    scores, positive, weights = draw(seed)
    for found, own in zip(Ranking(scores, positive).areas(weights), weights, strict=True):
        assert found[0] == pytest.approx(sk.roc_auc_score(positive, scores, sample_weight=own))
        assert found[1] == pytest.approx(sk.average_precision_score(positive, scores, sample_weight=own))


@pytest.mark.parametrize("seed", range(10))
def test_curves_at_the_grid(seed):
    scores, positive, weights = draw(seed)
    ranking = Ranking(scores, positive)
    sensitivities, precisions = ranking.sensitivity_at(GRID, weights), ranking.precision_at(GRID, weights)
    for row, own in enumerate(weights):
        false, true, _ = sk.roc_curve(positive, scores, sample_weight=own, drop_intermediate=False)
        assert sensitivities[row] == pytest.approx([true[false <= x + 1e-9].max() for x in GRID])
        assert precisions[row] == pytest.approx([first_precision(scores, positive, own, x) for x in GRID])


def first_precision(scores, positive, weights, asked):
    """At the highest threshold that finds as much as asked, and somebody at all."""
    for threshold in np.unique(scores)[::-1]:
        called = scores >= threshold
        hits = weights[called & positive].sum()
        if hits and hits / weights[positive].sum() >= asked - 1e-9:
            return hits / weights[called].sum()
    raise AssertionError


def test_equal_scores_are_chance():
    ranking = Ranking(np.full(6, 0.3), np.array([True, False, False] * 2))
    assert ranking.areas(np.ones((1, 6)))[0] == pytest.approx([0.5, 1 / 3])
