import numpy as np
import pytest
from predicted import binary, drawn

from covidnet.evaluation.calibration import log_loss
from covidnet.evaluation.temperature import fit_temperature, scale, scaled


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found_again(size, sharpness):
    """Calibrated probabilities that were sharpened so much need that temperature."""
    table = drawn(20_000, size, seed=1, sharpness=sharpness)
    found = fit_temperature(table.probabilities, table.truth)
    assert found.value == pytest.approx(sharpness, rel=0.04)
    assert found.low < sharpness < found.high and found.high / found.low < 1.15
    assert found.n == 20_000 and found.reason is None


def test_no_other_temperature_fits_better():
    table = drawn(60, 3, seed=2, sharpness=2.0)
    found = fit_temperature(table.probabilities, table.truth)
    best = log_loss(table.truth, scale(table.probabilities, found.value))
    for other in np.linspace(0.2, 10, 200):
        assert log_loss(table.truth, scale(table.probabilities, other)) >= best - 1e-9
    # Twice the fall of the log-likelihood at the limits is the 95 % point of chi-squared.
    for limit in (found.low, found.high):
        fall = log_loss(table.truth, scale(table.probabilities, limit)) - best
        assert 2 * 60 * fall == pytest.approx(3.841459, abs=1e-3)


def test_the_interval_covers():
    hits = 0
    for seed in range(200):
        table = drawn(60, seed=seed, sharpness=2.0)
        found = fit_temperature(table.probabilities, table.truth)
        hits += found.value is not None and found.low <= 2.0 <= (found.high or np.inf)
    assert 0.9 <= hits / 200 <= 0.99


def test_few_images_may_leave_it_open_above():
    found = fit_temperature(binary([0.9, 0.8, 0.3, 0.6], [1, 0, 0, 1]).probabilities, np.array([0, 1, 1, 0]))
    assert found.value > 0 and found.low < found.value and found.high is None


@pytest.mark.parametrize(
    ("scores", "positive", "reason"),
    [
        ([0.9, 0.7, 0.2], [1, 1, 0], "all 3 validation images are classified rightly"),
        ([1.0, 1.0, 0.0], [1, 1, 0], "all 3 validation images are classified rightly"),
        ([0.5, 0.5], [1, 0], "all 2 validation images"),
        ([0.4, 0.6], [1, 0], "on the 2 validation images the probabilities say hardly more than chance"),
        ([], [], "there are no validation images"),
    ],
)
def test_where_there_is_none(scores, positive, reason):
    table = binary(scores, positive)
    found = fit_temperature(table.probabilities, table.truth)
    assert found.value is None and reason in found.reason and found.n == len(scores)


def test_probabilities_that_say_next_to_nothing():
    """The best temperature is then as high as one looks."""
    table = binary([0.99] * 51 + [0.01] * 50, [1] * 26 + [0] * 25 + [1] * 25 + [0] * 25)
    assert "hardly more than chance" in fit_temperature(table.probabilities, table.truth).reason


def test_saturated_probabilities_do_no_harm():
    table = binary([1.0] * 40 + [0.0] * 40, [1] * 36 + [0] * 4 + [0] * 37 + [1] * 3)
    found = fit_temperature(table.probabilities, table.truth)
    after = scaled(table, found.value).probabilities
    assert after[0, 0] == pytest.approx(73 / 80, abs=1e-3) and np.isfinite(after).all()


def test_scaling_keeps_the_order_of_the_classes_and_the_rows():
    table = drawn(200, 4, per_patient=2)
    for temperature in (0.1, 1.0, 7.0):
        other = scaled(table, temperature)
        assert (other.predicted == table.predicted).all()
        assert other.probabilities.sum(axis=1) == pytest.approx(np.ones(200))
        assert [row.path for row in other.rows] == [row.path for row in table.rows]
        assert other.patients == table.patients
    assert scaled(table, 1.0).probabilities == pytest.approx(table.probabilities)


def test_nothing_to_fit():
    assert fit_temperature(np.ones((3, 1)), np.zeros(3, dtype=int)).value is None
    assert fit_temperature(np.full((3, 2), np.nan), np.array([0, 1, 0])).value is None
