import json

import pytest
from predicted import binary, drawn, joined, relabelled

from covidnet.config.schema import EvaluationConfig
from covidnet.errors import ConfigError
from covidnet.evaluation.assessment import assess
from covidnet.evaluation.choice import PARTLY, SAME, choose
from covidnet.evaluation.metrics import compute_metrics
from covidnet.evaluation.temperature import scaled

VALIDATION = drawn(100, seed=1, sharpness=2.0, split="val")
TEST = drawn(120, seed=2, sharpness=2.0)


def options(**values):
    return EvaluationConfig(bootstrap=200, **values)


@pytest.mark.parametrize("calibrate", ["none", "temperature"])
def test_nothing_of_the_test_images_goes_into_the_choice(calibrate):
    """Their labels are turned round: the same threshold and temperature, other scores."""
    choice = choose(VALIDATION, "covid", options(at_sensitivity=0.9, calibrate=calibrate))
    first, second = assess(TEST, choice), assess(relabelled(TEST), choice)
    assert first["operating_point"]["threshold"] == second["operating_point"]["threshold"]
    assert first["operating_point"]["chosen_on"] == second["operating_point"]["chosen_on"]
    assert first["calibration"]["temperature"] == second["calibration"]["temperature"]
    assert first["operating_point"]["sensitivity"]["value"] > 0.7 > second["operating_point"]["sensitivity"]["value"]


def test_the_validation_labels_do_decide():
    asked = options(at_sensitivity=0.9)
    assert choose(VALIDATION, "covid", asked).threshold != choose(relabelled(VALIDATION), "covid", asked).threshold


def test_the_operating_point_by_hand():
    validation = binary([0.9, 0.7, 0.4, 0.6, 0.2, 0.1], [1, 1, 1, 0, 0, 0], split="val")
    test = binary([0.8, 0.4, 0.39, 0.5, 0.3], [1, 1, 1, 0, 0])
    found = assess(test, choose(validation, "covid", options(at_sensitivity=1.0, prevalence=0.1)))["operating_point"]
    assert found["threshold"] == 0.4 and found["target"] == {"sensitivity": 1.0}
    reached = found["chosen_on"]
    assert (reached["split"], reached["n"]) == ("val", 6)
    assert (reached["sensitivity"]["value"], reached["specificity"]["value"]) == (1.0, pytest.approx(2 / 3))
    assert (found["sensitivity"]["successes"], found["sensitivity"]["n"]) == (2, 3)
    assert (found["specificity"]["successes"], found["specificity"]["n"]) == (1, 2)
    assert found["sensitivity"]["method"] == "Clopper-Pearson" and found["sensitivity"]["by_patient"] is None
    ppv = (2 / 3) * 0.1 / ((2 / 3) * 0.1 + 0.5 * 0.9)
    assert found["predictive_values"]["ppv"]["value"] == pytest.approx(ppv)
    assert found["warning"] is found["reason"] is found["note"] is None


def test_chosen_on_the_images_that_are_scored_is_marked():
    asked = options(at_sensitivity=0.9)
    same = assess(TEST, choose(TEST, "covid", asked))
    assert same["operating_point"]["warning"] == same["calibration"]["warning"] == SAME
    both = joined(TEST, VALIDATION)
    partly = assess(both, choose(VALIDATION, "covid", asked))
    assert partly["operating_point"]["warning"] == partly["calibration"]["warning"] == PARTLY
    apart = assess(TEST, choose(VALIDATION, "covid", asked))
    assert apart["operating_point"]["warning"] is apart["calibration"]["warning"] is None


def test_calibration_is_reported_and_applied_only_on_request():
    plain = assess(TEST, choose(VALIDATION, "covid", options()))
    assert plain["operating_point"] is None
    found = plain["calibration"]
    assert found["temperature"] == pytest.approx(2.0, rel=0.4) and not found["applied"]
    assert (found["fitted_on"], found["n_fitted"], found["reason"]) == ("val", 100, None)
    assert found["temperature_interval"]["low"] < found["temperature"] < found["temperature_interval"]["high"]
    assert found["after"]["log_loss"] < found["before"]["log_loss"]
    assert {key: plain[key] for key in ("ece", "brier", "log_loss")} == found["before"]

    applied = assess(TEST, choose(VALIDATION, "covid", options(calibrate="temperature", at_sensitivity=0.9)))
    assert applied["calibration"] == found | {"applied": True}
    assert {key: applied[key] for key in ("ece", "brier", "log_loss")} == found["after"]
    assert applied["accuracy"] == plain["accuracy"] and applied["auroc"] == pytest.approx(plain["auroc"])
    assert applied["operating_point"]["probabilities"] == "temperature"


def test_a_threshold_on_calibrated_probabilities_calls_the_same_images():
    """Two classes: scaling moves the threshold with the scores."""
    raw = assess(TEST, choose(VALIDATION, "covid", options(at_specificity=0.8)))["operating_point"]
    choice = choose(VALIDATION, "covid", options(at_specificity=0.8, calibrate="temperature"))
    moved = assess(TEST, choice)["operating_point"]
    assert moved["sensitivity"] == raw["sensitivity"] and moved["specificity"] == raw["specificity"]
    assert moved["threshold"] != raw["threshold"]
    alone = scaled(VALIDATION, choice.temperature.value).probabilities[:, 0]
    assert moved["threshold"] in alone


def test_without_validation_images_nothing_is_chosen():
    nobody = TEST.of_split("val")
    found = assess(TEST, choose(nobody, None, options(at_sensitivity=0.9, calibrate="temperature")))
    assert found["calibration"]["temperature"] is None and not found["calibration"]["applied"]
    assert found["calibration"]["reason"] == found["operating_point"]["reason"] == "there are no validation images"
    assert found["operating_point"]["sensitivity"] is None
    assert found["brier"] == compute_metrics(TEST)["brier"]


def test_everything_is_plain_and_finite():
    nobody = TEST.of_split("val")
    for scored in (TEST, nobody, drawn(1), drawn(40, 3, per_patient=3)):
        validation = drawn(30, len(scored.classes), seed=5, split="val")
        for asked in (options(), options(at_specificity=0.9, calibrate="temperature", prevalence=0.01)):
            json.dumps(assess(scored, choose(validation, None, asked)), allow_nan=False)


def test_an_unknown_positive_class():
    with pytest.raises(ConfigError, match=r"positive_class=covit.*Did you mean covid"):
        choose(VALIDATION, "covit", options())
