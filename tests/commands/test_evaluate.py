"""evaluate.py on a finished run: the same numbers again, other splits, changed and moved images."""

import json
import shutil

import pytest
import torch
from PIL import Image
from support import Run, as_typed, call, only_run

from covidnet.predictions import read_predictions


@pytest.fixture(scope="module")
def finished(small, images, tmp_path_factory):
    """A finished run with a validation split, on images of its own."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(images, folder / "images")
    outcome = call(
        "train",
        *small(folder / "out", "protocol=holdout", "logger=none", "report.figures=true", root=folder / "images"),
    )
    assert outcome.status == 0, outcome.err
    return only_run(folder / "out")


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run, to be spoilt."""
    return Run(shutil.copytree(finished.directory, tmp_path / "run"))


@pytest.fixture
def moved(finished, tmp_path):
    """A copy of its images, to be spoilt."""
    return shutil.copytree(finished.directory.parents[1] / "images", tmp_path / "images")


@pytest.fixture
def evaluate(command):
    return lambda run, *arguments: command("evaluate", f"run={run.directory}", *arguments)


def results(run, split="test"):
    return Run(run.directory / "evaluation" / split)


def test_it_agrees_with_train_to_the_last_bit(run, evaluate):
    outcome = evaluate(run)
    assert outcome.status == 0, outcome.err
    said = "compared with the run's own predictions.csv: 4 images, probabilities equal to the last bit"
    assert said in outcome.out.splitlines()
    again = results(run)
    ours = [line for line in run.predictions.splitlines() if ",test," in line or line.startswith("path,")]
    assert again.predictions.splitlines() == ours
    shared = set(run.metrics) - {"epoch_kept", "epochs", "training_seconds", "total_seconds"}
    assert {key: again.metrics[key] for key in shared} == {key: run.metrics[key] for key in shared}
    assert again.metrics["checkpoint"] == "best" and again.metrics["changed_data"] == []


def test_it_does_so_in_a_process_of_its_own_and_from_elsewhere(run, tmp_path):
    outcome = as_typed("evaluate", "run=run", cwd=tmp_path)
    assert outcome.status == 0 and outcome.err == ""
    assert "probabilities equal to the last bit" in outcome.out
    assert "For research only; never a diagnosis." in outcome.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]  # no outputs/ of its own


def test_it_leaves_the_runs_own_files_alone(run, evaluate):
    before = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    evaluate(run)
    evaluate(run, "split=all")
    after = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    assert {path: content for path, content in after.items() if "evaluation" not in path.parts} == before
    assert {path.name for path in results(run).directory.iterdir()} == {
        "predictions.csv", "metrics.json", "classification_report.txt", "confusion_matrix.png", "test_images.png",
        "calibration.json", "calibration.png", "roc.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("split", "count", "warning"),
    [
        ("train", 12, "the model was trained on these same images: not a measure of anything new"),
        ("val", 4, "the epoch was chosen on these same images: optimistic"),
        ("test", 4, None),
        ("all", 20, "the model was trained on most of these images: not a measure of anything new"),
    ],
)
def test_each_split(run, evaluate, split, count, warning):
    outcome = evaluate(run, f"split={split}")
    assert outcome.status == 0, outcome.err
    scored = results(run, split)
    assert scored.metrics["n"] == count and scored.metrics["protocol"]["warning"] == warning
    assert (warning or "optimistic") in outcome.out or warning is None
    rows = read_predictions(scored.directory / "predictions.csv").rows
    assert {row.path: row.split for row in rows} == {
        path: part for path, part in run.split.items() if split in (part, "all")
    }
    assert f"{split} accuracy {scored.metrics['accuracy']['value']:.2f} [" in outcome.out


def test_the_last_checkpoint(run, evaluate):
    (run.directory / "checkpoints" / "best.ckpt").unlink()
    outcome = evaluate(run, "checkpoint=last")
    assert outcome.status == 0 and "compared with" not in outcome.out and "optimistic" not in outcome.out
    assert results(run).metrics["checkpoint"] == "last"
    assert results(run).metrics["protocol"]["warning"] is None  # nothing chose the last epoch


def test_another_batch_size_and_device(run, evaluate):
    assert "compared with the run's own predictions.csv: 4 images" in evaluate(run, "batch_size=1").out
    outcome = evaluate(run, "device=abacus")
    assert outcome.status == 2
    assert outcome.err.startswith("error: device=abacus: Expected one of cpu, cuda,")
    if not torch.cuda.is_available():
        outcome = evaluate(run, "device=cuda")
        assert outcome.status == 2 and len(outcome.lines) == 1


def changed(root, run):
    """Change a test image, lose a training image, add one; the lines that tell it."""
    test = min(path for path, part in run.split.items() if part == "test")
    lost = min(path for path, part in run.split.items() if part == "train")
    Image.new("L", (50, 50), 7).save(root / test)
    (root / lost).unlink()
    Image.new("L", (50, 50), 7).save(root / "covid" / "new.png")
    return [f"changed: {test}", f"missing or unreadable: {lost}", "new, not in the run's split: covid/new.png"]


def test_changed_images_are_refused_and_named(run, moved, evaluate):
    lines = changed(moved, run)
    outcome = evaluate(run, f"data_root={moved}")
    assert outcome.status == 1
    assert outcome.lines[0] == f"error: {moved}: the images are not those of the run:"
    assert outcome.lines[1:4] == [f"error:   {line}" for line in lines]
    assert "allow_changed_data=true" in outcome.lines[4] and len(outcome.lines) == 5
    assert not (run.directory / "evaluation").exists()


def test_changed_images_are_scored_when_allowed_and_still_named(run, moved, evaluate):
    lines = changed(moved, run)
    outcome = evaluate(run, f"data_root={moved}", "allow_changed_data=true", "split=all")
    assert outcome.status == 0, outcome.err
    shown = outcome.out.splitlines()
    at = shown.index("the images are not those of the run (allow_changed_data=true):")
    assert shown[at + 1 : at + 4] == [f"  {line}" for line in lines]
    assert results(run, "all").metrics["changed_data"] == lines
    assert results(run, "all").metrics["n"] == 19
    assert "probabilities differ by at most" in outcome.out


def test_an_unreadable_image_is_a_changed_one(run, moved, evaluate):
    test = min(path for path, part in run.split.items() if part == "test")
    (moved / test).write_bytes(b"")
    outcome = evaluate(run, f"data_root={moved}")
    assert outcome.status == 1 and outcome.lines[1] == f"error:   missing or unreadable: {test}"
    outcome = evaluate(run, f"data_root={moved}", "allow_changed_data=true")
    assert outcome.status == 0 and results(run).metrics["n"] == 3


@pytest.mark.parametrize("split", ["test", "val", "train", "all"])
def test_a_split_of_which_nothing_is_left(run, moved, evaluate, split):
    for path, part in run.split.items():
        if split in (part, "all"):
            (moved / path).unlink()
    Image.new("L", (50, 50), 7).save(moved / "covid" / "new.png")
    outcome = evaluate(run, f"data_root={moved}", "allow_changed_data=true", f"split={split}")
    assert outcome.status == 1
    assert outcome.lines == [
        f"error: none of the run's {split} images is there. Give the folder the run used, data_root=PATH."
    ]


def test_images_that_moved_are_no_change(run, moved, evaluate):
    environment = run.directory / "environment.json"
    told = json.loads(environment.read_text())
    told["data"]["root"] = "/moved/away"
    environment.write_text(json.dumps(told))
    outcome = evaluate(run)
    assert outcome.status == 1
    assert outcome.lines == [
        "error: /moved/away: no such folder. Give the folder where the run's images are now, data_root=PATH."
    ]
    outcome = evaluate(run, f"data_root={moved}")
    assert outcome.status == 0 and "probabilities equal to the last bit" in outcome.out


@pytest.mark.parametrize(
    ("lacking", "start"),
    [
        ("checkpoints/best.ckpt", "{}/checkpoints/best.ckpt: missing. Did the run stop before its first epoch ended?"),
        ("split.csv", "{}/split.csv: missing. Expected a run directory that train.py wrote."),
        ("environment.json", "{}/environment.json: does not say where the images are. Give data_root=PATH."),
        (".hydra/config.yaml", "{}: not a run directory, {}/.hydra/config.yaml is missing."),
    ],
)
def test_a_missing_piece_is_named(run, evaluate, lacking, start):
    (run.directory / lacking).unlink()
    outcome = evaluate(run)
    assert outcome.status == 1
    (line,) = outcome.lines
    assert line.startswith("error: " + start.replace("{}", str(run.directory)))


def test_a_damaged_piece_is_named(run, evaluate):
    (run.directory / "checkpoints" / "best.ckpt").write_bytes(b"torn")
    (line,) = evaluate(run).lines
    assert "best.ckpt: not a checkpoint that train.py wrote" in line
    (run.directory / "split.csv").write_text("a,b\n1,2\n")
    (line,) = evaluate(run).lines
    assert "split.csv: found the columns" in line
    (run.directory / "environment.json").write_text("{")
    (line,) = evaluate(run, "split=test").lines
    assert "split.csv" in line or "environment.json" in line


def test_a_run_that_never_finished_can_be_scored(run, evaluate):
    (run.directory / "metrics.json").unlink()
    (run.directory / "predictions.csv").unlink()
    outcome = evaluate(run)
    assert outcome.status == 0
    assert "the run has no predictions.csv to compare with" in outcome.out


def test_mistakes(tmp_path, command):
    assert command("evaluate").lines == ["error: run: missing; give the directory of a finished run, run=outputs/..."]
    assert command("evaluate", f"run={tmp_path / 'no'}").lines[0].startswith(f"error: {tmp_path / 'no'}: no such run")
    (line,) = command("evaluate", "run=x", "splt=all").lines
    assert line.startswith("error: splt: no such key. Did you mean split?")
    (line,) = command("evaluate", "run=x", "split=tset").lines
    assert line == "error: split: found 'tset'; expected train, val, test or all. Did you mean test?"


def test_the_articles_val_is_its_test(small, tmp_path, command):
    command("train", *small(tmp_path, "trainer.max_epochs=1", "logger=none"))
    run = only_run(tmp_path)
    outcome = command("evaluate", f"run={run.directory}", "split=val")
    assert outcome.status == 0 and "split=val is split=test" in outcome.out
    assert results(run, "val").metrics["protocol"]["warning"] == "the epoch was chosen on these same images: optimistic"
    assert results(run, "val").predictions == run.predictions
