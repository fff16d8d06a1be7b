"""What a run says of AUROC, calibration and operating point, and its calibration.json."""

import json

import pytest
from predicted import drawn, joined

from covidnet.config.schema import EvaluationConfig
from covidnet.reporting.results import Protocol, save_results, summarize

SAME = "chosen on these same images: optimistic"


def save(directory, table, protocol="holdout", validation=None, **options):
    part = "test" if protocol == "article" else "val"
    asked = EvaluationConfig(bootstrap=200, **options)
    files = save_results(
        directory, table, "test", None, "covid", Protocol.of(protocol, part), [], {}, "none", asked, validation
    )
    metrics = json.loads((directory / "metrics.json").read_text())
    calibration = json.loads((directory / "calibration.json").read_text())
    return metrics, calibration, summarize(directory / "metrics.json"), {file.name for file in files}


BOTH = joined(drawn(90, seed=3, sharpness=2.0, split="val"), drawn(120, sharpness=2.0))


def test_the_lines(tmp_path):
    metrics, _, lines, _ = save(tmp_path, BOTH, at_sensitivity=0.9, prevalence=0.05)
    area, point, calibration = metrics["auroc_interval"], metrics["operating_point"], metrics["calibration"]
    assert f"  AUROC {metrics['auroc']:.3f} [{area['low']:.3f}, {area['high']:.3f}] (DeLong, logit limits)" in lines
    at = next(number for number, line in enumerate(lines) if line.startswith("  calibration error"))
    usual = metrics["ece_if_calibrated"]["high"]
    assert lines[at] == (
        f"  calibration error {metrics['ece']:.3f} (chance alone gives a calibrated model up to {usual:.3f}), "
        f"Brier score {metrics['brier']:.3f}"
    )
    assert lines[at + 1] == (
        f"    temperature {calibration['temperature']:.2f}, fitted on 90 val images, gives calibration error "
        f"{calibration['after']['ece']:.3f}, Brier score {calibration['after']['brier']:.3f}; not applied"
    )
    reached = point["chosen_on"]["sensitivity"]
    assert lines[at + 2].startswith(
        f"  covid from a probability of {point['threshold']:.3g} on, for a sensitivity of at least 0.9 "
        f"({reached['successes']} of {reached['n']} on val): sensitivity {point['sensitivity']['value']:.2f} ["
    )
    assert lines[at + 3].startswith("  at a prevalence of 0.05: positive predictive value ")
    assert SAME not in " ".join(lines)


def test_under_the_articles_protocol_both_are_marked_where_they_appear(tmp_path):
    metrics, calibration, lines, _ = save(tmp_path, drawn(60, sharpness=2.0), "article", at_specificity=0.9)
    assert metrics["calibration"]["fitted_on"] == metrics["operating_point"]["chosen_on"]["split"] == "test"
    assert metrics["calibration"]["warning"] == metrics["operating_point"]["warning"] == SAME
    assert calibration["warning"] == calibration["operating_point"]["warning"] == SAME
    marked = [lines[number - 1] for number, line in enumerate(lines) if line == f"    {SAME}"]
    assert len(marked) == 2 and "temperature" in marked[0] and "for a specificity of at least 0.9" in marked[1]


def test_what_cannot_be_chosen_says_why(tmp_path):
    _, _, lines, _ = save(tmp_path, drawn(30), at_sensitivity=0.95)
    assert "    no temperature: there are no validation images" in lines
    assert "  no operating point for a sensitivity of at least 0.95: there are no validation images" in lines


def test_patients_are_told(tmp_path):
    metrics, _, lines, _ = save(tmp_path, drawn(60, per_patient=3))
    limits = metrics["accuracy"]["by_patient"]
    expected = f"  by patient (20 patients): accuracy [{limits['low']:.2f}, {limits['high']:.2f}], sensitivity ["
    assert any(line.startswith(expected) for line in lines)


def test_validation_rows_may_come_from_elsewhere(tmp_path):
    alone = BOTH.of_split("test")
    metrics, _, _, _ = save(tmp_path / "a", alone, validation=BOTH.of_split("val"), at_sensitivity=0.9)
    whole, _, _, _ = save(tmp_path / "b", BOTH, at_sensitivity=0.9)
    assert metrics == whole


def test_calibration_json_is_what_later_predictions_need(tmp_path):
    metrics, found, _, files = save(tmp_path, BOTH, calibrate="temperature", at_sensitivity=0.9)
    assert found["temperature"] == metrics["calibration"]["temperature"] and found["applied"]
    assert found["operating_point"] == metrics["operating_point"]
    assert found["classes"] == ["covid", "normal"] and found["positive_class"] == "covid"
    assert (found["fitted_on"], found["n_fitted"]) == ("val", 90)
    for when in ("before", "after"):
        for of in ("confidence", "positive_class"):
            assert sum(one["found"]["n"] for one in found["reliability"][when][of]) == 120
    assert {"calibration.png", "roc.png"} <= files and "test_images.png" not in files


def test_predictions_csv_stays_as_the_model_gave_it(tmp_path):
    save(tmp_path / "a", BOTH, calibrate="temperature")
    save(tmp_path / "b", BOTH)
    assert (tmp_path / "a" / "predictions.csv").read_bytes() == (tmp_path / "b" / "predictions.csv").read_bytes()


def test_the_external_set_is_scored_with_what_was_chosen_inside(tmp_path):
    table = joined(BOTH, drawn(70, seed=8, sharpness=2.0, split="external"))
    metrics, _, lines, files = save(tmp_path, table, calibrate="temperature", at_sensitivity=0.9)
    outside, inside = metrics["external"], metrics
    assert outside["calibration"]["temperature"] == inside["calibration"]["temperature"]
    assert outside["operating_point"]["threshold"] == inside["operating_point"]["threshold"]
    assert outside["operating_point"]["sensitivity"]["n"] != inside["operating_point"]["sensitivity"]["n"]
    assert outside["brier"] == outside["calibration"]["after"]["brier"]
    assert {"calibration_external.png", "roc_external.png"} <= files
    assert any(line.startswith("  external AUROC 0.") and "DeLong" in line for line in lines)
    assert any(line.startswith("  external: covid from a probability of ") for line in lines)


def test_lines_of_an_older_run(tmp_path):
    """Its metrics.json has neither intervals of the AUROC nor calibration."""
    save(tmp_path, BOTH)
    file = tmp_path / "metrics.json"
    metrics = json.loads(file.read_text())
    new = ("auroc_interval", "calibration", "operating_point", "predictive_values", "n_patients")
    file.write_text(json.dumps({key: value for key, value in metrics.items() if key not in new}))
    assert f"  AUROC {metrics['auroc']:.3f}" in summarize(file)
    assert not any("calibration" in line for line in summarize(file))


@pytest.mark.parametrize("size", [2, 3])
def test_no_images_at_all(tmp_path, size):
    _, _, lines, _ = save(tmp_path, drawn(0, size), at_sensitivity=0.9)
    assert lines[0] == "test accuracy undefined (no images), 0 images"
