"""From the stored values of a DICOM image to what a viewer shows.

Grey images: the modality lookup table or rescale slope and intercept; then the VOI lookup table, else the first
window, else (8 bits and less, not rescaled) the values as they are, else the percentiles of the picture; MONOCHROME1
inverted; padding black. Source: DICOM PS3.3, C.7.5.1.1.2, C.7.6.3, C.11.1 and C.11.2; PS3.4, N.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from covidnet.data.dicom_header import first_value, number
from covidnet.data.image_info import UnreadableImageError
from covidnet.data.levels import Fractions, LookupTable, Values, Window, spread

if TYPE_CHECKING:
    from pydicom import Dataset

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def grey_levels(stored: Values, header: Dataset) -> NDArray[np.uint8]:
    """Stored values of shape (H, W) as 0 (black) to 255.

    Raises:
        UnreadableImageError: An element that decides the grey levels is damaged.
    """
    try:
        shown = ~_padding(stored, header)
        levels = np.rint(255.0 * _fractions(stored, header, shown)).astype(np.uint8)
    except Exception as error:  # text in place of numbers, tables of wrong lengths
        raise UnreadableImageError(
            f"damaged DICOM header: window, lookup table or rescaling ({type(error).__name__})"
        ) from error
    if header.PhotometricInterpretation == "MONOCHROME1":
        levels = 255 - levels
    levels[~shown] = 0
    return levels


def colour_levels(stored: Values, header: Dataset) -> NDArray[np.uint8]:
    """RGB of shape (H, W, 3), or indices of a palette of shape (H, W), as RGB of 8 bits.

    Raises:
        UnreadableImageError: The palette is missing, damaged or segmented.
    """
    if header.PhotometricInterpretation != "PALETTE COLOR":
        full = 2 ** int(header.BitsStored) - 1
        return np.asarray(np.rint(stored * (255.0 / full)).clip(0, 255).astype(np.uint8))
    try:
        tables = [_palette(header, colour) for colour in ("Red", "Green", "Blue")]
    except Exception as error:
        raise UnreadableImageError(f"DICOM with a palette that cannot be read ({type(error).__name__})") from error
    return np.stack([np.rint(255.0 * table.fractions(stored)).astype(np.uint8) for table in tables], axis=-1)


def _padding(stored: Values, header: Dataset) -> NDArray[np.bool_]:
    """Which pixels are no part of the picture; none where that would leave nothing of it."""
    first = number(header, "PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, dtype=np.bool_)
    last = number(header, "PixelPaddingRangeLimit")
    low, high = sorted((first, first if last is None else last))
    padding = (stored >= low) & (stored <= high)
    return np.zeros_like(padding) if padding.all() else padding


def _fractions(stored: Values, header: Dataset, shown: NDArray[np.bool_]) -> Fractions:
    """Grey levels from 0 to 1, before MONOCHROME1 is inverted.

    A window (or VOI table) that leaves the shown pixels all the same grey is meant for other values and counts as none.
    """
    values, rescaled = _modality(stored, header)
    table, window = _table(header, "VOILUTSequence"), _window(header)
    for voi in (table, window):
        if voi is not None:
            levels = voi.fractions(values)
            if np.ptp(np.rint(255.0 * levels[shown])) > 0:
                return levels
    bits = int(header.BitsStored)
    if bits <= 8 and not header.PixelRepresentation and not rescaled:
        return np.asarray(values / (2.0**bits - 1.0))
    return spread(values, shown)


def _modality(stored: Values, header: Dataset) -> tuple[Values, bool]:
    """Values in the unit that windows are given in, and whether they differ from the stored ones."""
    table = _table(header, "ModalityLUTSequence")
    if table is not None:
        return table.apply(stored), True
    slope, intercept = number(header, "RescaleSlope"), number(header, "RescaleIntercept")
    slope, intercept = slope if slope is not None else 1.0, intercept if intercept is not None else 0.0
    if (slope, intercept) == (1.0, 0.0) or not np.isfinite([slope, intercept]).all() or slope == 0.0:
        return stored, False
    return stored.astype(np.float64) * slope + intercept, True


def _window(header: Dataset) -> Window | None:
    centre, width = number(header, "WindowCenter"), number(header, "WindowWidth")
    if centre is None or width is None:
        return None
    function = str(first_value(header, "VOILUTFunction") or "LINEAR").strip().upper()
    window = Window(centre, width, function if function in FUNCTIONS else "LINEAR")
    return window if window.valid else None


def _table(header: Dataset, sequence: str) -> LookupTable | None:
    """The first lookup table of a sequence, or None."""
    item = first_value(header, sequence)
    return None if item is None else _entries(item.LUTDescriptor, item.LUTData, header)


def _palette(header: Dataset, colour: str) -> LookupTable:
    descriptor = header[f"{colour}PaletteColorLookupTableDescriptor"].value
    return _entries(descriptor, header[f"{colour}PaletteColorLookupTableData"].value, header)


def _entries(descriptor: Any, data: Any, header: Dataset) -> LookupTable:
    """A table from its descriptor (number of entries, first value, bits) and its data: numbers or bytes."""
    count, first, bits = (int(value) for value in descriptor)
    count = count % 2**16 or 2**16  # 0 stands for 65536; where the other values are signed, so may this one be
    if isinstance(data, bytes):
        order = "<" if header.original_encoding[1] else ">"
        wide = len(data) >= 2 * count
        entries = np.frombuffer(data, dtype=f"{order}u2" if wide else np.uint8)
    else:
        entries = np.asarray(data)
    if len(entries) < count or not 1 <= bits <= 16:
        raise ValueError("a lookup table of another length than it says")
    return LookupTable(first, bits, entries[:count].astype(np.uint16))
