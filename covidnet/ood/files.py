"""features.npz: what a run knows of the look of its training images, for telling others apart from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from covidnet.errors import RunError
from covidnet.files import write_with
from covidnet.ood.pixels import PixelLimits
from covidnet.ood.reference import Reference
from covidnet.untrusted import open_arrays

FILE = "features.npz"
FORMAT = 1
MOST_BYTES = 1 << 28
"""A file of more, unpacked, is not read."""

FEATURES, PICTURE = "features", "picture"
KINDS = {FEATURES: "features", PICTURE: "coarse picture"}
"""What references are of, in words: the network's penultimate features, or `covidnet.ood.picture`."""

_ARRAYS = ("mean", "directions", "variances")
_POSITIVE = ("rest", "limit")
_COUNTS = ("n_train", "n_limit")


@dataclass(frozen=True)
class TrainingLook:
    """What training images look like.

    Attributes:
        pixels: How far images may differ in colour, contrast and shape.
        references: By kind, of `KINDS`; one that could not be made is missing.
    """

    pixels: PixelLimits = field(default_factory=PixelLimits)
    references: Mapping[str, Reference] = field(default_factory=dict)


def save_look(path: Path, look: TrainingLook, checkpoint: Path) -> None:
    """Write features.npz for the network of ``checkpoint``."""
    content: dict[str, Any] = {"format": FORMAT, "checkpoint": file_sha256(checkpoint)}
    content |= {f"pixels_{name}": value for name, value in asdict(look.pixels).items()}
    for kind, reference in look.references.items():
        for one in fields(Reference):
            value = getattr(reference, one.name)
            content[f"{kind}_{one.name}"] = value.astype(np.float32) if one.name in _ARRAYS else value

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{name: np.asarray(value) for name, value in content.items()})

    write_with(path, write)


def load_look(path: Path, checkpoint: Path) -> TrainingLook | None:
    """Read features.npz back; None where there is none, or it was made for another network than ``checkpoint``.

    Raises:
        RunError: It is damaged.
    """
    if not path.is_file():
        return None
    try:
        with open_arrays(path, MOST_BYTES) as content:
            if int(content["format"]) != FORMAT:
                raise ValueError(f"format {int(content['format'])}, expected {FORMAT}")
            if str(content["checkpoint"]) != file_sha256(checkpoint):
                return None
            references = {kind: _reference(content, kind) for kind in KINDS if f"{kind}_mean" in content}
            return TrainingLook(_pixels(content), references)
    except Exception as error:  # numpy and zipfile raise nearly anything on a damaged file
        raise RunError(f"{path}: damaged ({error}). Delete it to predict without what it is for.") from error


def _pixels(content: Any) -> PixelLimits:
    limits = PixelLimits(**{one.name: float(content[f"pixels_{one.name}"]) for one in fields(PixelLimits)})
    if not all(np.isfinite(value) for value in asdict(limits).values()):
        raise ValueError("a limit is not a number")
    return limits


def _reference(content: Any, kind: str) -> Reference:
    arrays = {name: np.asarray(content[f"{kind}_{name}"], dtype=np.float64) for name in _ARRAYS}
    numbers = {name: float(content[f"{kind}_{name}"]) for name in _POSITIVE}
    (size,), (kept, width) = arrays["mean"].shape, arrays["directions"].shape
    if width != size or arrays["variances"].shape != (kept,):
        raise ValueError("the arrays do not fit each other")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("a value is not a number")
    if not all(np.isfinite(value) and value > 0 for value in [*numbers.values(), *arrays["variances"].tolist()]):
        raise ValueError("a variance or a limit is not positive")
    counts = {name: int(content[f"{kind}_{name}"]) for name in _COUNTS}
    values: dict[str, Any] = {**arrays, **numbers, **counts, "limit_part": str(content[f"{kind}_limit_part"])}
    return Reference(**values)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
