"""What TensorBoard shows besides the scalars: the study of the dataset, the figures, curves, and the HPARAMS tab."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import BaseModel
from pytorch_lightning.loggers import TensorBoardLogger

from covidnet.config.schema import TrainConfig
from covidnet.predictions import read_predictions
from covidnet.runs.directories import override_key
from covidnet.runs.layout import RunLayout
from covidnet.untrusted import read_object

FINAL = {
    "final/accuracy": ("accuracy", "value"),
    "final/balanced_accuracy": ("balanced_accuracy",),
    "final/auroc": ("auroc",),
    "final/sensitivity": ("sensitivity", "value"),
    "final/specificity": ("specificity", "value"),
    "final/log_loss": ("log_loss",),
    "final/epoch_kept": ("epoch_kept",),
    "final/training_seconds": ("training_seconds",),
}
"""Columns of the HPARAMS tab and where they stand in metrics.json."""


HOUSEKEEPING = frozenset({"output_dir", "resume", "logger", "data.cache_dir", "data.num_workers", "callbacks.progress"})
"""Overrides that say how a run was made, and not what it is."""


def add_start(logger: TensorBoardLogger, study: str, figures: Sequence[Path]) -> None:
    """Show the study of the dataset and the figures made before training."""
    logger.experiment.add_text("dataset", study)
    for file in figures:
        _add_figure(logger, f"data/{file.stem}", file, 0)


def add_results(
    logger: TensorBoardLogger,
    settings: TrainConfig,
    overrides: Sequence[str],
    layout: RunLayout,
    figures: Sequence[Path],
) -> None:
    """Show the final figures and curves, and the final metrics beside the hyperparameters in the HPARAMS tab.

    Args:
        logger: Of the run.
        settings: Of the run.
        overrides: What was given on the command line.
        layout: The run directory, with metrics.json and predictions.csv.
        figures: The run's pictures.
    """
    metrics = read_object(layout.metrics)
    epoch = int(metrics["epoch_kept"])
    for file in figures:
        own = file.stem.endswith("_saliency")
        _add_figure(logger, "saliency/kept_epoch" if own else f"results/{file.stem}", file, epoch)
    _add_curves(logger, layout, epoch)
    _add_hyperparameters(logger, hyperparameters(settings, overrides), _final(metrics), epoch)
    logger.save()
    logger.finalize("success")


def _final(metrics: dict[str, object]) -> dict[str, float]:
    final = {}
    for name, keys in FINAL.items():
        value: object = metrics
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            final[name] = float(value)
    return final


def _add_hyperparameters(
    logger: TensorBoardLogger, shown: dict[str, str | float], final: dict[str, float], epoch: int
) -> None:
    """Describe this run alone.

    Lightning and torch would also describe the experiment, and of many runs TensorBoard takes the first description it
    finds: other runs' keys would have no column. Without one it makes the columns of all runs, those that differ first.
    """
    from torch.utils.tensorboard.summary import hparams

    logger.log_hyperparams(shown)  # without metrics, for hparams.yaml only, which Lightning wrote too early
    Path(logger.log_dir, logger.NAME_HPARAMS_FILE).unlink(missing_ok=True)
    logger.log_metrics(final, epoch)
    _, *session = hparams(shown, final)  # type: ignore[no-untyped-call]
    writer = logger.experiment._get_file_writer()
    for summary in session:
        writer.add_summary(summary)


def hyperparameters(settings: TrainConfig, overrides: Sequence[str]) -> dict[str, str | float]:
    """What usually tells runs apart, and everything that was given on the command line."""
    shown: dict[str, str | float] = {
        "random_state": settings.random_state,
        "seed": settings.seed,
        "backbone": settings.backbone,
        "weights": settings.weights,
        "protocol": settings.protocol,
        "optimizer": settings.optimizer.name,
        "optimizer.lr": settings.optimizer.lr,
        "scheduler": settings.scheduler.name,
        "augment.rotation": settings.augment.rotation,
        "augment.scale": str(settings.augment.scale),
        "data.image_size": settings.data.image_size,
        "data.batch_size": settings.data.batch_size,
        "trainer.max_epochs": settings.trainer.max_epochs,
    }
    if settings.fold is not None:
        shown["fold"] = settings.fold
    for override in overrides:
        key = override_key(override)
        if key not in HOUSEKEEPING:
            shown.setdefault(key, _value(settings, key, override.partition("=")[2]))
    return shown


def _value(settings: TrainConfig, key: str, typed: str) -> str | float:
    """The value of a key, a number where it is one; what was typed where the key names a choice of many values."""
    value: object = settings
    for name in key.split("."):
        value = getattr(value, name, value) if isinstance(value, BaseModel) else value
    if isinstance(value, BaseModel):
        return typed
    if value is None:
        return "null"
    return value if isinstance(value, int | float | str) else str(value)


def _add_curves(logger: TensorBoardLogger, layout: RunLayout, epoch: int) -> None:
    """Precision and recall on the test images at each threshold, each class against the others."""
    tested = read_predictions(layout.predictions).of_split("test")
    for index, name in enumerate(tested.classes):
        logger.experiment.add_pr_curve(f"test/{name}", tested.truth == index, tested.probabilities[:, index], epoch)


def _add_figure(logger: TensorBoardLogger, tag: str, file: Path, step: int) -> None:
    with Image.open(file) as image:
        logger.experiment.add_image(tag, np.asarray(image.convert("RGB")), step, dataformats="HWC")
