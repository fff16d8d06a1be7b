"""Two processes on the CPU, from the command line: one run directory, and numbers of all images."""

import re

import pytest
from support import as_typed, only_run

from covidnet.predictions import read_predictions
from covidnet.training.history import best_row, read_history

DDP = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.sync_batchnorm=false"]


@pytest.fixture(scope="module")
def shared(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    # 13 images train and 7 test, neither of which two processes share evenly. The statistics of this backbone's batch
    # normalisation move fast enough for two epochs to tell the processes apart.
    outcome = as_typed(
        "train",
        *small(
            folder / "out",
            *DDP,
            "data.test_size=0.35",
            "saliency=default",
            "saliency.every=1",
            "backbone=shufflenet_v2_x0_5",
        ),
        cwd=folder,
    )
    assert outcome.status == 0, outcome.err
    return outcome, only_run(folder / "out")


def test_one_process_speaks(shared):
    outcome, run = shared
    assert len(re.findall(r"^epoch \d/2", outcome.out, re.MULTILINE)) == 2
    assert outcome.out.count("test accuracy") == outcome.out.count("results:") == 1
    assert outcome.out.count("saliency, Grad-CAM of") == 1 and (run.directory / "test_saliency.png").is_file()
    assert "no saliency" not in outcome.out
    assert "Traceback" not in outcome.err
    assert len(run.rows) == 2


def test_validation_is_of_all_images_with_the_saved_model(shared):
    """The history's numbers are shared by the processes; the final ones are of the first alone, from the checkpoint."""
    run = shared[1]
    best = best_row(read_history(run.directory / "history.csv"))
    assert run.metrics["n"] == 7 == len(read_predictions(run.directory / "predictions.csv").rows)
    assert best["val_acc"] == pytest.approx(run.metrics["accuracy"]["value"])
    assert best["val_loss"] == pytest.approx(run.metrics["log_loss"], rel=1e-6)


def test_it_is_scored_again_by_one_process(shared, command):
    outcome = command("evaluate", f"run={shared[1].directory}")
    assert outcome.status == 0 and "probabilities equal to the last bit" in outcome.out


def test_it_goes_on_in_one_process_or_two(shared, command):
    """The run's own configuration asks for two; a single device may be given."""
    run = shared[1]
    outcome = command("train", f"resume={run.directory}", "trainer.max_epochs=3", "trainer.devices=1")
    assert outcome.status == 0, outcome.err
    assert len(run.rows) == 3


@pytest.mark.slow
def test_two_processes_share_balanced_draws_and_a_frozen_backbone(small, tmp_path, command):
    asked = ["data.sampling=balanced", "freeze=backbone", "head=pooled_mlp", "head.pool=1", "data.test_size=0.35"]
    outcome = as_typed("train", *small(tmp_path / "out", *DDP, *asked, "logger=none"), cwd=tmp_path)
    assert outcome.status == 0, outcome.err
    run = only_run(tmp_path / "out")
    assert len(run.rows) == 2 and outcome.out.count("results:") == 1
    best = best_row(read_history(run.directory / "history.csv"))
    assert best["val_loss"] == pytest.approx(run.metrics["log_loss"], rel=1e-6)
    scored = command("evaluate", f"run={run.directory}")
    assert scored.status == 0 and "probabilities equal to the last bit" in scored.out
