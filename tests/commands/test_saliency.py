"""Saliency from the command line: train.py, evaluate.py, and what can go wrong."""

import csv
import importlib.util
import json
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image
from support import Run, only_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


@pytest.fixture(scope="module")
def plain(small, tmp_path_factory):
    """A run without saliency."""
    from support import call

    folder = tmp_path_factory.mktemp("plain")
    assert call("train", *small(folder, "logger=none")).status == 0
    return only_run(folder)


@pytest.fixture(scope="module")
def watched(small, tmp_path_factory):
    """The same run with saliency at its end and of each epoch."""
    from support import call

    folder = tmp_path_factory.mktemp("watched")
    outcome = call("train", *small(folder, "saliency=default", "saliency.every=1"))
    assert outcome.status == 0, outcome.err
    return outcome, only_run(folder)


def rows(directory):
    with (directory / "saliency.csv").open() as file:
        return list(csv.DictReader(file))


def test_training_is_the_same_to_the_last_bit_with_and_without_it(plain, watched):
    run = watched[1]
    assert run.predictions == plain.predictions
    assert run.history == plain.history and run.scores == plain.scores
    import torch

    states = [torch.load(one.directory / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
              for one in (plain, run)]  # fmt: skip
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_what_a_run_leaves(watched):
    outcome, run = watched
    table = rows(run.directory)
    assert {row["path"] for row in table} == {path for path, part in run.split.items() if part == "test"}
    for row in table:
        assert row["method"] == "gradcam" and row["explained"] == row["predicted"] and row["lung_field"] == "simple"
        assert 0 <= float(row["inside_lungs"]) <= 1
        with Image.open(run.directory / row["overlay"]) as image:
            image.verify()
    with Image.open(run.directory / "test_saliency.png") as image:
        image.verify()
    told = json.loads((run.directory / "saliency.json").read_text())
    assert told["methods"]["gradcam"]["layer"]["cells"] == 8 and told["split"] == ["test"]
    said = [line for line in outcome.out.splitlines() if line.startswith("saliency, Grad-CAM of ")]
    assert len(said) == 1 and "the field's 0.58 of the area" in said[0]


def test_tensorboard_has_the_figure_and_each_epoch(watched):
    board = EventAccumulator(str(watched[1].directory / "tensorboard"), size_guidance={"images": 0}).Reload()
    assert {"saliency/kept_epoch", "saliency/while_training"} <= set(board.Tags()["images"])
    assert [event.step for event in board.Images("saliency/while_training")] == [1, 2]
    assert len({event.encoded_image_string for event in board.Images("saliency/while_training")}) == 2


def test_maps_of_the_same_run_are_the_same(watched, small, command, tmp_path):
    assert command("train", *small(tmp_path, "saliency=default", "logger=none")).status == 0
    again = only_run(tmp_path)
    for name in ("saliency.csv", "saliency.json", "saliency/maps.npz", "test_saliency.png"):
        assert (again.directory / name).read_bytes() == (watched[1].directory / name).read_bytes()


def test_evaluate_does_it_again(watched, command):
    run = watched[1]
    outcome = command("evaluate", f"run={run.directory}", "saliency=default")
    assert outcome.status == 0, outcome.err
    there = run.directory / "evaluation" / "test"
    assert rows(there) == rows(run.directory)
    assert "saliency, Grad-CAM of " in outcome.out


@pytest.mark.slow
def test_everything_of_a_run_from_before_there_was_saliency(plain, command, tmp_path):
    run = Run(shutil.copytree(plain.directory, tmp_path / "run"))
    config = run.directory / ".hydra" / "config.yaml"
    stored = yaml.safe_load(config.read_text())
    del stored["saliency"]
    config.write_text(yaml.safe_dump(stored))
    outcome = command("evaluate", f"run={run.directory}", "split=all", "saliency=full", "saliency.steps=8",
                      "saliency.images=6")  # fmt: skip
    assert outcome.status == 0, outcome.err
    table = rows(run.directory / "evaluation" / "all")
    assert {row["method"] for row in table} == {"gradcam", "integrated_gradients"}
    assert {row["explained"] for row in table} == {"covid", "normal"}
    assert {row["split"] for row in table} <= {"train", "test"}
    told = json.loads((run.directory / "evaluation" / "all" / "saliency.json").read_text())
    assert told["images"]["counted"] == 6 and told["images"]["of"] == 20
    for method in told["methods"].values():
        check = method["sanity_check"]
        assert check["images"] == 6 and check["steps"][-1]["share_of_weights"] == 1
    assert outcome.out.count("sanity check") == 2
    # Without it, and with other predictions, nothing old is left that would seem to explain them.
    assert command("evaluate", f"run={run.directory}", "split=all", "checkpoint=last").status == 0
    outcome = command("train", f"resume={run.directory}", "trainer.max_epochs=3")
    assert outcome.status == 0, outcome.err
    assert not (run.directory / "saliency.csv").exists()


def test_masks_beside_the_images(images, small, command, tmp_path):
    root = shutil.copytree(images, tmp_path / "data")
    for file in sorted(root.glob("*/phantom*")):
        with Image.open(file) as image:
            mask = np.zeros(image.size[::-1], dtype=np.uint8)
        mask[:, : mask.shape[1] // 2] = 255
        Image.fromarray(mask).save(file.with_name(f"{file.stem}_mask.png"))
    outcome = command("train", *small(tmp_path / "out", "saliency=default", "logger=none", root=root))
    assert outcome.status == 0, outcome.err
    run = only_run(tmp_path / "out")
    assert len(run.split) == 20 and "  masks of lungs, not counted as images: 20 files" in outcome.out.splitlines()
    table = rows(run.directory)
    assert {row["lung_field"] for row in table} == {"mask"} and {float(row["lung_area"]) for row in table} == {0.5}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["saliency=default", "saliency.layer=features.99"],
            "saliency.layer=features.99: the network has no such module.",
        ),
        (["saliency=default", "saliency.layer=classifier"], "saliency.layer=classifier: its output (2, 2) is no map"),
        (["saliency.every=2"], "saliency: sanity_check and every need a method; give method=gradcam with them"),
        (["saliency=default", "saliency.every=2", "logger=none"], "saliency.every=2 shows epochs in TensorBoard"),
        (["saliency.method=integrated_gradients", "saliency.layer=x"], "saliency: layer is Grad-CAM's"),
        (
            ["saliency.method=gradcan"],
            "saliency.method: found 'gradcan'; expected gradcam, integrated_gradients, both or",
        ),
        (["saliency.images=0"], "saliency.images: found 0; expected a whole number at least 1"),
        (["saliency=fulll"], "saliency=fulll:"),
    ],
)
def test_mistakes_are_told_before_any_training(small, command, tmp_path, arguments, said):
    outcome = command("train", *small(tmp_path, *arguments))
    assert outcome.status == 2
    assert said in outcome.err and "Traceback" not in outcome.err, outcome.err
    assert "epoch" not in outcome.out


def test_an_evaluation_has_no_epochs(plain, command):
    outcome = command("evaluate", f"run={plain.directory}", "saliency=default", "saliency.every=2")
    assert outcome.status == 2 and "saliency.every=2 is for train.py: an evaluation has no epochs" in outcome.err


def test_without_captum_a_run_ends_well_and_an_evaluation_asks_for_it(plain, small, command, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "captum" else real(name, *more)
    )
    outcome = command("train", *small(tmp_path, "saliency=default", "saliency.every=1"))
    assert outcome.status == 0, outcome.err
    assert "no saliency: saliency needs the package captum: pip install captum, or saliency=off" in outcome.out
    assert outcome.out.count("no saliency while training") == 1
    assert only_run(tmp_path).predictions == plain.predictions
    outcome = command("evaluate", f"run={plain.directory}", "saliency=default")
    assert outcome.status == 1 and outcome.err.startswith("error: saliency needs the package captum")
