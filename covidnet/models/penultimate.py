"""The features that a network's last layer sees: what it knows of an image before it names a class."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from covidnet.models.heads import final_layer


def run_with_features(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and penultimate features of a batch, in one pass.

    Not for several threads at once with the same network: each would see the others' features.

    Args:
        network: Maps images to logits (B, C); in evaluation mode.
        images: As the network takes them, shape (B, 3, H, W).

    Returns:
        Logits (B, C) and features (B, F): what the last layer takes, averaged over places where it is a map or rows
        of tokens.

    Raises:
        ConfigError: The network has no last layer that `final_layer` knows.
    """
    seen: list[Tensor] = []

    def keep(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        seen.append(inputs[0])

    _, layer = final_layer(network)
    handle = layer.register_forward_pre_hook(keep)
    try:
        logits: Tensor = network(images)
    finally:
        handle.remove()
    return logits, _pooled(seen[-1], layer)


def _pooled(features: Tensor, layer: nn.Module) -> Tensor:
    if isinstance(layer, nn.Conv2d):  # channels come first
        return features.flatten(2).mean(dim=2)
    return features.flatten(1, -2).mean(dim=1) if features.ndim > 2 else features
