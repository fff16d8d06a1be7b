import json

import numpy as np
import pytest
from predicted import drawn, joined

from covidnet.config.schema import EvaluationConfig
from covidnet.evaluation.assessment import assess
from covidnet.evaluation.choice import choose
from covidnet.evaluation.fold_choices import FoldChoices
from covidnet.evaluation.folds import Fold, pool_folds
from covidnet.evaluation.metrics import compute_metrics
from covidnet.evaluation.temperature import scaled
from covidnet.predictions import Predictions


def named(table, prefix):
    from dataclasses import replace

    return Predictions(table.classes, tuple(replace(row, path=f"{prefix}/{row.path}") for row in table.rows))


def folds(options, repeats=1):
    made = []
    for number in range(3 * repeats):
        test = named(drawn(40, seed=number % 3, sharpness=1 + number), str(number % 3))
        validation = drawn(50, seed=10 + number, sharpness=1 + number, split="val")
        metrics = json.loads(json.dumps(assess(test, choose(validation, "covid", options))))
        made.append(Fold(joined(validation, test), metrics, 80))
    return made


def pooled(options, repeats=1):
    made = folds(options, repeats)
    table = pool_folds(made)
    return made, table, assess(table, FoldChoices(options, made))


def test_the_pooled_operating_point_is_the_sum_of_the_folds():
    made, table, found = pooled(EvaluationConfig(at_sensitivity=0.9, bootstrap=200))
    point = found["operating_point"]
    for measure in ("sensitivity", "specificity"):
        own = [fold.metrics["operating_point"] for fold in made]
        assert point[measure]["successes"] == sum(one[measure]["successes"] for one in own)
        assert point[measure]["n"] == sum(one[measure]["n"] for one in own)
        assert point["chosen_on"][measure]["n"] == sum(one["chosen_on"][measure]["n"] for one in own)
    assert point["per_fold"] == [one["threshold"] for one in own] and point["threshold"] is None
    assert point["chosen_on"]["n"] == 150 and point["reason"] is None and point["warning"] is None
    assert found["n"] == len(table) == 120


def test_pooled_probabilities_are_calibrated_fold_by_fold():
    made, table, found = pooled(EvaluationConfig(calibrate="temperature", bootstrap=200))
    parts = [scaled(f.predictions.of_split("test"), f.metrics["calibration"]["temperature"]) for f in made]
    expected = compute_metrics(joined(*parts), "covid", bootstrap=200)
    for name in ("brier", "log_loss", "ece", "auroc"):
        assert found[name] == pytest.approx(expected[name])
    calibration = found["calibration"]
    assert calibration["applied"] and calibration["n_fitted"] == 150 and calibration["fitted_on"] == "val"
    assert calibration["per_fold"] == [fold.metrics["calibration"]["temperature"] for fold in made]
    raw = compute_metrics(table, "covid", bootstrap=200)
    assert calibration["before"]["brier"] == raw["brier"] != found["brier"]
    plain = assess(table, FoldChoices(EvaluationConfig(bootstrap=200), made))
    assert plain["brier"] == raw["brier"] and plain["calibration"]["after"] == calibration["after"]


def test_of_repetitions_at_least_half_must_call_an_image():
    options = EvaluationConfig(at_sensitivity=0.9, calibrate="temperature", bootstrap=200)
    made, table, found = pooled(options, repeats=2)
    votes = {}
    for fold in made:
        own = scaled(fold.predictions.of_split("test"), fold.metrics["calibration"]["temperature"])
        for row in own.rows:
            called = row.probabilities[0] >= fold.metrics["operating_point"]["threshold"]
            votes.setdefault(row.path, []).append(called)
    assert {len(one) for one in votes.values()} == {2}
    expected = sum(np.mean(votes[row.path]) >= 0.5 for row in table.rows if row.label == "covid")
    assert found["operating_point"]["sensitivity"]["successes"] == expected


def test_a_fold_without_a_threshold_leaves_none():
    options = EvaluationConfig(at_sensitivity=0.9, bootstrap=200)
    made = folds(options)
    made[1].metrics["operating_point"] |= {"threshold": None, "reason": "there are no validation images"}
    found = assess(pool_folds(made), FoldChoices(options, made))["operating_point"]
    assert found["sensitivity"] is None and found["reason"] == "fold 1: there are no validation images"


def test_folds_that_were_never_calibrated():
    """As a run over folds leaves that was begun before there was a calibration."""
    options = EvaluationConfig(at_sensitivity=0.9, calibrate="temperature", bootstrap=200)
    made = folds(options)
    for key in ("calibration", "operating_point"):
        del made[0].metrics[key]
    found = assess(pool_folds(made), FoldChoices(options, made))
    assert found["operating_point"] is None and found["calibration"]["per_fold"][0] is None
    assert found["calibration"]["applied"]
