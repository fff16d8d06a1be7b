"""The folds of one protocol taken together: pooled out-of-fold predictions, and the spread between folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from covidnet.data.split import read_split
from covidnet.evaluation.resampled import MeanInterval, resampled_mean
from covidnet.predictions import Prediction, Predictions
from covidnet.untrusted import read_object

POOLED = ("test", "external")


@dataclass(frozen=True)
class Fold:
    """One finished fold.

    Attributes:
        predictions: All its rows.
        metrics: Its metrics.json.
        n_train: Number of images that it learnt from.
    """

    predictions: Predictions
    metrics: dict[str, Any]
    n_train: int

    @classmethod
    def read(cls, metrics: Path, predictions: Predictions, split: Path) -> Fold:
        """From the files of its run directory."""
        trained_on = sum(row.split == "train" for row in read_split(split))
        return cls(predictions, read_object(metrics), trained_on)


def pool_folds(folds: Sequence[Fold]) -> Predictions:
    """One row per image and part: what the folds that tested it gave, averaged.

    In a k-fold each image is tested once, in a repeated one once per repetition; an image of an external test set is
    scored by every fold, so that its row is that of the ensemble.
    """
    classes = folds[0].predictions.classes
    rows: dict[tuple[str, str], list[Prediction]] = {}
    for fold in folds:
        for row in fold.predictions.rows:
            if row.split in POOLED:
                rows.setdefault((row.split, row.path), []).append(row)
    pooled = [
        replace(same[0], probabilities=tuple(np.mean([row.probabilities for row in same], axis=0).tolist()))
        for _, same in sorted(rows.items(), key=lambda item: (POOLED.index(item[0][0]), item[0][1]))
    ]
    return Predictions(classes, tuple(pooled))


def summarize_folds(folds: Sequence[Fold]) -> dict[str, Any]:
    """Scores of each fold, their mean, and with an external part the drop from internal to external accuracy.

    The interval of the mean accuracy is Nadeau and Bengio's, which allows for training sets that overlap. The drops
    of a leave-one-source-out are one per source, so theirs is the ordinary t interval over sources.
    """
    accuracies = [fold.metrics["accuracy"]["value"] for fold in folds]
    known = [value for value in accuracies if value is not None]
    tested = float(np.mean([fold.metrics["n"] for fold in folds]))
    trained = float(np.mean([fold.n_train for fold in folds]))
    summary: dict[str, Any] = {
        "count": len(folds),
        "accuracy_per_fold": accuracies,
        "auroc_per_fold": [fold.metrics.get("auroc") for fold in folds],
        "accuracy": asdict(resampled_mean(known, tested / trained, bounds=(0.0, 1.0))),
    }
    externals = [fold.metrics["external"] for fold in folds if "external" in fold.metrics]
    if len(externals) == len(folds):
        summary["external"] = [
            {"sources": one["sources"], "accuracy": one["accuracy"]["value"], "drop": one["accuracy_drop"]["value"]}
            for one in externals
        ]
        summary["accuracy_drop"] = asdict(_mean_drop(folds, externals))
    return summary


def _mean_drop(folds: Sequence[Fold], externals: Sequence[dict[str, Any]]) -> MeanInterval:
    drops = [one["accuracy_drop"]["value"] for one in externals]
    same_set = len({tuple(one["sources"]) for one in externals}) == 1
    # The folds of a k-fold share one external set, and their training sets overlap.
    tested = float(np.mean([fold.metrics["n"] for fold in folds])) / float(np.mean([fold.n_train for fold in folds]))
    return resampled_mean(drops, tested if same_set else None, bounds=(-1.0, 1.0))
