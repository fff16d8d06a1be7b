import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from covidnet.ood import reference
from covidnet.ood.reference import fit_reference, mahalanobis, prediction_bound, scaled_to_one

SHARE = 0.99


def vectors(n, size, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((size, size)) / np.sqrt(size)
    return rng.standard_normal((n, size)) @ mixing + shift


@pytest.mark.parametrize(("n", "size"), [(200, 12), (20, 40)])
def test_the_distance_is_that_of_scikit_learns_ledoit_wolf(n, size):
    train, others = vectors(n, size), vectors(30, size, seed=1)
    fitted = fit_reference(train, others, "val", SHARE)
    centred = others - train.mean(axis=0)
    precision = LedoitWolf(assume_centered=True).fit(train - train.mean(axis=0)).precision_
    expected = np.sqrt(np.einsum("ij,jk,ik->i", centred, precision, centred))
    assert np.allclose(mahalanobis(others, fitted.mean, fitted.directions, fitted.variances, fitted.rest), expected)
    assert np.allclose(fitted.scores(others), expected / fitted.limit)
    assert (fitted.n_train, fitted.n_limit, fitted.limit_part) == (n, 30, "val")


def test_what_is_like_the_training_images_is_near_and_what_is_not_is_far():
    fitted = fit_reference(vectors(60, 30), vectors(20, 30, seed=1), "val", SHARE)
    assert (fitted.scores(vectors(200, 30, seed=2)) > 1).mean() < 0.05
    assert (fitted.scores(vectors(200, 30, seed=3, shift=4.0)) > 1).mean() == 1.0


def test_what_is_no_number_is_infinitely_far():
    fitted = fit_reference(vectors(20, 5), vectors(9, 5, seed=1), "val", SHARE)
    assert fitted.scores(np.array([[np.nan] * 5, [np.inf] * 5, [0.0] * 5])).tolist()[:2] == [np.inf, np.inf]


def test_rounding_in_what_never_varies_is_not_far():
    train, others = vectors(60, 8), vectors(20, 8, seed=1)
    train, others = (np.hstack([one, np.full((len(one), 8), 3.0)]) for one in (train, others))
    fitted = fit_reference(train, others, "val", SHARE)
    noise = 3e-6 * np.random.default_rng(0).standard_normal(others.shape)
    assert np.allclose(fitted.scores(others + noise), fitted.scores(others), atol=0.01)


def test_few_directions_stand_for_many(monkeypatch):
    train, others = vectors(100, 20), vectors(30, 20, seed=1)
    whole = fit_reference(train, others, "val", SHARE)
    monkeypatch.setattr(reference, "MOST_DIRECTIONS", 6)
    cut = fit_reference(train, others, "val", SHARE)
    assert cut.directions.shape == (6, 20)
    # the same directions, and the same variance in all
    assert np.allclose(cut.variances, whole.variances[:6])
    assert np.isclose(cut.variances.sum() + 14 * cut.rest, whole.variances.sum())


@pytest.mark.parametrize("n", [6, 12, 40])
def test_the_bound_holds_for_as_many_further_images_as_it_says_however_few_it_is_chosen_on(n):
    rng = np.random.default_rng(0)
    exceeded = [
        np.exp(rng.normal(2.0, 0.3)) > prediction_bound(np.exp(rng.normal(2.0, 0.3, n)), 0.95) for _ in range(4000)
    ]
    assert 0.04 < np.mean(exceeded) < 0.06


@pytest.mark.parametrize(
    ("train", "held_out", "said"),
    [
        (vectors(4, 3), vectors(9, 3), "4 training and 9 val images; at least 5 of each"),
        (vectors(9, 3), vectors(4, 3), "9 training and 4 val images"),
        (np.ones((9, 3)), np.ones((9, 3)), "it is the same for every training image"),
        (1 + 1e-6 * vectors(9, 3), 1 + 1e-6 * vectors(9, 3), "the same for every training image, but for rounding"),
        (np.full((9, 3), np.nan), vectors(9, 3), "not all of it is a number"),
    ],
)
def test_what_cannot_be_fitted_is_said(train, held_out, said):
    with pytest.raises(ValueError, match=said):
        fit_reference(train, held_out, "val", SHARE)


def test_vectors_of_length_one():
    found = scaled_to_one(np.array([[3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]]))
    assert found.tolist() == [[0.6, 0.8], [0.0, 0.0], [-1.0, 0.0]]
    assert np.isnan(scaled_to_one(np.array([[np.nan, 1.0]]))).any()
