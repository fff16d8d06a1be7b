"""Help, the configuration and its errors come at once: nothing heavy is imported for them."""

import subprocess
import sys

import pytest
from support import ROOT, environment

HEAVY = {
    "torch", "torchvision", "pytorch_lightning", "lightning", "lightning_fabric", "torchmetrics", "sklearn", "scipy",
    "matplotlib", "timm", "tensorboard",
}  # fmt: skip


def imports(*typed, cwd):
    """The command's outcome, and the top-level names that it imported."""
    command = [sys.executable, "-X", "importtime", str(ROOT / typed[0]), *typed[1:]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment(), timeout=120)
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    told = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    return done.returncode, done.stdout, told, {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("typed", "status", "shown"),
    [
        (["train.py", "--help"], 0, "python train.py data.root=PATH"),
        (["train.py", "--cfg", "job"], 0, "backbone: resnet18"),
        (["evaluate.py", "--help"], 0, "python evaluate.py run=outputs/RUN"),
        (
            ["train.py", "augment.scal=[1,1]", "data.root=/nowhere", "seed=x"],
            2,
            "augment.scal: no such key. Did you mean",
        ),
        (["train.py", "data.root=/nowhere"], 2, "data.root=/nowhere: no such folder."),
        (["evaluate.py", "run=/nowhere"], 1, "/nowhere: no such run directory."),
        (["predict.py", "--help"], 0, "python predict.py run=outputs/RUN input=film.png"),
        (["predict.py", "run=/nowhere", "input=x"], 1, "/nowhere: no such run directory."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nothing_heavy_is_imported(tmp_path, typed, status, shown):
    code, out, err, names = imports(*typed, cwd=tmp_path)
    assert code == status
    assert shown in (out if status == 0 else "\n".join(err))
    assert "hydra" in names and not names & HEAVY
    assert not any("Traceback" in line for line in err)
    assert not list(tmp_path.iterdir())


def test_help_lists_groups_and_keys_and_says_what_it_is_for(tmp_path):
    _, out, _, _ = imports("train.py", "--help", cwd=tmp_path)
    assert "For research only; never a diagnosis." in out
    for line in ("augment: article, none, strong", "optimizer: adam, adamw, sgd", "experiment: article, demo"):
        assert line in out
    assert "random_state: 50" in out


def test_several_faults_are_told_at_once(tmp_path):
    code, _, err, _ = imports(
        "train.py", "optimizer=adamm", "trainer.max_epochs=ten", "foo=1", "data.root=/no", cwd=tmp_path
    )
    assert code == 2
    assert [line.split(":")[1].strip() for line in err] == ["optimizer=adamm", "foo", "trainer.max_epochs"]
    assert all(line.startswith("error: ") for line in err)
