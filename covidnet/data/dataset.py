"""A folder of images as one value: its readable records with their pixels, and what was left out and why."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from covidnet.config.schema import AnyData
from covidnet.data.cache import cache_pixels
from covidnet.data.dicom_header import require_decoders
from covidnet.data.images import ImageInfo
from covidnet.data.pixels import DecodeSettings, Inspected, PixelSource, stream_pixels
from covidnet.data.records import Record, Scan
from covidnet.data.sources import expanded, scan_source
from covidnet.data.split import Split, SplitRow
from covidnet.errors import DataError
from covidnet.naming import cut

LONGEST = 700
"""Characters of a line on one file in a message: its name and the reason."""


@dataclass(frozen=True)
class XrayDataset:
    """Readable images in sorted order; position i means the same image in every field."""

    root: Path
    records: tuple[Record, ...]
    infos: tuple[ImageInfo, ...]
    pixels: PixelSource
    scan: Scan
    unreadable: tuple[str, ...]
    pixel_report: str

    @property
    def classes(self) -> list[str]:
        """Class names, sorted."""
        return sorted({record.label for record in self.records})

    @property
    def class_indices(self) -> NDArray[np.int64]:
        """Class index of each image, shape (N,)."""
        index = {name: position for position, name in enumerate(self.classes)}
        return np.array([index[record.label] for record in self.records], dtype=np.int64)

    def rows(self, split: Split) -> list[SplitRow]:
        """What split.csv says of each image."""
        names = split.names()
        pairs = zip(self.records, self.infos, strict=True)
        return [
            SplitRow(record.path, record.label, names[position], info.sha256, record.patient, record.source)
            for position, (record, info) in enumerate(pairs)
        ]


def content_hash(rows: Sequence[SplitRow]) -> str:
    """One hash of the images: relative paths, labels and contents; not where they lie or how they are split."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda row: row.path):
        digest.update(f"{row.path}\0{row.label}\0{row.sha256}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def open_dataset(config: AnyData, root: Path | None = None) -> XrayDataset:
    """Find the images, decode them or open their cache, and leave out unreadable ones.

    Args:
        config: The data group of the configuration.
        root: Where the images are, when not where ``config`` says.

    Raises:
        DataError: The source or its images cannot be used; unreadable images are all listed at once.
        ConfigError: A key does not fit the data.
        MissingExtraError: There are DICOM images, and the packages that decode them are not installed.
    """
    return open_scan(scan_source(config, root), config)


def open_scan(scan: Scan, config: AnyData) -> XrayDataset:
    """The dataset of images that were found before; see `open_dataset`."""
    files = [scan.root / record.path for record in scan.records]
    require_decoders(files)
    settings = DecodeSettings(config.image_size, config.max_pixels)
    if config.cache:
        inspected = cache_pixels(files, settings, expanded("data.cache_dir", Path(config.cache_dir)))
    else:
        inspected = stream_pixels(files, settings)
    return _readable(scan, inspected, config.on_bad_image)


def _readable(scan: Scan, inspected: Inspected, on_bad_image: str) -> XrayDataset:
    bad = [
        f"{record.path}: {reason or 'cannot be read'}"
        for record, info, reason in zip(scan.records, inspected.infos, inspected.reasons, strict=True)
        if info is None
    ]
    readable = {position: info for position, info in enumerate(inspected.infos) if info is not None}
    good = list(readable)
    if not good or (bad and on_bad_image == "error"):
        listed = "\n".join(f"  {cut(line, LONGEST)}" for line in bad)
        counted = f"{len(bad)} of {len(scan.records)} images cannot" if good else f"none of its {len(bad)} images can"
        advice = "Mend or remove them; train.py leaves them out with data.on_bad_image=skip." if good else "Mend them."
        raise DataError(f"{scan.root}: {counted} be read:\n{listed}\n{advice}")
    return XrayDataset(
        root=scan.root,
        records=tuple(_with_patient(scan.records[position], info) for position, info in readable.items()),
        infos=tuple(readable.values()),
        pixels=inspected.source.select(good) if bad else inspected.source,
        scan=scan,
        unreadable=tuple(bad),
        pixel_report=inspected.report,
    )


def _with_patient(record: Record, info: ImageInfo) -> Record:
    """The patient in a DICOM header (as a hash) counts where the data source names none."""
    return record if record.patient or info.patient is None else replace(record, patient=info.patient)
