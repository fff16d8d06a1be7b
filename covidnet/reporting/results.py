"""What a run or an evaluation leaves behind, computed from predictions.csv alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from covidnet.config.schema import EvaluationConfig
from covidnet.console import RESEARCH_ONLY
from covidnet.data.dataset import XrayDataset
from covidnet.data.external import PART as EXTERNAL
from covidnet.evaluation.assessment import assess
from covidnet.evaluation.choice import Decider, choose
from covidnet.evaluation.external import accuracy_drop
from covidnet.evaluation.metrics import classification_report_text
from covidnet.files import write_json, write_text
from covidnet.predictions import Predictions, read_predictions, write_predictions
from covidnet.reporting.evaluation import (
    CALIBRATION,
    auroc_text,
    calibration_to_json,
    evaluation_figures,
    operating_point_lines,
    probability_lines,
)
from covidnet.reporting.patients import patients_line, save_patients
from covidnet.runs.layout import RunLayout
from covidnet.untrusted import read_object

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Protocol:
    """How the epoch was chosen, and what that means for the number."""

    name: str
    validation: str
    warning: str | None
    epoch_chosen: bool = True

    @classmethod
    def of(cls, name: str, validation: str, epoch_chosen: bool = True) -> Protocol:
        """The protocol of the configuration's ``protocol`` key, with the part that chose the epoch.

        Args:
            name: The key's value.
            validation: The part that was validated on.
            epoch_chosen: False where the last epoch is scored, however it did on that part.
        """
        optimistic = "the epoch was chosen on these same images: optimistic"
        return cls(name, validation, optimistic if validation == "test" and epoch_chosen else None, epoch_chosen)

    def to_json(self, split: str) -> dict[str, str | None]:
        """Plain values for metrics.json, with the warning that holds for ``split``."""
        warning = self.warning
        if split == "train":
            warning = "the model was trained on these same images: not a measure of anything new"
        elif split == "all":
            warning = "the model was trained on most of these images: not a measure of anything new"
        elif split == "val" and self.validation == "val" and self.epoch_chosen:
            warning = "the epoch was chosen on these same images: optimistic"
        return {"name": self.name, "chosen_on": self.validation, "warning": warning}


def save_results(
    directory: Path,
    predictions: Predictions,
    split: str,
    dataset: XrayDataset | None,
    positive_class: str | None,
    protocol: Protocol,
    history: Sequence[Mapping[str, float]],
    extra: Mapping[str, Any],
    aggregate: str = "none",
    evaluation: EvaluationConfig | None = None,
    validation: Predictions | None = None,
    choice: Decider | None = None,
    figures: bool = True,
) -> list[Path]:
    """Write predictions.csv, then everything that follows from it; metrics.json comes last.

    Args:
        directory: Where the files go.
        predictions: Rows of ``split``, and perhaps of others.
        split: The part that metrics and figures describe; ``all`` takes every row.
        dataset: Gives the pictures of the images; None draws none.
        positive_class: Of sensitivity and specificity; None chooses.
        protocol: How the epoch was chosen.
        history: Rows of history.csv; empty draws no curves.
        extra: Further entries of metrics.json; with a history, its ``epoch_kept``.
        aggregate: How images are combined to patients; ``none`` says nothing of patients.
        evaluation: What is to be computed; None takes the defaults.
        validation: Rows that temperature and operating point are chosen on, where they are not in ``predictions``.
        choice: What was chosen on validation images already, for runs over folds; ``validation`` is not looked at then.
        figures: Whether to draw any.

    Returns:
        The figures' files.
    """
    layout = RunLayout(directory)
    write_predictions(predictions, layout.predictions)
    table = read_predictions(layout.predictions)
    external = table.of_split(EXTERNAL)
    scored = table.without_split(EXTERNAL) if split == "all" else table.of_split(split)
    if choice is None:
        validation = table.of_split(protocol.validation) if validation is None else validation
        choice = choose(validation, positive_class, evaluation or EvaluationConfig())
    metrics: dict[str, Any] = {
        "split": split,
        "protocol": protocol.to_json(split),
        **assess(scored, choice),
        **save_patients(directory, table, split, aggregate, positive_class),
        **(_external_metrics(scored, external, choice) if len(external) else {}),
        **extra,
        "notice": RESEARCH_ONLY,
    }
    write_text(directory / "classification_report.txt", classification_report_text(scored))
    drawn = _draw(directory, scored, external, choice, metrics, dataset, history) if figures else []
    write_json(directory / CALIBRATION, calibration_to_json(scored, choice, metrics))
    write_json(layout.metrics, metrics)
    return drawn


def _draw(
    directory: Path,
    scored: Predictions,
    external: Predictions,
    choice: Decider,
    metrics: dict[str, Any],
    dataset: XrayDataset | None,
    history: Sequence[Mapping[str, float]],
) -> list[Path]:
    """Draw the scored part, the external set and the history."""
    # Imported here: a training begins sooner without a drawing library.
    from covidnet.figures.predictions import confusion_figure, test_images_figure
    from covidnet.figures.style import save_figure
    from covidnet.figures.training import curves_figure

    drawn: dict[str, Figure] = {"confusion_matrix.png": confusion_figure(scored)}
    if dataset is not None:
        drawn["test_images.png"] = test_images_figure(scored, _pictures(dataset, scored))
    drawn |= evaluation_figures(scored, choice, metrics)
    if len(external):
        drawn["confusion_matrix_external.png"] = confusion_figure(external)
        drawn |= evaluation_figures(external, choice, metrics["external"], "_external")
    if history:
        chosen_on = metrics["protocol"]["chosen_on"]
        drawn["curves.png"] = curves_figure(history, best_epoch=metrics["epoch_kept"], val_name=chosen_on)
    for name, figure in drawn.items():
        save_figure(figure, directory / name)
    return [directory / name for name in drawn]


def _external_metrics(scored: Predictions, external: Predictions, choice: Decider) -> dict[str, Any]:
    return {
        "external": {
            **assess(external, choice),
            "accuracy_drop": accuracy_drop(scored, external),
            "sources": sorted({row.source for row in external.rows} - {""}),
        }
    }


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
    metrics = read_object(metrics_file)
    accuracy = metrics["accuracy"]
    folds = metrics.get("folds")
    name = metrics["split"] if folds is None else f"out-of-fold ({folds['count']} folds)"
    lines = [f"{name} accuracy {_with_interval(accuracy)}, {_images(accuracy['n'])}"]
    if folds is not None:
        method = "" if folds["accuracy"]["low"] is None else f", {folds['accuracy']['method']}"
        lines.append(f"  mean of the folds {_mean_with_interval(folds['accuracy'])}{method}")
    if "external" in metrics:
        lines += _external_lines(metrics["external"], folds)
    if metrics["protocol"]["warning"]:
        lines.append(f"  {metrics['protocol']['warning']}")
    positive = metrics["positive_class"]
    if positive is not None:
        lines.append(
            f"  {positive}: sensitivity {_with_interval(metrics['sensitivity'])}, "
            f"specificity {_with_interval(metrics['specificity'])}"
        )
    lines += probability_lines(metrics)
    if "patients" in metrics:
        lines.append(patients_line(metrics["patients"], _with_interval(metrics["patients"]["accuracy"])))
    if "epoch_kept" in metrics:
        lines.append(
            f"  epoch {metrics['epoch_kept']} of {metrics['epochs']} kept; "
            f"training {metrics['training_seconds']:.1f} s, in all {metrics['total_seconds']:.1f} s"
        )
    return [*lines, RESEARCH_ONLY]


def _external_lines(external: Mapping[str, Any], folds: Mapping[str, Any] | None) -> list[str]:
    """The external accuracy and how far it lies below the internal one, side by side."""
    accuracy = external["accuracy"]
    lines = [f"external accuracy {_with_interval(accuracy)}, {_images(accuracy['n'])}"]
    drop = external["accuracy_drop"]
    if folds is not None and folds.get("accuracy_drop") is not None:
        lines.append(f"  drop from internal to unseen sources {_mean_with_interval(folds['accuracy_drop'], '+.2f')}")
    elif drop["value"] is not None:
        lines.append(f"  drop from internal to external {drop['value']:+.2f} [{drop['low']:+.2f}, {drop['high']:+.2f}]")
    if external.get("auroc") is not None:
        lines.append(f"  external AUROC {auroc_text(external)}")
    if external.get("operating_point") is not None:
        lines += [f"  external: {line.strip()}" for line in operating_point_lines(external["operating_point"])]
    return lines


def _images(count: int) -> str:
    return f"{count} image" + ("" if count == 1 else "s")


def _mean_with_interval(mean: Mapping[str, Any], form: str = ".2f") -> str:
    if mean["low"] is None:
        return f"{mean['mean']:{form}} (no interval)"
    return f"{mean['mean']:{form}} [{mean['low']:{form}}, {mean['high']:{form}}]"


def _with_interval(rate: Mapping[str, Any]) -> str:
    if rate["value"] is None:
        return "undefined (no images)"
    return f"{rate['value']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]"
