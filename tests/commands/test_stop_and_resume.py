"""A run that is stopped, by the user, by the system or by force, and goes on as if it had not been."""

import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image
from support import ROOT, Run, call, environment, only_run, runs_in

EPOCHS = 5
STOPS = {"plateau": signal.SIGKILL, "cosine": signal.SIGINT, "one_cycle": signal.SIGTERM}
STATUSES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130, signal.SIGTERM: 143}


def arguments(small, output_dir, scheduler):
    # Plateau without patience, so that it acts within these few epochs.
    more = ["scheduler.patience=0", "scheduler.threshold=0.5"] if scheduler == "plateau" else []
    return small(output_dir, "logger=none", f"scheduler={scheduler}", *more, f"trainer.max_epochs={EPOCHS}")


def heed_interrupts():
    """As in a terminal: what a shell starts in the background inherits that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop(typed, output_dir, how, epochs=2):
    """Start ``python train.py ...``, stop it once its history has some epochs, and tell how it ended."""
    command = [sys.executable, "-u", str(ROOT / "train.py"), *map(str, typed)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), cwd=output_dir.parent,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    deadline = time.monotonic() + 200
    try:
        while process.poll() is None and time.monotonic() < deadline:
            histories = list(output_dir.glob("*/history.csv"))
            if histories and histories[0].read_text().count("\n") > epochs:
                break
            time.sleep(0.005)
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err


@pytest.fixture(scope="module", params=STOPS)
def stopped(request, small, tmp_path_factory):
    """The schedule, how a run with it was stopped, and what was left."""
    folder = tmp_path_factory.mktemp(request.param)
    how = STOPS[request.param]
    ended = stop(arguments(small, folder / "out", request.param), folder / "out", how)
    return request.param, how, ended, only_run(folder / "out")


@pytest.fixture
def left(stopped, tmp_path):
    """A copy of the stopped run's directory."""
    return Run(shutil.copytree(stopped[3].directory, tmp_path / "run"))


def test_it_ends_with_the_signals_status_and_says_how_to_go_on(stopped):
    _, how, (status, out, err), run = stopped
    assert status == STATUSES[how]
    assert "Traceback" not in err
    if how != signal.SIGKILL:
        assert out.splitlines()[-1] == f"stopped; go on with: python train.py resume={run.directory}"
    assert 2 <= len(run.rows) < EPOCHS
    assert not (run.directory / "metrics.json").exists()


def test_the_resumed_run_equals_one_that_was_never_stopped(stopped, left, command, small, tmp_path):
    scheduler = stopped[0]
    outcome = command("train", *arguments(small, tmp_path / "out", scheduler))
    assert outcome.status == 0, outcome.err
    unbroken = only_run(tmp_path / "out")
    assert left.history == unbroken.history[: len(left.history)]
    config = (left.directory / ".hydra" / "config.yaml").read_text()

    outcome = command("train", f"resume={left.directory}")
    assert outcome.status == 0, outcome.err
    assert f"epoch {EPOCHS}/{EPOCHS}" in outcome.out and "epoch 1/" not in outcome.out
    assert left.history == unbroken.history
    assert left.predictions == unbroken.predictions
    assert left.scores == unbroken.scores
    assert (left.directory / ".hydra" / "config.yaml").read_text() == config
    if scheduler != "one_cycle":
        assert len({row["lr"] for row in left.history}) > 1
    # Evaluation finds the same weights.
    outcome = command("evaluate", f"run={left.directory}")
    assert "probabilities equal to the last bit" in outcome.out
    # It is finished now, and says so.
    outcome = command("train", f"resume={left.directory}")
    assert outcome.status == 1
    assert outcome.lines[0].startswith(f"error: {left.directory}: this run is finished, after {EPOCHS} epochs.")


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    outcome = call("train", *small(folder / "out", "trainer.max_epochs=3", "logger=none"))
    assert outcome.status == 0, outcome.err
    return only_run(folder / "out")


@pytest.fixture
def run(finished, tmp_path):
    return Run(shutil.copytree(finished.directory, tmp_path / "finished"))


def test_a_run_that_was_stopped_before_its_results_only_makes_those(run, finished, command):
    for name in ("metrics.json", "predictions.csv"):
        (run.directory / name).unlink()
    outcome = command("train", f"resume={run.directory}")
    assert outcome.status == 0, outcome.err
    assert "epoch 1/3" not in outcome.out and "epoch 4" not in outcome.out
    assert run.rows == finished.rows
    assert run.scores == finished.scores and run.predictions == finished.predictions


def test_a_run_that_was_stopped_before_its_first_epoch_begins_again(run, finished, command):
    shutil.rmtree(run.directory / "checkpoints")
    for name in ("metrics.json", "predictions.csv", "history.csv"):
        (run.directory / name).unlink()
    outcome = command("train", f"resume={run.directory}")
    assert outcome.status == 0, outcome.err
    assert run.history == finished.history and run.predictions == finished.predictions


@pytest.fixture(scope="module")
def longer(small, tmp_path_factory):
    """The run that the finished one becomes when it trains for five epochs."""
    folder = tmp_path_factory.mktemp("longer")
    outcome = call("train", *small(folder / "out", "trainer.max_epochs=5", "logger=none"))
    assert outcome.status == 0, outcome.err
    return only_run(folder / "out")


def test_a_finished_run_may_train_longer_and_equals_a_longer_one(run, longer, command):
    outcome = command("train", f"resume={run.directory}", "trainer.max_epochs=5")
    assert outcome.status == 0, outcome.err
    assert run.history == longer.history and run.scores == longer.scores


def test_streamed_images_are_shuffled_as_before(run, longer, command):
    """Loader processes fetch ahead: their first batches must be those of the resumed epoch."""
    streaming = ["data.cache=false", "data.num_workers=1"]
    outcome = command("train", f"resume={run.directory}", "trainer.max_epochs=5", *streaming)
    assert outcome.status == 0, outcome.err
    assert run.history == longer.history


def test_another_experiment_is_refused(run, command):
    outcome = command("train", f"resume={run.directory}", "trainer.max_epochs=5", "optimizer.lr=0.1", "seed=3")
    assert outcome.status == 2
    (line,) = outcome.lines
    assert f"resume={run.directory}: goes on with that run's own configuration" in line
    assert "so optimizer.lr=0.1, seed=3 cannot be given" in line


def test_changed_images_are_refused(run, command, images, tmp_path):
    shutil.copytree(images, tmp_path / "images")
    changed = min(run.split)
    Image.new("L", (50, 50), 7).save(tmp_path / "images" / changed)
    before = (run.directory / "split.csv").read_text()
    outcome = command("train", f"resume={run.directory}", "trainer.max_epochs=5", f"data.root={tmp_path / 'images'}")
    assert outcome.status == 1
    assert outcome.lines[1] == f"error:   changed: {changed}"
    assert (run.directory / "split.csv").read_text() == before
    assert run.metrics  # what was there is there


def test_a_damaged_checkpoint_is_named(run, command):
    (run.directory / "checkpoints" / "last.ckpt").write_bytes(b"torn")
    outcome = command("train", f"resume={run.directory}", "trainer.max_epochs=5")
    assert outcome.status == 1
    (line,) = outcome.lines
    assert "checkpoints/last.ckpt: not a checkpoint that train.py wrote" in line


def test_what_is_no_run_is_refused(command, tmp_path):
    (line,) = command("train", f"resume={tmp_path / 'absent'}").lines
    assert line.startswith(f"error: {tmp_path / 'absent'}: no such run directory.")
    (line,) = command("train", f"resume={tmp_path}").lines
    assert line.startswith(f"error: {tmp_path}: not a run directory")
    assert runs_in(tmp_path) == []
