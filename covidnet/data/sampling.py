"""Drawing training images so that every class comes equally often, whatever their numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

STREAM = 0x62616C61
"""Keeps these random numbers apart from others drawn with the same seed."""


class BalancedSampler(Sampler[int]):
    """As many draws as there are images, each class equally often (to within one), anew in each epoch.

    Images of a class are drawn without replacement until all have been drawn, then all over again: those of a small
    class come several times, and of a large class only a part comes. The order depends on seed and epoch alone; the
    processes take turns in it. As in torch's DistributedSampler there are a few draws more where the processes could
    not share them evenly.

    What it yields tells row and slot of a draw: ``row_and_slot`` takes them apart. The slot is the draw's place in the
    epoch, whatever the process, so that each repetition of an image can be augmented in its own way.

    Args:
        labels: Class index of each row, shape (N,).
        seed: With the epoch, fixes the draws.
        rank: Of this process.
        world_size: Number of processes.
    """

    def __init__(self, labels: NDArray[np.int64], seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.labels = labels
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Draw for this epoch from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.world_size)

    def __iter__(self) -> Iterator[int]:
        rows = self.rows()
        count = len(self.labels)
        for slot in range(self.rank, len(rows), self.world_size):
            yield (slot + 1) * count + int(rows[slot])

    def rows(self) -> NDArray[np.int64]:
        """Row of each draw of the epoch, of all processes together."""
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((STREAM, self.seed, self.epoch))))
        total = len(self) * self.world_size
        present = np.unique(self.labels)
        counts = np.full(len(present), total // len(present))
        counts[rng.permutation(len(present))[: total % len(present)]] += 1
        drawn = [
            _around(np.flatnonzero(self.labels == label), int(count), rng)
            for label, count in zip(present, counts, strict=True)
        ]
        return rng.permutation(np.concatenate(drawn))


def row_and_slot(drawn: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Rows of a part of ``count`` images, and the slots of the draws; None for rows that no `BalancedSampler` drew."""
    slots = drawn // count - 1
    return drawn % count, None if (slots < 0).all() else slots


def _around(rows: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` of the rows: whole shuffled rounds of all of them, and the beginning of one more."""
    rounds = [rng.permutation(rows) for _ in range(math.ceil(count / len(rows)))]
    return np.concatenate(rounds)[:count] if rounds else rows[:0]
