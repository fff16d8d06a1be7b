"""python -m covidnet.audit, as a user types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROGRAM = """
import runpy, sys
sys.argv = ["covidnet.audit", *sys.argv[1:]]
try:
    runpy.run_module("covidnet.audit", run_name="__main__")
finally:
    print("torch imported:", "torch" in sys.modules)
"""


def run(*arguments, cwd, program=None):
    command = [sys.executable, "-c", program] if program else [sys.executable, "-m", "covidnet.audit"]
    cache = [] if any(text.startswith("run=") for text in arguments) else [f"data.cache_dir={cwd}/cache"]
    return subprocess.run(
        [*command, *arguments, *cache],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "COLUMNS": "100"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of noise: covid as RGB, one picture under both labels, names that contradict."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for label in ("covid", "normal"):
        (root / label).mkdir()
        for i in range(12):
            grey = Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8)).resize((160, 160))
            image = grey.convert("RGB") if label == "covid" else grey
            image.save(root / label / (f"{i:02d}_virus.png" if label == "normal" and i < 3 else f"{i:02d}.png"))
    Image.open(root / "covid" / "05.png").convert("L").save(root / "normal" / "copy.png")
    return root


@pytest.fixture(scope="module")
def audited(folder, tmp_path_factory):
    where = tmp_path_factory.mktemp("work")
    arguments = (f"data.root={folder}", "audit=fast", "audit.fail_on=blocker")
    return where, run(*arguments, cwd=where, program=PROGRAM)


def test_the_first_screen(audited):
    _, done = audited
    screen = done.stdout.split("torch imported")[0]
    flat = " ".join(screen.replace("│", " ").split())
    assert "25 images" in flat and "random_state=50: 20 train, 5 test" in flat
    assert "file properties alone reach" in flat
    assert "3 of 13 files under normal are named as pneumonia" in flat
    assert "1 picture is stored under two labels" in flat
    assert len(screen.splitlines()) <= 36
    assert "Traceback" not in done.stderr


def test_torch_is_not_imported(audited):
    assert "torch imported: False" in audited[1].stdout


def test_the_gate(audited):
    assert audited[1].returncode == 3
    assert "audit.fail_on=blocker" in audited[1].stderr


def test_the_files(audited):
    where, _ = audited
    (directory,) = (where / "outputs").glob("*_audit")
    found = json.loads((directory / "audit.json").read_text())
    assert found["verdict"]["level"] == "blocker"
    ids = {finding["id"]: finding for finding in found["findings"]}
    assert set(ids["duplicates.labels"]["files"]) == {"covid/05.png", "normal/copy.png"}
    assert ids["duplicates.labels"]["figure"] == "audit_duplicates.png"
    text = (directory / "audit.md").read_text()
    assert text.splitlines()[2] == f"**{found['verdict']['sentence']}**"
    for name in ("audit_duplicates.png", "audit_names.png", "audit_shortcuts.png", "audit_views.png"):
        with Image.open(directory / name) as image:
            assert min(image.size) > 200
        assert name in text or name == "audit_views.png"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("data.root=missing",), 1, "data.root=missing: no such folder"),
        ((), 2, "data.root: missing"),
        (("data.root=.", "audit.fail_on=sometimes"), 2, "audit.fail_on: found 'sometimes'"),
        (("data.root=.", "audit=slow"), 2, "audit=slow: no such choice"),
        (("run=missing",), 1, "missing: no such run directory"),
        (("run=missing", "audit=fast", "data.root=x", "random_state=5"), 2, "so data.root=x, random_state=5 cannot be"),
    ],
)
def test_mistakes_are_answered_in_plain_lines(tmp_path, monkeypatch, command, arguments, status, words):
    monkeypatch.chdir(tmp_path)
    done = command("audit", *arguments)
    assert done.status == status and words in done.err and "Traceback" not in done.err


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A run of one epoch that ends at the gate, and the audit of that run."""
    where = tmp_path_factory.mktemp("trained")
    arguments = [
        "trainer.max_epochs=1", "trainer.accelerator=cpu", "weights=none", "augment=none", "data.image_size=32",
        "logger=none", "callbacks.progress=none", "audit.fail_on=blocker", f"data.root={folder}",
        f"data.cache_dir={where}/cache",
    ]  # fmt: skip
    command = [sys.executable, str(Path.cwd() / "train.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=where, env={**os.environ, "COLUMNS": "100"})
    (directory,) = (where / "outputs").iterdir()
    return directory, done, json.loads((directory / "audit.json").read_text()), run(f"run={directory}", cwd=where)


def test_a_run_ends_with_the_verdict_and_the_gate(trained):
    directory, done, found, _ = trained
    assert done.returncode == 3, done.stderr
    assert done.stdout.rstrip().endswith("─╯")  # the verdict's frame is the last thing
    assert found["effort"]["level"] == "fast" and len(found["after_training"]) == 5
    assert (directory / "metrics.json").is_file() and (directory / "audit_after_training.png").is_file()
    assert "the model's" in found["verdict"]["sentence"]


def test_a_small_training_size_does_not_blur_the_audit(trained):
    """Trained at 32 pixels, where all noise looks alike; the audit looks at larger pictures."""
    _, _, found, _ = trained
    assert [(pair["first"], pair["second"]) for pair in found["duplicates"]] == [("covid/05.png", "normal/copy.png")]


def test_a_finished_run_is_audited_from_its_own_split_and_predictions(trained):
    directory, _, before, done = trained
    assert done.returncode == 0, done.stderr
    after = json.loads((directory / "audit.json").read_text())
    assert after["effort"]["level"] == "full" and f"split of {directory}" in after["data"]["split"]
    assert after["data"]["parts"] == before["data"]["parts"]
    scores = [[score["accuracy"]["successes"] for score in found["after_training"]] for found in (before, after)]
    assert scores[0] == scores[1]
