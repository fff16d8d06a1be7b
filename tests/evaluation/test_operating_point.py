import numpy as np
import pytest

from covidnet.evaluation.intervals import exact_interval
from covidnet.evaluation.operating_point import Target, choose_threshold, predictive_values

SCORES = np.array([0.9, 0.8, 0.8, 0.6, 0.5, 0.4, 0.4, 0.2, 0.1])
POSITIVE = np.array([1, 1, 0, 1, 0, 1, 0, 0, 0], dtype=bool)


def rates(scores, positive, threshold):
    called = scores >= threshold
    return {"sensitivity": called[positive].mean(), "specificity": (~called[~positive]).mean()}


@pytest.mark.parametrize(
    ("measure", "value", "threshold"),
    [
        ("sensitivity", 1.0, 0.4),
        ("sensitivity", 0.76, 0.4),
        ("sensitivity", 0.75, 0.6),
        ("sensitivity", 0.01, 0.9),
        ("specificity", 0.6, 0.5),
        ("specificity", 0.8, 0.6),
        ("specificity", 1.0, 0.9),
    ],
)
def test_by_hand(measure, value, threshold):
    assert choose_threshold(SCORES, POSITIVE, Target(measure, value)).value == threshold


@pytest.mark.parametrize("measure", ["sensitivity", "specificity"])
@pytest.mark.parametrize("seed", range(25))
def test_no_threshold_reaches_the_target_at_less_cost(measure, seed):
    """Against all thresholds, with ties."""
    random = np.random.default_rng(seed)
    scores, positive = random.integers(0, 8, 15) / 8, random.random(15) < 0.5
    positive[:2] = True, False
    other = {"sensitivity": "specificity", "specificity": "sensitivity"}[measure]
    target = float(random.choice([0.3, 0.5, 0.8, 0.95, 1.0]))
    found = rates(scores, positive, choose_threshold(scores, positive, Target(measure, target)).value)
    assert found[measure] >= target - 1e-12
    reaching = [rates(scores, positive, one) for one in [*np.unique(scores), 2.0]]
    assert found[other] == max(one[other] for one in reaching if one[measure] >= target - 1e-12)


def test_a_share_that_is_a_whole_number_of_images_is_not_rounded_up():
    scores, positive = np.linspace(0.01, 1, 200), np.arange(200) >= 100
    assert 0.55 * 100 > 55
    found = choose_threshold(scores, positive, Target("sensitivity", 0.55)).value
    assert (scores[positive] >= found).sum() == 55


@pytest.mark.parametrize(
    ("scores", "positive", "measure", "reason"),
    [
        ([], [], "sensitivity", "there are no validation images"),
        ([0.5], [False], "sensitivity", "no validation image is of the positive class, so no sensitivity"),
        ([0.5], [True], "specificity", "no validation image is of another class than the positive one"),
        ([np.nan, 0.2], [True, False], "sensitivity", "some validation probabilities are no numbers"),
    ],
)
def test_where_there_is_none(scores, positive, measure, reason):
    found = choose_threshold(np.array(scores), np.array(positive, dtype=bool), Target(measure, 0.9))
    assert found.value is None and found.reason.startswith(reason)


def test_thresholds_of_little_use_say_so():
    scores, positive = np.array([0.2, 0.2, 0.9]), np.array([True, False, False])
    found = choose_threshold(scores, positive, Target("sensitivity", 0.9))
    assert found.value == 0.2 and found.note == "every validation image is called positive at this threshold"
    found = choose_threshold(scores, positive, Target("specificity", 1.0))
    assert found.value > 0.9 and found.note == "no validation image is called positive at this threshold"
    found = choose_threshold(np.array([0.7, 0.1]), np.array([True, False]), Target("sensitivity", 0.95))
    assert found.note == "with 1 validation image of the positive class, 0.95 of them means all"
    assert choose_threshold(SCORES, POSITIVE, Target("sensitivity", 0.75)).note is None
    top = choose_threshold(np.array([1.0, 1.0]), np.array([True, False]), Target("specificity", 1.0))
    assert top.value > 1.0


def test_predictive_values_of_a_published_example():
    """Altman and Bland, BMJ 309 (1994) 102: liver scans. 231 of 258 and 54 of 86 right; 75 % and 25 % diseased."""
    sensitivity, specificity = exact_interval(231, 258), exact_interval(54, 86)
    here = predictive_values(sensitivity, specificity, 258 / 344)
    assert round(here["ppv"]["value"], 2) == 0.88 and round(here["npv"]["value"], 2) == 0.67
    assert here["ppv"]["value"] == pytest.approx(231 / 263) and here["npv"]["value"] == pytest.approx(54 / 81)
    elsewhere = predictive_values(sensitivity, specificity, 0.25)
    assert round(elsewhere["ppv"]["value"], 2) == 0.45 and round(elsewhere["npv"]["value"], 2) == 0.95
    for one in (here, elsewhere):
        for name in ("ppv", "npv"):
            assert one[name]["low"] < one[name]["value"] < one[name]["high"]


def test_predictive_values_cover_cautiously():
    random = np.random.default_rng(0)
    truth = 0.8 * 0.1 / (0.8 * 0.1 + 0.1 * 0.9)
    hits = 0
    for _ in range(300):
        found = predictive_values(exact_interval(random.binomial(40, 0.8), 40),
                                  exact_interval(random.binomial(60, 0.9), 60), 0.1)  # fmt: skip
        hits += found["ppv"]["low"] <= truth <= found["ppv"]["high"]
    assert hits / 300 >= 0.95


def test_predictive_values_that_do_not_exist():
    found = predictive_values(exact_interval(0, 5), exact_interval(9, 9), 0.1)
    assert found["ppv"]["value"] is None and (found["ppv"]["low"], found["ppv"]["high"]) == (0.0, 1.0)
    assert found["npv"]["value"] == pytest.approx(0.9)
    unknown = predictive_values(exact_interval(0, 0), exact_interval(9, 9), 0.1)
    assert unknown["ppv"]["value"] is unknown["npv"]["value"] is None
