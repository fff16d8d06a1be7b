"""The same command gives the same numbers, and repeat= makes a run again and says what differs."""

import json
import shutil

import pytest
from support import Run, as_typed, call, only_run

from covidnet.files import write_json
from covidnet.runs.comparison import compare_environments, compare_metrics, compare_predictions


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    out = tmp_path_factory.mktemp("original") / "out"
    outcome = call("train", *small(out, "logger=none"))
    assert outcome.status == 0, outcome.err
    return only_run(out)


def again(run, out, *more):
    outcome = call("train", f"repeat={run.directory}", f"output_dir={out}", *more)
    return outcome, only_run(out) if out.exists() and any(out.iterdir()) else None


def test_it_is_repeated_to_the_last_bit(run, tmp_path):
    outcome, copy = again(run, tmp_path / "out")
    assert outcome.status == 0, outcome.err
    assert f"repeats {run.directory}; " in outcome.out
    assert "predictions.csv: equal to the last bit, 4 rows" in outcome.out
    assert "metrics.json: equal to the last bit, but for times" in outcome.out
    assert copy.predictions == run.predictions and copy.scores == run.scores and copy.history == run.history
    told = json.loads((copy.directory / "repeat.json").read_text())
    assert told["of"] == str(run.directory) and told["predictions"]["equal"] and told["metrics"]["equal"]
    # The repeat is a run with the original's configuration: it can be repeated too.
    assert (copy.directory / ".hydra" / "overrides.yaml").read_text() == (
        run.directory / ".hydra" / "overrides.yaml"
    ).read_text()


def test_after_a_move_of_the_images_without_a_cache_and_with_workers(run, images, tmp_path):
    moved = shutil.copytree(images, tmp_path / "elsewhere" / "images")
    more = [f"data.root={moved}", "data.cache=false", "data.num_workers=2"]
    outcome, copy = again(run, tmp_path / "out", *more)
    assert outcome.status == 0, outcome.err
    assert copy.predictions == run.predictions and copy.history == run.history
    assert json.loads((copy.directory / "environment.json").read_text())["data"]["root"] == str(moved)


def test_a_process_of_its_own_gives_the_same_bits(run, small, tmp_path):
    outcome = as_typed("train", *small(tmp_path / "out", "logger=none"))
    assert outcome.status == 0, outcome.err
    assert only_run(tmp_path / "out").predictions == run.predictions


def test_what_differs_is_said_before_training(run, tmp_path):
    other = Run(shutil.copytree(run.directory, tmp_path / "other"))
    environment = json.loads((other.directory / "environment.json").read_text())
    environment["packages"]["numpy"] = "1.0.0"
    environment["python"] = "3.9.0"
    write_json(other.directory / "environment.json", environment)
    metrics = other.metrics
    metrics["log_loss"] += 0.5
    write_json(other.directory / "metrics.json", metrics)
    text = other.predictions
    first = text.splitlines()[1]
    (other.directory / "predictions.csv").write_text(
        text.replace(first, first[:-1] + ("1" if first[-1] != "1" else "2"))
    )
    outcome, copy = again(other, tmp_path / "out")
    assert outcome.status == 0, outcome.err
    assert "Python: 3.9.0 then" in outcome.out and "numpy: 1.0.0 then" in outcome.out
    assert outcome.out.index("numpy: 1.0.0 then") < outcome.out.index("epoch 1/2")
    assert "metrics.json: the largest difference is 0.5, of log_loss" in outcome.out
    assert not json.loads((copy.directory / "repeat.json").read_text())["predictions"]["equal"]


def test_a_run_over_folds_is_repeated(small, tmp_path):
    folds = ["protocol=kfold", "folds=2", "trainer.max_epochs=1", "logger=none"]
    assert call("train", *small(tmp_path / "first", *folds)).status == 0
    run = only_run(tmp_path / "first")
    outcome, copy = again(run, tmp_path / "out")
    assert outcome.status == 0, outcome.err
    assert "predictions.csv: equal to the last bit, 20 rows" in outcome.out
    assert (copy.directory / "fold=1" / "predictions.csv").read_bytes() == (
        run.directory / "fold=1" / "predictions.csv"
    ).read_bytes()


def test_a_repeat_that_was_stopped_goes_on_and_compares(run, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("covidnet.training.pipeline.save_results", interrupt)
        assert again(run, tmp_path / "out")[0].status == 130
    copy = only_run(tmp_path / "out")
    outcome = call("train", f"resume={copy.directory}")
    assert outcome.status == 0, outcome.err
    assert "predictions.csv: equal to the last bit" in outcome.out and (copy.directory / "repeat.json").is_file()


def test_a_run_that_was_made_longer_is_repeated_as_long(run, tmp_path):
    longer = Run(shutil.copytree(run.directory, tmp_path / "longer"))
    assert call("train", f"resume={longer.directory}", "trainer.max_epochs=3").status == 0
    outcome, copy = again(longer, tmp_path / "out")
    assert outcome.status == 0, outcome.err
    assert len(copy.rows) == 3 and copy.predictions == longer.predictions


def test_what_cannot_be_repeated_is_refused(run, images, tmp_path):
    outcome, copy = again(run, tmp_path / "out", "optimizer.lr=0.1")
    assert outcome.status == 2 and "so optimizer.lr=0.1 cannot be given. Allowed beside repeat: " in outcome.err
    assert copy is None
    other = Run(shutil.copytree(run.directory, tmp_path / "other"))
    (other.directory / "metrics.json").unlink()
    assert "not finished, so there is nothing to compare with" in again(other, tmp_path / "out")[0].err
    assert "repeat=x: one run is made again, without -m" in call("train", "-m", "repeat=x", "seed=1,2").err
    changed = shutil.copytree(images, tmp_path / "changed")
    min(changed.rglob("*.png")).unlink()
    outcome, _ = again(run, tmp_path / "out", f"data.root={changed}")
    assert outcome.status == 1 and "the images are not those of that run" in outcome.err


def test_environments_side_by_side():
    then = {
        "python": "3.11",
        "git": {"commit": "a", "changed_files": 0},
        "data": {"images": 3, "sha256": "x", "root": "/a"},
    }
    assert compare_environments(then, {**then, "data": {**then["data"], "root": "/b"}}) == []
    now = {
        "python": "3.11",
        "threads": 2,
        "git": {"commit": "b", "changed_files": 1},
        "data": {"images": 4, "sha256": "y"},
    }
    assert compare_environments(then, now) == [
        "threads: none then, 2 now", "code: commit a then, b now",
        "code: with changes that are in no commit, in 0 files then, 1 now",
        "images: 3 then, 4 now, with other contents",
    ]  # fmt: skip


def test_results_side_by_side(run, tmp_path):
    other = run.directory / "predictions.csv"
    assert compare_predictions(other, other).equal
    shorter = tmp_path / "predictions.csv"
    shorter.write_text("".join(other.read_text().splitlines(keepends=True)[:-1]))
    found = compare_predictions(other, shorter)
    assert not found.equal and found.largest_difference is None
    assert found.lines() == ["predictions.csv: of other images, parts or classes"]
    write_json(tmp_path / "a.json", {"x": {"y": 1.0}, "name": "a", "total_seconds": 3})
    write_json(tmp_path / "b.json", {"x": {"y": 1.5}, "name": "b", "total_seconds": 4})
    metrics = compare_metrics(tmp_path / "a.json", tmp_path / "b.json")
    assert (metrics.equal, metrics.largest_difference, metrics.key, metrics.others) == (False, 0.5, "x.y", ("name",))
