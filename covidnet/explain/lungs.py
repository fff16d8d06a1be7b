"""The lung field of an image: its mask file where there is one, else the audit's simple field for all images alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from covidnet.audit.views import lung_field
from covidnet.data.dataset import XrayDataset
from covidnet.data.images import UnreadableImageError, decode_image, without_warnings
from covidnet.data.masks import masks_of

MOST_LABELS = 16
"""Masks whose largest value is below this number labels (1 right lung, 2 left lung); others are black and white."""


@dataclass(frozen=True)
class LungField:
    """One image's lung field: shape (H, W) of the model's view, True inside; ``source`` is mask or simple."""

    inside: NDArray[np.bool_]
    source: str

    @property
    def area(self) -> float:
        """The part of the image that it covers."""
        return float(self.inside.mean())


class LungFields:
    """Lung fields of the images of a dataset.

    Args:
        dataset: Knows the mask files.
        image_size: Height and width of the model's view.
        max_pixels: A mask with more pixels is not read.
    """

    def __init__(self, dataset: XrayDataset, image_size: int, max_pixels: int) -> None:
        self.root = dataset.root
        self.masks: Mapping[str, str] = masks_of((record.path for record in dataset.records), dataset.scan.masks)
        self.image_size = image_size
        self.max_pixels = max_pixels
        self.simple = LungField(lung_field(image_size, image_size), "simple")
        self.faults: list[str] = []
        """Masks that could not be used, and why."""

    def of(self, path: str) -> LungField:
        """The field of the image at ``path`` (as in its record).

        A mask that cannot be read or is empty counts as none, and is noted in ``faults``.
        """
        if path not in self.masks:
            return self.simple
        try:
            inside = read_mask(self.root / self.masks[path], self.image_size, self.max_pixels)
        except UnreadableImageError as error:
            self._note(f"{self.masks[path]}: {error}")
            return self.simple
        if not inside.any():
            self._note(f"{self.masks[path]}: nothing is marked in it")
            return self.simple
        return LungField(inside, "mask")

    def _note(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)


def read_mask(file: Path, image_size: int, max_pixels: int) -> NDArray[np.bool_]:
    """A mask at the size of the model's view, shape (S, S), stretched as the image is.

    Raises:
        UnreadableImageError: It is no image.
    """
    with without_warnings():
        values = decode_image(file, (image_size, image_size), max_pixels)[0].max(axis=0)
    largest = int(values.max())
    return np.asarray(values > 0 if largest < MOST_LABELS else values >= largest / 2)
