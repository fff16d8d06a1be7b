"""Faults that can be planted in phantoms, so that what finds faults can be tested.

Every fault is a strength from 0 (off) to 1. Some are the share of images that have it, others how far it goes; see
conf/data/phantoms.yaml. All but the duplicates and shared patients tell the class "covid" from the other without any
lung.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from covidnet.errors import DataError

if TYPE_CHECKING:
    from covidnet.data.phantoms import Acquisition, Phantom

MARKED = "covid"
"""The class that carries the faults."""

COPIES = ("reencoded", "resized", "cropped", "mirrored", "exposed")
"""Ways in which a near duplicate differs from its original, taken in turn."""

NAMED_AS = ("bacteria", "virus")

_BORDER = 0.06  # part of each side that the bright frame covers


@dataclass(frozen=True)
class Faults:
    """Strengths from 0 to 1; 0 plants nothing.

    Attributes:
        colour_mode: Share of the covid images that are stored as RGB.
        size: Covid films have 1 / (1 + size) of their height and width in pixels.
        border: Brightness of a frame around covid films, in parts of the full range, added to what is there.
        marker: Share of the covid images with a text marker in the upper corner.
        zoom: Covid films show the chest 1 + zoom times as large.
        exposure: Brightness added to covid films everywhere, in parts of the full range.
        duplicates: Share of all images that are altered copies of another image of their class.
        patients: Share of all images that show the patient of another image; names then hold the patient's number.
        names: Share of the normal images whose names say bacteria or virus.
    """

    colour_mode: float = 0.0
    size: float = 0.0
    border: float = 0.0
    marker: float = 0.0
    zoom: float = 0.0
    exposure: float = 0.0
    duplicates: float = 0.0
    patients: float = 0.0
    names: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0.0 <= value <= 1.0:
                raise DataError(f"phantoms faults.{name}={value}: expected a number from 0 (off) to 1.")

    def planted(self) -> dict[str, float]:
        """Only those that are not 0."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) > 0.0}


@dataclass(frozen=True)
class Storage:
    """How one image is altered after it was drawn.

    Attributes:
        colour: Stored as RGB.
        border: Brightness of the frame, in parts of the full range.
        marker: Whether a text marker is drawn.
        copy: How it was made from its original, one of `COPIES`; None for an original.
    """

    colour: bool = False
    border: float = 0.0
    marker: bool = False
    copy: str | None = None


PLAIN = Storage()


def plant(phantoms: Sequence[Phantom], faults: Faults, seed: int) -> list[tuple[Phantom, Storage]]:
    """Give each image its faults; which images have them depends on the seed alone."""
    chosen = {name: _Chooser(seed, number) for number, name in enumerate(asdict(faults))}
    planted = [_acquired(phantom, faults) for phantom in phantoms]
    planted = _share_patients(planted, faults.patients, chosen["patients"])
    stored = [PLAIN] * len(planted)
    marked = [position for position, phantom in enumerate(planted) if phantom.label == MARKED]
    for position in marked:
        stored[position] = replace(stored[position], border=faults.border)
    for position in chosen["colour_mode"].some(marked, faults.colour_mode):
        stored[position] = replace(stored[position], colour=True)
    for position in chosen["marker"].some(marked, faults.marker):
        stored[position] = replace(stored[position], marker=True)
    healthy = [position for position, phantom in enumerate(planted) if phantom.label != MARKED]
    for turn, position in enumerate(chosen["names"].some(healthy, faults.names)):
        planted[position] = _renamed(planted[position], after=f"_{NAMED_AS[turn % len(NAMED_AS)]}")
    for turn, (original, copy) in enumerate(_pairs(planted, faults.duplicates, chosen["duplicates"])):
        source = planted[original]
        planted[copy] = replace(
            planted[copy], anatomy=source.anatomy, acquisition=source.acquisition, opacity=source.opacity
        )
        planted[copy] = _suffixed(planted[copy])
        stored[copy] = replace(stored[original], copy=COPIES[turn % len(COPIES)])
    return list(zip(planted, stored, strict=True))


class _Chooser:
    """Draws for one fault, so that the strength of another does not change them."""

    def __init__(self, seed: int, number: int) -> None:
        # Image i uses the keys (i, part); a key of three parts is no image's.
        self.rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 0, number)))

    def some(self, positions: Sequence[int], share: float) -> list[int]:
        """A share of the positions, in random order; a larger share contains a smaller one."""
        order: list[int] = self.rng.permutation(np.array(positions, dtype=np.int64)).tolist()
        return order[: round(share * len(order))]


def _acquired(phantom: Phantom, faults: Faults) -> Phantom:
    """Size, zoom and exposure are part of how the film is taken."""
    if phantom.label != MARKED:
        return phantom
    film: Acquisition = phantom.acquisition
    film = replace(
        film,
        height=round(film.height / (1 + faults.size)),
        zoom=film.zoom * (1 + faults.zoom),
        exposure=film.exposure + faults.exposure,
    )
    return replace(phantom, acquisition=film)


def _pairs(phantoms: Sequence[Phantom], share: float, chooser: _Chooser) -> list[tuple[int, int]]:
    """Pairs (original, other) of one class; no image is in two of them."""
    wanted = min(round(share * len(phantoms)), len(phantoms) // 2)
    by_label: dict[str, list[int]] = {}
    for position, phantom in enumerate(phantoms):
        by_label.setdefault(phantom.label, []).append(position)
    pairs = []
    for positions in by_label.values():
        order = chooser.some(positions, 1.0)
        pairs += list(zip(order[0::2], order[1::2], strict=False))
    return [pairs[index] for index in chooser.some(range(len(pairs)), 1.0)[:wanted]]


def _share_patients(phantoms: Sequence[Phantom], share: float, chooser: _Chooser) -> list[Phantom]:
    """Two films of one patient and one state of disease, taken anew; every name gets its patient's number."""
    if share == 0.0:
        return list(phantoms)
    owner = list(range(len(phantoms)))
    shared = list(phantoms)
    for original, other in _pairs(phantoms, share, chooser):
        owner[other] = original
        source = phantoms[original]
        shared[other] = replace(shared[other], anatomy=source.anatomy, opacity=source.opacity)
    # Shuffled, as the positions alternate between the classes.
    numbers = chooser.rng.permutation(len(phantoms))
    return [
        _renamed(phantom, before=f"person{int(numbers[owner[position]]) + 1}_")
        for position, phantom in enumerate(shared)
    ]


def _renamed(phantom: Phantom, before: str = "", after: str = "") -> Phantom:
    path = PurePosixPath(phantom.name)
    return replace(phantom, name=f"{before}{path.stem}{after}{path.suffix}")


def _suffixed(phantom: Phantom) -> Phantom:
    """The name's suffix follows the format that the acquisition asks for."""
    return replace(phantom, name=str(PurePosixPath(phantom.name).with_suffix(phantom.acquisition.suffix)))


def alter_image(grey: NDArray[np.uint8], storage: Storage) -> Image.Image:
    """The film of shape (H, W) as it is stored."""
    values = grey.astype(np.float32)
    if storage.border > 0.0:
        values += 255 * storage.border * _frame(*grey.shape)
    image = Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    if storage.marker:
        _draw_marker(image)
    if storage.copy is not None:
        image = _copied(image, storage.copy)
    return image.convert("RGB") if storage.colour else image


def _frame(height: int, width: int) -> NDArray[np.float32]:
    frame = np.ones((height, width), dtype=np.float32)
    down, across = round(_BORDER * height), round(_BORDER * width)
    frame[down : height - down, across : width - across] = 0.0
    return frame


def _draw_marker(image: Image.Image) -> None:
    """White letters in the upper right corner, a thirteenth of the height high."""
    width, height = image.size
    font = ImageFont.load_default(size=height / 13)
    ImageDraw.Draw(image).text((0.97 * width, 0.03 * height), "PORT", fill=250, font=font, anchor="ra")


def _copied(image: Image.Image, how: str) -> Image.Image:
    """A near duplicate: what happens to a picture that is passed on."""
    width, height = image.size
    if how == "reencoded":
        stream = io.BytesIO()
        image.save(stream, format="JPEG", quality=60)
        return Image.open(stream).convert("L")
    if how == "resized":
        return image.resize((round(0.7 * width), round(0.7 * height)), Image.Resampling.BILINEAR)
    if how == "cropped":
        return image.crop((round(0.03 * width), round(0.05 * height), round(0.98 * width), round(0.97 * height)))
    if how == "mirrored":
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    table = [min(255, round(255 * (level / 255) ** 0.8 + 8)) for level in range(256)]
    return image.point(table)
