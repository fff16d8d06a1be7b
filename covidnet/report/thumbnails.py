"""thumbnails.npz: small pictures of the images that a page shows, kept while the pixels are at hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidnet.errors import RunError
from covidnet.files import write_with
from covidnet.predictions import Prediction, Predictions
from covidnet.untrusted import open_arrays

FILE = "thumbnails.npz"
SIDE = 160
"""Pixels of a side at most."""

Picture = NDArray[np.uint8]
Key = tuple[str, str]
"""Part and path of an image; one path may name an internal and an external image."""

Thumbnails = dict[Key, Picture]
"""Pixels of shape (H, W) or (H, W, 3)."""


def chosen(scored: Predictions, external: Predictions, most: int) -> list[Prediction]:
    """The images that are shown with a picture: at most ``most``, half of them external where there are such."""
    room = most - min(len(external), most // 2)
    first = [scored.rows[row] for row in scored.wrong_first()[:room]]
    return first + [external.rows[row] for row in external.wrong_first()[: most - len(first)]]


def save_thumbnails(
    directory: Path, rows: Sequence[Prediction], picture: Callable[[Prediction], NDArray[np.generic] | None]
) -> None:
    """Write thumbnails.npz.

    Args:
        directory: Of the run or evaluation.
        rows: The images to keep, as `chosen` gives them.
        picture: The model's view of one, shape (C, H, W), 8-bit; None where it is not there.
    """
    keys, pictures = [], []
    for row in rows:
        pixels = picture(row)
        if pixels is not None:
            keys.append([row.split, row.path])
            pictures.append(shrunk(np.asarray(pixels, dtype=np.uint8)))
    arrays = {str(number): one for number, one in enumerate(pictures)}
    names = np.frombuffer(json.dumps(keys).encode("ascii"), dtype=np.uint8)

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, names=names, **arrays)

    write_with(directory / FILE, write)


def shrunk(pixels: Picture, side: int = SIDE) -> Picture:
    """Pixels (C, H, W) with no side above ``side``, as (H, W) where they are grey and (H, W, 3) where not."""
    image = Image.fromarray(pixels[0] if pixels.shape[0] == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.thumbnail((side, side), Image.Resampling.BOX)
    small: Picture = np.asarray(image)
    grey = small.ndim == 3 and not np.any(small != small[..., :1])
    return small[..., 0] if grey else small


def read_thumbnails(directory: Path) -> Thumbnails:
    """Read thumbnails.npz back; empty where there is none.

    Raises:
        RunError: It is damaged.
    """
    file = directory / FILE
    if not file.is_file():
        return {}
    try:
        with open_arrays(file) as arrays:
            keys = json.loads(arrays["names"].tobytes().decode("ascii"))
            found = {(str(part), str(path)): arrays[str(number)] for number, (part, path) in enumerate(keys)}
    except Exception as error:  # numpy and zipfile raise nearly anything on a damaged file
        raise RunError(f"{file}: not the thumbnails that train.py writes ({error}).") from error
    return {key: one for key, one in found.items() if _is_picture(one)}


def _is_picture(pixels: NDArray[np.generic]) -> bool:
    shape = pixels.shape
    small = len(shape) >= 2 and 0 < shape[0] <= SIDE and 0 < shape[1] <= SIDE
    return pixels.dtype == np.uint8 and small and (len(shape) == 2 or shape[2:] == (3,))
