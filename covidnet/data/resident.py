"""Images that stay in the device's memory: batches are picked there, and nothing is copied while a network trains."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler

from covidnet.data.attributes import Attributes
from covidnet.data.batches import Batch
from covidnet.data.pixels import CachedPixels, PixelSource
from covidnet.data.sampling import row_and_slot

SHARE = 0.25
"""Of the device's free memory, that images may take unasked."""

CHUNK = 256
"""Images copied to the device at a time, which bounds the memory of the host."""


@dataclass(frozen=True)
class ResidentImages:
    """All images of a dataset on one device, with what is known of each.

    ``images`` has shape (N, 1 or 3, H, W), uint8; ``labels`` (N,), int64; ``weights`` (N,) and ``positions`` (N, 2),
    float32, where the data source gives them.
    """

    images: Tensor
    labels: Tensor
    weights: Tensor | None
    positions: Tensor | None

    @classmethod
    def upload(
        cls, pixels: CachedPixels, labels: NDArray[np.int64], attributes: Attributes, device: torch.device
    ) -> ResidentImages:
        """Copy everything to the device, some images at a time."""
        images = torch.empty(stacked_shape(pixels), dtype=torch.uint8, device=device)
        for start in range(0, len(labels), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(labels)))
            images[start : start + len(rows)] = torch.from_numpy(pixels.fetch(rows)).to(device)
        known = [None if values is None else torch.from_numpy(values).to(device) for values in attributes]
        return cls(images, torch.from_numpy(labels).to(device), *known)

    def pick(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Images, labels, weights and positions at the places ``chosen``, shape (B,), int64, on the device."""
        weights = None if self.weights is None else self.weights[chosen]
        positions = None if self.positions is None else self.positions[chosen]
        return self.images[chosen], self.labels[chosen], weights, positions


def stacked_shape(pixels: CachedPixels) -> tuple[int, int, int, int]:
    """Shape (N, C, H, W) of all images in one tensor: C is 1 where all of them are grey."""
    _, height, width = pixels.planes.shape
    return len(pixels.channels), int(pixels.channels.max()), height, width


class ResidentLoader:
    """Batches of one part of the split, as `covidnet.data.batches.make_loader` gives them, picked on the device.

    The order of an epoch is copied to the device once, at its start.

    Args:
        resident: All images.
        members: Positions of the part's images among all, shape (P,).
        batch_sampler: Gives the rows of each batch; as in a DataLoader, its sampler is told the epoch.
    """

    def __init__(self, resident: ResidentImages, members: NDArray[np.int64], batch_sampler: BatchSampler) -> None:
        self.resident = resident
        self.members = members
        self.batch_sampler = batch_sampler

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Batch]:
        drawn = [np.asarray(rows, dtype=np.int64) for rows in self.batch_sampler]
        if not drawn:
            return
        device = self.resident.labels.device
        rows, slots = row_and_slot(np.concatenate(drawn), len(self.members))
        chosen = _upload(self.members[rows], device)
        rows_there = _upload(rows, device)
        slots_there = None if slots is None else _upload(slots, device)
        end = 0
        for batch in drawn:
            own = slice(end, end := end + len(batch))
            images, labels, weights, positions = self.resident.pick(chosen[own])
            slot = None if slots_there is None else slots_there[own]
            yield Batch(images, labels, rows_there[own], weights, positions, slot)


def _upload(values: NDArray[np.int64], device: torch.device) -> Tensor:
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def can_stay(pixels: PixelSource) -> TypeGuard[CachedPixels]:
    """Whether images can stay on a device: those that are decoded whenever they are asked for cannot."""
    return isinstance(pixels, CachedPixels) and len(pixels.channels) > 0


def shall_stay(asked: bool | Literal["auto"], pixels: CachedPixels, device: torch.device) -> bool:
    """Whether images are to stay in the device's memory.

    Args:
        asked: ``auto`` says yes on a CUDA device where they take at most `SHARE` of its free memory; on the CPU the
            cache of decoded pixels is in memory already.
        pixels: Decoded images.
        device: That the network trains on.
    """
    if asked != "auto":
        return asked
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return math.prod(stacked_shape(pixels)) <= SHARE * free
