"""The part of a backbone that makes a feature map: everything before its pooling and its classifier."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torchvision.models as families
from torch import nn

from covidnet.errors import ConfigError

WITH_FEATURE_MAP = (
    "alexnet, convnext, densenet, efficientnet, mnasnet, mobilenet, regnet, resnet, resnext, shufflenet, squeezenet, "
    "swin, vgg, wide_resnet, and timm's and offline convolutional ones"
)
"""Families of backbones that a head of this project can be put on, in words."""

_RESNET = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
_SHUFFLENET = ("conv1", "maxpool", "stage2", "stage3", "stage4", "conv5")
# Parts by family, in the order in which the family's own forward calls them. Their names stay what they are in the
# whole model, so that its weights fit.
_PARTS: tuple[tuple[type[nn.Module], Sequence[str]], ...] = (
    (families.ResNet, _RESNET),
    (families.ShuffleNetV2, _SHUFFLENET),
    (families.RegNet, ("stem", "trunk_output")),
    (families.MNASNet, ("layers",)),
    (families.SwinTransformer, ("features", "norm", "permute")),
)


def feature_map(model: nn.Module, name: str) -> nn.Module:
    """The part of ``model`` that maps images (B, 3, H, W) to a feature map (B, F, h, w), with the model's own weights.

    Args:
        model: A whole classifier, of torchvision or timm; it is taken apart and not to be used any more.
        name: Its name, for the message.

    Raises:
        ConfigError: It has no such part.
    """
    if hasattr(model, "reset_classifier"):
        return _of_timm(model, name)
    for family, parts in _PARTS:
        if isinstance(model, family):
            return nn.Sequential(OrderedDict((part, model.get_submodule(part)) for part in parts))
    features = getattr(model, "features", None)
    if not isinstance(features, nn.Sequential):
        raise ConfigError(no_feature_map(name))
    kept: OrderedDict[str, nn.Module] = OrderedDict(features=features)
    if isinstance(model, families.DenseNet):
        kept["relu"] = nn.ReLU()  # a function in its own forward
    return nn.Sequential(kept)


def no_feature_map(name: str) -> str:
    """The message for a backbone that no other head can be put on."""
    return (
        f"backbone={name} has no feature map of its own that another head could be put on. head=default takes every "
        f"backbone; the other heads take those of the families {WITH_FEATURE_MAP}"
    )


def _of_timm(model: Any, name: str) -> nn.Module:
    # Transformers refuse to go without pooling, each in its own way.
    try:
        model.reset_classifier(0, "")
    except Exception as error:
        raise ConfigError(no_feature_map(name)) from error
    assert isinstance(model, nn.Module)
    return model
