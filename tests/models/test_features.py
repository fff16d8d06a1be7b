"""The feature map that a head is put on is the one that the backbone's own pooling gets."""

import importlib.util

import pytest
import torch
import torchvision
from torch import nn

from covidnet.errors import ConfigError
from covidnet.models.backbones import build_backbone
from covidnet.models.features import feature_map

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="extra timm")

POOLING = {
    "alexnet": "avgpool", "convnext_tiny": "avgpool", "densenet121": None, "efficientnet_b0": "avgpool",
    "mnasnet0_5": None, "mobilenet_v2": None, "mobilenet_v3_small": "avgpool", "regnet_y_400mf": "avgpool",
    "resnet18": "avgpool", "resnext50_32x4d": "avgpool", "shufflenet_v2_x0_5": None, "squeezenet1_1": "classifier",
    "swin_t": "avgpool", "vgg11": "avgpool",
}  # fmt: skip
"""The module that the feature map goes into; None where the model pools in a function."""


def own_feature_map(model, pooling, images):
    """What the whole model hands to its pooling."""
    seen = []
    if pooling is not None:
        model.get_submodule(pooling).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        model(images)
    else:
        kept = {name: getattr(nn.functional, name) for name in ("adaptive_avg_pool2d",)}
        with pytest.MonkeyPatch.context() as patch:

            def watch(inputs, size):
                seen.append(inputs)
                return kept["adaptive_avg_pool2d"](inputs, size)

            def mean(inputs, *arguments, **options):
                seen.append(inputs)
                return real_mean(inputs, *arguments, **options)

            real_mean = torch.Tensor.mean
            patch.setattr(nn.functional, "adaptive_avg_pool2d", watch)
            patch.setattr(torch.Tensor, "mean", mean)
            model(images)
    return seen[0]


@pytest.mark.parametrize("name", POOLING)
def test_it_is_what_the_model_pools(name):
    torch.manual_seed(0)
    model = build_backbone(name, 3).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = own_feature_map(model, POOLING[name], images)
        found = feature_map(model, name)(images)
    assert found.ndim == 4 and torch.equal(found, expected)


def test_the_parts_keep_their_names():
    for name in ("resnet18", "vgg11"):
        model = build_backbone(name, 2)
        whole = set(model.state_dict())
        assert set(feature_map(model, name).state_dict()) < whole


@pytest.mark.parametrize("name", ["vit_b_32", "inception_v3", "googlenet", "maxvit_t"])
def test_models_without_one_are_refused_with_those_that_have_one(name):
    with torch.device("meta"):
        model = torchvision.models.get_model(
            name, **({"init_weights": False} if "inc" in name or "goo" in name else {})
        )
    with pytest.raises(ConfigError, match=rf"backbone={name} has no feature map .*densenet.*resnet.*vgg"):
        feature_map(model, name)


@needs_timm
def test_timms_convolutional_models_have_one():
    torch.manual_seed(0)
    model = build_backbone("timm/resnet10t", 3).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = model.forward_features(images)
        found = feature_map(model, "timm/resnet10t")(images)
    assert torch.equal(found, expected)
