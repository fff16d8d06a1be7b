"""Any network of this project: a backbone with its own last layer or with another head, whole or with a frozen part."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import nn

from covidnet.config.schema import DefaultHeadConfig, HeadConfig, LocationHeadConfig, PooledMLPHeadConfig
from covidnet.errors import ConfigError, WeightsError
from covidnet.models.backbones import IMAGENET, NONE, build_backbone, final_layer, first_try, validate_backbone
from covidnet.models.features import feature_map, no_feature_map
from covidnet.models.headed import HeadedNetwork, LocationAttention, PooledMLP
from covidnet.models.weights import fit_state_dict, load_state_file

OWN_HEAD = re.compile(r"(^|\.)head\.output\.weight$")
"""A tensor that only networks with a head of this project have."""


def build_network(backbone: str, num_classes: int, weights: str, head: HeadConfig, image_size: int) -> nn.Module:
    """Build a network that `covidnet.models.headed.run_network` calls.

    Args:
        backbone: A torchvision classification model, ``timm/NAME``, or ``efficientnet_lite0``.
        num_classes: Outputs.
        weights: ``imagenet``, ``none``, or the path of a state dict or checkpoint, with or without the same head.
        head: The section ``head``.
        image_size: Pixels of a side; the width of some heads depends on it.

    Raises:
        ConfigError: A name is unknown, the backbone has no feature map, or images of that size are too small.
        MissingExtraError: The backbone needs timm, or its weights the package of the extra ``offline``.
        WeightsError: The weights cannot be had, read or fitted.
    """
    if isinstance(head, DefaultHeadConfig):
        return build_backbone(backbone, num_classes, weights)
    validate_backbone(backbone, weights)
    state = None if weights in {IMAGENET, NONE} else load_state_file(Path(weights).expanduser())
    has_head = state is not None and any(OWN_HEAD.search(name) for name in state)
    whole = build_backbone(backbone, num_classes, NONE if has_head else weights)
    body = feature_map(whole, backbone)
    network = HeadedNetwork(body, _build_head(head, _measure(body, backbone, image_size), num_classes, image_size))
    if state is not None and has_head:
        try:
            fit_state_dict(network, state, "head.output")
        except WeightsError as error:
            raise WeightsError(f"backbone={backbone} head={head.name} weights={weights}: {error}") from error
    return network


def describe_head(head: HeadConfig) -> dict[str, Any]:
    """What a checkpoint says of the head; nothing of the backbone's own."""
    return {} if isinstance(head, DefaultHeadConfig) else {"head": head.model_dump()}


def described_head(description: dict[str, Any]) -> HeadConfig:
    """The head that a checkpoint's description names; the default where it names none.

    Raises:
        pydantic.ValidationError: It is none that this version knows.
    """
    adapter: TypeAdapter[HeadConfig] = TypeAdapter(HeadConfig)
    return adapter.validate_python(description.get("head", {"name": "default"}))


def freeze_backbone(network: nn.Module) -> list[str]:
    """Let only the head learn, in place: the head of a `HeadedNetwork`, else the last layer.

    Returns:
        Names of the largest parts without anything that learns, which `hold_still` keeps as they are.
    """
    head = "head" if isinstance(network, HeadedNetwork) else final_layer(network)[0]
    network.requires_grad_(False)
    network.get_submodule(head).requires_grad_(True)
    names: list[str] = []
    parent = ""
    for step in head.split("."):
        siblings = (name for name, _ in network.get_submodule(parent).named_children() if name != step)
        names += [f"{parent}.{name}".lstrip(".") for name in siblings]
        parent = f"{parent}.{step}".lstrip(".")
    return names


def hold_still(network: nn.Module, frozen: list[str]) -> None:
    """Set the frozen parts to evaluation mode: batch normalisation uses and keeps its statistics, dropout is off.

    A frozen part is then one function of the image. Without parameters that learn, autograd records nothing in it, so
    it costs no backward pass and no memory for one.
    """
    for name in frozen:
        network.get_submodule(name).eval()


def _build_head(
    head: PooledMLPHeadConfig | LocationHeadConfig, features: tuple[int, int, int], num_classes: int, image_size: int
) -> nn.Module:
    if isinstance(head, LocationHeadConfig):
        return LocationAttention(features, num_classes, head)
    smallest = min(features[1:])
    if smallest < head.pool:
        raise ConfigError(
            f"head.pool={head.pool} is larger than the feature map, which has {features[1]}x{features[2]} places for "
            f"images of data.image_size={image_size}; give larger images, or head.pool={smallest}"
        )
    return PooledMLP(features, num_classes, head)


def _measure(body: nn.Module, name: str, image_size: int) -> tuple[int, int, int]:
    """Channels and size of the feature map of images of this size.

    Raises:
        ConfigError: Images of that size are too small, or what comes out is no feature map.
    """
    features = first_try(body, name, (image_size, image_size))
    channels = getattr(body, "num_features", None)  # timm's say it
    if not isinstance(features, torch.Tensor) or features.ndim != 4 or channels not in {None, features.shape[1]}:
        raise ConfigError(no_feature_map(name))
    return features.shape[1], features.shape[2], features.shape[3]
