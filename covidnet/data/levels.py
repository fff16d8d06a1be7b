"""Lookup tables, windows and percentiles: values of any range to grey levels.

Source: DICOM PS3.3, C.7.6.3.1.5 and C.11.1.1 (lookup tables), C.11.2.1.2 and C.11.2.1.3 (windows). pydicom's own
functions are not used for lookup tables: they index in the type of the table's entries, so that with 8-bit entries
values above 255 wrap around.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (0.5, 99.5)
"""What becomes black and white where a file has no window."""

Values = NDArray[Any]
Fractions = NDArray[np.float64]
"""Grey levels from 0 (the lowest shown) to 1."""


@dataclass(frozen=True)
class LookupTable:
    """Values by stored value.

    Attributes:
        first: The stored value of the first entry; those below take the first entry, those beyond the last.
        bits: Depth of the entries.
        entries: Shape (N,).
    """

    first: int
    bits: int
    entries: NDArray[np.uint16]

    def apply(self, values: Values) -> NDArray[np.uint16]:
        """The entry of each value, in the shape of ``values``."""
        indices = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.int64)
        return np.asarray(self.entries[indices])

    def fractions(self, values: Values) -> Fractions:
        """The entry of each value over the largest of the table's depth."""
        full = max(2**self.bits - 1, int(self.entries.max()))
        return np.asarray(self.apply(values) / full)


@dataclass(frozen=True)
class Window:
    """Which values are spread from black to white.

    Attributes:
        centre: Window Center.
        width: Window Width.
        function: LINEAR (width at least 1), LINEAR_EXACT or SIGMOID (width above 0).
    """

    centre: float
    width: float
    function: str = "LINEAR"

    @property
    def valid(self) -> bool:
        """Whether the standard allows it."""
        return bool(np.isfinite([self.centre, self.width]).all()) and (
            self.width >= 1.0 if self.function == "LINEAR" else self.width > 0.0
        )

    def fractions(self, values: Values) -> Fractions:
        """Grey levels in the shape of ``values``."""
        centred = values.astype(np.float64) - self.centre
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                return np.asarray(1.0 / (1.0 + np.exp(-4.0 * centred / self.width)))
        if self.function == "LINEAR_EXACT":
            return np.clip(centred / self.width + 0.5, 0.0, 1.0)
        if self.width == 1.0:  # a threshold
            return np.where(centred > -0.5, 1.0, 0.0)
        return np.clip((centred + 0.5) / (self.width - 1.0) + 0.5, 0.0, 1.0)


def spread(values: Values, shown: NDArray[np.bool_]) -> Fractions:
    """Values from the lower to the upper of `PERCENTILES` of the pixels in ``shown``, as 0 to 1.

    Where these are the same (a nearly empty picture), the lowest and the highest value take their place; a picture
    of one value is black.
    """
    chosen = values[shown].astype(np.float64)
    low, high = np.percentile(chosen, PERCENTILES)
    if low == high:
        low, high = chosen.min(), chosen.max()
    if low == high:
        return np.zeros(values.shape)
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0))
