"""A user's mistake: plain lines that say what to do, a status, and no run directory left behind."""

import pytest
import torch
from PIL import Image
from support import runs_in


def refused(outcome, output_dir, *starts, status=2):
    assert outcome.status == status
    assert "Traceback" not in outcome.err + outcome.out
    assert len(outcome.lines) == len(starts), outcome.err
    for line, start in zip(outcome.lines, starts, strict=True):
        assert line.startswith(f"error: {start}")
    assert runs_in(output_dir) == []


@pytest.mark.parametrize(
    ("override", "start"),
    [
        ("augment.scal=[1,1]", "augment.scal: no such key. Did you mean augment.scale? Allowed under augment:"),
        ("trainer.max_epochs=ten", "trainer.max_epochs: found 'ten'; expected a whole number at least 1."),
        ("augment.scale=[1.3,0.7]", "augment.scale: found [1.3, 0.7]; expected [low, high] with low <= high"),
        ("data.test_size=1.5", "data.test_size: found 1.5; expected a number above 0 and below 1."),
        ("backbone=resnet19", "backbone=resnet19: no such model. Did you mean resnet18?"),
        ("optimizer=adamm", "optimizer=adamm: no such choice. Did you mean adam? Allowed: adam, adamw, sgd"),
        ("+qqq=1", "qqq: no such key. Allowed at the top: data,"),
        ("optimizer.momentum=0.9", "optimizer.momentum: no such key. Allowed under optimizer: name, lr,"),
        ("data.root=/nowhere", "data.root=/nowhere: no such folder. Give the folder that holds"),
        (f"data.root={__file__}", f"data.root={__file__}: a file, not a folder."),
        ("data.root=/ü", "data.root=/ü: cannot be read as KEY=VALUE. A text with special characters needs quotes:"),
        ("seed=${nothing}", "seed: Interpolation key 'nothing' not found"),
        ("resume=/nowhere", "/nowhere: no such run directory."),
        ("data.positive_class=cov", "data.positive_class=cov: expected one of the classes covid, normal. Did you mean"),
        ("trainer.devices=two", "trainer: `devices`"),
        ("trainer.limit_train_batches=0.001", "trainer: You requested to check 0.001 of the `train_dataloader`"),
        ("data.batch_size=1", "data.batch_size: this backbone's batch normalisation cannot train on one image"),
        ("data.test_size=0.01", "data.test_size=0.01 divides 20 images into 1 and 19; expected at least one for"),
        ("weights=/nowhere.pt", "weights=/nowhere.pt: no such file"),
    ],
)  # fmt: skip
def test_one_line_per_fault(command, small, tmp_path, override, start):
    outcome = command("train", *small(tmp_path / "out"), override)
    found = runs_in(tmp_path / "out")
    if override.split("=")[0] in {"trainer.limit_train_batches", "data.batch_size"}:
        # Lightning and torch find these only when the data are recorded already.
        (run,) = found
        assert (run.directory / "split.csv").exists() and not (run.directory / "metrics.json").exists()
        assert outcome.status == 2 and outcome.err.startswith(f"error: {start}")
        return
    status = 1 if override.split("=")[0] in {"resume", "weights", "data.test_size"} and "1.5" not in override else 2
    refused(outcome, tmp_path / "out", start, status=status)


def test_several_faults_at_once(command, small, tmp_path):
    outcome = command(
        "train",
        *small(tmp_path / "out", root="/nowhere"),
        "trainer.max_epochs=ten",
        "augment.scale=[1.3,0.7]",
        "seed=x",
    )
    assert outcome.status == 2 and runs_in(tmp_path / "out") == []
    assert sorted(line.removeprefix("error: ").split(":")[0] for line in outcome.lines) == [
        "augment.scale", "data.root=/nowhere", "seed", "trainer.max_epochs",
    ]  # fmt: skip


def test_no_data(command, tmp_path):
    outcome = command("train", f"output_dir={tmp_path / 'out'}")
    refused(
        outcome,
        tmp_path / "out",
        "data.root: missing; give the folder that holds one sub-folder per class, data.root=PATH",
    )
    assert "data=phantoms, which are drawn" in outcome.err


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="has the GPU")
def test_a_gpu_where_there_is_none(command, small, tmp_path):
    outcome = command("train", *small(tmp_path / "out"), "trainer=gpu", "trainer.accelerator=gpu")
    refused(outcome, tmp_path / "out", "trainer: No supported gpu backend found!")


@pytest.fixture
def folder(tmp_path):
    """``folder(class=count)`` draws flat images into class folders."""

    def make(**counts):
        for name, count in counts.items():
            (tmp_path / "data" / name).mkdir(parents=True)
            for i in range(count):
                Image.new("L", (40, 40 + i), 9 * i).save(tmp_path / "data" / name / f"{i}.png")
        return tmp_path / "data"

    return make


def test_one_class_only(command, small, folder, tmp_path):
    outcome = command("train", *small(tmp_path / "out", root=folder(covid=5)))
    refused(outcome, tmp_path / "out", "found 1 class (covid 5); expected at least two.", status=1)


def test_no_images(command, small, tmp_path):
    (tmp_path / "data").mkdir()
    outcome = command("train", *small(tmp_path / "out", root=tmp_path / "data"))
    refused(outcome, tmp_path / "out", f"data.root={tmp_path / 'data'}: no image in any class folder", status=1)


def test_every_unreadable_image_is_listed_at_once(command, small, folder, tmp_path):
    root = folder(covid=5, normal=5)
    (root / "covid" / "bad1.png").write_bytes(b"")
    (root / "normal" / "bad2.jpg").write_text("text")
    outcome = command("train", *small(tmp_path / "out", root=root))
    refused(
        outcome, tmp_path / "out", f"{root}: 2 of 12 images cannot be read:", "  covid/bad1.png", "  normal/bad2.jpg",
        "Mend or remove them; train.py leaves them out with data.on_bad_image=skip.", status=1,
    )  # fmt: skip


def test_a_directory_that_the_user_names_is_kept(command, small, tmp_path):
    named = tmp_path / "named"
    outcome = command("train", *small(tmp_path / "out"), "backbone=resnet19", f"hydra.run.dir={named}")
    assert outcome.status == 2 and named.is_dir()


def test_a_used_directory_is_never_written_over(command, small, tmp_path):
    named = tmp_path / "named"
    (named / "checkpoints").mkdir(parents=True)
    outcome = command("train", *small(tmp_path / "out"), f"hydra.run.dir={named}")
    refused(outcome, tmp_path / "out", f"{named}: holds a run already. Go on with it, resume={named}", status=1)
    assert [path.name for path in named.iterdir()] == ["checkpoints"]


def test_further_processes_need_a_common_directory(command, small, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    outcome = command("train", *small(tmp_path / "out"))
    refused(outcome, tmp_path / "out", "hydra.run.dir: missing; processes that torchrun or srun starts")


def test_a_defect_in_the_check_ends_the_command(command, small, tmp_path, monkeypatch):
    """Hydra would warn of an error in its callback and run on, in a directory that nobody chose."""
    from covidnet.commands import hooks

    monkeypatch.setattr(hooks, "reserve_directory", lambda *_: 1 / 0)
    outcome = command("train", *small(tmp_path / "out"))
    assert outcome.status == 1 and "ZeroDivisionError" in outcome.err
    assert runs_in(tmp_path / "out") == []
