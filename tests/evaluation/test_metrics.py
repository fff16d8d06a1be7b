import json
import math
import warnings

import pytest

from covidnet.errors import ConfigError
from covidnet.evaluation.metrics import (
    classification_report_text,
    compute_metrics,
    confusion_matrix,
    default_positive_class,
)
from covidnet.predictions import Prediction, Predictions


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def table(classes, *rows):
    made = [Prediction(f"{i}.png", "test", label, tuple(p)) for i, (label, p) in enumerate(rows)]
    return Predictions(tuple(classes), tuple(made))


BINARY = table(
    ["covid", "normal"],
    ("covid", (0.9, 0.1)),
    ("covid", (0.8, 0.2)),
    ("covid", (0.3, 0.7)),
    ("normal", (0.4, 0.6)),
    ("normal", (0.6, 0.4)),
)


def test_binary_by_hand():
    found = compute_metrics(BINARY, "covid")
    assert found["n"] == 5
    assert found["confusion_matrix"] == [[2, 1], [1, 1]]
    assert found["accuracy"]["value"] == 0.6
    assert found["accuracy"]["correct"] == 3
    assert found["accuracy"]["method"] == "Clopper-Pearson"
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert (found["sensitivity"]["successes"], found["sensitivity"]["n"]) == (2, 3)
    assert found["specificity"]["value"] == 0.5
    covid = found["per_class"]["covid"]
    assert [covid[key] for key in ("precision", "recall", "f1")] == pytest.approx([2 / 3] * 3)
    assert covid["support"] == 3
    assert found["macro_average"]["recall"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["weighted_average"]["recall"] == pytest.approx(0.6)
    # Of the six pairs of a covid and a normal image, four have the covid one higher.
    assert found["auroc"] == pytest.approx(4 / 6)
    expected = -sum(math.log(p) for p in (0.9, 0.8, 0.3, 0.6, 0.4)) / 5
    assert found["log_loss"] == pytest.approx(expected)


def test_the_other_positive_class_swaps_the_two_rates():
    first, second = compute_metrics(BINARY, "covid"), compute_metrics(BINARY, "normal")
    assert first["sensitivity"] == second["specificity"]
    assert first["specificity"] == second["sensitivity"]
    assert first["auroc"] == pytest.approx(second["auroc"])


def test_three_classes_by_hand():
    three = table(
        ["a", "b", "normal"],
        ("a", (0.7, 0.2, 0.1)),
        ("a", (0.2, 0.5, 0.3)),
        ("b", (0.1, 0.8, 0.1)),
        ("normal", (0.1, 0.3, 0.6)),
    )
    found = compute_metrics(three, None)
    assert found["positive_class"] == "a"
    assert found["confusion_matrix"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert found["sensitivity"]["value"] == 0.5
    assert found["specificity"]["value"] == 1.0
    assert found["auroc"] == pytest.approx(1.0)
    assert found["per_class"]["b"]["precision"] == 0.5


def test_a_class_absent_in_the_split_is_none_not_nan():
    absent = table(["a", "b", "c"], ("a", (0.8, 0.1, 0.1)), ("b", (0.1, 0.1, 0.8)), ("b", (0.2, 0.7, 0.1)))
    found = compute_metrics(absent, "c")
    assert found["per_class"]["c"] == {"precision": 0.0, "recall": None, "f1": 0.0, "support": 0}
    assert found["balanced_accuracy"] == pytest.approx((1 + 0.5) / 2)
    assert found["sensitivity"]["value"] is None
    assert found["specificity"]["value"] == pytest.approx(2 / 3)
    assert found["auroc"] == pytest.approx((1.0 + 0.75) / 2)
    json.dumps(found, allow_nan=False)
    assert "c" in classification_report_text(absent)


def test_a_class_never_predicted_has_no_precision():
    found = compute_metrics(table(["a", "b"], ("a", (0.9, 0.1)), ("b", (0.9, 0.1))), "a")
    assert found["per_class"]["b"]["precision"] is None
    assert found["macro_average"]["precision"] == pytest.approx(0.25)
    assert found["auroc"] == 0.5


def test_one_class_present_has_no_auroc():
    found = compute_metrics(table(["a", "b"], ("a", (0.9, 0.1)), ("a", (0.2, 0.8))), "a")
    assert found["auroc"] is None
    assert found["specificity"]["value"] is None
    assert found["log_loss"] == pytest.approx(-(math.log(0.9) + math.log(0.2)) / 2)


def test_empty_table():
    found = compute_metrics(table(["a", "b"]), "a")
    assert found["n"] == 0
    assert found["accuracy"]["value"] is None
    assert found["confusion_matrix"] == [[0, 0], [0, 0]]
    assert found["auroc"] is found["log_loss"] is found["balanced_accuracy"] is None
    json.dumps(found, allow_nan=False)
    assert "no images" in classification_report_text(table(["a", "b"]))


def test_diverged_and_odd_probabilities_still_give_json():
    nan = float("nan")
    found = compute_metrics(table(["a", "b"], ("a", (nan, nan)), ("b", (0.1, 0.9))), "a")
    assert found["auroc"] is None and found["log_loss"] is None
    sure = compute_metrics(table(["a", "b"], ("a", (0.0, 1.0)), ("b", (0.0, 0.0))), "a")
    assert math.isfinite(sure["log_loss"])
    single = compute_metrics(table(["a"], ("a", (1.0,))), "a")
    assert single["accuracy"]["value"] == 1.0 and single["log_loss"] is None
    json.dumps([found, sure, single], allow_nan=False)


def test_float32_probabilities_do_not_warn():
    rows = [("a", (0.33333334, 0.3333333, 0.33333334)), ("b", (0.1, 0.70000005, 0.2)), ("c", (0.1, 0.2, 0.7))]
    assert compute_metrics(table(["a", "b", "c"], *rows), "a")["log_loss"] > 0


def test_unknown_positive_class_names_the_nearest():
    with pytest.raises(ConfigError, match=r"positive_class=Covd.*covid, normal.*Did you mean covid\?"):
        compute_metrics(BINARY, "Covd")


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["covid", "normal"], "covid"),
        (["NORMAL", "PNEUMONIA"], "PNEUMONIA"),
        (["No Finding", "viral", "zoster"], "viral"),
        (["healthy", "tb"], "tb"),
        (["COVID", "non-COVID"], "COVID"),
        (["control", "normal"], "normal"),
        (["0", "1"], "1"),
    ],
)
def test_default_positive_class(classes, expected):
    assert default_positive_class(classes) == expected


def test_no_classes_no_positive_class():
    with pytest.raises(ValueError, match="no classes"):
        default_positive_class([])


def test_confusion_matrix_counts_repeated_cells():
    assert confusion_matrix(BINARY).sum() == 5


def test_report_is_scikit_learns():
    text = classification_report_text(BINARY)
    assert "precision" in text and "accuracy" in text and "0.60" in text
