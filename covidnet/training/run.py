"""What a configuration stands for: one training, or one for each fold of its protocol."""

from __future__ import annotations

from covidnet.compute import prepare_torch
from covidnet.config.schema import TrainConfig
from covidnet.data.protocols import count_folds
from covidnet.models.backbones import validate_backbone
from covidnet.runs.layout import RunLayout
from covidnet.training.folds import train_folds
from covidnet.training.pipeline import open_images, train_split


def run_training(
    settings: TrainConfig, layout: RunLayout, overrides: list[str], *, resumed: bool, started: float
) -> float | None:
    """Train as configured, score the kept epochs and write all results into the run directory.

    Returns:
        The lowest validation loss, over folds their mean; None when none was finite.
    """
    validate_backbone(settings.backbone, settings.weights)
    prepare_torch(settings.compute)
    images = open_images(settings)
    count = count_folds(settings, images.dataset.records)
    if count is not None and settings.fold is None:
        return train_folds(settings, layout, overrides, images, count, started=started)
    return train_split(settings, layout, overrides, images, resumed=resumed, started=started)
