import numpy as np
import pytest
from made_up_runs import made_up, make_run

from covidnet.config.schema import EvaluationConfig
from covidnet.evaluation.intervals import exact_interval
from covidnet.predictions import Predictions
from covidnet.report.source import read_run
from covidnet.report.threshold import MOST_STEPS, make_series, make_threshold

CLASSES = ("covid", "normal")


def counted(table, threshold):
    called = table.probabilities[:, 0] >= threshold
    positive = table.truth == 0
    return int((called & positive).sum()), int((called & ~positive).sum())


def test_counts_at_any_threshold_are_those_of_the_table():
    table = Predictions(CLASSES, tuple(made_up(101, "test")))
    series = make_series("test images", table, "covid")
    own = table.probabilities[:, 0]
    for threshold in (0.0, 0.25, 0.5, 1.0, 1.5, *own[:10], *np.nextafter(own[:10], 1)):
        assert series.at(float(threshold)) == counted(table, threshold)
    assert not series.thinned and series.p == sorted(own, reverse=True)


def test_of_very_many_images_some_thresholds_are_kept_whose_counts_are_exact():
    table = Predictions(CLASSES, tuple(made_up(5000, "test")))
    series = make_series("test images", table, "covid")
    assert series.thinned and len(series.p) == MOST_STEPS
    for step in (0, 7, MOST_STEPS - 1):
        assert (series.tp[step], series.fp[step]) == counted(table, series.p[step])
    assert (series.tp[-1], series.fp[-1]) == (series.positives, series.negatives)


def test_the_slider_starts_at_the_operating_point_with_its_rates(tmp_path):
    rows = made_up(30, "val", seed=1) + made_up(40, "test", seed=2)
    files = read_run(make_run(tmp_path, rows, evaluation=EvaluationConfig(at_sensitivity=0.8)))
    section, point = make_threshold(files), files.metrics["operating_point"]
    assert section.start == section.point == point["threshold"]
    for name, _, rate in section.rates[:2]:
        assert rate.to_json() == {key: point[name.lower()][key] for key in rate.to_json()}
    tp, fn, fp, tn = section.counts
    assert section.rates[2][2] == exact_interval(tp, tp + fp) and section.rates[3][2] == exact_interval(tn, tn + fn)
    assert "sensitivity of at least 0.8, on 30 validation images" in section.point_text


def test_calibrated_probabilities_are_shown_where_the_scores_use_them(tmp_path):
    rows = made_up(60, "val", seed=1) + made_up(40, "test", seed=2)
    files = read_run(make_run(tmp_path, rows, evaluation=EvaluationConfig(calibrate="temperature")))
    assert files.metrics["calibration"]["applied"]
    raw = make_series("", files.scored, "covid")
    (shown, *_) = make_threshold(files).series
    assert shown.p != raw.p and shown.tp == raw.tp


def test_an_external_set_and_further_classes_can_be_chosen(tmp_path):
    rows = made_up(20, "val") + made_up(20, "test") + made_up(20, "external", seed=5)
    section = make_threshold(read_run(make_run(tmp_path, rows)))
    assert [one.label for one in section.series] == ["test images", "external images"]
    assert [one.name for one in section.series] == ["covid", "covid"]


def test_images_of_one_class_have_no_slider(tmp_path):
    rows = made_up(20, "val") + [row for row in made_up(20, "test") if row.label == "covid"]
    assert make_threshold(read_run(make_run(tmp_path, rows))) is None


@pytest.mark.parametrize("n", [0, 1])
def test_a_table_of_hardly_anything(n):
    series = make_series("", Predictions(CLASSES, tuple(made_up(n, "test"))), "covid")
    assert (series.positives, series.negatives) == (n, 0) and series.at(0.0) == (n, 0)
