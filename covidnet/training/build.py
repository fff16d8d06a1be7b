"""The parts of a training, made from its settings."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytorch_lightning as lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, Timer
from pytorch_lightning.loggers import Logger, TensorBoardLogger
from torch import nn

from covidnet.config.schema import TrainConfig
from covidnet.console import console
from covidnet.data.attributes import attributes_of
from covidnet.data.augment import Augmentation
from covidnet.data.changes import describe_changes, list_changes
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.dataset import XrayDataset
from covidnet.data.split import Split, SplitRow, read_split
from covidnet.errors import ConfigError, DataError
from covidnet.models.backbones import check_image_size
from covidnet.models.loss import build_loss
from covidnet.models.module import XrayClassifier
from covidnet.models.network import build_network, describe_head, freeze_backbone
from covidnet.models.optim import build_optimizer, build_schedule
from covidnet.runs.layout import RunLayout
from covidnet.training.callbacks import History, Patience, progress_callback
from covidnet.training.checkpoints import BestAndLast, CheckpointFiles
from covidnet.training.pruning import MedianPruning
from covidnet.training.watch import SaliencyWatch

_log = logging.getLogger(__name__)


def refuse_changed_data(layout: RunLayout, rows: Sequence[SplitRow]) -> None:
    """A stopped run goes on with the very images and the very split that it began with.

    Raises:
        DataError: Files or the split differ from the run's split.csv; an absent one, of a run that was stopped before
            it wrote anything, agrees with all.
    """
    if not layout.split.is_file():
        return
    recorded = read_split(layout.split)
    if recorded == list(rows):
        return
    changes = describe_changes(recorded, {row.path: row.sha256 for row in rows})
    listed = list_changes(changes) if changes else "  the same files, split otherwise; is scikit-learn another version?"
    raise DataError(
        f"resume={layout.directory}: the images are not those that the run began with:\n{listed}\n"
        "Give the folder that it used, data.root=PATH, or start a new run."
    )


def build_datamodule(settings: TrainConfig, dataset: XrayDataset, split: Split) -> XrayDataModule:
    """The data as Lightning takes it."""
    augment: dict[str, Any] = settings.augment.model_dump()
    return XrayDataModule(
        dataset.pixels,
        dataset.class_indices,
        split,
        Augmentation(**augment),
        seed=settings.seed,
        batch_size=settings.data.batch_size,
        num_workers=settings.data.num_workers,
        normalize=settings.data.normalize,
        channels_last=settings.compute.channels_last,
        attributes=attributes_of(dataset.records),
        sampling=settings.data.sampling,
        resident=settings.compute.resident,
    )


def build_module(settings: TrainConfig, dataset: XrayDataset, split: Split) -> XrayClassifier:
    """The network with its loss, metrics, optimiser and schedule; its initial weights follow the seed."""
    train = split.positions("train")
    weights = attributes_of(dataset.records).weights
    loss = build_loss(
        settings.loss, dataset.classes, dataset.class_indices[train], None if weights is None else weights[train]
    )
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    classes = dataset.classes
    network = build_network(settings.backbone, len(classes), settings.weights, settings.head, settings.data.image_size)
    check_image_size(network, settings.backbone, (settings.data.image_size,) * 2)
    if settings.compute.channels_last:
        network = network.to(memory_format=torch.channels_last)
    frozen = _frozen(settings, network)
    if settings.compute.compile != "none":
        network.compile(mode=settings.compute.compile)  # in place: names of weights stay
    description = {
        "format": 1,
        "backbone": settings.backbone,
        "classes": classes,
        "image_size": settings.data.image_size,
        "normalize": settings.data.normalize,
        **describe_head(settings.head),
    }
    return XrayClassifier(
        network,
        len(classes),
        partial(build_optimizer, settings.optimizer, fused=_fused(settings)),
        partial(build_schedule, settings.scheduler),
        settings.seed,
        description,
        loss,
        frozen,
    )


def _fused(settings: TrainConfig) -> bool:
    """Lightning cannot clip gradients that a fused optimiser unscales itself."""
    clips_scaled = settings.trainer.precision == "16-mixed" and settings.trainer.gradient_clip_val is not None
    return settings.compute.fused_optimizer and not clips_scaled


def _frozen(settings: TrainConfig, network: nn.Module) -> list[str]:
    """The parts that stay as they are, after they were told to."""
    if settings.freeze == "none":
        return []
    if settings.weights == "none":
        _log.warning("freeze=backbone with weights=none: the head learns from features that are random and stay so")
    return freeze_backbone(network)


def build_trainer(
    settings: TrainConfig, layout: RunLayout, history: History, logger: TensorBoardLogger | None
) -> lightning.Trainer:
    """Lightning's Trainer with the configured arguments and this project's callbacks.

    Raises:
        ConfigError: Lightning refuses the arguments, for example a GPU where there is none.
    """
    callbacks: list[Callback] = [history, BestAndLast(layout.checkpoints, settings.callbacks.save_every)]
    early = settings.callbacks.early_stopping
    if early.patience is not None:
        callbacks.append(Patience("val_loss", patience=early.patience, min_delta=early.min_delta))
    if settings.sweep.prune == "median":
        own = layout.directory
        callbacks.append(MedianPruning(own.parent, own.name, settings.sweep.prune_startup, settings.sweep.prune_warmup))
    if settings.saliency.every is not None:
        callbacks.append(SaliencyWatch(settings.saliency))
    bar = progress_callback(_progress(settings))
    callbacks += [bar] if bar is not None else []
    loggers: list[Logger] = [logger] if logger is not None else []
    arguments: dict[str, Any] = settings.trainer.model_dump()
    if arguments["deterministic"]:
        arguments["deterministic"] = "warn"
    max_time = arguments.pop("max_time")
    try:
        if max_time is not None:
            # The Trainer's own would break off within an epoch, and a resumed run could not go on from there.
            callbacks.append(Timer(max_time, interval="epoch", verbose=False))
        return lightning.Trainer(
            **arguments,
            default_root_dir=layout.directory,
            logger=loggers,
            callbacks=callbacks,
            plugins=[CheckpointFiles()] if settings.trainer.accelerator != "tpu" else None,
            enable_progress_bar=bar is not None,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            use_distributed_sampler=False,  # the loaders share the images out themselves
        )
    except (MisconfigurationException, ValueError, RuntimeError, TypeError, ImportError) as error:
        raise ConfigError(f"trainer: {' '.join(str(error).split())}") from error


def build_logger(settings: TrainConfig, layout: RunLayout) -> TensorBoardLogger | None:
    """TensorBoard event files in the run directory, or nothing."""
    if settings.logger.name == "none":
        return None
    return TensorBoardLogger(layout.directory, name="", version="tensorboard", default_hp_metric=False)


def _progress(settings: TrainConfig) -> str:
    if settings.callbacks.progress == "auto":
        return "bar" if console.is_terminal else "lines"
    return settings.callbacks.progress


def shows_lines(settings: TrainConfig) -> bool:
    """Whether each epoch is printed as a line."""
    return _progress(settings) != "none"
