"""Patches of synthetic chest X-rays: several of each patient, with their positions, of three classes.

They stand for data such as those of Xu et al. 2020 (arXiv 2002.09334), where candidate regions of infection were cut
out of CT slices. Two diseases have the same opacities, but in different places: "covid" near the edge of the lungs,
"influenza" near their middle. The distance from the edge tells one patch of the one from one of the other with an area
under the ROC curve of 0.77; what a patch shows of the lungs' edge tells something too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidnet.data.anatomy import Anatomy, Field, Opacity
from covidnet.data.drawn import draw_once
from covidnet.data.phantoms import (
    Acquisition,
    draw_phantom,
    lung_field,
    opacity_field,
    random_stream,
    shuffled_number,
)
from covidnet.errors import DataError
from covidnet.files import write_csv

CLASSES = ("covid", "influenza", "normal")
TABLE = "metadata.csv"
COLUMNS = ("path", "label", "patient", "x", "y")

GENERATOR_VERSION = 1
"""Recorded with every folder; raise it when the same spec would draw other patches."""

SIDE = 0.24
"""Side of a patch, in parts of the height of the lungs' bounding box."""
PIXELS = 96
"""Side of a patch's file; in the film's own pixels it would tell the patient."""
APART = 0.6
"""Least distance of the centres of a patient's patches, in sides of a patch, while there is room."""
_STREAM = 2  # keeps these random numbers apart from those of whole phantoms with the same seed


@dataclass(frozen=True)
class PatchSpec:
    """What to draw: how many patients in all, how many patches of each, from which seed."""

    patients: int = 60
    patches: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.patients < len(CLASSES):
            raise DataError(f"phantom patients={self.patients}: expected at least {len(CLASSES)}, one per class.")
        if self.patches < 1:
            raise DataError(f"phantom patches={self.patches}: expected at least 1 of each patient.")
        if self.seed < 0:
            raise DataError(f"phantom seed={self.seed}: expected 0 or a positive number.")


@dataclass(frozen=True)
class PatchPatient:
    """One patient: the draws that the film is made of, and what decides where patches are cut out."""

    name: str
    label: str
    anatomy: Anatomy
    acquisition: Acquisition
    opacity: Opacity | None
    patches: int
    place_seed: int

    @property
    def paths(self) -> list[str]:
        """Paths of the patches relative to the folder, with posix separators."""
        return [f"{self.label}/{self.name}-patch-{number}.png" for number in range(1, self.patches + 1)]


def plan_patients(spec: PatchSpec) -> Iterator[PatchPatient]:
    """Every patient of a spec without drawing; patient i is the same however many there are."""
    for index in range(spec.patients):
        anatomy, film, disease, places = (random_stream(spec.seed, _STREAM, index, part) for part in range(4))
        label = CLASSES[index % len(CLASSES)]
        yield PatchPatient(
            name=f"patient-{shuffled_number(spec.seed, index):04d}",
            label=label,
            anatomy=Anatomy.draw(anatomy),
            acquisition=Acquisition.draw(film),
            opacity=_draw_disease(label, disease),
            patches=spec.patches,
            place_seed=int(places.integers(2**32)),
        )


def _draw_disease(label: str, rng: np.random.Generator) -> Opacity | None:
    """Opacities as dense and as large in both diseases: peripheral in covid, central in influenza."""
    if label == "normal":
        return None
    peripheral = rng.uniform(0.6, 1.0)
    return Opacity(
        extent=rng.uniform(0.3, 0.5),
        density=rng.uniform(0.20, 0.34),
        lower=rng.uniform(0.0, 0.4),
        peripheral=peripheral if label == "covid" else -peripheral,
        texture_seed=int(rng.integers(2**32)),
    )


def cut_patches(patient: PatchPatient) -> list[tuple[NDArray[np.uint8], tuple[float, float]]]:
    """A patient's patches: pictures of shape (S, S), grey, 0 to 255, each with the position (x, y) of its centre.

    Patches of the ill lie where the opacities are, patches of the healthy anywhere in the lungs, as a segmentation of
    suspicious regions would find them. Positions are in parts of the bounding box of the lungs, from its upper left
    corner, in [0, 1].
    """
    film = draw_phantom(patient.anatomy, patient.acquisition, patient.opacity)
    lungs = lung_field(patient.anatomy, patient.acquisition)
    rows, columns = np.flatnonzero(lungs.any(axis=1)), np.flatnonzero(lungs.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
    side = round(SIDE * height)
    chance = lungs.astype(np.float32)
    if patient.opacity is not None:
        chance = opacity_field(patient.anatomy, patient.acquisition, patient.opacity) ** 2
    found = []
    for row, column in _places(chance, patient.patches, APART * side, np.random.default_rng(patient.place_seed)):
        first, start = (
            min(max(centre - side // 2, 0), length - side)
            for centre, length in zip((row, column), film.shape, strict=True)
        )
        x, y = (start + side / 2 - left) / width, (first + side / 2 - top) / height
        picture = film[first : first + side, start : start + side]
        found.append((picture, (float(np.clip(x, 0.0, 1.0)), float(np.clip(y, 0.0, 1.0)))))
    return found


def _places(chance: Field, count: int, apart: float, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Centres drawn with probabilities proportional to ``chance``, (H, W), at least ``apart`` pixels from another."""
    left = chance.astype(np.float64)
    down, across = np.ogrid[: chance.shape[0], : chance.shape[1]]
    for _ in range(count):
        if not left.any():  # no room that far apart: anywhere again
            left = chance.astype(np.float64)
        sums = np.cumsum(left)
        place = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
        row, column = divmod(min(place, left.size - 1), chance.shape[1])
        yield row, column
        left[(down - row) ** 2 + (across - column) ** 2 < apart**2] = 0.0


def write_patches(folder: Path, spec: PatchSpec) -> Path:
    """Draw the patches of a spec into ``folder``/CLASS with metadata.csv beside them, or leave them if they are there.

    Raises:
        DataError: See `draw_once`.
    """

    def draw(contents: Path) -> None:
        table: list[list[str]] = []
        for label in CLASSES:
            (contents / label).mkdir(parents=True)
        for patient in plan_patients(spec):
            for path, (picture, (x, y)) in zip(patient.paths, cut_patches(patient), strict=True):
                image = Image.fromarray(picture).resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)
                image.save(contents / path, format="PNG", compress_level=1)
                table.append([path, patient.label, patient.name, f"{x:.4f}", f"{y:.4f}"])
        write_csv(contents / TABLE, COLUMNS, sorted(table))

    manifest: dict[str, Any] = {"generator_version": GENERATOR_VERSION, "kind": "patches", "spec": asdict(spec)}
    return draw_once(
        folder, manifest, lambda: [path for patient in plan_patients(spec) for path in patient.paths], draw
    )
