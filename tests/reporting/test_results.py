import json

import numpy as np
import pytest
from PIL import Image

from covidnet.data.records import Record
from covidnet.predictions import Prediction, Predictions, read_predictions, write_predictions
from covidnet.reporting import results
from covidnet.reporting.results import Protocol, save_results, summarize

OPTIMISTIC = "the epoch was chosen on these same images: optimistic"


class Shown:
    """What the figures ask of an `XrayDataset`."""

    def __init__(self, paths):
        self.records = tuple(Record(path, path.split("/")[0]) for path in paths)
        self.pixels = self
        self.asked = []

    def fetch(self, positions):
        self.asked += [self.records[position].path for position in positions]
        return np.full((len(positions), 1, 8, 8), 100, dtype=np.uint8)


def table(right, wrong=0, split="test"):
    rows = []
    for i in range(right + wrong):
        label = ("covid", "normal")[i % 2]
        sure = 0.9 if (label == "covid") == (i < right) else 0.1
        rows.append(Prediction(f"{label}/{i}.png", split, label, (sure, 1 - sure)))
    return Predictions(("covid", "normal"), tuple(rows))


ROW = {"train_loss": 0.5, "train_acc": 0.7, "val_loss": 0.6, "val_acc": 0.6, "seconds": 0.5, "lr": 0.1}
HISTORY = [ROW | {"epoch": 1.0}, ROW | {"epoch": 2.0, "val_loss": 0.5}]
SECONDS = {"epoch_kept": 2, "epochs": 2, "training_seconds": 1.0, "total_seconds": 3.5}


def save(directory, predictions, split="test", protocol="article", history=HISTORY, extra=SECONDS, positive=None):
    dataset = Shown([row.path for row in predictions.rows])
    kept = Protocol.of(protocol, "test" if protocol == "article" else "val")
    figures = save_results(directory, predictions, split, dataset, positive, kept, history, extra)
    return json.loads((directory / "metrics.json").read_text()), figures, dataset


def test_the_number_never_travels_alone(tmp_path):
    metrics, _, _ = save(tmp_path, table(10))
    accuracy = metrics["accuracy"]
    assert (accuracy["value"], accuracy["n"], accuracy["level"], accuracy["method"]) == (1, 10, 0.95, "Clopper-Pearson")
    assert accuracy["low"] == pytest.approx(0.025 ** (1 / 10)) and accuracy["high"] == 1
    assert metrics["protocol"] == {"name": "article", "chosen_on": "test", "warning": OPTIMISTIC}
    assert metrics["notice"] == "For research only; never a diagnosis."
    lines = summarize(tmp_path / "metrics.json")
    assert lines[:2] == ["test accuracy 1.00 [0.69, 1.00], 10 images", f"  {OPTIMISTIC}"]
    assert lines[2] == "  covid: sensitivity 1.00 [0.48, 1.00], specificity 1.00 [0.48, 1.00]"
    assert lines[3] == "  AUROC 1.000 [0.478, 1.000] (exact, from 5 disjoint pairs that agree)"
    assert lines[4].startswith("  calibration error 0.100 (chance alone ")
    assert lines[5].startswith("    no temperature: all 10 validation images are classified rightly")
    assert lines[6:] == [
        "  epoch 2 of 2 kept; training 1.0 s, in all 3.5 s", "For research only; never a diagnosis.",
    ]  # fmt: skip


def test_everything_that_the_run_promises_is_in_metrics_json(tmp_path):
    metrics, _, _ = save(tmp_path, table(3, 1))
    assert set(metrics) == {
        "split", "protocol", "n", "classes", "accuracy", "balanced_accuracy", "auroc", "log_loss", "positive_class",
        "sensitivity", "specificity", "per_class", "macro_average", "weighted_average", "confusion_matrix",
        "n_patients", "auroc_interval", "average_precision", "average_precision_interval", "brier", "brier_interval",
        "ece", "ece_equal_mass", "ece_if_calibrated", "predictive_values", "calibration", "operating_point",
        "epoch_kept", "epochs", "training_seconds", "total_seconds", "notice",
    }  # fmt: skip
    assert metrics["confusion_matrix"] == [[2, 0], [1, 1]]
    assert metrics["per_class"]["normal"] == {"precision": 1, "recall": 0.5, "f1": 2 / 3, "support": 2}
    assert {"value", "low", "high", "n"} <= set(metrics["sensitivity"]) & set(metrics["specificity"])


def test_metrics_and_figures_come_from_the_file_alone(tmp_path, monkeypatch):
    """Whatever is written is what counts: here everything is written as wrong."""
    monkeypatch.setattr(results, "write_predictions", lambda _, path: write_predictions(table(0, 10), path))
    metrics, _, _ = save(tmp_path, table(10))
    assert metrics["accuracy"]["value"] == 0
    assert "0.00" in (tmp_path / "classification_report.txt").read_text()


def test_files(tmp_path):
    _, figures, dataset = save(tmp_path, table(4))
    assert {path.name for path in tmp_path.iterdir()} == {
        "predictions.csv", "metrics.json", "classification_report.txt", "confusion_matrix.png", "test_images.png",
        "curves.png", "calibration.json", "calibration.png", "roc.png",
    }  # fmt: skip
    assert {path.name for path in figures} == {
        "confusion_matrix.png", "test_images.png", "curves.png", "calibration.png", "roc.png",
    }  # fmt: skip
    for path in figures:
        with Image.open(path) as image:
            assert min(image.size) > 100 and image.convert("L").getextrema()[0] < 100
    assert sorted(dataset.asked) == sorted(row.path for row in table(4).rows)
    assert read_predictions(tmp_path / "predictions.csv") == table(4)


def test_without_a_history_there_are_no_curves(tmp_path):
    _, figures, _ = save(tmp_path, table(4), history=[], extra={})
    assert "curves.png" not in {path.name for path in figures}
    assert not any("epoch" in line and "kept" in line for line in summarize(tmp_path / "metrics.json"))


def test_only_the_asked_split_is_scored(tmp_path):
    both = Predictions(("covid", "normal"), table(4).rows + table(0, 6, "val").rows)
    assert save(tmp_path, both)[0]["n"] == 4
    assert len(read_predictions(tmp_path / "predictions.csv")) == 10
    metrics, _, _ = save(tmp_path, both, "all", extra={}, history=[])
    assert (metrics["split"], metrics["n"], metrics["accuracy"]["value"]) == ("all", 10, 0.4)


@pytest.mark.parametrize(
    ("protocol", "split", "warning"),
    [
        ("article", "test", OPTIMISTIC),
        ("holdout", "test", None),
        ("holdout", "val", OPTIMISTIC),
        ("article", "train", "the model was trained on these same images: not a measure of anything new"),
        ("holdout", "all", "the model was trained on most of these images: not a measure of anything new"),
    ],
)
def test_the_warning_fits_the_protocol_and_the_split(tmp_path, protocol, split, warning):
    metrics, _, _ = save(tmp_path, table(4, split=split), split, protocol, history=[], extra={})
    assert metrics["protocol"]["warning"] == warning
    second = summarize(tmp_path / "metrics.json")[1]
    assert second == (
        f"  {warning}" if warning else "  covid: sensitivity 1.00 [0.16, 1.00], specificity 1.00 [0.16, 1.00]"
    )


def test_the_positive_class_may_be_chosen(tmp_path):
    metrics, _, _ = save(tmp_path, table(3, 1), positive="normal")
    assert metrics["positive_class"] == "normal"
    assert (metrics["sensitivity"]["value"], metrics["specificity"]["value"]) == (0.5, 1)


def test_one_image_and_none(tmp_path):
    save(tmp_path / "one", table(1), history=[], extra={})
    assert summarize(tmp_path / "one" / "metrics.json")[0] == "test accuracy 1.00 [0.03, 1.00], 1 image"
    save(tmp_path / "none", table(0), history=[], extra={})
    assert summarize(tmp_path / "none" / "metrics.json")[0] == "test accuracy undefined (no images), 0 images"


def test_a_failure_leaves_no_metrics_behind(tmp_path, monkeypatch):
    """metrics.json comes last: its presence means that all is there."""
    monkeypatch.setattr(
        "covidnet.figures.style.save_figure", lambda *arguments: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path, table(4))
    assert not (tmp_path / "metrics.json").exists()


def test_only_a_chosen_epoch_is_optimistic():
    kept, last = Protocol.of("article", "test"), Protocol.of("article", "test", epoch_chosen=False)
    assert kept.to_json("test")["warning"] == "the epoch was chosen on these same images: optimistic"
    assert last.to_json("test")["warning"] is None
    assert Protocol.of("holdout", "val", epoch_chosen=False).to_json("val")["warning"] is None
    assert "not a measure" in last.to_json("train")["warning"]
