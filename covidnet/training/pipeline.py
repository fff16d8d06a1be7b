"""One split from its settings to its results, step by step."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import TensorBoardLogger

from covidnet.compute import describe_compute
from covidnet.config.schema import TrainConfig
from covidnet.console import say
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.external import PART as EXTERNAL
from covidnet.data.protocols import split_records
from covidnet.data.split import Split
from covidnet.errors import ConfigError, RunError
from covidnet.models.module import XrayClassifier
from covidnet.models.predict import load_network, predict
from covidnet.models.weights import first_line
from covidnet.reporting.results import Protocol, save_results, summarize
from covidnet.runs.layout import RunLayout
from covidnet.training import boards
from covidnet.training.build import (
    build_datamodule,
    build_logger,
    build_module,
    build_trainer,
    refuse_changed_data,
    shows_lines,
)
from covidnet.training.callbacks import AfterFirstEpoch, History
from covidnet.training.comparison import split_of_repeated, tell_differences
from covidnet.training.external import predict_external
from covidnet.training.failures import fit_what_fits
from covidnet.training.history import Row, best_row, read_history
from covidnet.training.images import Images
from covidnet.training.penultimate import PenultimateFeatures
from covidnet.training.projector import show_projector
from covidnet.training.pruning import MedianPruning
from covidnet.training.reference import save_training_look
from covidnet.training.saliency import check_layer, describe_saliency, explain_training
from covidnet.training.start import describe_start, record_start, show_start


def train_split(
    settings: TrainConfig, layout: RunLayout, overrides: list[str], images: Images, *, resumed: bool, started: float
) -> float | None:
    """Train on one split, then score the kept epoch and write all results into the run directory.

    Returns:
        The lowest validation loss, or None when none was finite.
    """
    split = split_records(settings, images.dataset.records)
    if settings.repeat is not None:
        split = split_of_repeated(settings, images.dataset, split)
    if resumed:
        refuse_changed_data(layout, images.dataset.rows(split))

    def fit_once(tried: TrainConfig, goes_on: bool) -> _Fitted:
        return _fit_once(tried, layout, images, split, resumed=goes_on)

    settings, fitted = fit_what_fits(settings, layout, fit_once, resumed)
    rows = read_history(layout.history)
    if fitted.trainer.is_global_zero:
        _finish(settings, layout, overrides, images, fitted, rows, started)
    best = best_row(rows)
    return None if best is None else best["val_loss"]


@dataclass(frozen=True)
class _Fitted:
    """What is needed of a training once it ended."""

    trainer: lightning.Trainer
    data: XrayDataModule
    logger: TensorBoardLogger | None


def _fit_once(settings: TrainConfig, layout: RunLayout, images: Images, split: Split, *, resumed: bool) -> _Fitted:
    dataset = images.dataset
    logger = build_logger(settings, layout)
    history = History(
        layout.history, Protocol.of(settings.protocol, split.validation).validation, shows_lines(settings)
    )
    trainer = build_trainer(settings, layout, history, logger)
    data = build_datamodule(settings, dataset, split)
    module = build_module(settings, dataset, split)
    check_layer(settings.saliency, module.net, settings.data.image_size)
    if trainer.is_global_zero:
        describe_start(settings, layout, images, split, trainer)
        device = trainer.strategy.root_device
        say(describe_compute(settings.compute, device.type, data.stays_on(device)))
        study = record_start(settings, layout, images, split, trainer)
        tell_differences(settings, layout)
        show = AfterFirstEpoch(partial(show_start, settings, layout, dataset, data, study, logger))
        trainer.callbacks.append(show)  # type: ignore[attr-defined]
    fit(trainer, module, data, layout, resumed)
    if trainer.is_global_zero:
        show.once()  # where no epoch was left to do
    return _Fitted(trainer, data, logger)


def _pruned(trainer: lightning.Trainer) -> str | None:
    """Why the run was ended before its time, if a sweep's pruning did so."""
    return next((one.reason for one in trainer.callbacks if isinstance(one, MedianPruning)), None)  # type: ignore[attr-defined]


def fit(
    trainer: lightning.Trainer, module: XrayClassifier, data: XrayDataModule, layout: RunLayout, resumed: bool
) -> None:
    """Let Lightning train, from the last checkpoint of a resumed run.

    Raises:
        ConfigError: Lightning refuses an argument only now that it knows the data, or the network cannot be compiled.
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
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        raise ConfigError(
            f"compute.compile: torch could not compile the network here: {first_line(error)}. Give compute.compile=none"
        ) from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError(
            "data.batch_size: this backbone's batch normalisation cannot train on one image at a time; give 2 or more"
        ) from error
    except SystemExit as stop:  # Lightning's, of which some would be statuses of success
        if trainer.received_sigterm:
            raise SystemExit(128 + signal.SIGTERM) from stop
        raise KeyboardInterrupt from stop


def _finish(
    settings: TrainConfig,
    layout: RunLayout,
    overrides: list[str],
    images: Images,
    fitted: _Fitted,
    rows: list[Row],
    started: float,
) -> None:
    """Score the kept epoch and write the results, metrics.json last."""
    # The training has begun sooner without them.
    from covidnet.training.audit import audit_training, tell_audit
    from covidnet.training.page import show_results

    best = best_row(rows)
    if best is None:
        raise RunError(f"{layout.history}: no epoch has a validation loss that is a number. Try a lower optimizer.lr.")
    dataset, data, logger = images.dataset, fitted.data, fitted.logger
    protocol = Protocol.of(settings.protocol, data.split.validation)
    network, classes = load_network(layout.best)
    parts = [name for name in ("val", "test", EXTERNAL) if name in data.split.parts]
    predictions = predict(network, data, parts, classes, dataset.records)
    if images.external is not None:
        predictions = predictions.joined(predict_external(settings, network, images.external, classes))
    pruned = _pruned(fitted.trainer)
    seconds: dict[str, Any] = {
        "epoch_kept": int(best["epoch"]),
        "epochs": len(rows),
        "training_seconds": sum(row["seconds"] for row in rows),
        "total_seconds": time.perf_counter() - started,
        **({"pruned": pruned} if pruned else {}),
    }
    positive, rule = settings.data.positive_class, settings.aggregate
    options = settings.evaluation
    figures = save_results(
        layout.directory,
        predictions,
        "test",
        dataset,
        positive,
        protocol,
        rows,
        seconds,
        rule,
        options,
        figures=settings.report.figures,
    )
    known = PenultimateFeatures(network, data)
    save_training_look(layout, dataset, known)
    tested = predictions.of_split("test")
    figures += explain_training(settings, layout.directory, dataset, data, network, tested)
    if logger is not None:
        boards.add_results(logger, settings, overrides, layout, figures)
        show_projector(settings.logger, Path(logger.log_dir), dataset, known, predictions)
    for line in summarize(layout.metrics):
        say(line)
    say(f"results: {Path(layout.directory)}")
    for line in describe_saliency(layout.directory):
        say(line)
    audit = audit_training(settings, layout, dataset, data, network, predictions)
    show_results(settings.report, layout.directory, "test", dataset, images.external)
    layout.unfinished.unlink(missing_ok=True)
    if audit is not None:
        tell_audit(settings.audit, audit)
