"""What a run or an evaluation leaves behind, computed from predictions.csv alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from covidnet.console import RESEARCH_ONLY
from covidnet.data.dataset import XrayDataset
from covidnet.evaluation.metrics import classification_report_text, compute_metrics
from covidnet.figures.predictions import confusion_figure, test_images_figure
from covidnet.figures.style import save_figure
from covidnet.figures.training import curves_figure
from covidnet.files import write_json, write_text
from covidnet.predictions import Predictions, read_predictions, write_predictions
from covidnet.reporting.patients import patients_line, save_patients
from covidnet.runs.layout import RunLayout


@dataclass(frozen=True)
class Protocol:
    """How the epoch was chosen, and what that means for the number."""

    name: str
    validation: str
    warning: str | None

    @classmethod
    def named(cls, name: str) -> Protocol:
        """The protocol of the configuration's ``protocol`` key."""
        if name == "article":
            return cls(name, "test", "the epoch was chosen on these same images: optimistic")
        return cls(name, "val", None)

    def to_json(self, split: str) -> dict[str, str | None]:
        """Plain values for metrics.json, with the warning that holds for ``split``."""
        warning = self.warning
        if split == "train":
            warning = "the model was trained on these same images: not a measure of anything new"
        elif split == "all":
            warning = "the model was trained on most of these images: not a measure of anything new"
        elif split == "val" and self.name != "article":
            warning = "the epoch was chosen on these same images: optimistic"
        return {"name": self.name, "chosen_on": self.validation, "warning": warning}


def save_results(
    directory: Path,
    predictions: Predictions,
    split: str,
    dataset: XrayDataset,
    positive_class: str | None,
    protocol: Protocol,
    history: Sequence[Mapping[str, float]],
    extra: Mapping[str, Any],
    aggregate: str = "none",
) -> list[Path]:
    """Write predictions.csv, then everything that follows from it; metrics.json comes last.

    Args:
        directory: Where the files go.
        predictions: Rows of ``split``, and perhaps of others.
        split: The part that metrics and figures describe; ``all`` takes every row.
        dataset: Gives the pictures of the images.
        positive_class: Of sensitivity and specificity; None chooses.
        protocol: How the epoch was chosen.
        history: Rows of history.csv; empty draws no curves.
        extra: Further entries of metrics.json; with a history, its ``epoch_kept``.
        aggregate: How images are combined to patients; ``none`` says nothing of patients.

    Returns:
        The figures' files.
    """
    layout = RunLayout(directory)
    write_predictions(predictions, layout.predictions)
    table = read_predictions(layout.predictions)
    scored = table if split == "all" else table.of_split(split)
    metrics = {
        "split": split,
        "protocol": protocol.to_json(split),
        **compute_metrics(scored, positive_class),
        **save_patients(directory, table, split, aggregate, positive_class),
        **extra,
        "notice": RESEARCH_ONLY,
    }
    write_text(directory / "classification_report.txt", classification_report_text(scored))
    figures = {
        "confusion_matrix.png": confusion_figure(scored),
        "test_images.png": test_images_figure(scored, _pictures(dataset, scored)),
    }
    if history:
        figures["curves.png"] = curves_figure(history, best_epoch=extra["epoch_kept"], val_name=protocol.validation)
    for name, figure in figures.items():
        save_figure(figure, directory / name)
    write_json(layout.metrics, metrics)
    return [directory / name for name in figures]


def _pictures(dataset: XrayDataset, predictions: Predictions) -> dict[str, Any]:
    """The model's own view of each image, shape (C, H, W), uint8."""
    positions = {record.path: position for position, record in enumerate(dataset.records)}
    return {
        row.path: np.asarray(dataset.pixels.fetch([positions[row.path]])[0])
        for row in predictions.rows
        if row.path in positions
    }


def summarize(metrics_file: Path) -> list[str]:
    """The lines that end a run: the number with its interval, the protocol, the notice."""
    metrics = json.loads(metrics_file.read_text())
    accuracy = metrics["accuracy"]
    counted = f"{accuracy['n']} image" + ("" if accuracy["n"] == 1 else "s")
    lines = [f"{metrics['split']} accuracy {_with_interval(accuracy)}, {counted}"]
    if metrics["protocol"]["warning"]:
        lines.append(f"  {metrics['protocol']['warning']}")
    positive = metrics["positive_class"]
    if positive is not None:
        lines.append(
            f"  {positive}: sensitivity {_with_interval(metrics['sensitivity'])}, "
            f"specificity {_with_interval(metrics['specificity'])}"
        )
    if metrics.get("auroc") is not None:
        lines.append(f"  AUROC {metrics['auroc']:.3f}")
    if "patients" in metrics:
        lines.append(patients_line(metrics["patients"], _with_interval(metrics["patients"]["accuracy"])))
    if "epoch_kept" in metrics:
        lines.append(
            f"  epoch {metrics['epoch_kept']} of {metrics['epochs']} kept; "
            f"training {metrics['training_seconds']:.1f} s, in all {metrics['total_seconds']:.1f} s"
        )
    return [*lines, RESEARCH_ONLY]


def _with_interval(rate: Mapping[str, Any]) -> str:
    if rate["value"] is None:
        return "undefined (no images)"
    return f"{rate['value']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]"
