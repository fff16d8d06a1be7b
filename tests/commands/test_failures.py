"""Full disks, memories that are too small, places that cannot be written, two processes at once: a clear line each."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from support import call, only_run

from covidnet import files
from covidnet.errors import RunError
from covidnet.runs import directories, lock
from covidnet.training import checkpoints, pipeline


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/file")


def test_a_file_on_a_full_disk_leaves_the_old_one(tmp_path, monkeypatch):
    files.write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RunError, match=r"a\.txt: cannot be written \(No space left on device\)"):
        files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_at_a_checkpoint_keeps_the_one_before(small, tmp_path, command, monkeypatch):
    typed = small(tmp_path / "out", "logger=none", "trainer.max_epochs=3", "callbacks.save_every=1")
    save, calls = torch.save, []

    def save_twice(checkpoint, file):
        calls.append(1)
        if len(calls) > 2:
            file.write(b"torn")
            try:
                full()
            finally:  # as torch does
                raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")
        save(checkpoint, file)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.torch, "save", save_twice)
        outcome = command("train", *typed)
    assert outcome.status == 1 and "Traceback" not in outcome.err
    assert "the checkpoint cannot be written (No space left on device)" in outcome.err
    run = only_run(tmp_path / "out")
    assert f"resume={run.directory}" in outcome.err
    assert [path.name for path in (run.directory / "checkpoints").iterdir() if path.name.startswith(".")] == []
    outcome = command("train", f"resume={run.directory}")
    assert outcome.status == 0, outcome.err
    assert len(run.rows) == 3


def test_a_checkpoint_does_not_pass_through_the_folder_of_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    monkeypatch.setattr("tempfile.mkstemp", full)
    checkpoints.CheckpointFiles().save_checkpoint({"a": 1}, tmp_path / "x" / "a.ckpt")
    assert torch.load(tmp_path / "x" / "a.ckpt", weights_only=True) == {"a": 1}


def test_a_full_disk_at_the_event_files_is_one_line(small, tmp_path, command, monkeypatch):
    monkeypatch.setattr(pipeline.boards, "add_start", full)
    outcome = command("train", *small(tmp_path / "out"))
    assert outcome.status == 1 and "Traceback" not in outcome.err
    assert "/some/file: No space left on device. Make room, then go on with: python train.py resume=" in outcome.err


def test_a_thread_that_cannot_write_prints_no_traceback(monkeypatch):
    from covidnet.config.compose import compose_train
    from covidnet.runs.layout import RunLayout
    from covidnet.training.failures import in_words

    def broken():
        raise ValueError

    shown = []
    monkeypatch.setattr(threading, "excepthook", lambda raised: shown.append(raised.exc_type))
    with in_words(compose_train(["data.root=/x"]), RunLayout(Path("/x"))):
        for work in (full, broken):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert shown == [ValueError]


def test_outputs_that_cannot_be_written_are_named_before_anything_starts(small, tmp_path, command, monkeypatch):
    (tmp_path / "file").touch()
    outcome = command("train", *small(tmp_path / "file" / "out"))
    assert outcome.status == 1 and "Traceback" not in outcome.err
    assert (
        f"error: output_dir={tmp_path / 'file' / 'out'}: no directory can be made there (Not a directory)"
        in outcome.err
    )

    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(RunError, match="Read-only file system"):
        directories.reserve_directory(tmp_path / "out", [])


def test_a_clock_that_goes_backwards_gives_new_names(tmp_path, monkeypatch):
    times = iter(["2026-01-02_10-00-00", "2026-01-02_09-59-59", "2026-01-02_10-00-00"])
    monkeypatch.setattr(directories.time, "strftime", lambda _: next(times))
    made = [directories.reserve_directory(tmp_path, []).name for _ in range(3)]
    assert made == ["2026-01-02_10-00-00", "2026-01-02_09-59-59", "2026-01-02_10-00-00_2"]


def test_two_runs_in_one_directory(small, tmp_path, command, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    directory = tmp_path / "run"
    directory.mkdir()
    with FileLock(directory / ".lock"):
        outcome = command("train", *small(tmp_path / "out"), f"hydra.run.dir={directory}")
    assert outcome.status == 1
    assert f"error: {directory}: another process is at work there." in outcome.err
    assert not (directory / "split.csv").exists()


def test_a_sweep_that_another_process_goes_on_with(small, tmp_path, command, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    typed = ["-m", *small(tmp_path / "out", "random_state=1,2", "trainer.max_epochs=1", "logger=none")]
    assert command("train", *typed).status == 0
    (sweep,) = (tmp_path / "out").iterdir()
    with FileLock(sweep / ".lock"):
        outcome = command("train", *typed, f"sweep.resume={sweep}")
    assert outcome.status == 1 and "another process is at work there" in outcome.err
    # A single job that another process makes is left to it.
    job = min(path for path in sweep.iterdir() if (path / "metrics.json").is_file())
    (job / "metrics.json").unlink()
    with FileLock(job / ".lock"):
        outcome = command("train", *typed, f"sweep.resume={sweep}")
    assert "left alone" in outcome.out and not (job / "failure.json").exists()
    assert command("train", *typed, f"sweep.resume={sweep}").status == 0


def test_a_loss_that_is_no_number_is_told_and_keeps_the_epochs_before(small, tmp_path, command):
    outcome = command("train", *small(tmp_path / "out", "optimizer.lr=1e30", "logger=none"))
    assert outcome.status == 1 and "Traceback" not in outcome.err
    assert "Try a lower optimizer.lr" in outcome.err
    assert only_run(tmp_path / "out").rows


@pytest.fixture
def too_small(monkeypatch):
    """A memory that holds batches of two images."""
    from covidnet.models.module import XrayClassifier

    step = XrayClassifier.training_step

    def limited(own, batch, *args, **more):
        if len(batch.labels) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return step(own, batch, *args, **more)

    monkeypatch.setattr(XrayClassifier, "training_step", limited)


def test_too_little_memory_is_told_with_a_batch_that_may_fit(too_small, small, tmp_path, command):
    outcome = command("train", *small(tmp_path / "out", "logger=none"))
    assert outcome.status == 1
    (line,) = outcome.lines
    assert line.startswith("error: data.batch_size=4: the memory is too small for it (CUDA out of memory.")
    assert "data.batch_size=2 trainer.accumulate_grad_batches=2" in line and "compute.out_of_memory=halve" in line


def test_a_run_may_find_the_batch_that_fits(too_small, small, tmp_path, command):
    outcome = command(
        "train", *small(tmp_path / "out", "logger=none", "compute.out_of_memory=halve", "data.batch_size=8")
    )
    assert outcome.status == 0, outcome.err
    assert "goes on with data.batch_size=2 trainer.accumulate_grad_batches=4" in outcome.out
    run = only_run(tmp_path / "out")
    assert len(run.rows) == 2
    # It is the run that it would have been with these values.
    same = ["data.batch_size=2", "trainer.accumulate_grad_batches=4"]
    assert call("train", *small(tmp_path / "same", "logger=none", *same)).status == 0
    assert only_run(tmp_path / "same").predictions == run.predictions
    from covidnet.runs.layout import open_run

    _, stored = open_run(str(run.directory))
    assert (stored.data.batch_size, stored.trainer.accumulate_grad_batches) == (2, 4)
    assert json.loads((run.directory / "metrics.json").read_text())["epochs"] == 2
