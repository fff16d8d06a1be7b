"""The maps of some images by one network, and which images are worth a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from covidnet.data.batches import Batch
from covidnet.data.datamodule import XrayDataModule
from covidnet.explain.layers import SpatialLayer, find_layer
from covidnet.explain.maps import Maps, grad_cam, integrated_gradients, ready, require_captum
from covidnet.explain.table import GRAD_CAM, INTEGRATED
from covidnet.predictions import Predictions

LOADED = 64
"""Images in memory at a time."""


@dataclass(frozen=True)
class Method:
    """How to explain.

    Attributes:
        names: Of `TITLES`.
        layer: For Grad-CAM, by its qualified name; None looks for one.
        steps: For integrated gradients, points on the path from each baseline.
    """

    names: tuple[str, ...] = (GRAD_CAM,)
    layer: str | None = None
    steps: int = 32

    @classmethod
    def configured(cls, method: str, layer: str | None, steps: int) -> Method:
        """From the keys of the configuration; ``both`` are both methods and ``none`` is none."""
        names = {"both": (GRAD_CAM, INTEGRATED), "none": ()}.get(method, (method,))
        return cls(names, layer, steps)


@dataclass
class Explained:
    """Maps of N pairs of image and class.

    Attributes:
        maps: By method, shape (N, h, w); Grad-CAM's have the few cells of its layer. What speaks against a class is 0
            where signs were not asked for.
        layer: Grad-CAM's.
        gaps: Of integrated gradients, see `PathMaps`; shape (N,).
    """

    maps: dict[str, Maps] = field(default_factory=dict)
    layer: SpatialLayer | None = None
    gaps: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Chosen:
    """Rows of predictions: those to show, wrong ones first, and those to count, drawn at random and in order."""

    shown: tuple[int, ...]
    counted: tuple[int, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """All of them, each once, in order."""
        return tuple(sorted({*self.shown, *self.counted}))


def choose_images(predictions: Predictions, most: int, most_shown: int, seed: int = 0) -> Chosen:
    """At most ``most`` images to count and ``most_shown`` of their kind to show.

    Wrong and unsure images are the ones to look at, but they would bias a median: where there are more than ``most``,
    those counted are drawn without looking at the predictions.
    """
    count = len(predictions)
    counted = np.arange(count)
    if count > most:
        counted = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    return Chosen(tuple(predictions.wrong_first()[: min(most, most_shown)]), tuple(counted.tolist()))


class Explainer:
    """Explains the images of a data module by a network, which stays as it is.

    Args:
        network: Gives logits.
        data: Prepares the images as in training.
        method: How.

    Raises:
        ConfigError: ``method.layer`` is no layer with a map.
        ExplainError: captum is missing, or Grad-CAM finds no layer with a map.
    """

    def __init__(self, network: nn.Module, data: XrayDataModule, method: Method) -> None:
        require_captum()
        self.network = ready(network)
        self.data = data
        self.method = method
        self.device = next(self.network.parameters()).device
        self.layer = None
        if GRAD_CAM in method.names:
            first = np.resize(data.split.positions(next(iter(data.split.parts))), 2)
            self.layer = find_layer(self.network, self.images(first.tolist()), method.layer)

    def images(self, positions: Sequence[int]) -> Tensor:
        """Images of the dataset as the network takes them: shape (B, 3, S, S), without augmentation."""
        pixels = torch.from_numpy(self.data.pixels.fetch(list(positions))).to(self.device)
        nothing = torch.zeros(len(pixels), dtype=torch.int64)
        return self.data.prepare(Batch(pixels, nothing, nothing), epoch=None).images

    def baselines(self) -> Tensor:
        """A black and a white image as the network takes them, shape (2, 3, S, S)."""
        size = self.data.pixels.fetch([0]).shape[-2:]
        pixels = torch.tensor([0, 255], dtype=torch.uint8, device=self.device).view(2, 1, 1, 1).expand(2, 1, *size)
        return self.data.prepare(Batch(pixels, pixels, pixels), epoch=None).images

    def explain(
        self,
        positions: Sequence[int],
        classes: Sequence[int],
        network: nn.Module | None = None,
        method: Method | None = None,
        signed: bool = False,
    ) -> Explained:
        """Maps for pairs of an image's position in the dataset and the index of a class.

        Args:
            positions: Length N.
            classes: Length N.
            network: Another one of the same architecture, see `ready`; None takes the explainer's own.
            method: The same ones with other steps; None takes the explainer's own.
            signed: Whether to keep what speaks against a class.
        """
        network = network if network is not None else self.network
        method = method if method is not None else self.method
        found = Explained(layer=self.layer)
        parts: dict[str, list[Maps]] = {name: [] for name in method.names}
        gaps = []
        for start in range(0, len(positions), LOADED):
            images, targets = self.images(positions[start : start + LOADED]), classes[start : start + LOADED]
            if self.layer is not None:
                parts[GRAD_CAM].append(grad_cam(network, self.layer, images, targets))
            if INTEGRATED in parts:
                path = integrated_gradients(network, images, targets, self.baselines(), method.steps)
                parts[INTEGRATED].append(path.maps)
                gaps.append(path.gaps)
        found.maps = {name: np.concatenate(maps) for name, maps in parts.items() if maps}
        if not signed:
            found.maps = {name: maps.clip(min=0) for name, maps in found.maps.items()}
        found.gaps = np.concatenate(gaps) if gaps else None
        return found
