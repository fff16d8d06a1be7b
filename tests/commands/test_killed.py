"""A run that is killed, or that the user stops, at a given point of its life, and goes on as if it had not been."""

import shutil
from io import FileIO
from pathlib import Path

import pytest
import torch
from support import Run, only_run

from covidnet import files
from covidnet.data import cache as cache_module
from covidnet.data import phantoms
from covidnet.training import checkpoints, folds, page, pipeline

EVERYTHING = (
    "saliency=default",
    "saliency.images=2",
    "report.enabled=true",
    "report.images=2",
    "evaluation.bootstrap=200",
)


class Killed(BaseException):
    """Ends a run at one point; real kills, which let nothing clean up, are in ``python -m tests.kills``."""


def names(directory):
    found = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith("tensorboard/")}


@pytest.fixture(scope="module")
def unbroken(small, tmp_path_factory):
    from support import call

    out = tmp_path_factory.mktemp("unbroken") / "out"
    outcome = call("train", *small(out, "logger=none", *EVERYTHING))
    assert outcome.status == 0, outcome.err
    return only_run(out)


def killing(*_, **__):
    raise Killed


POINTS = {
    "the first file": (pipeline, "record_start"),
    "training": (pipeline, "fit"),
    "results": (pipeline, "save_results"),
    "after the scores": (pipeline, "save_training_look"),
    "saliency": (pipeline, "explain_training"),
    "the page": (page, "show_results"),
    "a checkpoint": (checkpoints.BestAndLast, "_write"),
}


@pytest.mark.parametrize("point", POINTS)
def test_wherever_it_was_killed_the_resumed_run_has_all_files_and_the_same_numbers(
    point, unbroken, small, tmp_path, command, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(*POINTS[point], killing)
        with pytest.raises(Killed):
            command("train", *small(tmp_path / "out", "logger=none", *EVERYTHING))
    run = only_run(tmp_path / "out")
    outcome = command("train", f"resume={run.directory}")
    assert outcome.status == 0, outcome.err
    assert names(run.directory) == names(unbroken.directory)
    assert run.predictions == unbroken.predictions and run.scores == unbroken.scores
    assert run.history == unbroken.history
    # It is finished now.
    assert "this run is finished" in command("train", f"resume={run.directory}").err


def test_half_written_files_of_a_killed_run_are_cleared(unbroken, tmp_path, command):
    run = Run(shutil.copytree(unbroken.directory, tmp_path / "run"))
    before = names(run.directory)
    (run.directory / ".unfinished").touch()
    left = [f".metrics-{'0' * 32}.json", "checkpoints/.last.ckpt", f"saliency/.0001_gradcam-{'a' * 32}.png"]
    for name in left:
        (run.directory / name).write_text("{")
    (run.directory / ".mine.txt").write_text("is kept")
    assert command("train", f"resume={run.directory}").status == 0
    assert names(run.directory) == before | {".mine.txt"}


def test_the_configuration_is_stored_whole_or_not_at_all(small, tmp_path, command, monkeypatch):
    """An empty config.yaml of a killed job would keep its sweep from going on."""

    def torn(path, text):
        if path.name == "config.yaml":
            raise Killed
        files.replacing(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    monkeypatch.setattr("covidnet.runs.stored.write_text", torn)
    with pytest.raises(Killed):
        command("train", *small(tmp_path / "out"))
    (directory,) = (tmp_path / "out").iterdir()
    assert not (directory / ".hydra" / "config.yaml").exists()
    outcome = command("train", f"resume={directory}")
    assert outcome.status == 1 and "not a run directory" in outcome.err


def test_a_fold_without_its_page_is_gone_on_with(small, tmp_path, command, monkeypatch):
    more = (
        "protocol=kfold",
        "folds=2",
        "trainer.max_epochs=1",
        "logger=none",
        "report.enabled=true",
        "report.images=2",
    )
    with monkeypatch.context() as patch:
        patch.setattr(page, "show_results", killing)
        with pytest.raises(Killed):
            command("train", *small(tmp_path / "out", *more))
    run = only_run(tmp_path / "out")
    assert (run.directory / "fold=0" / "metrics.json").is_file()
    with monkeypatch.context() as patch:
        patch.setattr(folds, "show_results", killing)
        with pytest.raises(Killed):
            command("train", f"resume={run.directory}")
    outcome = command("train", f"resume={run.directory}")
    assert outcome.status == 0, outcome.err
    assert (run.directory / "fold=0" / "report.html").is_file() and (run.directory / "report.html").is_file()
    assert not list(run.directory.rglob(".unfinished"))


def test_a_killed_job_of_a_sweep_gets_the_files_that_it_lacks(small, tmp_path, command, monkeypatch):
    typed = ["-m", *small(tmp_path / "out", "random_state=1,2", "trainer.max_epochs=1", "logger=none")]
    typed = [text for text in typed if text != "report.enabled=false"]
    with monkeypatch.context() as patch:
        patch.setattr(page, "show_results", killing)
        with pytest.raises(Killed):
            command("train", *typed)
    (sweep,) = (path for path in (tmp_path / "out").iterdir() if path.name.endswith("sweep"))
    outcome = command("train", *typed, f"sweep.resume={sweep}")
    assert outcome.status == 0, outcome.err
    assert len(list(sweep.glob("*/report.html"))) == 2 and not list(sweep.glob("*/.unfinished"))


STOPPED = {
    "decoding": (cache_module, "_decode_hashed", "give the same command again: nothing was trained yet"),
    "drawing": (phantoms, "_write_all", "give the same command again: nothing was trained yet"),
    "reporting": (page, "show_results", "go on with: python train.py resume="),
    "scoring": (pipeline, "save_results", "go on with: python train.py resume="),
}


def interrupting(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", STOPPED)
def test_ctrl_c_ends_it_cleanly_and_says_how_to_go_on(where, small, tmp_path, command, monkeypatch):
    module, name, words = STOPPED[where]
    monkeypatch.setattr(module, name, interrupting)
    more = ["data=phantoms", "data.count=10"] if where == "drawing" else []
    typed = [
        text for text in small(tmp_path / "out", f"data.cache_dir={tmp_path / 'cache'}", "trainer.max_epochs=1", *more)
        if not (more and text.startswith("data.root="))
    ]  # fmt: skip
    outcome = command("train", *typed)
    assert outcome.status == 130
    assert "Traceback" not in outcome.err
    assert outcome.out.splitlines()[-1].startswith(f"stopped; {words}")
    if "resume=" not in words:
        left = [
            path for path in (tmp_path / "out").rglob("*") if path.name != "phantoms" and not path.name.endswith("lock")
        ]
        assert left == []
        assert not list((tmp_path / "cache").glob(".pixels-*"))


def test_ctrl_c_that_a_library_made_an_error_of_says_how_to_go_on(small, tmp_path, command, monkeypatch):
    def broken(*_, **__):
        try:
            raise KeyboardInterrupt
        finally:
            raise AttributeError("of a library, as it closes")

    monkeypatch.setattr(pipeline, "save_results", broken)
    outcome = command("train", *small(tmp_path / "out", "logger=none", "trainer.max_epochs=1"))
    assert outcome.status == 130 and "Traceback" not in outcome.err
    assert outcome.out.splitlines()[-1].startswith("stopped; go on with: python train.py resume=")


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_while_torch_writes_is_no_full_disk(stop, at, tmp_path, monkeypatch):
    """Torch's writer, which closes its file as the interrupt passes, mostly raises an error of its own."""
    calls = []

    class Interrupted(FileIO):
        def write(self, content):
            calls.append(len(content))
            if len(calls) == at:
                raise stop
            return super().write(content)

    monkeypatch.setattr(Path, "open", lambda own, mode: Interrupted(own, mode))
    with pytest.raises(stop):
        checkpoints.CheckpointFiles().save_checkpoint({"weights": torch.ones(9000)}, tmp_path / "x" / ".last.ckpt")
    assert len(calls) >= at and list((tmp_path / "x").iterdir()) == []
