"""What a picture is like at first sight, without any network: a coarse view of it, and how its detail is spread.

Networks that learnt on few images give much of what is no X-ray the features of one, turned and inverted films and
photographs among it (docs/predict.md).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from covidnet.data.images import Pixels

SIDE = 16
"""Height and width of the coarse view."""
BANDS = 12
"""Of spatial frequency, from one period per image to two pixels per period, each a constant factor wide."""
FLOOR = 1e-6
"""Added to powers before their logarithm."""


def picture_vectors(images: Pixels) -> NDArray[np.float64]:
    """Describe images of one size.

    Args:
        images: Shape (B, C, S, S), S at least 16.

    Returns:
        Shape (B, 256 + bands): grey values in [0, 1] of a 16x16 view, then the logarithm of the mean power of each
        band. Images too small for a band have fewer.
    """
    grey = torch.from_numpy(images.mean(axis=1, dtype=np.float64) / 255.0)
    view = torch.nn.functional.adaptive_avg_pool2d(grey[:, None], SIDE).flatten(1)
    return np.concatenate([view.numpy(), _powers(grey)], axis=1)


def _powers(grey: torch.Tensor) -> NDArray[np.float64]:
    """Logarithms of the power of images (B, S, S) by band."""
    size = grey.shape[-1]
    power = torch.fft.fft2(grey - grey.mean(dim=(1, 2), keepdim=True)).abs() ** 2
    frequencies = torch.fft.fftfreq(size, dtype=torch.float64)
    radius = torch.hypot(frequencies[:, None], frequencies[None])
    edges = np.geomspace(1.0 / size, 0.5, BANDS + 1)
    edges[0] *= 1.0 - 1e-9  # the lowest frequency itself, whatever the rounding
    bands = [(radius >= low) & (radius < high) for low, high in pairwise(edges)]
    return torch.stack([torch.log(power[:, band].mean(dim=1) + FLOOR) for band in bands if band.any()], dim=1).numpy()
