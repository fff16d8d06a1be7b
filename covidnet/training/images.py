"""The images of a run: its own, and those of an external test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from covidnet.config.schema import TrainConfig
from covidnet.data.dataset import XrayDataset, content_hash, open_dataset
from covidnet.data.external import PART as EXTERNAL
from covidnet.data.external import open_external
from covidnet.data.sources import table_of
from covidnet.data.split import SplitRow, whole
from covidnet.training.needs import check_needs


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
