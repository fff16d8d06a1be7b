"""What is exported: a network with its normalisation before it and its temperature behind it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from covidnet.data.batches import IMAGENET_MEAN, IMAGENET_STD
from covidnet.errors import ExportError
from covidnet.models.weights import first_line

INPUT, OUTPUTS = "images", ("logits", "probabilities")
BATCH = "batch"


class Deployable(nn.Module):
    """Images as RGB in [0, 1] to logits and probabilities.

    Args:
        network: Maps images (B, 3, S, S), normalised as asked, to logits (B, C); in evaluation mode.
        normalize: ``none`` or ``imagenet``.
        temperature: Divides the logits before the softmax.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, normalize: str, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.normalize = normalize
        self.temperature = temperature
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C), and probabilities (B, C), of images (B, 3, S, S)."""
        if self.normalize == "imagenet":
            images = (images - self.mean) / self.std
        logits: Tensor = self.network(images)
        return logits, (logits / self.temperature).softmax(dim=1)


def trace(model: Deployable, image_size: int) -> torch.export.ExportedProgram:
    """The model as a program, for batches of any number of images.

    Raises:
        ExportError: PyTorch cannot trace the network.
    """
    model = model.to(memory_format=torch.contiguous_format).eval()
    example = torch.zeros(2, 3, image_size, image_size)
    try:
        return torch.export.export(model, (example,), dynamic_shapes={INPUT: {0: torch.export.Dim(BATCH)}})
    except Exception as error:  # of a network that is written in a way it cannot follow, nearly any error
        raise ExportError(f"PyTorch cannot export this network: {first_line(error)}") from error
