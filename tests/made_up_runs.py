"""A run directory with everything in it, made from made-up predictions."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from covidnet.data.split import SplitRow, write_split
from covidnet.files import write_csv, write_json, write_text
from covidnet.predictions import Prediction, Predictions, read_predictions
from covidnet.report.thumbnails import chosen, save_thumbnails
from covidnet.reporting.results import Protocol, save_results
from covidnet.training.history import COLUMNS, write_history

CLASSES = ("covid", "normal")
VERDICT = "Doubt a score on these images: the border alone reaches 0.90."
CONFIG = """\
backbone: resnet18
weights: none
protocol: {protocol}
random_state: 50
seed: ${{random_state}}
data: {{image_size: 32, normalize: none, batch_size: 4}}
augment: {{rotation: 20, scale: [0.7, 1.3]}}
optimizer: {{name: adam, lr: 0.001}}
scheduler: {{name: plateau}}
"""


def made_up(count, part, seed=0, names=None, patient=False, source=""):
    """Rows of two classes whose probabilities tell something, and a few wrong ones."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label = CLASSES[number % 2]
        sure = 1 / (1 + np.exp(-random.normal(1.2 if label == "covid" else -1.2, 1.5)))
        name = names[number % len(names)] if names else "image"
        path = f"{label}/{name}_{part}_{number}.png"
        who = f"p{number // 2}" if patient else ""
        rows.append(Prediction(path, part, label, (float(sure), float(1 - sure)), who, source))
    return rows


def history(epochs=3):
    values = [dict.fromkeys(COLUMNS, 0.5) | {"epoch": float(e), "val_loss": 1.0 / e} for e in range(1, epochs + 1)]
    return [{key: float(value) for key, value in row.items()} for row in values]


def picture(row):
    shade = 40 + 10 * (len(row.path) % 15)
    return np.full((1, 64, 64), shade, dtype=np.uint8)


def make_run(
    directory: Path, rows, protocol="holdout", overrides=("backbone=resnet18", "data.root=x"), extra=None, most=200,
    evaluation=None,
):  # fmt: skip
    """Write what train.py would, but the checkpoints."""
    table = Predictions(CLASSES, tuple(rows))
    rows_of_history = history()
    write_history(directory / "history.csv", rows_of_history)
    seconds = {"epoch_kept": 3, "epochs": 3, "training_seconds": 1.0, "total_seconds": 2.0}
    kept = Protocol.of(protocol, "val" if any(row.split == "val" for row in rows) else "test")
    more = {**seconds, **(extra or {})}
    save_results(directory, table, "test", None, None, kept, rows_of_history, more, evaluation=evaluation)
    own = [SplitRow(row.path, row.label, row.split, "0" * 64, row.patient, row.source) for row in rows
           if row.split != "external"]  # fmt: skip
    learnt = [SplitRow(row.path, row.label, "train", "0" * 64) for row in made_up(30, "train")]
    write_split(directory / "split.csv", [*learnt, *own])
    write_text(directory / ".hydra" / "config.yaml", CONFIG.format(protocol=protocol))
    write_text(directory / ".hydra" / "overrides.yaml", json.dumps(list(overrides)))
    write_json(directory / "environment.json", environment())
    write_json(directory / "dataset.json", study(rows))
    write_json(directory / "audit.json", audit([row.path for row in rows[:2]]))
    stored = read_predictions(directory / "predictions.csv")
    save_thumbnails(directory, chosen(stored.of_split("test"), stored.of_split("external"), most), picture)
    return directory


def environment():
    return {
        "command": ["python", "train.py", "data.root=my xrays", "backbone=resnet18"],
        "python": "3.11.0",
        "packages": {"torch": "2.9.0"},
        "device": "cpu",
        "git": {"commit": "abc123", "changed_files": 2},
        "data": {"root": "/somewhere/my_xrays", "images": 60, "sha256": "f" * 64},
    }


def study(rows):
    spread = {"min": 100.0, "q1": 200.0, "median": 300.0, "q3": 400.0, "max": 900.0}
    one = {"width": spread, "height": spread, "modes": {"L": 3, "RGB": 1}, "formats": {"PNG": 4}, "outliers": []}
    names = sorted({row.label for row in rows})
    return {"n": len(rows), "classes": [{"name": name, "n": 4, **one} for name in names], "skipped": [], "ignored": []}


def audit(files):
    grave = {
        "id": "shortcuts.border", "severity": "warning", "title": "the label can be read from the border",
        "evidence": "It reaches 0.90.", "action": "Crop all images.", "files": files,
    }  # fmt: skip
    cue = {
        "title": "the outer border", "needs_no_lungs": True, "alarming": True, "balanced_accuracy": 0.9, "low": 0.8,
        "high": 0.95, "chance": 0.5, "on_test_images": {"right": 9, "n": 10},
    }  # fmt: skip
    verdict = {"level": "warning", "sentence": VERDICT, "blockers": 0, "warnings": 1, "notes": 0}
    return {"verdict": verdict, "findings": [grave], "cues": [cue], "after_training": []}


def add_saliency(directory: Path, rows):
    """Overlays of the first rows."""
    lines = []
    for number, row in enumerate(rows):
        name = f"saliency/{number:04d}_gradcam.png"
        (directory / "saliency").mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (200, 40, 40)).save(directory / name)
        lines.append([row.path, row.split, row.label, "covid", "covid", "gradcam", "0.25", "0.3", "simple", 1, 0, name])
    header = (
        "path", "split", "label", "predicted", "explained", "method", "inside_lungs", "lung_area", "lung_field",
        "counted", "map", "overlay",
    )  # fmt: skip
    write_csv(directory / "saliency.csv", header, lines)
