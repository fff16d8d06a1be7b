"""From a dataset and its split to the material of an audit: the only part that reads the images' files."""

from __future__ import annotations

from pathlib import Path

from covidnet.audit.examine import Material
from covidnet.audit.properties import read_properties
from covidnet.audit.table import find_table
from covidnet.audit.views import SIDE, take_views
from covidnet.config.schema import AnyData
from covidnet.data.dataset import XrayDataset, open_dataset
from covidnet.data.records import MANIFEST
from covidnet.data.split import Split

DETAILED = 224
"""Pixels; the size of the article, whose cache most runs share."""


def describe_split(split: Split) -> str:
    """Such as "40 train, 10 test"."""
    return ", ".join(f"{len(positions)} {name}" for name, positions in split.parts.items())


def in_detail(dataset: XrayDataset, config: AnyData) -> XrayDataset:
    """The dataset, or where its images are too small to tell copies from other films, the same in a larger size.

    Args:
        dataset: As opened for training.
        config: What it was opened with.
    """
    if config.image_size >= SIDE:
        return dataset
    return open_dataset(config.model_copy(update={"image_size": DETAILED}), dataset.root)


def gather(dataset: XrayDataset, split: Split | None, described: str, table: str | None) -> Material:
    """Read headers and small views of all images, and the table beside them.

    Args:
        dataset: The images, in a size of at least `SIDE`; see `in_detail`.
        split: Who trains and who is tested, or None where the images cannot be split.
        described: The split in words, or why there is none.
        table: Path of a CSV file; None takes metadata.csv in the data root where there is one.

    Raises:
        DataError: The table cannot be used.
    """
    names = None if split is None else split.names()
    count = len(dataset.records)
    return Material(
        root=dataset.root,
        records=dataset.records,
        sha256=tuple(info.sha256 for info in dataset.infos),
        files=tuple(
            read_properties(dataset.root / record.path, info)
            for record, info in zip(dataset.records, dataset.infos, strict=True)
        ),
        views=take_views(dataset.pixels, count),
        table=find_table(Path(dataset.root), table, dataset.records),
        parts=None if names is None else tuple(names.get(position, "") for position in range(count)),
        split=described,
        synthetic=(dataset.root / MANIFEST).is_file(),
    )
