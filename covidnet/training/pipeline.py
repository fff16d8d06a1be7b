"""One split from its settings to its results, step by step."""

from __future__ import annotations

import signal
import time
from collections import Counter
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
from covidnet.data.dataset import XrayDataset, content_hash, open_dataset
from covidnet.data.external import PART as EXTERNAL
from covidnet.data.external import open_external
from covidnet.data.protocols import split_records
from covidnet.data.sources import table_of
from covidnet.data.split import Split, SplitRow, whole, write_split
from covidnet.errors import ConfigError, RunError
from covidnet.files import write_json
from covidnet.models.module import XrayClassifier
from covidnet.models.predict import load_network, predict
from covidnet.models.weights import first_line
from covidnet.reporting.results import Protocol, save_results, summarize
from covidnet.runs.environment import describe_environment
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
from covidnet.training.needs import check_needs
from covidnet.training.penultimate import PenultimateFeatures
from covidnet.training.projector import show_projector
from covidnet.training.pruning import MedianPruning
from covidnet.training.reference import save_training_look
from covidnet.training.saliency import check_layer, describe_saliency, explain_training
from covidnet.training.study import save_batch, save_dataset_figure, save_study


@dataclass(frozen=True)
class Images:
    """What a run learns from and is tested on: its dataset, and a second one from elsewhere if there is one."""

    dataset: XrayDataset
    external: XrayDataset | None


def open_images(settings: TrainConfig) -> Images:
    """Open the images of a configuration, and refuse a class or an external set that does not fit them.

    Raises:
        DataError: Images cannot be used.
        ConfigError: A key does not fit the images.
    """
    dataset = open_dataset(settings.data)
    images = Images(dataset, open_external(settings.data, dataset.classes))
    check_needs(settings, images.dataset, images.external)
    return images


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
        pruned = _pruned(fitted.trainer)
        _finish(settings, layout, overrides, images, fitted.data, rows, fitted.logger, started, pruned)
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
        _describe_start(settings, layout, images, split, trainer)
        device = trainer.strategy.root_device
        say(describe_compute(settings.compute, device.type, data.stays_on(device)))
        study = _record_start(settings, layout, images, split, trainer)
        tell_differences(settings, layout)
        show = AfterFirstEpoch(partial(_show_start, settings, layout, dataset, data, study, logger))
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


def _describe_start(
    settings: TrainConfig, layout: RunLayout, images: Images, split: Split, trainer: lightning.Trainer
) -> None:
    dataset = images.dataset
    counts = ", ".join(f"{name} {sum(record.label == name for record in dataset.records)}" for name in dataset.classes)
    sizes = ", ".join(f"{len(positions)} {name}" for name, positions in split.parts.items())
    say(f"data: {len(dataset.records)} images in {dataset.root} ({counts}); {sizes}")
    for line in [*_who_and_where(dataset), *left_out(dataset)]:
        say(f"  {line}")
    if images.external is not None:
        say(f"external test set: {len(images.external.records)} images in {images.external.root}")
        for line in [*left_out(images.external), *_seen_before(images)]:
            say(f"  {line}")
    say(dataset.pixel_report)
    device = trainer.strategy.root_device.type
    say(
        f"model: {_describe_model(settings)}, weights {settings.weights}, on {device}; run directory {layout.directory}"
    )


def _describe_model(settings: TrainConfig) -> str:
    """Such as "vgg16 with frozen backbone and head pooled_mlp"."""
    parts = ["frozen backbone"] if settings.freeze == "backbone" else []
    parts += [f"head {settings.head.name}"] if settings.head.name != "default" else []
    return settings.backbone + (f" with {' and '.join(parts)}" if parts else "")


def _who_and_where(dataset: XrayDataset) -> list[str]:
    """How many patients and which sources are known."""
    lines = []
    patients = {record.patient for record in dataset.records} - {""}
    if patients:
        unknown = sum(not record.patient for record in dataset.records)
        lines.append(f"patients: {len(patients)}" + (f"; of {unknown} images unknown" if unknown else ""))
    sources = Counter(record.source for record in dataset.records if record.source)
    if sources:
        listed = ", ".join(f"{name} {count}" for name, count in sources.most_common(8))
        more = f" and {len(sources) - 8} more" if len(sources) > 8 else ""
        lines.append(f"sources: {listed}{more}")
    return lines


def _seen_before(images: Images) -> list[str]:
    """A warning where images of the external set are among those that the run has."""
    assert images.external is not None
    own = {info.sha256 for info in images.dataset.infos}
    shared = sum(info.sha256 in own for info in images.external.infos)
    return [f"warning: {shared} of them are files that the run has itself: they are not external"] if shared else []


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
        no_images = "file that is no image" if scan.other_files == 1 else "files that are no images"
        hidden = f", {scan.hidden} hidden" if scan.hidden else ""
        lines.append(f"ignored: {scan.other_files} {no_images}{hidden}")
    if scan.excluded:
        listed = ", ".join(f"{reason} ({count})" for reason, count in scan.excluded.most_common(8))
        more = len(scan.excluded) - 8
        lines.append(f"not chosen: {scan.excluded.total()} rows: {listed}" + (f" and {more} more" if more > 0 else ""))
    if scan.loops:
        lines.append(f"links not followed, their folders are read already: {', '.join(scan.loops)}")
    return lines


def _record_start(
    settings: TrainConfig,
    layout: RunLayout,
    images: Images,
    split: Split,
    trainer: lightning.Trainer,
) -> str:
    """Write what is known before training: the split, the environment, and the study of the dataset, which is given."""
    dataset = images.dataset
    layout.unfinished.touch()
    layout.metrics.unlink(missing_ok=True)
    layout.page.unlink(missing_ok=True)
    layout.checkpoints.mkdir(parents=True, exist_ok=True)
    rows = dataset.rows(split)
    write_split(layout.split, rows)
    described = describe_images(settings, images, rows)
    write_json(layout.environment, describe_environment(str(trainer.strategy.root_device), described))
    return save_study(layout.directory, dataset, left_out(dataset))


def _show_start(
    settings: TrainConfig,
    layout: RunLayout,
    dataset: XrayDataset,
    data: XrayDataModule,
    study: str,
    logger: TensorBoardLogger | None,
) -> None:
    """Draw the dataset and a batch, and show both and the study in TensorBoard.

    After the first epoch, so that it begins a second sooner: importing and using a drawing library takes as long.
    """
    figures = []
    if settings.report.figures:
        figures = [
            save_dataset_figure(layout.directory, dataset),
            save_batch(layout.directory, data, dataset.classes),
        ]
    if logger is not None:
        boards.add_start(logger, study, figures)


def describe_images(settings: TrainConfig, images: Images, rows: list[SplitRow]) -> dict[str, Any]:
    """Where the images are, and hashes of what they hold, for environment.json."""
    described: dict[str, Any] = {
        "root": str(images.dataset.root.absolute()),
        "images": len(rows),
        "sha256": content_hash(rows),
    }
    table = table_of(settings.data)
    if table is not None:
        described["table"] = str(table.absolute())
    if images.external is not None:
        own = images.external.rows(whole(images.external.records, EXTERNAL))
        described["external"] = {
            "root": str(images.external.root.absolute()),
            "images": len(own),
            "sha256": content_hash(own),
        }
    return described


def _finish(
    settings: TrainConfig,
    layout: RunLayout,
    overrides: list[str],
    images: Images,
    data: XrayDataModule,
    rows: list[Row],
    logger: TensorBoardLogger | None,
    started: float,
    pruned: str | None,
) -> None:
    """Score the kept epoch and write the results, metrics.json last."""
    # The training has begun sooner without them.
    from covidnet.training.audit import audit_training, tell_audit
    from covidnet.training.page import show_results

    best = best_row(rows)
    if best is None:
        raise RunError(f"{layout.history}: no epoch has a validation loss that is a number. Try a lower optimizer.lr.")
    dataset = images.dataset
    protocol = Protocol.of(settings.protocol, data.split.validation)
    network, classes = load_network(layout.best)
    parts = [name for name in ("val", "test", EXTERNAL) if name in data.split.parts]
    predictions = predict(network, data, parts, classes, dataset.records)
    if images.external is not None:
        predictions = predictions.joined(predict_external(settings, network, images.external, classes))
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
