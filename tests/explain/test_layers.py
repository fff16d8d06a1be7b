"""Grad-CAM's layer is found in every family of networks, and its output is shown as a map."""

import pytest
import torch
from torch import nn

from covidnet.errors import ConfigError, ExplainError
from covidnet.explain.layers import Grid, find_layer, grid_of, tapped
from covidnet.models.backbones import build_backbone


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def images(size):
    return torch.rand(2, 3, size, size)


@pytest.mark.parametrize(
    ("backbone", "size", "name", "grid"),
    [
        ("resnet18", 224, "layer4", Grid(7, "channels_first")),
        ("vgg11", 96, "features.19", Grid(6, "channels_first")),  # not the pooling behind it, which repeats cells
        ("densenet121", 160, "features", Grid(5, "channels_first")),
        ("squeezenet1_1", 96, "classifier.0", Grid(5, "channels_first")),  # before the classifying convolution
        ("googlenet", 160, "inception5b", Grid(5, "channels_first")),
        ("convnext_tiny", 160, "features", Grid(5, "channels_first")),
        ("swin_t", 160, "permute", Grid(5, "channels_first")),
        ("vit_b_32", 224, "encoder.layers.encoder_layer_11.ln_1", Grid(7, "tokens", 1)),
        ("efficientnet_lite0", 160, "bn2", Grid(5, "channels_first")),
        ("timm/swin_tiny_patch4_window7_224", 224, "norm", Grid(7, "channels_last")),
        ("timm/vit_tiny_patch16_224", 224, "blocks.11.norm1", Grid(14, "tokens", 1)),
        ("timm/deit_tiny_distilled_patch16_224", 224, "blocks.11.norm1", Grid(14, "tokens", 2)),
        ("timm/mixer_s32_224", 224, "norm", Grid(7, "tokens", 0)),
        ("timm/xcit_nano_12_p16_224", 224, "blocks.11", Grid(14, "tokens", 0)),  # its class token comes later
    ],
)
def test_the_last_map_that_reaches_the_logits(backbone, size, name, grid):
    layer = find_layer(build_backbone(backbone, 3).eval(), images(size))
    assert (layer.name, layer.grid) == (name, grid)


@pytest.mark.parametrize(
    ("backbone", "name"),
    [
        ("resnet18", "layer3"),
        ("mobilenet_v3_small", "features.8"),  # not the first half of the block that coarsens
        ("shufflenet_v2_x0_5", "stage3"),  # not one of two branches
        ("regnet_y_400mf", "trunk_output.block3"),
        ("swin_t", "features.5"),
    ],
)
def test_a_coarse_map_of_a_small_image_gives_way_to_a_finer_one(backbone, name):
    layer = find_layer(build_backbone(backbone, 2).eval(), images(96))
    assert (layer.name, layer.grid.side) == (name, 6)


def test_a_named_layer():
    network = build_backbone("resnet18", 2).eval()
    assert find_layer(network, images(64), "layer2.1").grid == Grid(8, "channels_first")
    assert find_layer(network, images(64), "layer4").grid.side == 2  # as asked, however coarse
    with pytest.raises(
        ConfigError, match=r"^saliency\.layer=layer9: the network has no such module\. Did you mean lay"
    ):
        find_layer(network, images(64), "layer9")
    with pytest.raises(
        ConfigError, match=r"^saliency\.layer=fc: its output \(2, 2\) is no map that the classifier sees"
    ):
        find_layer(network, images(64), "fc")


def test_a_network_without_maps_says_what_needs_none():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    with pytest.raises(ExplainError, match=r"saliency\.method=integrated_gradients needs no map"):
        find_layer(network, images(8))


def test_looking_leaves_the_network_as_it_was():
    network = build_backbone("mobilenet_v3_small", 2).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layer = find_layer(network, images(96))
    with tapped(network, layer):
        pass
    for module in network.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("shape", "prefix", "grid"),
    [
        ((2, 8, 5, 5), None, Grid(5, "channels_first")),
        ((2, 5, 5, 8), None, Grid(5, "channels_last")),
        ((2, 25, 8), None, Grid(5, "tokens", 0)),
        ((2, 26, 8), None, Grid(5, "tokens", 1)),
        ((2, 30, 8), None, Grid(5, "tokens", 5)),
        ((2, 30, 8), 5, Grid(5, "tokens", 5)),
        ((2, 25, 8), 1, Grid(5, "tokens", 0)),
        ((2, 8, 1, 1), None, None),
        ((2, 8, 64, 64), None, None),  # finer than the image
        ((2, 8, 5, 6), None, None),
        ((8, 25, 8), None, None),  # windows, not images
        ((2, 8), None, None),
    ],
)
def test_what_is_a_map(shape, prefix, grid):
    assert grid_of(torch.zeros(shape), torch.zeros(2, 3, 32, 32), prefix) == grid


@pytest.mark.parametrize(
    ("grid", "shape"),
    [
        (Grid(3, "channels_first"), (2, 4, 3, 3)),
        (Grid(3, "channels_last"), (2, 3, 3, 4)),
        (Grid(3, "tokens", 0), (2, 9, 4)),
        (Grid(3, "tokens", 2), (2, 11, 4)),
    ],
)
def test_to_a_map_and_back(grid, shape):
    output = torch.rand(shape)
    shown = grid.to_map(output)
    assert shown.shape == (2, 4, 3, 3)
    assert torch.equal(grid.from_map(shown, output), output)
    changed = grid.from_map(shown + 1, output)
    assert torch.equal(grid.to_map(changed), shown + 1)
    if grid.prefix:
        assert torch.equal(changed[:, : grid.prefix], output[:, : grid.prefix])


def test_tokens_lie_in_the_order_of_reading():
    tokens = torch.arange(10.0).view(1, 10, 1)
    assert Grid(3, "tokens", 1).to_map(tokens)[0, 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
