"""Synthetic chest X-rays: a labelled folder that trains, tests and teaches without any patient's data.

An image is made of three independent draws: the patient (`Anatomy`), the disease (`Opacity`, only in the
class "covid") and how the film was taken and stored (`Acquisition`). Only the opacities depend on the class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidnet.data.anatomy import (
    HALF_HEIGHT,
    HALF_WIDTH,
    LUNG_EDGE,
    PIXELS_PER_UNIT,
    Anatomy,
    Field,
    Opacity,
    chest_canvas,
    lung_canvas,
    opacity_canvas,
)
from covidnet.data.drawn import draw_once
from covidnet.data.faults import Faults, Storage, alter_image, plant
from covidnet.errors import DataError

CLASSES = ("covid", "normal")

GENERATOR_VERSION = 1
"""Recorded with every folder; raise it when the same spec would draw other pictures."""

_NAMES_PER_BLOCK = 100
_FITTING_ASPECT = 0.90  # narrower films show the chest smaller, so that they do not cut off the lungs


@dataclass(frozen=True)
class PhantomSpec:
    """What to draw: how many images in all, from which seed, and with which planted faults."""

    count: int = 60
    seed: int = 0
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        if self.count < len(CLASSES):
            raise DataError(f"phantoms count={self.count}: expected at least {len(CLASSES)}, one per class.")
        if self.seed < 0:
            raise DataError(f"phantoms seed={self.seed}: expected 0 or a positive number.")


@dataclass(frozen=True)
class Acquisition:
    """How one film was taken and stored; drawn without knowing the class.

    Attributes:
        height: Rows in pixels.
        aspect: Width over height.
        zoom: Magnification; 1 fits the chest to the film.
        rotation: Radians, clockwise.
        shift: Displacement of the chest to the right and down, in half film heights.
        exposure: Brightness added everywhere, in parts of the full range.
        contrast: Factor on the brightness range.
        gamma: Exponent on brightness; below 1 lifts the dark parts.
        noise: Standard deviation of the film grain, in parts of the full range.
        vignette: Part of the brightness that is lost in the corners.
        quality: JPEG quality, or None for PNG.
        grain_seed: Seeds the film grain.
    """

    height: int
    aspect: float
    zoom: float
    rotation: float
    shift: tuple[float, float]
    exposure: float
    contrast: float
    gamma: float
    noise: float
    vignette: float
    quality: int | None
    grain_seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Acquisition:
        """Draw the conditions of one film at random."""
        uniform = rng.uniform
        return cls(
            height=int(rng.integers(380, 901)),
            aspect=uniform(0.75, 1.35),
            zoom=uniform(0.8, 1.15),
            rotation=uniform(-0.06, 0.06),
            shift=(uniform(-0.05, 0.05), uniform(-0.05, 0.05)),
            exposure=uniform(-0.06, 0.08),
            contrast=uniform(0.8, 1.1),
            gamma=uniform(0.75, 1.4),
            noise=uniform(0.008, 0.028),
            vignette=uniform(0.0, 0.25),
            quality=int(rng.integers(60, 96)) if rng.random() < 0.5 else None,
            grain_seed=int(rng.integers(2**32)),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, round(self.height * self.aspect)

    @property
    def suffix(self) -> str:
        """File name suffix of the format the film is stored in."""
        return ".png" if self.quality is None else ".jpg"


@dataclass(frozen=True)
class Phantom:
    """One image of a folder: where it lies and the draws it is made of."""

    name: str
    label: str
    anatomy: Anatomy
    acquisition: Acquisition
    opacity: Opacity | None

    @property
    def path(self) -> str:
        """Path relative to the folder, with posix separators."""
        return f"{self.label}/{self.name}"


def plan_phantoms(spec: PhantomSpec) -> Iterator[Phantom]:
    """Give every image of a spec without drawing its pixels; without faults image i is the same whatever the count."""
    for phantom, _ in _plan(spec):
        yield phantom


def _plan(spec: PhantomSpec) -> Iterator[tuple[Phantom, Storage]]:
    """Every image with how it is altered after it was drawn."""
    if not spec.faults.planted():
        return ((phantom, Storage()) for phantom in _clean(spec))
    return iter(plant(list(_clean(spec)), spec.faults, spec.seed))


def _clean(spec: PhantomSpec) -> Iterator[Phantom]:
    for index in range(spec.count):
        anatomy, acquisition, opacity = (random_stream(spec.seed, index, part) for part in range(3))
        film = Acquisition.draw(acquisition)
        label = CLASSES[index % len(CLASSES)]
        yield Phantom(
            name=f"phantom-{shuffled_number(spec.seed, index):04d}{film.suffix}",
            label=label,
            anatomy=Anatomy.draw(anatomy),
            acquisition=film,
            opacity=Opacity.draw(opacity) if label == "covid" else None,
        )


def draw_phantom(anatomy: Anatomy, acquisition: Acquisition, opacity: Opacity | None = None) -> NDArray[np.uint8]:
    """Draw one film, grey, shape (H, W) as ``acquisition.shape``, values 0 to 255.

    Without ``opacity`` the same patient is healthy; the pictures then differ inside the lung fields only.
    """
    lungs = lung_canvas(anatomy)
    chest = chest_canvas(anatomy, lungs)
    if opacity is not None:
        chest += opacity_canvas(anatomy, opacity, lungs)
    return _develop(_project(1 - np.exp(-1.35 * chest), acquisition), acquisition)


def lung_field(anatomy: Anatomy, acquisition: Acquisition) -> NDArray[np.bool_]:
    """The true lung fields on the film that `draw_phantom` draws: shape (H, W), True inside."""
    lungs = (lung_canvas(anatomy) > LUNG_EDGE).astype(np.float32)
    return _project(lungs, acquisition) > 0  # every pixel that any lung tissue reaches


def opacity_field(anatomy: Anatomy, acquisition: Acquisition, opacity: Opacity) -> Field:
    """How dense the opacities are on the film that `draw_phantom` draws: shape (H, W), 0 where there are none."""
    return _project(opacity_canvas(anatomy, opacity, lung_canvas(anatomy)), acquisition)


def write_phantoms(folder: Path, spec: PhantomSpec) -> Path:
    """Draw the images of a spec into ``folder``/CLASS, or leave a folder that already holds them as it is.

    Raises:
        DataError: See `draw_once`.
    """

    def draw(contents: Path) -> None:
        _write_all(contents, spec)

    return draw_once(folder, _manifest(spec), lambda: [phantom.path for phantom in plan_phantoms(spec)], draw)


def random_stream(*key: int) -> np.random.Generator:
    """Random numbers of a seed and, after it, of the numbers that tell one draw from another."""
    seed, *rest = key
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(rest)))


def shuffled_number(seed: int, index: int) -> int:
    """Number in the name of image ``index``: shuffled, as indices alternate between the classes."""
    block, position = divmod(index, _NAMES_PER_BLOCK)
    shuffled = random_stream(seed, block).permutation(_NAMES_PER_BLOCK)
    return block * _NAMES_PER_BLOCK + int(shuffled[position])


def _project(canvas: Field, film: Acquisition) -> Field:
    """Map the canvas onto the film, shape (H, W)."""
    height, width = film.shape
    scale = film.zoom * min(1.0, film.aspect / _FITTING_ASPECT)
    step = 2 / (height * scale) * PIXELS_PER_UNIT  # canvas pixels per film pixel
    cos, sin = step * np.cos(film.rotation), step * np.sin(film.rotation)
    right, down = width / 2 + film.shift[0] * height / 2, height / 2 + film.shift[1] * height / 2
    left_edge = HALF_WIDTH * PIXELS_PER_UNIT - cos * right - sin * down
    top_edge = HALF_HEIGHT * PIXELS_PER_UNIT + sin * right - cos * down
    padded = Image.fromarray(np.ascontiguousarray(canvas, dtype=np.float32))
    affine = (cos, sin, left_edge, -sin, cos, top_edge)
    projected = padded.transform((width, height), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    return np.asarray(projected)


def _develop(brightness: Field, film: Acquisition) -> NDArray[np.uint8]:
    """Exposure, contrast, vignetting and grain: brightness in [0, 1] to grey values."""
    height, width = film.shape
    grain = np.random.default_rng(film.grain_seed).standard_normal((height, width), dtype=np.float32)
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :] ** 2
    along = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
    tone = np.clip(brightness * np.float32(1.35) - np.float32(0.12), 0, 1) ** np.float32(film.gamma)
    value = (0.5 + film.contrast * (tone - 0.5) + film.exposure) * (1 - 0.5 * film.vignette * (across + along))
    grey: NDArray[np.uint8] = np.clip(np.rint(255 * (value + film.noise * grain)), 0, 255).astype(np.uint8)
    return grey


def _write_all(folder: Path, spec: PhantomSpec) -> None:
    for label in CLASSES:
        (folder / label).mkdir(parents=True)
    for phantom, storage in _plan(spec):
        image = alter_image(draw_phantom(phantom.anatomy, phantom.acquisition, phantom.opacity), storage)
        if phantom.acquisition.quality is None:
            image.save(folder / phantom.path, format="PNG", compress_level=1)  # grain hardly compresses
        else:
            image.save(folder / phantom.path, format="JPEG", quality=phantom.acquisition.quality)


def _manifest(spec: PhantomSpec) -> dict[str, Any]:
    described = asdict(spec)
    planted = spec.faults.planted()
    # A folder without faults says nothing of them, and so stays the same to the last byte.
    del described["faults"]
    return {"generator_version": GENERATOR_VERSION, "spec": {**described, **({"faults": planted} if planted else {})}}
