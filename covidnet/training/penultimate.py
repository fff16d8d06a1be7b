"""What a trained network makes of images before it names a class, computed once for all that show or keep it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from covidnet.data.batches import finish_images, to_float
from covidnet.data.datamodule import XrayDataModule
from covidnet.errors import ConfigError
from covidnet.models.penultimate import run_with_features


@dataclass
class PenultimateFeatures:
    """Penultimate features and predicted classes of a run's images, each image passed through the network once.

    Attributes:
        network: In evaluation mode, on the CPU.
        data: The data module that it was trained with.
    """

    network: nn.Module
    data: XrayDataModule
    _known: dict[int, tuple[NDArray[np.float32], int]] = field(default_factory=dict)

    @property
    def takes_positions(self) -> bool:
        """Whether the network needs to know where on a film a patch is, so that pictures alone do not do."""
        return bool(getattr(self.network, "takes_positions", False))

    def features(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Features (N, F) of the images at ``positions``, not augmented.

        Raises:
            ConfigError: The network takes positions, or has no last layer that `final_layer` knows.
            RuntimeError: The network's layers are not used as expected, or memory is short.
        """
        self._compute(positions)
        return np.stack([self._known[position][0] for position in positions.tolist()]).astype(np.float64)

    def predicted(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices (N,) of the most probable classes; raises what `features` raises."""
        self._compute(positions)
        return np.array([self._known[position][1] for position in positions.tolist()], dtype=np.int64)

    @torch.inference_mode()
    def _compute(self, positions: NDArray[np.int64]) -> None:
        if self.takes_positions:
            raise ConfigError("this head takes each patch's position besides its features")
        data = self.data
        new = np.array([position for position in positions.tolist() if position not in self._known], dtype=np.int64)
        for start in range(0, len(new), data.batch_size):
            chosen = new[start : start + data.batch_size]
            images = to_float(torch.from_numpy(data.pixels.fetch(chosen)))
            logits, features = run_with_features(
                self.network, finish_images(images, data.normalize, data.channels_last)
            )
            found = zip(features.float().numpy(), logits.argmax(dim=1).tolist(), strict=True)
            self._known |= dict(zip(chosen.tolist(), found, strict=True))
