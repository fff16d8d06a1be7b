"""What TensorBoard shows besides the scalars: the study of the dataset, the figures, and the HPARAMS tab."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger

from covidnet.config.schema import TrainConfig
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


def add_start(logger: TensorBoardLogger, study: str, figures: Sequence[Path]) -> None:
    """Show the study of the dataset and the figures made before training."""
    logger.experiment.add_text("dataset", study)
    _add_figures(logger, figures)


def add_results(
    logger: TensorBoardLogger,
    settings: TrainConfig,
    overrides: Sequence[str],
    metrics_file: Path,
    figures: Sequence[Path],
) -> None:
    """Show the final figures, and the final metrics beside the overrides in the HPARAMS tab."""
    _add_figures(logger, figures)
    metrics = read_object(metrics_file)
    final = {}
    for name, keys in FINAL.items():
        value = metrics
        for key in keys:
            value = None if value is None else value.get(key)
        if value is not None:
            final[name] = float(value)
    logger.log_hyperparams(hyperparameters(settings, overrides), final)
    logger.save()
    logger.finalize("success")


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
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        shown.setdefault(key, value)
    return shown


def _add_figures(logger: TensorBoardLogger, figures: Sequence[Path]) -> None:
    for file in figures:
        with Image.open(file) as image:
            logger.experiment.add_image(file.stem, np.asarray(image.convert("RGB")), dataformats="HWC")
