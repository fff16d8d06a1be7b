"""A synthetic chest: how strongly each point holds back X-rays, with the true lung fields and opacities.

Everything is drawn on one canvas in chest units: x grows to the image's right (the patient's left), y grows
downwards, and the lungs span about -0.7 to 0.7 in x and -0.75 to 0.6 in y. Film, size and exposure come later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Field = NDArray[np.floating[Any]]
"""A quantity over the canvas: shape (H, W), or (H, 1) and (1, W) where it depends on one axis only."""

PIXELS_PER_UNIT = 175
HALF_WIDTH, HALF_HEIGHT = 1.85, 1.66
CANVAS = (round(2 * HALF_HEIGHT * PIXELS_PER_UNIT), round(2 * HALF_WIDTH * PIXELS_PER_UNIT))
"""Height and width of the canvas in pixels."""

LUNG_EDGE = 0.2
"""Where `lung_canvas` exceeds this, a point counts as lung."""

_LUNG_CENTRE = 0.30  # |x| of the lung apex
_RIB_HEIGHTS = np.linspace(-1.5, 1.5, 1501)


@dataclass(frozen=True)
class Anatomy:
    """One patient; lengths in chest units, amounts relative to the average patient."""

    width: float
    apex: float
    right_dome: float
    left_drop: float
    wall: float
    heart: float
    aorta: float
    ribs: int
    rib_slope: float
    rib_density: float
    clavicle: float
    clavicle_slope: float
    breast: float
    stomach: float
    spine_bend: float
    vessels: float
    texture_seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Anatomy:
        """Draw a patient at random."""
        uniform = rng.uniform
        return cls(
            width=uniform(1.03, 1.22),
            apex=uniform(-0.80, -0.70),
            right_dome=uniform(0.30, 0.46),
            left_drop=uniform(0.03, 0.09),
            wall=uniform(0.10, 0.19),
            heart=uniform(0.75, 1.15),
            aorta=uniform(0.5, 1.3),
            ribs=int(rng.integers(8, 11)),
            rib_slope=uniform(0.26, 0.44),
            rib_density=uniform(0.75, 1.25),
            clavicle=uniform(-0.64, -0.54),
            clavicle_slope=uniform(0.12, 0.36),
            breast=max(0.0, uniform(-1.0, 1.0)),
            stomach=max(0.0, uniform(-0.8, 1.0)),
            spine_bend=uniform(-0.025, 0.025),
            vessels=uniform(0.75, 1.25),
            texture_seed=int(rng.integers(2**32)),
        )


@dataclass(frozen=True)
class Opacity:
    """Ground-glass opacities of one patient: the part of the lungs that is hazy, how dense, and where."""

    extent: float
    density: float
    lower: float
    peripheral: float
    texture_seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Opacity:
        """Draw a disease at random, from mild to severe."""
        return cls(
            extent=rng.uniform(0.3, 0.7),
            density=rng.uniform(0.18, 0.32),
            lower=rng.uniform(0.4, 0.9),
            peripheral=rng.uniform(0.3, 0.8),
            texture_seed=int(rng.integers(2**32)),
        )


def lung_canvas(anatomy: Anatomy) -> Field:
    """How much air a point shows: (H, W), 0 outside the lung fields to 1 inside, with soft edges.

    Mediastinum, heart and what the diaphragm hides are left out.
    """
    x, y, side = _axes(anatomy)
    inside = _ramp(_outer(anatomy, y) - np.abs(x), 0.02) * _ramp(np.abs(x) - _inner(anatomy, y, side), 0.03)
    vertical = _ramp(y - anatomy.apex, 0.03) * _ramp(_dome(anatomy, x, side) - y, 0.022)
    lungs: Field = inside * vertical
    return lungs


def chest_canvas(anatomy: Anatomy, lungs: Field) -> Field:
    """Attenuation of the healthy chest: (H, W), 0 in air to about 1.4 where the body is densest."""
    x, y, side = _axes(anatomy)
    rng = np.random.default_rng(anatomy.texture_seed)
    body = _body(anatomy, x, y)
    a = np.abs(x)
    depth = np.sqrt(np.clip(1 - (x / 1.2) ** 2, 0.10, 1))
    chest = body * (0.12 + 0.53 * depth)
    chest += body * 0.16 * _ramp(y - _dome(anatomy, x, side), 0.03) * _ramp(_outer(anatomy, y) + 0.03 - a, 0.12)
    middle = _ramp(_inner(anatomy, y, side) - a + 0.05, 0.28)
    middle = middle * (1 - 0.75 * _ramp(y - anatomy.right_dome - 0.1, 0.5))
    chest += middle * (0.16 + 0.12 * _ramp(y - 0.05, 0.4)) * _ramp(y + 0.95, 0.5)
    chest -= lungs * (0.30 + 0.12 * _ramp(y - anatomy.apex - 0.05, 0.7) - 0.05 * a)
    chest += (0.4 + 0.6 * lungs) * _ribs(anatomy, x, y, side, rng)
    chest += _spine(anatomy, x, y) + _soft_parts(anatomy, x, y, side)
    bones, vessels = _shoulders(anatomy), _vessels(anatomy, rng)
    chest += 0.36 * bones * body + 0.24 * anatomy.vessels * vessels * (0.2 + 0.8 * lungs)
    chest += 0.03 * (smooth_noise(rng, 0.35) + 0.4 * smooth_noise(rng, 0.06)) * body
    return np.asarray(np.maximum(chest, 0), dtype=np.float32)


def opacity_canvas(anatomy: Anatomy, opacity: Opacity, lungs: Field) -> Field:
    """Attenuation that the opacities add: (H, W), 0 outside the lung fields to about ``opacity.density``."""
    x, y, _ = _axes(anatomy)
    rng = np.random.default_rng(opacity.texture_seed)
    edge = (np.abs(x) - 0.12) / (_outer(anatomy, y) - 0.12 + 1e-3)
    height = (y - anatomy.apex) / (anatomy.right_dome - anatomy.apex)
    bias = opacity.peripheral * (np.clip(edge, 0, 1) - 0.6) + opacity.lower * (np.clip(height, 0, 1) - 0.6)
    haze = 0.30 * smooth_noise(rng, 0.22) + 0.09 * smooth_noise(rng, 0.08) + bias
    inside = np.clip((lungs - LUNG_EDGE) / (1 - LUNG_EDGE), 0, 1)
    threshold = float(np.quantile(haze[::4, ::4][inside[::4, ::4] > 0], 1 - opacity.extent))
    grain = 1 + 0.14 * smooth_noise(rng, 0.045)
    added: Field = opacity.density * inside * grain * _ramp(haze - threshold - 0.06, 0.65)
    return added


def smooth_noise(rng: np.random.Generator, cell: float) -> Field:
    """Smooth random field, (H, W), about normal with unit variance; ``cell`` is its grain in chest units."""
    rows, columns = round(2 * HALF_HEIGHT / cell) + 1, round(2 * HALF_WIDTH / cell) + 1
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    picture = Image.fromarray(coarse).resize(CANVAS[::-1], Image.Resampling.BICUBIC)
    noise: Field = np.asarray(picture) * np.float32(1.4)
    return noise


def _axes(anatomy: Anatomy) -> tuple[Field, Field, Field]:
    """Chest coordinates x of shape (1, W), y of shape (H, 1), and the side of x: 0 image left to 1 right."""
    height, width = CANVAS
    x = ((np.arange(width, dtype=np.float32) + 0.5) / PIXELS_PER_UNIT - HALF_WIDTH)[None, :] / anatomy.width
    y = ((np.arange(height, dtype=np.float32) + 0.5) / PIXELS_PER_UNIT - HALF_HEIGHT)[:, None]
    return x, y, _ramp(x, 0.24)


def _ramp(distance: Field, width: float) -> Field:
    """Smooth step from 0 to 1 around distance 0, all of it within ``width``."""
    t = distance * np.float32(1 / width)
    t += np.float32(0.5)
    np.clip(t, 0, 1, out=t)
    smooth: Field = t * np.float32(-2)
    smooth += np.float32(3)
    smooth *= t
    smooth *= t
    return smooth


def _bump(distance: Field, width: float) -> Field:
    bump: Field = np.exp(-((distance * np.float32(1 / width)) ** 2))
    return bump


def _outer(anatomy: Anatomy, y: Field) -> Field:
    """|x| of the lateral lung edge at each height: narrow at the apex, nearly upright lower down."""
    t = np.clip((y - anatomy.apex) / (0.5 - anatomy.apex), 0, 1)
    edge: Field = _LUNG_CENTRE + (0.66 - _LUNG_CENTRE) * (1 - (1 - t) ** 2.3) ** 0.62 - 0.04 * np.clip(y - 0.5, 0, 1)
    return edge


def _inner(anatomy: Anatomy, y: Field, side: Field) -> Field:
    """|x| of the mediastinal lung edge; at the image's right aortic arch, pulmonary trunk, left ventricle."""
    t = np.clip((y - anatomy.apex) / 0.22, 0, 1)
    edge = _LUNG_CENTRE - (_LUNG_CENTRE - 0.13) * np.sqrt(1 - (1 - t) ** 2)
    v = y - anatomy.right_dome + 0.40  # the heart rests on the diaphragm
    atrium = 0.095 * anatomy.heart * _bump(v - 0.27, 0.19)
    ventricle = 0.34 * anatomy.heart * _ramp(v - 0.17, 0.50) - 0.10 * _ramp(v - 0.48, 0.30)
    vessels = 0.06 * anatomy.aorta * _bump(y + 0.30, 0.085) + 0.055 * _bump(v + 0.06, 0.12)
    contour: Field = edge + (1 - side) * atrium + side * (ventricle + vessels)
    return contour


def _dome(anatomy: Anatomy, x: Field, side: Field) -> Field:
    """Height of the diaphragm: highest in the middle of each lung, falling to a sharp angle at the ribs."""
    distance = np.abs(x) - 0.27
    fall = np.where(distance > 0, 0.24 * (np.clip(distance, 0, None) / 0.38) ** 2, 0.5 * distance**2)
    return np.asarray(anatomy.right_dome + anatomy.left_drop * side + fall, dtype=np.float32)


def _body(anatomy: Anatomy, x: Field, y: Field) -> Field:
    """Silhouette of neck, shoulders, arms and trunk, (H, W) in [0, 1]."""
    a = np.abs(x)
    neck = 0.24 + 0.16 * _ramp(-1.28 - y, 0.30)  # the jaw widens it again at the upper edge
    shoulder = -0.70 - 0.36 * np.exp(-((a / 0.42) ** 2)) + 1.6 * np.clip(a - 0.9, 0, None) ** 1.2
    trunk = 0.66 + anatomy.wall + 0.04 * _ramp(y - 0.7, 0.6)
    below_shoulder = _ramp(y - shoulder, 0.05)
    arm = _ramp(1.1 * (a - 0.80) - 0.16 - y, 0.10)
    upright = np.maximum(_ramp(trunk - a, 0.045), arm)
    return np.maximum(below_shoulder * upright, _ramp(neck - a, 0.05) * (y < -0.6))


def _ribs(anatomy: Anatomy, x: Field, y: Field, side: Field, rng: np.random.Generator) -> Field:
    """Posterior ribs falling outwards and fainter anterior ones falling inwards, (H, W).

    All ribs of one kind are level lines of one height function, so a single table look-up draws them.
    """
    cage = _outer(anatomy, y) + 0.045
    a = np.abs(x)
    r = np.clip(a / cage, 0, 1)
    drop = anatomy.rib_slope * cage / 0.7
    bow = np.sqrt(1 - 0.93 * r**2)
    spacing = 1.12 / anatomy.ribs
    back, front = (_rib_table(anatomy.apex, spacing, anatomy.ribs, rng) for _ in range(2))
    lateral = _look_up(back, y - drop * (1 - bow) + 0.02 * side)
    frontal = _look_up(front, y - 0.75 * drop - 0.6 * cage * (1 - r))
    lateral *= _ramp(a - 0.07, 0.06) * (1 - 0.45 * _ramp(y - 0.35, 0.4))
    frontal *= 0.45 * _ramp(r - 0.52, 0.3) * (1 - _ramp(y - 0.4, 0.3))
    inside = _ramp(cage - a, 0.02) * _ramp(y - anatomy.apex + 0.03, 0.06)
    return np.asarray(anatomy.rib_density * inside * (lateral + frontal), dtype=np.float32)


def _rib_table(apex: float, spacing: float, ribs: int, rng: np.random.Generator) -> Field:
    """Density of a stack of ribs at the heights of `_RIB_HEIGHTS`: flat bands whose borders are brighter."""
    heights = _RIB_HEIGHTS
    table = np.zeros_like(heights)
    for number in range(ribs + 2):
        centre = apex + (number + 0.25) * spacing + rng.normal(0, 0.006)
        half = spacing * rng.uniform(0.25, 0.31)
        distance = np.abs(heights - centre)
        band = np.clip((half - distance) / 0.014 + 0.5, 0, 1)
        cortex = np.exp(-(((distance - half + 0.008) / 0.010) ** 2))
        table += rng.uniform(0.85, 1.15) * (0.075 * band + 0.022 * cortex)
    return table.astype(np.float32)


def _look_up(table: Field, height: Field) -> Field:
    """Nearest entry of a rib table; its steps are finer than the canvas, and this is faster than `np.interp`."""
    step = np.float32((len(_RIB_HEIGHTS) - 1) / (_RIB_HEIGHTS[-1] - _RIB_HEIGHTS[0]))
    position = (height - np.float32(_RIB_HEIGHTS[0])) * step + np.float32(0.5)
    return table.take(position.astype(np.int32), mode="clip")


def _spine(anatomy: Anatomy, x: Field, y: Field) -> Field:
    """Vertebral column with faint discs and pedicles, and the airway in front of it, (H, W)."""
    u = x - anatomy.spine_bend * np.sin(2.5 * y)
    level = 2 * np.pi * y / 0.128
    discs = 0.5 + 0.5 * np.cos(level)
    column = (0.085 - 0.028 * discs**3) * _ramp(0.085 - 0.008 * (1 - discs) - np.abs(u), 0.025)
    pedicles = 0.045 * _bump(np.abs(u) - 0.052, 0.014) * np.clip(-np.cos(level + 0.5), 0, 1)
    process = 0.035 * _bump(u, 0.012) * np.clip(np.cos(level + 1.6), 0, 1)
    airway = 0.11 * _ramp(0.042 - np.abs(u + 0.012), 0.03) * _ramp(-0.18 - y, 0.25) * _ramp(y + 1.35, 0.3)
    return np.asarray((column + pedicles + process) * _ramp(y + 1.3, 0.2) - airway, dtype=np.float32)


def _soft_parts(anatomy: Anatomy, x: Field, y: Field, side: Field) -> Field:
    """Breast shadows and the gas bubble of the stomach, where this patient shows them, (H, W)."""
    a = np.abs(x)
    radius = np.sqrt(((a - 0.46) / 0.30) ** 2 + ((y - 0.22) / 0.30) ** 2)
    breast = 0.10 * anatomy.breast * _ramp(1 - radius, 0.25) * _ramp(y + 0.05, 0.5)
    top = anatomy.right_dome + anatomy.left_drop
    bubble = np.sqrt(((x - 0.33) / 0.17) ** 2 + ((y - top - 0.14) / 0.085) ** 2)
    return np.asarray(breast - 0.16 * anatomy.stomach * side * _ramp(1 - bubble, 0.35), dtype=np.float32)


def _shoulders(anatomy: Anatomy) -> Field:
    """Clavicles, shoulder blades and upper arm bones, (H, W) in [0, 1]."""
    picture = Image.new("L", CANVAS[::-1])
    pen = ImageDraw.Draw(picture)
    top, slope = anatomy.clavicle, anatomy.clavicle_slope
    for sign in (-1, 1):
        blade = [(0.64, -0.60), (0.92, -0.62), (0.90, -0.45), (0.79, -0.02), (0.74, 0.04), (0.69, -0.10)]
        pen.polygon(_pixels(blade, sign, anatomy), fill=70)
        pen.line(_pixels([(0.96, -0.50), (1.30, 0.10), (1.72, 0.72)], sign, anatomy), fill=150, width=32)
        head = _pixels([(0.94, -0.50)], sign, anatomy)[0]
        pen.ellipse((head[0] - 31, head[1] - 31, head[0] + 31, head[1] + 31), fill=165)
        t = np.linspace(0, 1, 24)
        arch = top - slope * t + 0.035 * np.sin(2 * np.pi * t) - 0.03 * t**2
        collar = [(float(0.085 + 0.80 * along), float(height)) for along, height in zip(t, arch, strict=True)]
        pen.line(_pixels(collar, sign, anatomy), fill=190, width=11, joint="curve")
        pen.line(_pixels(collar, sign, anatomy), fill=140, width=6, joint="curve")  # marrow
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(2.2)), dtype=np.float32) / 255


def _vessels(anatomy: Anatomy, rng: np.random.Generator) -> Field:
    """Hilar shadows and the vessels that branch from them into the lungs, (H, W) in [0, 1]."""
    picture = Image.new("L", CANVAS[::-1])
    pen = ImageDraw.Draw(picture)
    for sign, height in ((-1, -0.02), (1, -0.06)):
        for angle in np.linspace(-1.2, 1.45, 7) + rng.normal(0, 0.22, 7):
            start = (0.17 + rng.normal(0, 0.02), height + 0.07 * angle)
            _branch(pen, anatomy, rng, sign, start, float(angle), 8.0)
    x, y, side = _axes(anatomy)
    hilum = _bump(np.abs(x) - 0.17, 0.07) * _bump(y + 0.02 + 0.05 * side, 0.15)
    lines = np.asarray(picture.filter(ImageFilter.GaussianBlur(1.6)), dtype=np.float32) / 255
    return np.asarray(lines + 0.42 * hilum, dtype=np.float32)


def _branch(
    pen: ImageDraw.ImageDraw,
    anatomy: Anatomy,
    rng: np.random.Generator,
    sign: int,
    start: tuple[float, float],
    angle: float,
    width: float,
) -> None:
    """Draw one vessel and, from its end, thinner ones; ``angle`` is measured downwards from outwards."""
    if width < 1.0:
        return
    length = rng.uniform(0.07, 0.13)
    middle = (start[0] + 0.5 * length * np.cos(angle), start[1] + 0.5 * length * np.sin(angle))
    bent = angle + rng.normal(0, 0.2)
    end = (middle[0] + 0.5 * length * np.cos(bent), middle[1] + 0.5 * length * np.sin(bent))
    pen.line(_pixels([start, middle, end], sign, anatomy), fill=int(60 + 12 * width), width=max(1, round(width)))
    for turn in (-1, 1):
        _branch(pen, anatomy, rng, sign, end, bent + turn * rng.uniform(0.12, 0.5), width * rng.uniform(0.5, 0.8))


def _pixels(points: list[tuple[float, float]], sign: int, anatomy: Anatomy) -> list[tuple[float, float]]:
    """Canvas pixels of points given as (|x|, y) on one side of the chest."""
    return [
        (
            (sign * a * anatomy.width + HALF_WIDTH) * PIXELS_PER_UNIT,
            (y + HALF_HEIGHT) * PIXELS_PER_UNIT,
        )
        for a, y in points
    ]
