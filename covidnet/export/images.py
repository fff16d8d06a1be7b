"""Real images of a run in batches, as an exported file takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from covidnet.config.schema import TrainConfig
from covidnet.data.dataset import XrayDataset, open_dataset
from covidnet.data.split import read_split
from covidnet.errors import DataError
from covidnet.runs.layout import RunLayout
from covidnet.runs.recorded import recorded_root, recorded_split, with_recorded_table

SIZES = (1, 2, 5)
"""Of the first batches, so that a file which takes one size alone is found out; then as large as in the run."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class RunImages:
    """Images of one part of a run's split.

    Attributes:
        dataset: All images.
        positions: Of these.
        batch_size: Of all batches but the first ones.
    """

    dataset: XrayDataset
    positions: NDArray[np.int64]
    batch_size: int

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def labels(self) -> list[str]:
        """Their class names."""
        return [self.dataset.records[position].label for position in self.positions]

    def batches(self) -> Iterator[Floats]:
        """Shape (B, 3, S, S), RGB in [0, 1], float32."""
        start = 0
        for size in self._sizes():
            pixels = self.dataset.pixels.fetch(self.positions[start : start + size])
            start += size
            scaled = pixels.astype(np.float32) / np.float32(255.0)
            yield np.array(np.broadcast_to(scaled, (len(scaled), 3, *scaled.shape[2:])))

    def _sizes(self) -> Iterator[int]:
        left = len(self.positions)
        sizes: Sequence[int] = SIZES
        for size in [*sizes, *[self.batch_size] * left]:
            if left <= 0:
                return
            yield min(size, left)
            left -= size


def images_of(
    layout: RunLayout, settings: TrainConfig, data_root: str | None, most: dict[str, int]
) -> dict[str, RunImages]:
    """Images of the run that are still there, by part.

    Args:
        layout: The run directory.
        settings: Its configuration.
        data_root: Where the images are now; None for where the run found them.
        most: Parts, and how many images of each at most; of more, as many at even steps.

    Raises:
        DataError: There is none of a part.
    """
    root = recorded_root(layout, data_root)
    data = with_recorded_table(settings, layout).data.model_copy(update={"on_bad_image": "skip"})
    dataset = open_dataset(data, root)
    positions = {record.path: position for position, record in enumerate(dataset.records)}
    split = recorded_split(read_split(layout.split), positions)
    found = {}
    for part, count in most.items():
        if part not in split.parts:
            raise DataError(f"{root}: none of the run's {part} images is there. Give their folder, data_root=PATH.")
        chosen = split.positions(part)
        if len(chosen) > count:
            chosen = chosen[np.linspace(0, len(chosen) - 1, count).round().astype(np.int64)]
        found[part] = RunImages(dataset, chosen, settings.data.batch_size)
    return found
