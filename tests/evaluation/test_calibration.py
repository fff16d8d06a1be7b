import numpy as np
import pytest
import torch
from predicted import drawn
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from covidnet.evaluation import calibration
from covidnet.evaluation.calibration import (
    brier_losses,
    calibration_scores,
    confidence,
    error_if_calibrated,
    expected_calibration_error,
    reliability_curve,
)
from covidnet.evaluation.intervals import exact_interval

STATED = np.array([0.55, 0.6, 0.61, 0.9, 0.95, 1.0])
TRUE = np.array([True, False, True, True, True, False])


def test_the_error_by_hand():
    # Of ten bins: (0.5, 0.6] has two images, (0.6, 0.7] one, (0.8, 0.9] one, (0.9, 1.0] two.
    expected = (abs(1 - 1.15) + abs(1 - 0.61) + abs(1 - 0.9) + abs(1 - 1.95)) / 6
    assert expected_calibration_error(STATED, TRUE, 10) == pytest.approx(expected)


def test_the_curve_by_hand():
    curve = reliability_curve(STATED, TRUE, 10, 0.95)
    assert [(round(one.low, 9), round(one.high, 9)) for one in curve] == [(0.5, 0.6), (0.6, 0.7), (0.8, 0.9), (0.9, 1)]
    assert [one.stated for one in curve] == pytest.approx([0.575, 0.61, 0.9, 0.975])
    assert [(one.found.successes, one.found.n) for one in curve] == [(1, 2), (1, 1), (1, 1), (1, 2)]
    assert curve[0].found == exact_interval(1, 2)
    assert curve[0].to_json()["found"]["low"] == curve[0].found.low


def test_the_ends_of_the_scale_are_in_bins():
    curve = reliability_curve(np.array([0.0, 1.0]), np.array([False, True]), 5, 0.95)
    assert [(one.low, one.high, one.found.n) for one in curve] == [(0.0, 0.2, 1), (0.8, 1.0, 1)]


@pytest.mark.parametrize("bins", [5, 10, 15])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_error_is_torchmetrics(size, bins):
    table = drawn(300, size, seed=size, sharpness=2.0)
    expected = multiclass_calibration_error(
        torch.tensor(table.probabilities), torch.tensor(table.truth), num_classes=size, n_bins=bins, norm="l1"
    )
    found = expected_calibration_error(*confidence(table.probabilities, table.truth), bins)
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_the_error_of_one_class_is_torchmetrics_too():
    table = drawn(300, seed=5)
    scores, hits = table.probabilities[:, 1], table.truth == 1
    expected = binary_calibration_error(torch.tensor(scores), torch.tensor(hits).int(), n_bins=10, norm="l1")
    assert expected_calibration_error(scores, hits, 10) == pytest.approx(float(expected), abs=1e-6)


def test_bins_of_equal_mass():
    stated, true = np.array([0.1, 0.1, 0.1, 0.1, 0.3, 0.6, 0.8, 0.9]), np.array([1, 0, 0, 0, 1, 0, 1, 1], dtype=bool)
    # The two halves; the images of equal probability stay together.
    expected = (abs(1 - 0.4) + abs(3 - 2.6)) / 8
    assert expected_calibration_error(stated, true, 2, equal_mass=True) == pytest.approx(expected)
    order = np.random.default_rng(0).permutation(8)
    turned = expected_calibration_error(stated[order], true[order], 2, equal_mass=True)
    assert turned == pytest.approx(expected)
    assert expected_calibration_error(np.full(4, 0.7), true[:4], 10, equal_mass=True) == pytest.approx(abs(1 - 2.8) / 4)


def test_what_chance_gives_a_calibrated_model():
    table = drawn(2000, seed=3)
    stated, hits = confidence(table.probabilities, table.truth)
    usual = error_if_calibrated(stated, 10, 1000)
    assert usual.shape == (1000,) and 0.005 < usual.mean() < 0.03
    assert expected_calibration_error(stated, hits, 10) < np.quantile(usual, 0.99)
    sharp = drawn(2000, seed=3, sharpness=3.0)
    stated, hits = confidence(sharp.probabilities, sharp.truth)
    assert expected_calibration_error(stated, hits, 10) > 2 * error_if_calibrated(stated, 10, 1000).max()
    few = confidence(drawn(10, seed=3).probabilities, table.truth[:10])[0]
    assert error_if_calibrated(few, 10, 1000).mean() > 0.08


def test_it_is_the_error_of_drawn_truths():
    """Against drawing them one by one."""
    stated = drawn(60, seed=1).probabilities.max(axis=1)
    random = np.random.default_rng(9)
    slowly = [expected_calibration_error(stated, random.random(60) < stated, 10) for _ in range(2000)]
    found = error_if_calibrated(stated, 10, 2000)
    assert found.mean() == pytest.approx(np.mean(slowly), rel=0.03)
    assert np.quantile(found, 0.95) == pytest.approx(np.quantile(slowly, 0.95), rel=0.05)


def test_brier_is_scikit_learns_for_two_classes_and_the_sum_for_more():
    two = drawn(50)
    expected = brier_score_loss(two.truth == 0, two.probabilities[:, 0])
    assert brier_losses(two.probabilities, two.truth).mean() == pytest.approx(expected)
    probabilities, truth = np.array([[0.7, 0.2, 0.1], [0.2, 0.2, 0.6]]), np.array([0, 1])
    assert brier_losses(probabilities, truth) == pytest.approx([0.09 + 0.04 + 0.01, 0.04 + 0.64 + 0.36])


def test_all_scores_and_where_there_are_none():
    table = drawn(80, 3)
    found = calibration_scores(table.probabilities, table.truth, 10)
    assert found["log_loss"] == pytest.approx(log_loss(table.truth, table.probabilities))
    assert found["ece"] > 0 and found["brier"] > 0
    nothing = {"ece": None, "brier": None, "log_loss": None}
    assert calibration_scores(np.zeros((0, 2)), np.zeros(0, dtype=int), 10) == nothing
    assert calibration_scores(np.full((2, 2), np.nan), np.array([0, 1]), 10) == nothing
    assert calibration_scores(np.ones((2, 1)), np.array([0, 0]), 10) == nothing


def test_the_default_bins_are_those_of_the_configuration():
    from covidnet.config.schema import EvaluationConfig
    from covidnet.evaluation.bootstrap import RESAMPLES

    assert (EvaluationConfig().bins, EvaluationConfig().bootstrap) == (calibration.BINS, RESAMPLES)
