"""Where the evidence for a class lies: Grad-CAM and integrated gradients, both computed by captum.

Both explain the log-odds of a class, z_c - log(sum over k != c of exp(z_k)) for logits z, which for two classes is the
difference of their logits. A single logit, which the papers take, also holds what speaks for all classes alike and so
cancels in the probabilities.

The maps are signed: positive values speak for the class, negative ones against it.
"""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from covidnet.errors import ExplainError
from covidnet.explain.layers import SpatialLayer, tapped

Maps = NDArray[np.float32]
"""Maps of several images: shape (B, H, W), of any scale."""

AT_ONCE = 16
"""Images, or steps of one image's path, in one pass."""


class PathMaps(NamedTuple):
    """Integrated gradients and how well the sum over the path holds.

    Attributes:
        maps: Shape (B, H, W).
        gaps: By how much the attributions' sum misses the change in log-odds, as a part of that change; shape (B,).
            More steps make it smaller.
    """

    maps: Maps
    gaps: NDArray[np.float64]


class LogOdds(nn.Module):
    """The log-odds (B, C) of each class by a network that gives logits (B, C)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Log-odds of images (B, 3, H, W); of a single class its logit."""
        logits: Tensor = self.network(images)
        classes = logits.shape[1]
        if classes == 1:
            return logits
        others = logits.unsqueeze(1).expand(-1, classes, -1)
        own = torch.eye(classes, dtype=torch.bool, device=logits.device)
        return logits - others.masked_fill(own, -torch.inf).logsumexp(dim=2)


def require_captum() -> None:
    """Make sure that captum is there.

    Raises:
        ExplainError: It is not.
    """
    if importlib.util.find_spec("captum") is None:
        raise ExplainError("saliency needs the package captum: pip install captum, or saliency=off")


def ready(network: nn.Module) -> nn.Module:
    """A copy that can be explained without any trace in the original: in evaluation mode, single precision."""
    return copy.deepcopy(network).eval().float().requires_grad_(False)


def grad_cam(network: nn.Module, layer: SpatialLayer, images: Tensor, classes: Sequence[int]) -> Maps:
    """Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: Visual explanations from deep networks", ICCV).

    The sum over channels k of a_k A_k, where A_k is the layer's map and a_k the mean of its gradient. The paper's ReLU
    is left to the caller.

    Args:
        network: Gives logits; see `ready`.
        layer: Whose maps A are.
        images: Shape (B, 3, S, S), as the network takes them.
        classes: Index of the class to explain of each image, length B.

    Returns:
        Shape (B, side, side), with the layer's own few cells.
    """
    from captum.attr import LayerGradCam

    parts = []
    with tapped(network, layer) as tap, torch.enable_grad():
        method = LayerGradCam(LogOdds(network), tap)
        for part, targets in _chunks(images, classes):
            found = method.attribute(part.detach().clone().requires_grad_(), targets)
            parts.append(found.detach()[:, 0].float().cpu().numpy())
    return np.concatenate(parts)


def integrated_gradients(
    network: nn.Module, images: Tensor, classes: Sequence[int], baselines: Tensor, steps: int
) -> PathMaps:
    """Integrated gradients (Sundararajan, Taly and Yan 2017, "Axiomatic attribution for deep networks", ICML).

    The mean over several baselines: with a black one alone nothing black, such as air, could be evidence (Kapishnikov
    et al. 2019, "XRAI", ICCV, take black and white). Gauss-Legendre quadrature; the channels are added up.

    Args:
        network: Gives logits; see `ready`.
        images: Shape (B, 3, S, S), as the network takes them.
        classes: Index of the class to explain of each image, length B.
        baselines: Images to start from, shape (K, 3, S, S).
        steps: Points on the path from each baseline.

    Returns:
        Maps of shape (B, S, S), and the gaps.
    """
    from captum.attr import IntegratedGradients

    odds = LogOdds(network)
    method = IntegratedGradients(odds)
    maps, gaps = [], []
    for image, targets in _chunks(images, classes, 1):
        total, missing, change = torch.zeros_like(image), 0.0, 0.0
        for baseline in torch.split(baselines, 1):
            with torch.enable_grad():
                found = method.attribute(image, baseline, targets, n_steps=steps, internal_batch_size=AT_ONCE).detach()
            with torch.no_grad():
                ends = odds(torch.cat([image, baseline]))[:, targets[0]].double()
            total += found.to(total.dtype) / len(baselines)
            missing += abs(float(found.double().sum()) - float(ends[0] - ends[1]))
            change += abs(float(ends[0] - ends[1]))
        maps.append(total.sum(dim=1)[0].float().cpu().numpy())
        gaps.append(missing / max(change, 1e-6))
    return PathMaps(np.stack(maps), np.array(gaps))


def _chunks(images: Tensor, classes: Sequence[int], size: int = AT_ONCE) -> list[tuple[Tensor, Tensor]]:
    targets = torch.tensor(list(classes), dtype=torch.int64, device=images.device)
    return list(zip(torch.split(images, size), torch.split(targets, size), strict=True))
