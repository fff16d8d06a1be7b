"""What a configuration stands for: one training, or one for each fold of its protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from covidnet.compute import prepare_torch
from covidnet.config.schema import TrainConfig
from covidnet.data.protocols import count_folds
from covidnet.models.backbones import validate_backbone
from covidnet.runs.layout import RunLayout
from covidnet.runs.lock import alone_in, clear_left_over
from covidnet.runs.single import is_further_process
from covidnet.runs.stored import store_changes
from covidnet.training.comparison import tell_comparison
from covidnet.training.failures import in_words
from covidnet.training.folds import train_folds
from covidnet.training.images import open_images
from covidnet.training.pipeline import train_split


def run_training(
    settings: TrainConfig, layout: RunLayout, overrides: list[str], *, resumed: bool, started: float
) -> float | None:
    """Train as configured, score the kept epochs and write all results into the run directory.

    Returns:
        The lowest validation loss, over folds their mean; None when none was finite.

    Raises:
        BusyError: Another process works in the directory.
        RunError: The disk or the memory is full.
    """
    with in_words(settings, layout):
        if is_further_process():
            return _run(settings, layout, overrides, resumed=resumed, started=started)
        with alone_in(layout.directory, layout.lock):
            clear_left_over(layout.directory.rglob(".*"))
            if any(text.startswith("resume=") for text in overrides):
                store_changes(layout, _changes(overrides))
            try:
                return _run(settings, layout, overrides, resumed=resumed, started=started)
            finally:
                if settings.repeat is not None and layout.is_finished:
                    tell_comparison(settings.repeat, layout)


def _changes(overrides: Sequence[str]) -> dict[str, Any]:
    """What was given beside resume=, by key."""
    given = OmegaConf.from_dotlist([text for text in overrides if not text.startswith("resume=")])
    return {text.partition("=")[0]: OmegaConf.select(given, text.partition("=")[0]) for text in overrides
            if not text.startswith("resume=")}  # fmt: skip


def _run(
    settings: TrainConfig, layout: RunLayout, overrides: list[str], *, resumed: bool, started: float
) -> float | None:
    validate_backbone(settings.backbone, settings.weights)
    prepare_torch(settings.compute)
    images = open_images(settings)
    count = count_folds(settings, images.dataset.records)
    if count is not None and settings.fold is None:
        return train_folds(settings, layout, overrides, images, count, started=started)
    return train_split(settings, layout, overrides, images, resumed=resumed, started=started)
