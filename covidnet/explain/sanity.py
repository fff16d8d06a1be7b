"""Does a map depend on what the model learnt? Its weights are replaced by random ones, layer by layer from the top.

Adebayo et al. 2018, "Sanity checks for saliency maps" (NeurIPS), cascading randomisation. A method whose map stays the
same shows edges of the image, not reasons of the model. The random weights are those of a network of the same
architecture that was never trained, with its own way of drawing them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from covidnet.explain.evidence import enlarge
from covidnet.explain.maps import Maps
from covidnet.models.heads import final_layer

STEPS = 6
PASSES_BELOW = 0.5
"""Median absolute rank correlation with the map of the trained network, at or below which maps count as changed. The
paper draws no line; this one is this project's."""


@dataclass(frozen=True)
class Likeness:
    """How alike maps are: medians over images; None where no map had anything in it.

    Attributes:
        rank_correlation: Spearman's, of the maps' own cells, -1 to 1.
        absolute: Its absolute value, 0 to 1: a map that only changed its sign is still the same map.
        ssim: Structural similarity of the maps at the size of the image, each scaled to values from -1 to 1; -1 to 1.
        empty: Images whose map became 0 everywhere; they count as a correlation of 0.
    """

    rank_correlation: float | None
    absolute: float | None
    ssim: float | None
    empty: int = 0


@dataclass(frozen=True)
class SanityStep:
    """After one more group of layers was randomised.

    Attributes:
        down_to: The lowest module that has random weights now.
        share: Part of all weights that are random now.
        likeness: Of the maps to those of the trained network.
    """

    down_to: str
    share: float
    likeness: Likeness

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"down_to": self.down_to, "share_of_weights": self.share, **vars(self.likeness)}


@dataclass(frozen=True)
class SanityCheck:
    """The cascade for one method.

    Attributes:
        steps: From the classification layer alone to all layers.
        images: How many were compared.
        between_images: Likeness of the trained network's maps of different images: what maps have in common anyhow.
        maps: Those of the fully randomised network, shape (N, h, w), signed.
    """

    steps: tuple[SanityStep, ...]
    images: int
    between_images: Likeness
    maps: Maps

    @property
    def passed(self) -> bool:
        """Whether the map of the fully randomised network is another one."""
        left = self.steps[-1].likeness.absolute
        return left is None or left <= PASSES_BELOW

    def to_json(self) -> dict[str, Any]:
        """Plain values for saliency.json."""
        return {
            "passed": self.passed,
            "passes_at_most": PASSES_BELOW,
            "images": self.images,
            "between_images": vars(self.between_images),
            "steps": [step.to_json() for step in self.steps],
        }


def check_sanity(
    network: nn.Module,
    untrained: nn.Module,
    explain: Callable[[nn.Module], dict[str, Maps]],
    images: Tensor,
    steps: int = STEPS,
) -> dict[str, SanityCheck]:
    """Randomise a copy of ``network`` from the top, in ``steps`` steps.

    Args:
        network: The trained one, in evaluation mode.
        untrained: One of the same architecture with random weights.
        explain: Gives the maps by a network, by method, always of the same images; signed, since a map that is cut at
            0 may lose all its order.
        images: Some of them, as the network takes them; they show the order of the layers.
        steps: How many; the classification layer is the first.

    Returns:
        The check of each method.
    """
    trained = explain(network)
    size = images.shape[-1]
    altered = copy.deepcopy(network)
    found: dict[str, list[SanityStep]] = {method: [] for method in trained}
    groups = _groups(layers_from_top(network, images), network, steps)
    whole = sum(_weights(network, name) for group in groups for name in group)
    done, maps = 0, trained
    for group in groups:
        for name in group:
            done += _weights(network, name)
            _copy_own_state(untrained.get_submodule(name), altered.get_submodule(name))
        maps = explain(altered)
        for method, steps_done in found.items():
            alike = _likeness(list(zip(trained[method], maps[method], strict=True)), size)
            steps_done.append(SanityStep(next(filter(None, reversed(group)), "all"), done / whole, alike))
    return {
        method: SanityCheck(
            tuple(steps_done),
            len(trained[method]),
            _likeness(list(combinations(trained[method], 2)), size),
            maps[method],
        )
        for method, steps_done in found.items()
    }


def layers_from_top(network: nn.Module, images: Tensor) -> list[str]:
    """Modules with weights of their own, the last that ran first; ``""`` is the network itself.

    A module whose weights another one uses, without calling it, stands where that one ran.
    """
    ran: dict[str, int] = {}
    with ExitStack() as hooks, torch.no_grad():
        for name, module in network.named_modules():
            hook = module.register_forward_pre_hook(lambda _, __, name=name: ran.__setitem__(name, len(ran)))
            hooks.callback(hook.remove)
        network(images[:1])

    def when(name: str) -> int:
        while name not in ran:
            name = name.rpartition(".")[0]
        return ran[name]

    owners = [name for name, module in network.named_modules() if _own_tensors(module)]
    head = final_layer(network)[0]
    return sorted(owners, key=lambda name: (name != head, -when(name)))


def _groups(layers: Sequence[str], network: nn.Module, steps: int) -> list[list[str]]:
    """The top layer by itself, then the others in parts of about as many layers."""
    rest = list(layers[1:])
    parts = np.array_split(np.arange(len(rest)), min(steps - 1, len(rest)) or 1)
    return [[layers[0]], *([rest[index] for index in part] for part in parts if len(part))]


def _own_tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _weights(network: nn.Module, name: str) -> int:
    return sum(parameter.numel() for parameter in network.get_submodule(name).parameters(recurse=False))


def _copy_own_state(source: nn.Module, target: nn.Module) -> None:
    with torch.no_grad():
        for new, old in zip(_own_tensors(source), _own_tensors(target), strict=True):
            old.copy_(new)


def _likeness(pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], size: int) -> Likeness:
    ranks, structures, empty = [], [], 0
    for first, second in pairs:
        if not first.any():
            continue  # nothing to compare with
        if not second.any():
            empty += 1
        ranks.append(_rank_correlation(first, second))
        structures.append(_ssim(first, second, size))
    if not ranks:
        return Likeness(None, None, None, empty)
    return Likeness(float(np.median(ranks)), float(np.median(np.abs(ranks))), float(np.median(structures)), empty)


def _rank_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    from scipy.stats import spearmanr

    if first.min() == first.max() or second.min() == second.max():
        return 0.0  # a flat map has no order
    return float(spearmanr(first.ravel(), second.ravel()).statistic)


def _ssim(first: NDArray[np.float32], second: NDArray[np.float32], size: int) -> float:
    from torchmetrics.functional.image import structural_similarity_index_measure

    scaled = [
        torch.from_numpy(enlarge(one / max(float(np.abs(one).max()), 1e-30), size, size).copy())[None, None]
        for one in (first, second)
    ]
    return float(structural_similarity_index_measure(scaled[0], scaled[1], data_range=2.0))  # type: ignore[arg-type]
