"""Augmentation of a whole batch on its device: one affine warp with random parameters of each image's own.

torchvision's transforms give one random draw to a whole batch and would have to loop over images; the warp here is
torch's own `affine_grid` and `grid_sample` with one matrix per image, equal to torchvision's `affine`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

DRAWS = 7
"""Uniform numbers that one image takes: angle, zoom, shift in x and y, flip, brightness, contrast."""

STREAM, NOISE_STREAM = 0x61756766, 0x6E6F6973
"""Keep these random numbers apart from others drawn with the same seed."""


def epoch_draws(seed: int, epoch: int, count: int) -> NDArray[np.float32]:
    """Uniform numbers in [0, 1) of shape (count, DRAWS): row i belongs to training image i in this epoch.

    They depend on nothing else, so an image is augmented the same way whatever the batch size, the number of
    processes, or whether the run was resumed.
    """
    return _generator(STREAM, seed, epoch).random((count, DRAWS), dtype=np.float32)


def epoch_noise_seeds(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Seeds of shape (count,) for the Gaussian noise of each training image in this epoch; see `epoch_draws`."""
    return _generator(NOISE_STREAM, seed, epoch).integers(2**63, size=count)


def _generator(stream: int, seed: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((stream, seed, epoch))))


def affine(
    images: Tensor,
    angle: Tensor,
    zoom: Tensor,
    shift: Tensor,
    flip: Tensor,
    mode: str = "bilinear",
    fill: float | str = 0.0,
) -> Tensor:
    """Flip, zoom, rotate and shift each image about its centre, in one interpolation.

    Args:
        images: Shape (B, C, H, W), float.
        angle: Shape (B,), degrees, clockwise.
        zoom: Shape (B,), factor; above 1 enlarges.
        shift: Shape (B, 2), pixels to the right and down.
        flip: Shape (B,), bool; mirror left and right first.
        mode: ``bilinear`` or ``nearest``.
        fill: Value outside the image; ``edge`` repeats the nearest pixel inside.

    Returns:
        Shape (B, C, H, W). Equal to torchvision.transforms.v2.functional.affine with the same parameters. Given a
        ``fill``, torchvision weights a pixel that lies partly outside twice; here it is the plain mix.
    """
    height, width = images.shape[-2:]
    theta = _inverse_matrices(angle, zoom, shift, flip, height, width).to(images.dtype)
    grid = functional.affine_grid(theta, [len(images), 1, height, width], align_corners=False)
    if isinstance(fill, str):
        return functional.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=False)
    # grid_sample pads with zeros; shifting the values makes any fill a zero.
    shifted = images - fill if fill else images
    warped = functional.grid_sample(shifted, grid, mode=mode, padding_mode="zeros", align_corners=False)
    return warped + fill if fill else warped


def _inverse_matrices(angle: Tensor, zoom: Tensor, shift: Tensor, flip: Tensor, height: int, width: int) -> Tensor:
    """Matrices (B, 2, 3) from output to input positions, in affine_grid's coordinates of [-1, 1]."""
    radians = angle.double() * (math.pi / 180.0)
    cos, sin = torch.cos(radians) / zoom.double(), torch.sin(radians) / zoom.double()
    right, down = shift.double().unbind(1)
    mirror = 1.0 - 2.0 * flip.double()
    ratio = height / width
    rows = [
        torch.stack([cos, sin * ratio, -(cos * right + sin * down) * (2.0 / width)], dim=1) * mirror[:, None],
        torch.stack([-sin / ratio, cos, (sin * right - cos * down) * (2.0 / height)], dim=1),
    ]
    return torch.stack(rows, dim=1)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images; conf/augment describes each."""

    rotation: float = 0.0
    scale: Sequence[float] = (1.0, 1.0)
    translation: Sequence[float] = (0.0, 0.0)
    horizontal_flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    interpolation: str = "bilinear"
    fill: float | str = 0.0

    def __call__(self, images: Tensor, draws: Tensor, noise_seeds: Sequence[int]) -> Tensor:
        """Augment a batch.

        Args:
            images: Shape (B, C, H, W), float in [0, 1].
            draws: Shape (B, DRAWS), uniform in [0, 1), from `epoch_draws`, on the images' device.
            noise_seeds: One per image, from `epoch_noise_seeds`.

        Returns:
            Shape (B, C, H, W), in [0, 1].
        """
        if self._warps:
            images = self._warp(images, draws)
        if self.brightness:
            images = images * _between(draws[:, 5], 1 - self.brightness, 1 + self.brightness).view(-1, 1, 1, 1)
        if self.contrast:
            mean = images.mean(dim=(1, 2, 3), keepdim=True)
            factor = _between(draws[:, 6], 1 - self.contrast, 1 + self.contrast).view(-1, 1, 1, 1)
            images = mean + (images - mean) * factor
        if self.noise:
            images = images + self.noise * _standard_normal(images, noise_seeds)
        if self.brightness or self.contrast or self.noise:
            images = images.clamp(0.0, 1.0)
        return images

    @property
    def _warps(self) -> bool:
        moved = self.rotation or any(self.translation) or self.horizontal_flip
        return bool(moved) or tuple(self.scale) != (1.0, 1.0)

    def _warp(self, images: Tensor, draws: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        reach = draws.new_tensor([self.translation[0] * width, self.translation[1] * height])
        return affine(
            images,
            angle=_between(draws[:, 0], -self.rotation, self.rotation),
            zoom=_between(draws[:, 1], self.scale[0], self.scale[1]),
            shift=(2.0 * draws[:, 2:4] - 1.0) * reach,
            flip=draws[:, 4] < self.horizontal_flip,
            mode=self.interpolation,
            fill=self.fill,
        )


def _standard_normal(images: Tensor, seeds: Sequence[int]) -> Tensor:
    """Noise of shape (B, 1, H, W), each image's from its own seed, so that its batch does not matter.

    One draw for all channels: grain is grey, and a grey batch stays equal to its repeated self.
    """
    noise = images.new_empty((len(images), 1, *images.shape[2:]))
    generator = torch.Generator(images.device)
    for own, seed in zip(noise, seeds, strict=True):
        own.normal_(generator=generator.manual_seed(int(seed)))
    return noise


def _between(uniform: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * uniform
