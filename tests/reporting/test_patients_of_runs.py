import json

import pytest

from covidnet.evaluation.metrics import compute_metrics
from covidnet.predictions import Prediction, Predictions, read_predictions
from covidnet.reporting.patients import patients_line, save_patients

ROWS = Predictions(
    ("covid", "normal"),
    (
        Prediction("1.png", "test", "covid", (0.6, 0.4), "a"),
        Prediction("2.png", "test", "covid", (0.2, 0.8), "a"),
        Prediction("3.png", "test", "normal", (0.3, 0.7), "b"),
        Prediction("4.png", "val", "normal", (0.9, 0.1), "c"),
        Prediction("5.png", "external", "covid", (0.9, 0.1), "d"),
    ),
)


def test_patients_have_a_table_like_that_of_images_and_its_metrics(tmp_path):
    found = save_patients(tmp_path, ROWS, "test", "noisy_or", None)
    text = (tmp_path / "patients.csv").read_text().splitlines()
    assert text[0] == "path,split,label,prob_covid,prob_normal,predicted,correct"
    assert [line.split(",")[0:3] for line in text[1:]] == [
        ["a", "test", "covid"], ["b", "test", "normal"], ["c", "val", "normal"], ["d", "external", "covid"],
    ]  # fmt: skip
    scored = read_predictions(tmp_path / "patients.csv").of_split("test")
    assert found == {"patients": {"aggregate": "noisy_or", **compute_metrics(scored)}}
    assert found["patients"]["accuracy"]["value"] == 1.0 and found["patients"]["n"] == 2
    json.dumps(found, allow_nan=False)


def test_all_rows_but_those_from_elsewhere(tmp_path):
    assert save_patients(tmp_path, ROWS, "all", "mean", None)["patients"]["n"] == 3


def test_nothing_is_said_when_nothing_was_asked(tmp_path):
    assert save_patients(tmp_path, ROWS, "test", "none", None) == {}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("count", "noun"), [(1, "1 patient"), (7, "7 patients")])
def test_the_line_that_ends_a_run(count, noun):
    line = patients_line({"aggregate": "noisy_or", "n": count}, "0.86 [0.42, 1.00]")
    assert line == f"  patients by noisy-OR of their images: accuracy 0.86 [0.42, 1.00], {noun}"
