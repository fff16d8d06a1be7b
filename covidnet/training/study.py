"""What is known of the data alone: the study of the dataset and one augmented batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from covidnet.data.datamodule import XrayDataModule
from covidnet.data.dataset import XrayDataset
from covidnet.data.study import study_dataset, study_table
from covidnet.files import write_json, write_text

BATCH_SHOWN = 24


def save_study(directory: Path, dataset: XrayDataset, ignored: Sequence[str]) -> str:
    """Write dataset.md and dataset.json; return the table's text."""
    pairs = list(zip(dataset.records, dataset.infos, strict=True))
    study = study_dataset(pairs, dataset.classes, skipped=dataset.unreadable, ignored=ignored)
    text = study_table(study)
    write_text(directory / "dataset.md", text)
    write_json(directory / "dataset.json", study.to_json())
    return text


def save_dataset_figure(directory: Path, dataset: XrayDataset) -> Path:
    """Write dataset.png."""
    from covidnet.figures.dataset import dataset_figure
    from covidnet.figures.style import save_figure

    file = directory / "dataset.png"
    save_figure(dataset_figure(list(zip(dataset.records, dataset.infos, strict=True)), dataset.classes), file)
    return file


def save_batch(directory: Path, data: XrayDataModule, classes: Sequence[str]) -> Path:
    """Write batch.png: training images of all classes, evenly picked, as the first epoch sees them."""
    from covidnet.figures.dataset import batch_figure
    from covidnet.figures.style import save_figure

    part = data.part("train")
    rows = np.linspace(0, len(part) - 1, min(BATCH_SHOWN, len(part))).round().astype(np.int64)
    batch = part.__getitems__(rows.tolist())
    images = data.augmented(batch, epoch=0).expand(-1, 3, -1, -1)
    labels = [classes[index] for index in batch.labels.tolist()]
    file = directory / "batch.png"
    save_figure(batch_figure(images.to(torch.float32).numpy(), labels, classes), file)
    return file
