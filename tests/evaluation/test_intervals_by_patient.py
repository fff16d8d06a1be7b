"""Images of one patient are alike: what that does to the intervals of `compute_metrics`."""

import json
import warnings

import numpy as np
import pytest
from predicted import binary, drawn, joined, repeated

from covidnet.evaluation.auroc import delong_limits
from covidnet.evaluation.intervals import exact_interval
from covidnet.evaluation.metrics import compute_metrics


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def width(limits):
    return limits["high"] - limits["low"]


def test_copies_of_an_image_tell_nothing_new():
    """Every image five times over, as those of one patient: as wide by patient as the images alone."""
    once = drawn(60, seed=4)
    alone = compute_metrics(once)
    fivefold = compute_metrics(repeated(once, 5))
    blind = compute_metrics(joined(*[once] * 5))
    assert fivefold["n"] == 300 and fivefold["n_patients"] == 60 and alone["n_patients"] is None
    assert fivefold["auroc"] == pytest.approx(alone["auroc"])
    assert "patient" in fivefold["auroc_interval"]["method"] and "DeLong" in alone["auroc_interval"]["method"]
    assert width(fivefold["auroc_interval"]) == pytest.approx(width(alone["auroc_interval"]), rel=0.15)
    assert width(fivefold["auroc_interval"]) > 1.8 * width(blind["auroc_interval"])
    for name in ("accuracy", "sensitivity", "specificity"):
        assert blind[name]["by_patient"] is None
        assert width(fivefold[name]["by_patient"]) > 1.6 * width(fivefold[name])
        assert width(fivefold[name]["by_patient"]) == pytest.approx(width(alone[name]), rel=0.25)
    assert fivefold["accuracy"]["by_patient"]["patients"] == 60
    positives = int((once.truth == 0).sum())
    assert fivefold["sensitivity"]["by_patient"]["patients"] == positives
    for name in ("brier", "average_precision"):
        assert width(fivefold[f"{name}_interval"]) > 1.8 * width(blind[f"{name}_interval"])


def test_the_bootstrap_agrees_with_the_formula_for_clusters():
    """Obuchowski, Biometrics 53 (1997) 567-578: DeLong's components, summed over each patient's images."""
    table = drawn(400, seed=8, per_patient=4)
    scores, positive = table.probabilities[:, 0], table.truth == 0
    order = (scores[positive][:, None] > scores[~positive]).astype(float)
    area = order.mean()
    patients = np.array([int(name) for name in table.patients])
    above = np.bincount(patients[positive], order.mean(axis=1) - area, 100)
    below = np.bincount(patients[~positive], order.mean(axis=0) - area, 100)
    m, n = positive.sum(), (~positive).sum()
    ill, well = len(set(patients[positive])), len(set(patients[~positive]))
    variance = (
        ill / (ill - 1) * (above**2).sum() / m**2
        + well / (well - 1) * (below**2).sum() / n**2
        + 2 * 100 / 99 * (above * below).sum() / (m * n)
    )
    found = compute_metrics(table)["auroc_interval"]
    assert width(found) == pytest.approx(2 * 1.96 * variance**0.5, rel=0.12)


def test_patients_who_all_agree_are_no_certainty():
    right = binary([0.9, 0.8, 0.7, 0.2, 0.1, 0.3], [1, 1, 1, 0, 0, 0], patients=["a", "a", "b", "c", "c", "d"])
    found = compute_metrics(right)
    assert found["accuracy"]["low"] == pytest.approx(exact_interval(6, 6).low)
    assert found["accuracy"]["by_patient"]["low"] == pytest.approx(exact_interval(4, 4).low)
    assert found["sensitivity"]["by_patient"]["low"] == pytest.approx(exact_interval(2, 2).low)
    assert found["auroc"] == 1.0 and found["auroc_interval"]["low"] == pytest.approx(exact_interval(2, 2).low)
    assert found["auroc_interval"]["method"] == "exact, from 2 disjoint pairs that agree"
    assert found["average_precision_interval"] is None  # no spread to judge by


def test_images_without_a_patient_are_patients_of_their_own():
    found = compute_metrics(binary([0.9, 0.4, 0.7, 0.2, 0.6], [1, 1, 1, 0, 0], patients=["a", "a", "", "", ""]))
    assert found["n_patients"] == 4 and found["sensitivity"]["by_patient"]["patients"] == 2


def test_one_patient():
    found = compute_metrics(binary([0.9, 0.4, 0.7, 0.2], [1, 1, 0, 0], patients=["a"] * 4))
    assert found["n_patients"] == 1
    assert (found["auroc_interval"]["low"], found["auroc_interval"]["high"]) == (0.0, 1.0)
    assert (found["accuracy"]["by_patient"]["low"], found["accuracy"]["by_patient"]["high"]) == (0.0, 1.0)
    json.dumps(found, allow_nan=False)


@pytest.mark.slow
def test_coverage_by_patient():
    """Twelve patients of each class with one to six similar images: the interval by image is far too narrow."""
    random = np.random.default_rng(5)
    by_patient = by_image = 0
    for _ in range(150):
        counts = random.integers(1, 7, 24)
        patient = np.repeat(np.arange(24), counts)
        positive = patient < 12
        own = np.sqrt(0.7) * random.normal(size=24)[patient]
        scores = 1 / (1 + np.exp(-(1.19 * positive + own + np.sqrt(0.3) * random.normal(size=len(patient)))))
        names = [str(one) for one in patient]
        with_patients = compute_metrics(binary(scores, positive, patients=names), bootstrap=300)["auroc_interval"]
        without = compute_metrics(binary(scores, positive), bootstrap=200)["auroc_interval"]
        by_patient += with_patients["low"] <= 0.8 <= with_patients["high"]  # Phi(1.19 / sqrt(2)) = 0.80
        by_image += without["low"] <= 0.8 <= without["high"]
    assert by_patient / 150 >= 0.93 and by_image / 150 < 0.85


def test_the_mean_over_classes_has_an_interval():
    table = drawn(200, 3, seed=2)
    found = compute_metrics(table)
    limits = found["auroc_interval"]
    assert limits["low"] < found["auroc"] < limits["high"] and limits["method"] == "bootstrap by image, 2000 resamples"
    # The mean's interval is narrower than that of one class alone.
    scores, first = table.probabilities[:, 0], table.truth == 0
    area = compute_metrics(binary(scores, first))["auroc"]
    single = delong_limits(area, scores[first], scores[~first], 0.95)
    assert 0.3 < width(limits) / (single.high - single.low) < 1.0


def test_the_same_table_gives_the_same_numbers():
    table = drawn(50, 3, per_patient=2)
    assert compute_metrics(table) == compute_metrics(table)
