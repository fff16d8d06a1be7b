"""Grey values of any depth to 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WHOLE_DEPTHS = (8, 10, 12, 14, 16)
"""Bits that detectors store; all but the first and the last come in containers of 16 bits."""


def scale_depth(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values of any shape and type to 0 to 255, never cut to their low byte.

    * Whole numbers: the smallest of 8, 10, 12, 14 and 16 bits that holds the largest value is the depth, and its
      full range becomes 0 to 255. Files of 12-bit data in 16-bit containers do not say so; taken as 16 bits, they
      would keep 16 levels of grey. Beyond 16 bits the largest value becomes 255.
    * Fractions (floating point, nothing above 1) are multiplied by 255; other floating point numbers are treated as
      whole ones.
    * Where there are negative values, the scale is not one of brightness (Hounsfield units, standardised values):
      the lowest value becomes 0 and the highest 255.
    * What is no finite number becomes 0.
    """
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:  # by a table, without copies in floating point
        levels = np.arange(int(values.max(initial=0)) + 1)
        return np.asarray(np.rint(levels * (255.0 / full_range(levels[-1]))).astype(np.uint8)[values])
    grey = values.astype(np.float64)
    finite = np.isfinite(grey)
    if not finite.any():
        return np.zeros(values.shape, dtype=np.uint8)
    low, high = float(grey[finite].min()), float(grey[finite].max())
    grey[~finite] = low
    if low < 0.0:
        grey = (grey - low) * (255.0 / (high - low)) if high > low else np.zeros_like(grey)
    elif np.issubdtype(values.dtype, np.floating) and high <= 1.0:
        grey *= 255.0
    else:
        grey *= 255.0 / full_range(high)
    grey[~finite] = 0.0
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def full_range(largest: float) -> float:
    """The largest value of the depth that holds ``largest``."""
    fitting = (2.0**bits - 1.0 for bits in WHOLE_DEPTHS if largest <= 2**bits - 1)
    return next(fitting, largest)
