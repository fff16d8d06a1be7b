"""What is told, recorded and drawn of a run before its results: its data, its split, its environment."""

from __future__ import annotations

from collections import Counter

import pytorch_lightning as lightning
from pytorch_lightning.loggers import TensorBoardLogger

from covidnet.config.schema import TrainConfig
from covidnet.console import say
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.dataset import XrayDataset
from covidnet.data.split import Split, write_split
from covidnet.files import write_json
from covidnet.runs.environment import describe_environment
from covidnet.runs.layout import RunLayout
from covidnet.training import boards
from covidnet.training.images import Images, describe_images
from covidnet.training.study import save_batch, save_dataset_figure, save_study


def describe_start(
    settings: TrainConfig, layout: RunLayout, images: Images, split: Split, trainer: lightning.Trainer
) -> None:
    """Say which images there are, what of them was not used, and on which model and device they are trained."""
    dataset = images.dataset
    counts = ", ".join(f"{name} {sum(record.label == name for record in dataset.records)}" for name in dataset.classes)
    sizes = ", ".join(f"{len(positions)} {name}" for name, positions in split.parts.items())
    say(f"data: {len(dataset.records)} images in {dataset.root} ({counts}); {sizes}")
    for line in [*_who_and_where(dataset), *_left_out(dataset)]:
        say(f"  {line}")
    if images.external is not None:
        say(f"external test set: {len(images.external.records)} images in {images.external.root}")
        for line in [*_left_out(images.external), *_seen_before(images)]:
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


def _left_out(dataset: XrayDataset) -> list[str]:
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


def record_start(
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
    return save_study(layout.directory, dataset, _left_out(dataset))


def show_start(
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
