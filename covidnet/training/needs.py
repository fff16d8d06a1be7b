"""What a configuration needs of the data, told before anything is trained."""

from __future__ import annotations

from covidnet.config.schema import TrainConfig
from covidnet.data.dataset import XrayDataset
from covidnet.errors import DataError
from covidnet.evaluation.aggregate import negative_class, no_patients
from covidnet.evaluation.metrics import known_class
from covidnet.models.headed import NO_POSITIONS


def check_needs(settings: TrainConfig, dataset: XrayDataset, external: XrayDataset | None) -> None:
    """Refuse data that lack what the configuration is about.

    Args:
        settings: Of the run.
        dataset: What it learns from and is tested on.
        external: Its external test set, if it has one.

    Raises:
        ConfigError: A class is named that does not exist, or two classes both mean no disease.
        DataError: Positions or patients are needed and not known.
    """
    known_class(settings.data.positive_class, dataset.classes)
    for images in (dataset, external):
        if settings.head.name == "location" and images is not None:
            _check_positions(images)
    if settings.aggregate != "none":
        if not any(record.patient for record in dataset.records):
            raise DataError(no_patients(settings.aggregate))
        negative_class(dataset.classes, settings.aggregate)


def _check_positions(images: XrayDataset) -> None:
    placed = sum(record.position is not None for record in images.records)
    if placed < len(images.records):
        raise DataError(
            f"{images.root}: positions of {placed} of {len(images.records)} images are known. {NO_POSITIONS}"
        )
