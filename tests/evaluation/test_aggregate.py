"""Patients from patches, on examples computed by hand."""

import numpy as np
import pytest

from covidnet.errors import ConfigError, DataError, RunError
from covidnet.evaluation.aggregate import RULES, aggregate, maximum, negative_class, noisy_or
from covidnet.predictions import Prediction, Predictions

THREE = ("covid", "influenza", "normal")


def table(*rows, classes=THREE):
    return Predictions(
        classes,
        tuple(
            Prediction(f"{i}.png", split, label, tuple(values), patient)
            for i, (patient, label, values, split) in enumerate(rows)
        ),
    )


def test_noisy_or_of_two_classes_by_hand():
    found = noisy_or(np.array([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7]]), negative=1)
    # The third is not suspicious: 1 - 0.4 * 0.1 against 0.4 * 0.1.
    np.testing.assert_allclose(found, [0.96, 0.04])


def test_noisy_or_of_three_classes_by_hand():
    patches = np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.1, 0.7]])
    covid, influenza, normal = 1 - 0.5 * 0.9, 1 - 0.7 * 0.4, 0.2 * 0.3
    expected = np.array([covid, influenza, normal]) / (covid + influenza + normal)
    np.testing.assert_allclose(noisy_or(patches, negative=2), expected)


def test_a_patient_is_healthy_when_every_patch_is():
    patches = np.array([[0.1, 0.2, 0.7], [0.05, 0.05, 0.9], [0.3, 0.1, 0.6]])
    np.testing.assert_allclose(noisy_or(patches, negative=2), [1 - 0.7, 1 - 0.9, 0.6] / np.sum([0.3, 0.1, 0.6]))
    many = np.tile([0.2, 0.1, 0.7], (50, 1))  # plain noisy-OR over all patches would call nearly everybody ill
    assert noisy_or(many, negative=2).argmax() == 2


def test_a_patient_is_ill_when_one_patch_is():
    rng = np.random.default_rng(0)
    for _ in range(300):
        patches = rng.dirichlet([0.6, 0.6, 1.5], size=rng.integers(1, 7))
        found = noisy_or(patches, negative=2)
        assert found.sum() == pytest.approx(1) and ((found >= 0) & (found <= 1)).all()
        assert (found.argmax() == 2) == (patches.argmax(axis=1) == 2).all()


def test_without_a_class_of_the_healthy_every_patch_counts():
    found = noisy_or(np.array([[0.8, 0.2], [0.4, 0.6]]), negative=None)
    expected = np.array([1 - 0.2 * 0.6, 1 - 0.8 * 0.4])
    np.testing.assert_allclose(found, expected / expected.sum())


def test_certain_patches_are_no_trouble():
    np.testing.assert_allclose(noisy_or(np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), negative=2), [1, 0, 0])
    np.testing.assert_allclose(noisy_or(np.array([[0.0, 0.0, 1.0]]), negative=2), [0, 0, 1])


def test_the_maximum_by_hand():
    found = maximum(np.array([[0.6, 0.1, 0.3], [0.1, 0.2, 0.7]]), negative=2)
    np.testing.assert_allclose(found, np.array([0.6, 0.2, 0.3]) / 1.1)


def test_rows_of_patients():
    rows = table(
        ("p1", "covid", (0.5, 0.3, 0.2), "test"),
        ("p2", "normal", (0.1, 0.1, 0.8), "test"),
        ("p1", "covid", (0.1, 0.3, 0.6), "test"),
        ("p3", "influenza", (0.2, 0.2, 0.6), "val"),
    )
    found = aggregate(rows, "mean")
    assert [(row.path, row.split, row.label) for row in found.rows] == [
        ("p1", "test", "covid"), ("p2", "test", "normal"), ("p3", "val", "influenza"),
    ]  # fmt: skip
    np.testing.assert_allclose(found.probabilities[0], [0.3, 0.3, 0.4])
    np.testing.assert_allclose(aggregate(rows, "noisy_or").probabilities[0], [0.5, 0.3, 0.2])
    assert found.classes == THREE and found.patients is None


def test_an_image_without_a_patient_is_its_own():
    found = aggregate(table(("", "covid", (1, 0, 0), "test"), ("", "normal", (0, 0, 1), "test"),
                            ("p", "normal", (0, 0, 1), "test")), "mean")  # fmt: skip
    assert [row.path for row in found.rows] == ["0.png", "1.png", "p"]


@pytest.mark.parametrize("rule", RULES)
def test_patches_of_an_ill_patient_may_show_nothing(rule):
    found = aggregate(
        table(("p", "normal", (0.2, 0.1, 0.7), "test"), ("p", "influenza", (0.1, 0.8, 0.1), "test")), rule
    )
    assert [row.label for row in found.rows] == ["influenza"]


def test_two_diseases_of_one_patient_are_refused():
    with pytest.raises(RunError, match="patient p: images are labelled covid and influenza"):
        aggregate(table(("p", "covid", (1, 0, 0), "test"), ("p", "influenza", (1, 0, 0), "test")), "mean")


def test_data_without_patients_are_refused():
    with pytest.raises(DataError, match=r"aggregate=mean: no image's patient is known\. .*data\.columns\.patient"):
        aggregate(table(("", "covid", (1, 0, 0), "test")), "mean")


def test_which_class_is_the_healthy():
    assert negative_class(THREE, "noisy_or") == 2
    assert negative_class(("COVID-19", "IAVP", "irrelevant to infection"), "noisy_or") == 2
    assert negative_class(("covid", "influenza"), "noisy_or") is None
    with pytest.raises(ConfigError, match="both healthy and normal mean no disease"):
        negative_class(("covid", "healthy", "normal"), "max")
    assert negative_class(("covid", "healthy", "normal"), "mean") is None
