"""Sweeps as a user types them; each pain that users of other templates report has its test here."""

import csv
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from omegaconf import OmegaConf
from support import ROOT, Run, as_typed, call, environment
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

UNTIMED = {"training_seconds", "total_seconds"}
OVER = ["random_state=1,2", "augment.scale=[0.7,1.3],[1,1]"]


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def runs_table(sweep):
    """runs.csv in the order of the runs' names, without seconds."""
    rows = [{key: value for key, value in row.items() if key not in UNTIMED} for row in table(sweep / "runs.csv")]
    return sorted(rows, key=lambda row: row["run"])


def only_sweep(output_dir):
    (sweep,) = output_dir.glob("*_sweep*")
    return sweep


def parts(sweep):
    return sorted(path for path in sweep.iterdir() if path.is_dir() and not path.name.startswith("."))


@pytest.fixture(scope="module")
def swept(small, tmp_path_factory):
    """Two splits, with zoom and without, in a process of its own: the command's outcome and the sweep's directory."""
    output_dir = tmp_path_factory.mktemp("sweep")
    outcome = as_typed("train", "-m", *small(output_dir, *OVER))
    assert outcome.status == 0, outcome.err
    return outcome, only_sweep(output_dir)


def test_the_sweep_ends_with_a_table_and_a_sentence(swept):
    outcome, sweep = swept
    assert re.search(r"sweep: 4 runs over random_state \(2 values\), augment\.scale \(2 values\)", outcome.out)
    assert len(re.findall(r"^\[\d/4\] random_state=\d augment\.scale=\S+: test accuracy ", outcome.out, re.M)) == 4
    assert re.search(
        r"^augment\.scale=\[0\.7,1\.3\] against \[1,1\]( changes accuracy by |: the same)", outcome.out, re.M
    )
    assert "the epoch was chosen on these same images: optimistic" in outcome.out
    assert "never a diagnosis" in outcome.out
    assert "Traceback" not in outcome.err
    assert f"results: {sweep}" in outcome.out


def test_its_tables_hold_every_run_and_every_configuration(swept):
    _, sweep = swept
    rows = table(sweep / "runs.csv")
    assert [row["random_state"] for row in rows] == ["1", "1", "2", "2"]
    assert {row["status"] for row in rows} == {"finished"}
    for row in rows:
        metrics = Run(sweep / row["run"]).metrics
        assert float(row["accuracy"]) == metrics["accuracy"]["value"]
        assert float(row["total_seconds"]) == metrics["total_seconds"]
    accuracies = [row for row in table(sweep / "summary.csv") if row["score"] == "accuracy"]
    assert [row["augment.scale"] for row in accuracies] == ["[0.7,1.3]", "[1,1]"]
    assert {row["n"] for row in accuracies} == {"2"}
    (comparison,) = table(sweep / "comparison.csv")
    assert (comparison["pairs"], comparison["images"], comparison["over"]) == ("2", "8", "splits")
    summary = json.loads((sweep / "summary.json").read_text())
    assert summary["comparisons"][0]["sentence"] in swept[0].out
    assert summary["notice"].startswith("For research only")


def test_its_figures_are_there(swept):
    _, sweep = swept
    for name in ("points.png", "pairs.png"):
        assert (sweep / name).read_bytes().startswith(b"\x89PNG")


def test_run_directories_have_names_for_any_shell_even_with_lists(swept):
    """Pain: lists and slashes in override_dirname give names such as augment.scale=[0.7,1.3]."""
    _, sweep = swept
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", path.name) for path in parts(sweep))


def test_hparams_of_all_runs_can_be_sorted_by_their_final_metrics(swept):
    """Pain: the HPARAMS tab shows no metrics."""
    _, sweep = swept
    for run in parts(sweep):
        events = EventAccumulator(str(run / "tensorboard")).Reload()
        content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        assert b"augment.scale" in content and b"random_state" in content
        assert "final/accuracy" in events.Tags()["scalars"]


def test_a_run_of_a_sweep_is_the_single_run_with_its_overrides(swept, small, tmp_path):
    """Pain: what a process carries over from one job to the next changes later results."""
    _, sweep = swept
    last = parts(sweep)[-1]
    given = OmegaConf.load(last / ".hydra" / "overrides.yaml")
    overrides = [text for text in given if text.split("=")[0] in {"random_state", "augment.scale"}]
    outcome = as_typed("train", *small(tmp_path / "single", *overrides))
    assert outcome.status == 0, outcome.err
    (single,) = (tmp_path / "single").iterdir()
    assert Run(single).predictions == Run(last).predictions
    assert Run(single).history == Run(last).history


def test_it_is_summarised_again_at_any_time(swept):
    _, sweep = swept
    before = (sweep / "summary.csv").read_bytes()
    (sweep / "summary.csv").unlink()
    command = [sys.executable, "-m", "covidnet.sweeps", str(sweep)]
    again = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment())
    assert again.returncode == 0, again.stderr
    assert (sweep / "summary.csv").read_bytes() == before
    other = subprocess.run(
        [*command, "--by", "random_state", "--score", "log_loss"], capture_output=True, text=True, cwd=ROOT
    )
    assert "random_state=1 against 2" in other.stdout
    wrong = subprocess.run([*command, "--by", "scale"], capture_output=True, text=True, cwd=ROOT)
    assert wrong.returncode == 2 and "Did you mean augment.scale?" in wrong.stderr and "Traceback" not in wrong.stderr


def test_killed_in_the_middle_it_resumes_to_the_same_table(swept, small, tmp_path, command):
    """Pain: an interrupted sweep cannot be gone on with; its numbers start again at 0."""
    arguments = [sys.executable, str(ROOT / "train.py"), "-m", *small(tmp_path, *OVER)]
    process = subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while len(list(tmp_path.glob("*_sweep/*/history.csv"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    sweep = only_sweep(tmp_path)
    finished = {path.parent: path.stat().st_mtime_ns for path in sweep.glob("*/metrics.json")}
    assert len(finished) < 4

    outcome = command("train", "-m", *small(tmp_path, *OVER, f"sweep.resume={sweep}"))
    assert outcome.status == 0, outcome.err
    assert runs_table(sweep) == runs_table(swept[1])
    assert {path: (path / "metrics.json").stat().st_mtime_ns for path in finished} == finished
    for run in parts(sweep):
        assert Run(run).predictions == Run(swept[1] / run.name).predictions
    assert len(list(tmp_path.glob("*_sweep*"))) == 1


def test_stopped_by_the_user_it_says_how_to_go_on(small, tmp_path, command, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("covidnet.commands.train._train", interrupt)
        outcome = command("train", "-m", *small(tmp_path, "random_state=1,2"))
    sweep = only_sweep(tmp_path)
    assert outcome.status == 130
    assert f"stopped with 0 runs finished; go on with the same command and sweep.resume={sweep}" in outcome.out
    assert not (sweep / "summary.csv").exists()
    again = command("train", "-m", *small(tmp_path, "random_state=1,2", f"sweep.resume={sweep}"))
    assert again.status == 0, again.err
    assert "the sweep was stopped" not in again.out


def test_a_finished_sweep_grows(swept, small, tmp_path):
    _, sweep = swept
    arguments = small(tmp_path, "random_state=1,2,3", OVER[1], f"sweep.resume={sweep}")
    outcome = call("train", "-m", *arguments)
    assert outcome.status == 0, outcome.err
    assert "4 of them are finished and kept" in outcome.out
    assert len(table(sweep / "runs.csv")) == 6
    assert not list(tmp_path.iterdir())


def test_a_sweep_from_before_some_keys_were_there_goes_on(swept, small, tmp_path, command):
    sweep = shutil.copytree(swept[1], tmp_path / "old_sweep")
    for run in parts(sweep):
        stored = OmegaConf.load(run / ".hydra" / "config.yaml")
        for key in ("loss", "head", "freeze", "aggregate"):
            del stored[key]
        del stored.data["sampling"]
        OmegaConf.save(stored, run / ".hydra" / "config.yaml")
    outcome = command("train", "-m", *small(tmp_path / "out", *OVER, f"sweep.resume={sweep}"))
    assert outcome.status == 0, outcome.err
    assert "of them are finished and kept" in outcome.out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([*OVER, "loss.spectral_decoupling=0.1"], "another experiment .loss.spectral_decoupling: 0.0 then, 0.1 now"),
        ([*OVER, "optimizer.lr=0.01"], "another experiment .optimizer.lr: 0.001 then, 0.01 now"),
        (["random_state=1,2"], "varies random_state, augment.scale, this command random_state"),
        ([*OVER, "sweep.resume=/nowhere"], "no sweep"),
    ],
)  # fmt: skip
def test_a_directory_of_another_sweep_is_refused(swept, small, tmp_path, command, more, words):
    """Pain: no check that what is resumed is the same configuration."""
    more = more if any("sweep.resume" in text for text in more) else [*more, f"sweep.resume={swept[1]}"]
    outcome = command("train", "-m", *small(tmp_path, *more))
    assert outcome.status != 0
    assert re.search(words, outcome.err)
    assert "Traceback" not in outcome.err
    assert not list(tmp_path.iterdir())


def test_changed_images_are_refused_before_any_training(small, images, tmp_path, command):
    root = tmp_path / "images"
    shutil.copytree(images, root)
    assert command("train", "-m", *small(tmp_path / "out", "random_state=1", root=root)).status == 0
    sweep = only_sweep(tmp_path / "out")
    changed = sorted(path for path in root.rglob("*.png"))[0]
    changed.write_bytes(changed.read_bytes() + b"more")
    outcome = command("train", "-m", *small(tmp_path / "out", "random_state=1", f"sweep.resume={sweep}", root=root))
    assert outcome.status == 1
    assert f"changed: {changed.relative_to(root)}" in outcome.err


def test_a_failing_job_leaves_the_others_running_and_is_the_only_one_run_again(small, tmp_path, command):
    """Pains: one failing job ends them all; what ran is run again."""
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"no weights")
    arguments = small(tmp_path / "out", f"weights={weights},none")
    outcome = command("train", "-m", *arguments)
    assert outcome.status == 1
    sweep = only_sweep(tmp_path / "out")
    failed, finished = table(sweep / "runs.csv")
    assert (failed["status"], finished["status"]) == ("failed", "finished")
    assert str(weights) in failed["error"]
    assert "failed: " in outcome.out and f"sweep.resume={sweep}" in outcome.out
    assert "Traceback" not in outcome.err

    torch.save(_fresh_weights(), weights)
    kept = (sweep / finished["run"] / "metrics.json").stat().st_mtime_ns
    again = command("train", "-m", *arguments, f"sweep.resume={sweep}")
    assert again.status == 0, again.out
    assert {row["status"] for row in table(sweep / "runs.csv")} == {"finished"}
    assert (sweep / finished["run"] / "metrics.json").stat().st_mtime_ns == kept
    assert again.out.count(": test accuracy") == 1


def test_fail_fast_starts_nothing_after_a_failure(small, tmp_path, command):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"no weights")
    arguments = small(tmp_path / "out", f"weights={weights},none")
    outcome = command("train", "-m", *arguments, "sweep.fail_fast=true")
    sweep = only_sweep(tmp_path / "out")
    assert outcome.status == 1
    assert [row["status"] for row in table(sweep / "runs.csv")] == ["failed", "not started"]
    torch.save(_fresh_weights(), weights)
    assert command("train", "-m", *arguments, f"sweep.resume={sweep}").status == 0


def _fresh_weights():
    from covidnet.models.backbones import build_backbone

    return build_backbone("mobilenet_v3_small", 2).state_dict()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["augment.scal=[1,1],[0.7,1.3]"], r"augment\.scal: no such key\. Did you mean augment\.scale\?"),
        (["random_state=1,ten"], r"random_state: found 'ten'; .*\(in 1 of 2 jobs, first random_state=ten"),
        (["random_state=1,1"], "the same experiment"),
        (["backbone=mobilenet_v3_small,resnet19"], r"backbone=resnet19: no such model\. Did you mean resnet1"),
        (["random_state=1,2", "hydra/launcher=jobli"], r"jobli: no such choice\. Did you mean joblib\?"),
        (["random_state=1,2", "hydra/launcher=joblib", "trainer.devices=2"], r"trainer\.devices: found 2"),
        (["random_state=1,2", "resume=outputs/x"], r"resume=outputs/x: one run is gone on with, without -m"),
        (["random_state=1,2", "sweep.fail_fas=true"], r"fail_fas: no such key\. Did you mean sweep\.fail_fast\?"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line_before_any_training(small, tmp_path, command, more, words):
    outcome = command("train", "-m", *small(tmp_path, *more))
    assert outcome.status == 2
    assert re.search(words, outcome.err), outcome.err
    assert "Traceback" not in outcome.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "key", ["sweep.resume=outputs/x", "sweep.fail_fast=true", "sweep.prune=median", "sweep.pack=2"]
)
def test_keys_of_sweeps_are_refused_without_one(small, tmp_path, command, key):
    outcome = command("train", *small(tmp_path, key))
    assert outcome.status == 2 and "give -m with it" in outcome.err


@pytest.mark.slow
def test_jobs_at_once_with_loader_workers(swept, small, tmp_path):
    """Pain: joblib's workers crash when a DataLoader has workers of its own."""
    more = ["sweep.pack=2", "data.cache=false", "data.num_workers=1"]
    outcome = as_typed("train", "-m", *small(tmp_path, "random_state=1,2", "augment.scale=[0.7,1.3]", *more))
    assert outcome.status == 0, outcome.out + outcome.err
    rows = table(only_sweep(tmp_path) / "runs.csv")
    assert [row["status"] for row in rows] == ["finished", "finished"]
    assert "deprecated" not in outcome.err
    _, sweep = swept
    zoomed = [row for row in table(sweep / "runs.csv") if row["augment.scale"] == "[0.7,1.3]"]
    others = {row["random_state"]: sweep / row["run"] for row in zoomed}
    for row in rows:  # both ways have one thread here
        packed, single = only_sweep(tmp_path) / row["run"], others[row["random_state"]]
        assert (packed / "predictions.csv").read_text() == (single / "predictions.csv").read_text()


@pytest.mark.slow
def test_submitits_local_executor(small, tmp_path):
    outcome = as_typed("train", "-m", *small(tmp_path, "random_state=1,2", "hydra/launcher=submitit_local"))
    assert outcome.status == 0, outcome.out + outcome.err
    assert [row["status"] for row in table(only_sweep(tmp_path) / "runs.csv")] == ["finished", "finished"]


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray is not installed")
def test_a_local_ray_cluster(small, tmp_path):
    outcome = as_typed("train", "-m", *small(tmp_path, "random_state=1,2", "hydra/launcher=ray"))
    assert outcome.status == 0, outcome.out + outcome.err
    assert [row["status"] for row in table(only_sweep(tmp_path) / "runs.csv")] == ["finished", "finished"]


@pytest.mark.slow
def test_distributed_runs_in_a_sweep(small, tmp_path):
    """Pain: with several processes the second job hangs, or every process starts the sweep anew."""
    more = ["trainer=ddp", "trainer.devices=2", "trainer.sync_batchnorm=false", "random_state=1,2"]
    outcome = as_typed("train", "-m", *small(tmp_path, *more))
    assert outcome.status == 0, outcome.out + outcome.err
    sweep = only_sweep(tmp_path)
    assert len(parts(sweep)) == 2
    assert [row["status"] for row in table(sweep / "runs.csv")] == ["finished", "finished"]


def test_a_search_goes_on_until_its_trials_are_done(small, tmp_path, command):
    typed = [text for text in small(tmp_path, "experiment=search") if not text.startswith("backbone=")]
    arguments = [*typed, "backbone=choice(mobilenet_v3_small,squeezenet1_1)", "trainer.max_epochs=1"]
    first = command("train", "-m", *arguments, "hydra.sweeper.n_trials=2")
    assert first.status == 0, first.out + first.err
    sweep = only_sweep(tmp_path)
    assert (sweep / "study.db").is_file()
    assert "best trial: " in first.out
    more = command("train", "-m", *arguments, "hydra.sweeper.n_trials=4", f"sweep.resume={sweep}")
    assert more.status == 0, more.out + more.err
    rows = table(sweep / "runs.csv")
    assert len(rows) == len({row["optimizer.lr"] for row in rows}) == 4
    metrics = json.loads((sweep / rows[0]["run"] / "metrics.json").read_text())
    assert metrics["protocol"]["name"] == "holdout"


def test_the_ablation_of_zoom_asks_what_the_article_claims(small, tmp_path, command):
    outcome = command(
        "train", "-m", *small(tmp_path, "experiment=zoom_ablation", "random_state=0,1", "trainer.max_epochs=1")
    )
    assert outcome.status == 0, outcome.out + outcome.err
    assert re.search(r"^augment\.scale=\[0\.7,1\.3\] against \[1,1\]", outcome.out, re.M)


@pytest.mark.slow
def test_sweeps_that_start_in_the_same_second_do_not_meet(small, tmp_path):
    """Pain: runs launched in the same second overwrite each other."""
    arguments = [
        sys.executable,
        str(ROOT / "train.py"),
        "-m",
        *small(tmp_path, "random_state=1", "trainer.max_epochs=1"),
    ]
    both = [subprocess.Popen(arguments, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=240) for process in both] == [0, 0]
    assert len(list(tmp_path.glob("*_sweep*/runs.csv"))) == 2
