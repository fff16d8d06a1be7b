"""What a run or an evaluation says of patients, computed from the rows of their images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from covidnet.data.external import PART as EXTERNAL
from covidnet.evaluation.aggregate import aggregate
from covidnet.evaluation.metrics import compute_metrics
from covidnet.predictions import Predictions, read_predictions, write_predictions

FILE = "patients.csv"
RULE_TITLES = {"mean": "mean", "max": "maximum", "noisy_or": "noisy-OR"}


def save_patients(
    directory: Path, table: Predictions, split: str, rule: str, positive_class: str | None
) -> dict[str, Any]:
    """Write patients.csv, in the form of predictions.csv with patients for paths; return its metrics.

    Args:
        directory: Where the file goes.
        table: Rows of images, as read back from predictions.csv.
        split: The part that the metrics describe; ``all`` takes every row but those of an external test set.
        rule: How the images of a patient are combined: ``mean``, ``max`` or ``noisy_or``.
        positive_class: Of sensitivity and specificity; None chooses.

    Returns:
        An entry ``patients`` of metrics.json; empty for the rule ``none``.
    """
    if rule == "none":
        return {}
    write_predictions(aggregate(table, rule), directory / FILE)
    patients = read_predictions(directory / FILE)
    scored = patients.without_split(EXTERNAL) if split == "all" else patients.of_split(split)
    return {"patients": {"aggregate": rule, **compute_metrics(scored, positive_class)}}


def patients_line(patients: Mapping[str, Any], accuracy: str) -> str:
    """The line that ends a run, such as "patients by noisy-OR: accuracy 0.93 [0.68, 1.00], 15 patients"."""
    count = patients["n"]
    counted = f"{count} patient" + ("" if count == 1 else "s")
    return f"  patients by {RULE_TITLES[patients['aggregate']]} of their images: accuracy {accuracy}, {counted}"
