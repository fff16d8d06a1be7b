import numpy as np
import pytest
from predicted import binary, drawn
from sklearn.metrics import precision_recall_curve, roc_curve

from covidnet.evaluation.curves import curves
from covidnet.evaluation.intervals import exact_interval


def test_the_steps_are_scikit_learns():
    table = drawn(80, seed=3)
    found = curves(table, "covid", 200)
    positive, scores = table.truth == 0, table.probabilities[:, 0]
    false, true, _ = roc_curve(positive, scores)
    assert np.array_equal(found.roc.x, false) and np.array_equal(found.roc.y, true)
    precision, recall, _ = precision_recall_curve(positive, scores)
    for x, y in zip(found.precision_recall.x, found.precision_recall.y, strict=True):
        assert y == pytest.approx(precision[np.isclose(recall, x)].max())
    assert found.share == positive.mean()


def test_the_band_is_around_the_curve():
    found = curves(drawn(200, seed=1), "normal", 500)
    for curve in (found.roc, found.precision_recall):
        assert (curve.low <= curve.high).all() and curve.low.min() >= 0 and curve.high.max() <= 1
        inner = (curve.grid > 0.1) & (curve.grid < 0.9)
        last = np.searchsorted(curve.x, curve.grid[inner] + 1e-9, side="right") - 1
        assert (curve.low[inner] <= curve.y[last] + 0.05).all() and (curve.high[inner] >= curve.y[last] - 0.05).all()
    assert (np.diff(found.roc.low) >= 0).all() and (np.diff(found.roc.high) >= 0).all()


def test_complete_separation_has_a_band():
    found = curves(binary([0.9] * 5 + [0.1] * 5, [1] * 5 + [0] * 5), "covid", 200)
    assert (found.roc.y[1:] == 1).all() and (found.precision_recall.y == 1).all()
    assert found.roc.low == pytest.approx(np.full(101, exact_interval(5, 5).low)) and (found.roc.high == 1).all()
    assert found.precision_recall.low[-1] == pytest.approx(exact_interval(5, 5).low)
    assert found.precision_recall.low[20] == pytest.approx(exact_interval(1, 1).low)


def test_patients_widen_it():
    table = drawn(300, seed=2)
    by_image = curves(table, "covid", 500).roc
    by_patient = curves(drawn(300, seed=2, per_patient=10), "covid", 500).roc
    assert np.array_equal(by_image.y, by_patient.y)
    assert not np.array_equal(by_image.low, by_patient.low)


def test_one_class_has_none():
    assert curves(binary([0.4, 0.6], [1, 1]), "covid") is None
    assert curves(binary([0.4, 0.6], [1, 1]), "normal") is None
    assert curves(binary([], []), "normal") is None
