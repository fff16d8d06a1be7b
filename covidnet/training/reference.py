"""What a run remembers of the look of its training images, so that later predictions can abstain on others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from covidnet.console import say
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.dataset import XrayDataset
from covidnet.data.images import Pixels
from covidnet.errors import CovidnetError
from covidnet.models.weights import first_line
from covidnet.ood.files import FEATURES, FILE, KINDS, PICTURE, TrainingLook, save_look
from covidnet.ood.picture import picture_vectors
from covidnet.ood.pixels import PixelLimits, PixelStatistics, pixel_statistics
from covidnet.ood.reference import Reference, fit_reference, scaled_to_one
from covidnet.runs.layout import RunLayout
from covidnet.training.penultimate import PenultimateFeatures

MOST_IMAGES = 2000
"""Of each part that are looked at; of more, as many at even steps."""

SHARE = 0.99
"""Of images like the training images that no reference is to find far; each may err half as often."""

Vectors = dict[str, NDArray[np.float64]]


def save_training_look(layout: RunLayout, dataset: XrayDataset, known: PenultimateFeatures) -> None:
    """Write features.npz; where something cannot be had of a network or of few images, say so and go on.

    Args:
        layout: The run directory, with best.ckpt.
        dataset: All images.
        known: Of the network of best.ckpt.
    """
    data = known.data
    if known.takes_positions:
        return  # new images do not tell their position, so that such a network predicts none
    try:
        train = _chosen(data, "train")
        pixels = PixelLimits().widened(list(_statistics(dataset, data, train)))
        references = _references(known, train)
        save_look(layout.directory / FILE, TrainingLook(pixels, references), layout.best)
    except (CovidnetError, RuntimeError) as error:  # an odd architecture, or too little memory
        say(f"no {FILE}, so predictions on new images will not be checked with it: {first_line(error)}")


def _references(known: PenultimateFeatures, train: NDArray[np.int64]) -> dict[str, Reference]:
    part = known.data.split.validation
    learnt, held_out = _vectors(known, train), _vectors(known, _chosen(known.data, part))
    found = {kind: _reference(kind, learnt[kind], held_out[kind], part) for kind in KINDS}
    return {kind: reference for kind, reference in found.items() if reference is not None}


def _reference(kind: str, learnt: NDArray[np.float64], held_out: NDArray[np.float64], part: str) -> Reference | None:
    try:
        return fit_reference(learnt, held_out, part, 1.0 - (1.0 - SHARE) / len(KINDS))
    except ValueError as error:
        say(f"predictions on new images will not be checked by their {KINDS[kind]}: {error}")
        return None


def _chosen(data: XrayDataModule, part: str) -> NDArray[np.int64]:
    """Positions of images of a part, at most `MOST_IMAGES`."""
    positions = data.split.positions(part)
    if len(positions) <= MOST_IMAGES:
        return positions
    return positions[np.linspace(0, len(positions) - 1, MOST_IMAGES).round().astype(np.int64)]


def _batches(data: XrayDataModule, positions: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Pixels]]:
    for start in range(0, len(positions), data.batch_size):
        chosen = positions[start : start + data.batch_size]
        yield chosen, data.pixels.fetch(chosen)


def _statistics(dataset: XrayDataset, data: XrayDataModule, positions: NDArray[np.int64]) -> Iterator[PixelStatistics]:
    for chosen, images in _batches(data, positions):
        for position, image in zip(chosen, images, strict=True):
            info = dataset.infos[position]
            yield pixel_statistics(image, info.width / info.height)


def _vectors(known: PenultimateFeatures, positions: NDArray[np.int64]) -> Vectors:
    """What references are made of, for the images at ``positions``: each of shape (N, F)."""
    pictures = [picture_vectors(images) for _, images in _batches(known.data, positions)]
    return {FEATURES: scaled_to_one(known.features(positions)), PICTURE: np.concatenate(pictures)}
