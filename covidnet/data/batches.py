"""From positions to batches: loaders that copy whole batches out of the pixel source, in an order the seed fixes."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, DistributedSampler

from covidnet.data.attributes import NO_ATTRIBUTES, Attributes
from covidnet.data.pixels import PixelSource
from covidnet.data.sampling import BalancedSampler, row_and_slot
from covidnet.errors import DataError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Batch(NamedTuple):
    """Images with their class indices, and which rows of their part they are."""

    images: Tensor
    """Shape (B, C, H, W): uint8 with 1 or 3 channels as loaded, float with 3 channels once prepared."""
    labels: Tensor
    """Shape (B,), int64."""
    rows: Tensor
    """Shape (B,), int64: position within the part (train, val or test)."""
    weights: Tensor | None = None
    """Shape (B,), float32: of each image in the loss, where the data source gives weights."""
    positions: Tensor | None = None
    """Shape (B, 2), float32: x and y in [0, 1] of each patch in its image, where the data source gives them."""
    slots: Tensor | None = None
    """Shape (B,), int64: place of each draw in the epoch, where images are drawn more than once."""


class PartDataset(Dataset[Batch]):
    """One part of the split. It is asked for whole batches, so that pixels are gathered in one copy."""

    def __init__(
        self,
        pixels: PixelSource,
        positions: NDArray[np.int64],
        labels: NDArray[np.int64],
        attributes: Attributes = NO_ATTRIBUTES,
    ) -> None:
        self.pixels = pixels
        self.positions = positions
        self.labels = labels[positions]
        self.attributes = attributes

    def __len__(self) -> int:
        return len(self.positions)

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """The batch of these rows.

        Raises:
            DataError: A streamed image can no longer be read.
        """
        chosen, slots = row_and_slot(np.asarray(rows, dtype=np.int64), len(self))
        positions = self.positions[chosen]
        images = torch.from_numpy(self.pixels.fetch(positions))
        known = self.attributes._asdict().items()
        more = {name: torch.from_numpy(values[positions]) for name, values in known if values is not None}
        if slots is not None:
            more["slots"] = torch.from_numpy(slots)
        return Batch(images, torch.from_numpy(self.labels[chosen]), torch.from_numpy(chosen), **more)


class _ErrorsAsValues(Dataset[Any]):
    """What worker processes ask: an error that they raise would reach the user with the worker's traceback in it."""

    def __init__(self, dataset: PartDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, rows: Sequence[int]) -> Batch | DataError:
        try:
            return self.dataset.__getitems__(rows)
        except DataError as error:
            return error


class BatchLoader(DataLoader[Batch]):
    """A loader that raises the errors which come out of worker processes as values."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, DataError):
                try:
                    raise batch
                finally:
                    del batch  # else error and frame hold each other, and the workers with them
            yield batch


class WholeBatchSampler(BatchSampler):
    """Batches of ``batch_size``; a last batch of one image joins the one before it.

    Batch normalisation cannot train on one image where a layer's map is 1x1, and dropping the image would lose it.
    """

    def __iter__(self) -> Iterator[list[int]]:
        held: list[int] | None = None
        for batch in super().__iter__():
            if held is not None:
                if len(batch) == 1 and self.batch_size > 1:
                    yield held + batch
                    return
                yield held
            held = batch
        if held is not None:
            yield held

    def __len__(self) -> int:
        images = len(self.sampler)  # type: ignore[arg-type]
        joined = self.batch_size > 1 and images > 1 and images % self.batch_size == 1
        return super().__len__() - int(joined)


def as_loaded(batch: Any) -> Any:
    """Collate nothing: a dataset that is asked for batches returns batches."""
    return batch


def make_loader(
    dataset: PartDataset,
    batch_size: int,
    shuffle_seed: int | None,
    num_workers: int = 0,
    rank: int = 0,
    world_size: int = 1,
    sampling: str = "shuffle",
) -> BatchLoader:
    """A loader over one part; shuffled anew each epoch when ``shuffle_seed`` is given, else in order.

    With ``sampling`` "balanced" a shuffled part gives each class equally often, see `BalancedSampler`.
    Only streamed images use worker processes; the cache is faster without.
    """
    sampler: Any = range(rank, len(dataset), world_size)  # each image once, on one process
    if shuffle_seed is not None:
        # Pads with repeated images, so that all processes take equally many steps.
        sampler = DistributedSampler(dataset, world_size, rank, shuffle=True, seed=shuffle_seed)
        if sampling == "balanced":
            sampler = BalancedSampler(dataset.labels, shuffle_seed, rank, world_size)
    workers = 0 if dataset.pixels.decoded else num_workers
    return BatchLoader(
        _ErrorsAsValues(dataset),
        batch_sampler=WholeBatchSampler(sampler, batch_size, drop_last=False),
        num_workers=workers,
        collate_fn=as_loaded,
        persistent_workers=workers > 0,
        multiprocessing_context=_start_method() if workers else None,
        pin_memory=torch.cuda.is_available(),
    )


def _start_method() -> str | None:
    """How loader workers start: as Python's default says, except in a worker of joblib's loky.

    loky makes itself the default of its workers, and cannot start processes that are not its own.
    """
    if multiprocessing.get_start_method(allow_none=True) not in {"loky", "loky_init_main"}:
        return None
    return "fork" if sys.platform == "linux" else "spawn"


def to_float(images: Tensor) -> Tensor:
    """Pixels uint8 in [0, 255] to float32 in [0, 1]; the shape stays."""
    return images.to(torch.float32).div_(255.0)


def finish_images(images: Tensor, normalize: str, channels_last: bool) -> Tensor:
    """Give float images (B, 1 or 3, H, W) their three channels, the normalisation and the memory layout."""
    images = images.expand(-1, 3, -1, -1)
    if normalize == "imagenet":
        mean = images.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
        images = (images - mean) / images.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return images.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
