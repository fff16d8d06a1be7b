"""saliency.csv and the maps it points to: the files that everything else of a saliency is made from. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidnet.errors import RunError
from covidnet.files import read_csv, write_csv, write_with
from covidnet.naming import cut, listed_names
from covidnet.untrusted import numbers, open_arrays

GRAD_CAM, INTEGRATED = "gradcam", "integrated_gradients"
TITLES = {GRAD_CAM: "Grad-CAM", INTEGRATED: "integrated gradients"}
"""The methods, by the names that configuration and files give them."""

CSV, FOLDER, MAPS = "saliency.csv", "saliency", "maps.npz"
HEADER = (
    "path", "split", "label", "predicted", "explained", "method", "inside_lungs", "lung_area", "lung_field", "counted",
    "map", "overlay",
)  # fmt: skip

HOW = "Make it with evaluate.py run=RUN saliency=default."


@dataclass(frozen=True)
class Entry:
    """One image, one class, one method: a row of saliency.csv.

    Attributes:
        path: As in predictions.csv.
        split: Part of the split.
        label: True class.
        predicted: Predicted class.
        explained: The class that the map is for.
        method: Of `TITLES`.
        inside: Share of the evidence inside the lung field; None where there is no evidence.
        area: Share of the image that the lung field covers.
        field: Where the lung field is from: mask or simple.
        counted: Whether the summary is computed from it.
        map: Row in the method's array of maps.npz.
        overlay: A picture of it, relative to the directory; empty where there is none.
    """

    path: str
    split: str
    label: str
    predicted: str
    explained: str
    method: str
    inside: float | None
    area: float
    field: str
    counted: bool
    map: int
    overlay: str = ""

    @property
    def of_prediction(self) -> bool:
        """Whether the predicted class is explained."""
        return self.explained == self.predicted


def write_entries(directory: Path, entries: Iterable[Entry]) -> None:
    """Write saliency.csv; floats keep every bit."""
    rows = []
    for one in entries:
        inside = "" if one.inside is None else repr(one.inside)
        numbers = (inside, repr(one.area), one.field, int(one.counted), one.map)
        rows.append([one.path, one.split, one.label, one.predicted, one.explained, one.method, *numbers, one.overlay])
    write_csv(directory / CSV, HEADER, rows)


def read_entries(directory: Path) -> list[Entry]:
    """Read saliency.csv back.

    Raises:
        RunError: It is missing or not what `write_entries` writes.
    """
    file = directory / CSV
    header, lines = read_csv(file, HOW)
    if tuple(header) != HEADER:
        raise RunError(f"{file}: found the columns {listed_names(header) or 'none'}; expected {', '.join(HEADER)}.")
    return [_parse(f"{file}, line {number}", row) for number, row in lines]


def _parse(place: str, row: list[str]) -> Entry:
    path, split, label, predicted, explained, method, inside, area, field, counted, number, overlay = row
    try:
        known = None if inside == "" else float(inside)
        measured = (known, float(area), field, bool(int(counted)), int(number))
        return Entry(path, split, label, predicted, explained, method, *measured, overlay)
    except ValueError as error:
        raise RunError(f"{place}: not a row of saliency.csv ({cut(str(error))}).") from error


def write_maps(directory: Path, maps: Mapping[str, NDArray[np.floating[Any]]]) -> None:
    """Write maps.npz: by method, shape (N, h, w), each map scaled to a maximum of 1.

    In half precision: the scale of a map means nothing, and no share needs more digits.
    """
    arrays = {}
    for method, of_method in maps.items():
        highest = of_method.max(axis=(1, 2), keepdims=True)
        arrays[method] = (of_method / np.where(highest > 0, highest, 1)).astype(np.float16)

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    write_with(directory / FOLDER / MAPS, write)


def read_maps(directory: Path) -> dict[str, NDArray[np.float32]]:
    """The maps of a run or evaluation by method, shape (N, h, w), 0 to 1.

    Raises:
        RunError: There are none, or the file is damaged.
    """
    file = directory / FOLDER / MAPS
    try:
        with open_arrays(file) as arrays:
            return {method: _maps(arrays[method]) for method in TITLES if method in arrays}
    except FileNotFoundError as error:
        raise RunError(f"{file}: missing. {HOW}") from error
    except Exception as error:  # numpy and zipfile raise nearly anything on a damaged file
        raise RunError(f"{file}: not the maps that train.py writes ({error}).") from error


def _maps(values: NDArray[np.generic]) -> NDArray[np.float32]:
    if values.ndim != 3:
        raise ValueError(f"found an array of shape {values.shape}, expected (N, h, w)")
    return numbers(values).astype(np.float32)
