"""What a configuration needs of the data, told before anything is trained."""

from __future__ import annotations

from covidnet.config.schema import TrainConfig
from covidnet.data.dataset import XrayDataset
from covidnet.errors import DataError
from covidnet.evaluation.aggregate import negative_class, no_patients
from covidnet.evaluation.metrics import known_class
from covidnet.models.headed import NO_POSITIONS


def check_needs(settings: TrainConfig, dataset: XrayDataset) -> None:
    """Refuse data that lack what the configuration is about.

    Raises:
        ConfigError: A class is named that does not exist, or two classes both mean no disease.
        DataError: Positions or patients are needed and not known.
    """
    known_class(settings.data.positive_class, dataset.classes)
    placed = sum(record.position is not None for record in dataset.records)
    if settings.head.name == "location" and placed < len(dataset.records):
        raise DataError(f"{NO_POSITIONS}. Found positions of {placed} of {len(dataset.records)} images")
    if settings.aggregate != "none":
        if not any(record.patient for record in dataset.records):
            raise DataError(no_patients(settings.aggregate))
        negative_class(dataset.classes, settings.aggregate)
