"""One run from its settings to its results, step by step."""

from __future__ import annotations

import shlex
import signal
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import TensorBoardLogger

from covidnet.config.schema import TrainConfig
from covidnet.console import say
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.dataset import XrayDataset, content_hash, open_dataset
from covidnet.data.split import Split, write_split
from covidnet.errors import ConfigError, RunError
from covidnet.evaluation.metrics import known_class
from covidnet.files import write_json
from covidnet.models.backbones import validate_backbone
from covidnet.models.module import XrayClassifier
from covidnet.models.predict import load_network, predict
from covidnet.reporting.results import Protocol, save_results, summarize
from covidnet.runs.environment import describe_environment
from covidnet.runs.layout import RunLayout
from covidnet.training import boards
from covidnet.training.audit import audit_training
from covidnet.training.build import (
    build_datamodule,
    build_logger,
    build_module,
    build_trainer,
    refuse_changed_data,
    shows_lines,
    split_dataset,
)
from covidnet.training.callbacks import History
from covidnet.training.history import Row, best_row, read_history
from covidnet.training.pruning import MedianPruning
from covidnet.training.saliency import check_layer, describe_saliency, explain_training
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
    logger = build_logger(settings, layout)
    history = History(layout.history, protocol.validation, shows_lines(settings))
    trainer = build_trainer(settings, layout, history, logger)

    dataset = open_dataset(settings.data)
    known_class(settings.data.positive_class, dataset.classes)
    split = split_dataset(settings, dataset)
    if resumed:
        refuse_changed_data(layout, dataset.rows(split))
    data = build_datamodule(settings, dataset, split)
    module = build_module(settings, dataset)
    check_layer(settings.saliency, module.net, settings.data.image_size)
    if trainer.is_global_zero:
        _describe_start(settings, layout, dataset, split, trainer)
        _record_start(settings, layout, dataset, split, trainer, data, logger)

    fit(trainer, module, data, layout, resumed)
    rows = read_history(layout.history)
    if trainer.is_global_zero:
        _finish(settings, layout, overrides, dataset, data, rows, logger, started, _pruned(trainer))
    best = best_row(rows)
    return None if best is None else best["val_loss"]


def _pruned(trainer: lightning.Trainer) -> str | None:
    """Why the run was ended before its time, if a sweep's pruning did so."""
    return next((one.reason for one in trainer.callbacks if isinstance(one, MedianPruning)), None)  # type: ignore[attr-defined]


def fit(
    trainer: lightning.Trainer, module: XrayClassifier, data: XrayDataModule, layout: RunLayout, resumed: bool
) -> None:
    """Let Lightning train, from the last checkpoint of a resumed run.

    Raises:
        ConfigError: Lightning refuses an argument only now that it knows the data.
        WeightsError: The checkpoint to go on from is damaged.
        KeyboardInterrupt: The user stopped it.
        SystemExit: The system stopped it with SIGTERM; the status is the one that shells give then.
    """
    resume_from = str(layout.last) if resumed and layout.last.is_file() else None
    if resume_from is not None:
        load_network(layout.last)  # a damaged file is told here, in words
    try:
        trainer.fit(module, data, ckpt_path=resume_from, weights_only=True)
    except MisconfigurationException as error:
        raise ConfigError(f"trainer: {' '.join(str(error).split())}") from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError(
            "data.batch_size: this backbone's batch normalisation cannot train on one image at a time; give 2 or more"
        ) from error
    except SystemExit as stop:  # Lightning's, of which some would be statuses of success
        if trainer.is_global_zero:
            say(f"stopped; go on with: python train.py resume={shlex.quote(str(layout.directory))}")
        if trainer.received_sigterm:
            raise SystemExit(128 + signal.SIGTERM) from stop
        raise KeyboardInterrupt from stop


def _describe_start(
    settings: TrainConfig, layout: RunLayout, dataset: XrayDataset, split: Split, trainer: lightning.Trainer
) -> None:
    counts = ", ".join(f"{name} {sum(record.label == name for record in dataset.records)}" for name in dataset.classes)
    sizes = ", ".join(f"{len(positions)} {name}" for name, positions in split.parts.items())
    say(f"data: {len(dataset.records)} images in {dataset.root} ({counts}); {sizes}")
    for line in left_out(dataset):
        say(f"  {line}")
    say(dataset.pixel_report)
    device = trainer.strategy.root_device.type
    say(f"model: {settings.backbone}, weights {settings.weights}, on {device}; run directory {layout.directory}")


def left_out(dataset: XrayDataset) -> list[str]:
    """What the scan did not use, in words; empty when it used everything."""
    scan = dataset.scan
    lines = []
    if dataset.unreadable:
        lines.append(f"left out, unreadable: {len(dataset.unreadable)} (listed in dataset.md)")
    if scan.outside_classes:
        lines.append(f"left out, in no class folder: {len(scan.outside_classes)} images directly in {scan.root}")
    if scan.masks:
        lines.append(f"masks of lungs, not counted as images: {len(scan.masks)} files")
    if scan.other_files or scan.hidden:
        lines.append(f"ignored: {scan.other_files} files that are no images, {scan.hidden} hidden ones")
    if scan.loops:
        lines.append(f"links not followed, their folders are read already: {', '.join(scan.loops)}")
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
    described = {"root": str(dataset.root.absolute()), "images": len(rows), "sha256": content_hash(rows)}
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
    pruned: str | None,
) -> None:
    """Score the kept epoch and write the results, metrics.json last."""
    best = best_row(rows)
    if best is None:
        raise RunError(f"{layout.history}: no epoch has a validation loss that is a number. Try a lower optimizer.lr.")
    protocol = Protocol.named(settings.protocol)
    network, classes = load_network(layout.best)
    parts = [name for name in ("val", "test") if name in data.split.parts]
    predictions = predict(network, data, parts, classes, dataset.records)
    seconds: dict[str, Any] = {
        "epoch_kept": int(best["epoch"]),
        "epochs": len(rows),
        "training_seconds": sum(row["seconds"] for row in rows),
        "total_seconds": time.perf_counter() - started,
        **({"pruned": pruned} if pruned else {}),
    }
    figures = save_results(
        layout.directory, predictions, "test", dataset, settings.data.positive_class, protocol, rows, seconds
    )
    tested = predictions.of_split("test")
    figures += explain_training(settings, layout.directory, dataset, data, network, tested)
    if logger is not None:
        boards.add_results(logger, settings, overrides, layout.metrics, figures)
    for line in summarize(layout.metrics):
        say(line)
    say(f"results: {Path(layout.directory)}")
    for line in describe_saliency(layout.directory):
        say(line)
    audit_training(settings, layout, dataset, data, network, predictions)
