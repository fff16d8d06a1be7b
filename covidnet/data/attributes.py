"""What a data source says of each image besides its class, as arrays that batches are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from covidnet.data.records import Record


class Attributes(NamedTuple):
    """Arrays over all images of a dataset; None where the source says nothing."""

    weights: NDArray[np.float32] | None = None
    """Shape (N,): of each image in the training loss."""
    positions: NDArray[np.float32] | None = None
    """Shape (N, 2): x and y in [0, 1] of each patch in its image."""


NO_ATTRIBUTES = Attributes()


def attributes_of(records: Sequence[Record]) -> Attributes:
    """The attributes of the records; positions only where every record has one."""
    weights = np.array([record.weight for record in records], dtype=np.float32)
    placed = [record.position for record in records if record.position is not None]
    return Attributes(
        weights if (weights != 1.0).any() else None,
        np.array(placed, dtype=np.float32) if placed and len(placed) == len(records) else None,
    )
