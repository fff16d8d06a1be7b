"""One run from its settings to its results, step by step."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger, TensorBoardLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from covidnet.config.schema import TrainConfig
from covidnet.console import console, say
from covidnet.data.augment import Augmentation
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.dataset import XrayDataset, content_hash, open_dataset
from covidnet.data.split import Split, stratified_split, write_split
from covidnet.errors import ConfigError
from covidnet.evaluation.results import Protocol, save_results, summarize
from covidnet.files import write_json
from covidnet.models.backbones import build_backbone, check_image_size, validate_backbone
from covidnet.models.module import XrayClassifier
from covidnet.models.optim import build_optimizer, build_schedule
from covidnet.models.predict import load_network, predict
from covidnet.runs.environment import describe_environment
from covidnet.runs.layout import RunLayout
from covidnet.training import boards
from covidnet.training.callbacks import BestAndLast, History, progress_callback
from covidnet.training.history import Row, best_row, read_history
from covidnet.training.study import save_batch, save_study


def run_training(
    settings: TrainConfig, layout: RunLayout, overrides: list[str], *, resumed: bool, started: float
) -> float | None:
    """Train as configured, then score the kept epoch and write all results into the run directory.

    Returns:
        The lowest validation loss, or None when none was finite.
    """
    validate_backbone(settings.backbone, settings.weights)
    if settings.compute.num_threads is not None:
        torch.set_num_threads(settings.compute.num_threads)
    protocol = Protocol.named(settings.protocol)
    logger = _make_logger(settings, layout)
    history = History(layout.history, protocol.validation, _shows_lines(settings))
    trainer = build_trainer(settings, layout, history, logger)

    dataset = open_dataset(settings.data)
    split = split_dataset(settings, dataset)
    data = build_datamodule(settings, dataset, split)
    module = build_module(settings, dataset)
    if trainer.is_global_zero:
        _describe_start(settings, layout, dataset, split, trainer)
        _record_start(settings, layout, dataset, split, trainer, data, logger)

    resume_from = str(layout.last) if resumed and layout.last.is_file() else None
    trainer.fit(module, data, ckpt_path=resume_from, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    rows = read_history(layout.history)
    if trainer.is_global_zero:
        _finish(settings, layout, overrides, dataset, data, rows, logger, started)
    best = best_row(rows)
    return None if best is None else best["val_loss"]


def split_dataset(settings: TrainConfig, dataset: XrayDataset) -> Split:
    """The split that the protocol asks for."""
    labels = [record.label for record in dataset.records]
    val_size = settings.data.val_size if settings.protocol == "holdout" else None
    return stratified_split(labels, settings.random_state, settings.data.test_size, val_size)


def build_datamodule(settings: TrainConfig, dataset: XrayDataset, split: Split) -> XrayDataModule:
    """The data as Lightning takes it."""
    augment = settings.augment.model_dump()
    augmentation = Augmentation(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in augment.items()}
    )
    return XrayDataModule(
        dataset.pixels,
        dataset.class_indices,
        split,
        augmentation,
        seed=settings.seed,
        batch_size=settings.data.batch_size,
        num_workers=settings.data.num_workers,
        normalize=settings.data.normalize,
        channels_last=settings.compute.channels_last,
    )


def build_module(settings: TrainConfig, dataset: XrayDataset) -> XrayClassifier:
    """The network with its loss, metrics, optimiser and schedule; its initial weights follow the seed."""
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    classes = dataset.classes
    network = build_backbone(settings.backbone, len(classes), settings.weights)
    check_image_size(network, settings.backbone, (settings.data.image_size,) * 2)
    if settings.compute.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    description = {
        "format": 1,
        "backbone": settings.backbone,
        "classes": classes,
        "image_size": settings.data.image_size,
        "normalize": settings.data.normalize,
    }
    return XrayClassifier(
        network,
        len(classes),
        partial(build_optimizer, settings.optimizer),
        partial(build_schedule, settings.scheduler),
        settings.seed,
        description,
    )


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
        callbacks.append(EarlyStopping("val_loss", patience=early.patience, min_delta=early.min_delta))
    bar = progress_callback(_progress(settings))
    callbacks += [bar] if bar is not None else []
    loggers: list[Logger] = [logger] if logger is not None else []
    arguments: dict[str, Any] = settings.trainer.model_dump()
    if arguments["deterministic"]:
        arguments["deterministic"] = "warn"
    try:
        return lightning.Trainer(
            **arguments,
            default_root_dir=layout.directory,
            logger=loggers,
            callbacks=callbacks,
            enable_progress_bar=bar is not None,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            use_distributed_sampler=False,  # the loaders share the images out themselves
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise ConfigError(f"trainer: {' '.join(str(error).split())}") from error


def _progress(settings: TrainConfig) -> str:
    if settings.callbacks.progress == "auto":
        return "bar" if console.is_terminal else "lines"
    return settings.callbacks.progress


def _shows_lines(settings: TrainConfig) -> bool:
    return _progress(settings) != "none"


def _make_logger(settings: TrainConfig, layout: RunLayout) -> TensorBoardLogger | None:
    if settings.logger.name == "none":
        return None
    return TensorBoardLogger(layout.directory, name="", version="tensorboard", default_hp_metric=False)


def _describe_start(
    settings: TrainConfig, layout: RunLayout, dataset: XrayDataset, split: Split, trainer: lightning.Trainer
) -> None:
    counts = ", ".join(
        f"{name} {sum(record.label == name for record in dataset.records)}" for name in dataset.classes
    )
    sizes = ", ".join(f"{len(positions)} {name}" for name, positions in split.parts.items())
    say(f"data: {len(dataset.records)} images in {dataset.root} ({counts}); {sizes}")
    for line in left_out(dataset):
        say(f"  {line}")
    say(dataset.pixel_report)
    device = trainer.strategy.root_device.type
    say(
        f"model: {settings.backbone}, weights {settings.weights}, on {device}; run directory {layout.directory}"
    )


def left_out(dataset: XrayDataset) -> list[str]:
    """What the scan did not use, in words; empty when it used everything."""
    scan = dataset.scan
    lines = []
    if dataset.unreadable:
        lines.append(f"left out, unreadable: {len(dataset.unreadable)} (listed in dataset.md)")
    if scan.outside_classes:
        lines.append(
            f"left out, in no class folder: {len(scan.outside_classes)} images directly in {scan.root}"
        )
    if scan.other_files or scan.hidden:
        lines.append(f"ignored: {scan.other_files} files that are no images, {scan.hidden} hidden ones")
    if scan.loops:
        lines.append(f"not followed, links to a folder above themselves: {', '.join(scan.loops)}")
    return lines


def _record_start(
    settings: TrainConfig,
    layout: RunLayout,
    dataset: XrayDataset,
    split: Split,
    trainer: lightning.Trainer,
    data: XrayDataModule,
    logger: TensorBoardLogger | None,
) -> None:
    """Write what is known before training: the split, the environment, the study of the dataset, a batch."""
    layout.metrics.unlink(missing_ok=True)  # its presence means finished
    layout.checkpoints.mkdir(parents=True, exist_ok=True)
    rows = dataset.rows(split)
    write_split(layout.split, rows)
    described = {"root": os.path.abspath(dataset.root), "images": len(rows), "sha256": content_hash(rows)}
    write_json(layout.environment, describe_environment(str(trainer.strategy.root_device), described))
    study = save_study(layout.directory, dataset, left_out(dataset))
    batch = save_batch(layout.directory, data, dataset.classes)
    if logger is not None:
        boards.add_start(logger, study, [layout.directory / "dataset.png", batch])


def _finish(
    settings: TrainConfig,
    layout: RunLayout,
    overrides: list[str],
    dataset: XrayDataset,
    data: XrayDataModule,
    rows: list[Row],
    logger: TensorBoardLogger | None,
    started: float,
) -> None:
    """Score the kept epoch and write the results, metrics.json last."""
    best = best_row(rows)
    protocol = Protocol.named(settings.protocol)
    network, classes = load_network(layout.best)
    parts = [name for name in ("val", "test") if name in data.split.parts]
    predictions = predict(network, data, parts, classes, dataset.records)
    seconds = {
        "epoch_kept": None if best is None else int(best["epoch"]),
        "epochs": len(rows),
        "training_seconds": sum(row["seconds"] for row in rows),
        "total_seconds": time.perf_counter() - started,
    }
    figures = save_results(
        layout.directory, predictions, "test", dataset, settings.data.positive_class, protocol, rows, seconds
    )
    if logger is not None:
        boards.add_results(logger, settings, overrides, layout.metrics, figures)
    for line in summarize(layout.metrics):
        say(line)
    say(f"results: {Path(layout.directory)}")
