"""evaluate.py with another operating point or calibration: from the stored predictions, or from the model."""

import json
import shutil

import pytest
from predicted import drawn, joined
from support import Run, call, only_run

from covidnet.predictions import Predictions, read_predictions, write_predictions


@pytest.fixture(scope="module")
def finished(small, images, tmp_path_factory):
    """A finished run with a validation split, and with predictions that are worth something."""
    folder = tmp_path_factory.mktemp("rescored")
    shutil.copytree(images, folder / "images")
    asked = ("protocol=holdout", "logger=none", "evaluation.at_sensitivity=0.9")
    outcome = call("train", *small(folder / "out", *asked, root=folder / "images"))
    assert outcome.status == 0, outcome.err
    assert "on val)" in outcome.out and "no operating point" not in outcome.out
    return only_run(folder / "out")


@pytest.fixture
def run(finished, tmp_path):
    """A copy with other predictions, whose checkpoint and images are gone."""
    copy = Run(shutil.copytree(finished.directory, tmp_path / "run"))
    table = joined(drawn(60, seed=1, sharpness=2.0, split="val"), drawn(80, sharpness=2.0))
    write_predictions(Predictions(("covid", "normal"), table.rows), copy.directory / "predictions.csv")
    shutil.rmtree(copy.directory / "checkpoints")
    (copy.directory / "environment.json").unlink()
    return copy


def evaluated(run, split="test"):
    return Run(run.directory / "evaluation" / split)


def test_neither_images_nor_checkpoint_are_needed(run):
    outcome = call("evaluate", f"run={run.directory}", "at_sensitivity=0.95", "calibrate=temperature", "prevalence=0.1")
    assert outcome.status == 0, outcome.err
    metrics = evaluated(run).metrics
    assert metrics["n"] == 80 and metrics["predicted_anew"] is False
    assert metrics["operating_point"]["target"] == {"sensitivity": 0.95}
    assert metrics["operating_point"]["chosen_on"]["n"] == 60 and metrics["operating_point"]["warning"] is None
    assert metrics["calibration"]["applied"] and metrics["operating_point"]["predictive_values"]["prevalence"] == 0.1
    rows = read_predictions(evaluated(run).directory / "predictions.csv").rows
    stored = read_predictions(run.directory / "predictions.csv")
    assert rows == stored.of_split("test").rows
    assert "as it is (predict=always asks the model again)" in outcome.out
    assert not (evaluated(run).directory / "test_images.png").exists()


def test_a_specificity_takes_the_place_of_the_runs_sensitivity(run):
    call("evaluate", f"run={run.directory}", "at_specificity=0.8")
    assert evaluated(run).metrics["operating_point"]["target"] == {"specificity": 0.8}
    call("evaluate", f"run={run.directory}", "predict=never")
    assert evaluated(run).metrics["operating_point"]["target"] == {"sensitivity": 0.9}


def test_the_validation_images_themselves_are_marked(run):
    outcome = call("evaluate", f"run={run.directory}", "split=val", "at_sensitivity=0.95")
    assert outcome.status == 0
    assert evaluated(run, "val").metrics["operating_point"]["warning"] == "chosen on these same images: optimistic"
    assert outcome.out.count("    chosen on these same images: optimistic") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["split=train"], "holds no predictions for split=train; give predict=auto"),
        (["checkpoint=last"], "holds the predictions of checkpoint=best, not of checkpoint=last"),
        (["external=/elsewhere"], "external=/elsewhere has not been predicted by this run"),
    ],
)
def test_what_the_stored_predictions_do_not_hold(run, arguments, said):
    outcome = call("evaluate", f"run={run.directory}", "predict=never", *arguments)
    assert outcome.status == 2 and len(outcome.lines) == 1
    assert outcome.lines[0].startswith("error: predict=never: ") and said in outcome.lines[0]
    assert not (run.directory / "evaluation").exists()


def test_without_a_key_of_the_evaluation_the_model_is_asked(finished, run):
    outcome = call("evaluate", f"run={run.directory}")
    assert outcome.status == 1 and "environment.json" in outcome.err
    outcome = call("evaluate", f"run={finished.directory}")
    assert outcome.status == 0 and "probabilities equal to the last bit" in outcome.out


def test_asking_the_model_gives_the_same_scores(finished):
    arguments = (f"run={finished.directory}", "at_specificity=0.5", "calibrate=temperature", "bins=5")
    assert call("evaluate", *arguments).status == 0
    stored = evaluated(finished).metrics
    outcome = call("evaluate", *arguments, "predict=always")
    assert outcome.status == 0 and "probabilities equal to the last bit" in outcome.out
    asked = evaluated(finished).metrics
    shared = set(stored) & set(asked)
    assert {"operating_point", "calibration", "ece", "auroc_interval"} <= shared
    assert {key: stored[key] for key in shared} == {key: asked[key] for key in shared}


def test_another_checkpoint_chooses_on_its_own_validation_predictions(finished):
    outcome = call("evaluate", f"run={finished.directory}", "checkpoint=last", "at_sensitivity=0.9")
    assert outcome.status == 0, outcome.err
    directory = evaluated(finished).directory
    own = read_predictions(directory / "validation.csv")
    assert {row.split for row in own.rows} == {"val"} and len(own) == 4
    point = json.loads((directory / "metrics.json").read_text())["operating_point"]
    covid = [row.probabilities[0] for row in own.rows if row.label == "covid"]
    assert point["threshold"] == min(covid)
    call("evaluate", f"run={finished.directory}", "at_sensitivity=0.9")
    assert not (directory / "validation.csv").exists()


def test_folds_each_with_their_own_threshold(small, tmp_path):
    asked = ("protocol=kfold", "folds=2", "trainer.max_epochs=1", "logger=none", "evaluation.at_sensitivity=0.8")
    outcome = call("train", *small(tmp_path, *asked))
    assert outcome.status == 0, outcome.err
    assert "covid from each fold's own threshold (" in outcome.out
    run = only_run(tmp_path)
    own = [json.loads((run.directory / f"fold={i}" / "metrics.json").read_text())["operating_point"] for i in (0, 1)]
    pooled = run.metrics["operating_point"]
    assert pooled["per_fold"] == [one["threshold"] for one in own]
    for measure in ("sensitivity", "specificity"):
        assert pooled[measure]["successes"] == sum(one[measure]["successes"] for one in own)
    outcome = call("evaluate", f"run={run.directory}", "at_specificity=0.8")
    assert outcome.status == 0, outcome.err
    assert evaluated(run).metrics["operating_point"]["target"] == {"specificity": 0.8}
    assert evaluated(run).metrics["operating_point"]["sensitivity"]["n"] == 10
