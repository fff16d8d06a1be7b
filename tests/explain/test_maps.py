"""Grad-CAM and integrated gradients against their formulas."""

import numpy as np
import pytest
import torch
from torch import nn

from covidnet.explain.layers import find_layer
from covidnet.explain.maps import LogOdds, grad_cam, integrated_gradients, ready
from covidnet.models.backbones import build_backbone


class Small(nn.Module):
    """Convolution, ReLU in place, batch normalisation, mean, dropout, linear."""

    def __init__(self, classes=3):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, stride=4), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(6, classes)

    def forward(self, images):
        return self.fc(self.dropout(self.body(images).mean(dim=(2, 3))))


class Tokens(Small):
    """The same function, whose body gives tokens with two others in front."""

    def __init__(self, classes=3):
        super().__init__(classes)
        self.show = _Show()

    def forward(self, images):
        return self.fc(self.dropout(self.show(self.body(images))[:, 2:].mean(dim=1)))


class _Show(nn.Module):
    def forward(self, maps):
        tokens = maps.flatten(2).transpose(1, 2)
        return torch.cat([torch.ones_like(tokens[:, :2]), tokens], dim=1)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def images():
    return torch.rand(5, 3, 32, 32)


CLASSES = [0, 1, 2, 1, 0]


def by_hand(network, images, classes):
    """The sum of a_k A_k, with the gradient of the log-odds."""
    maps = network.body(images).detach().requires_grad_()
    logits = network.fc(maps.mean(dim=(2, 3)))
    rows = torch.arange(len(images))
    own = logits[rows, classes]
    others = torch.stack([torch.cat([one[:c], one[c + 1 :]]) for one, c in zip(logits, classes, strict=True)])
    (gradient,) = torch.autograd.grad((own - others.logsumexp(dim=1)).sum(), maps)
    return (gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1).detach().numpy()


def test_grad_cam_is_its_formula(images):
    network = ready(Small())
    layer = find_layer(network, images[:2])
    assert str(layer) == "body, 8x8"
    found = grad_cam(network, layer, images, CLASSES)
    assert found.shape == (5, 8, 8) and found.max() > 0
    np.testing.assert_allclose(found, by_hand(network, images, CLASSES), rtol=1e-4, atol=1e-7)


def test_grad_cam_of_tokens_is_that_of_their_map(images):
    network = Tokens()
    layer = find_layer(ready(network), images[:2], "show")
    assert (layer.grid.layout, layer.grid.prefix) == ("tokens", 2)
    found = grad_cam(ready(network), layer, images, CLASSES)
    np.testing.assert_allclose(found, by_hand(ready(network), images, CLASSES), rtol=1e-4, atol=1e-7)


def test_log_odds_are_those_of_the_probabilities():
    logits = torch.randn(4, 3, dtype=torch.float64)
    probabilities = logits.softmax(dim=1)
    torch.testing.assert_close(LogOdds(nn.Identity())(logits), (probabilities / (1 - probabilities)).log())
    two = torch.randn(4, 2)
    torch.testing.assert_close(LogOdds(nn.Identity())(two)[:, 0], two[:, 0] - two[:, 1])
    assert torch.equal(LogOdds(nn.Identity())(two[:, :1]), two[:, :1])


def baselines(size=32):
    return torch.stack([torch.zeros(3, size, size), torch.ones(3, size, size)])


def test_integrated_gradients_of_a_linear_network_are_exact(images):
    network = ready(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)))
    found = integrated_gradients(network, images, [0, 1, 0, 1, 0], baselines(), steps=8)
    weights = (network[1].weight[0] - network[1].weight[1]).detach().view(3, 32, 32)
    for image, index, one in zip(images, [0, 1, 0, 1, 0], found.maps, strict=True):
        signed = (weights * (1 if index == 0 else -1) * (image - 0.5)).sum(dim=0)
        np.testing.assert_allclose(one, signed.numpy(), atol=1e-6)
    assert found.gaps.max() < 1e-3


def test_integrated_gradients_sum_up_to_the_change_with_enough_steps(images):
    network = ready(Small())
    coarse, fine = (integrated_gradients(network, images[:2], [0, 1], baselines(), steps).gaps for steps in (8, 200))
    assert fine.max() < 0.02 and fine.max() <= coarse.max()


def test_black_air_can_be_evidence():
    """With a black baseline alone, what is black has none."""
    network = ready(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2)))
    image = torch.zeros(1, 3, 8, 8)
    assert not integrated_gradients(network, image, [0], baselines(8)[:1], 8).maps.any()
    assert integrated_gradients(network, image, [0], baselines(8), 8).maps.max() > 0


@pytest.mark.parametrize(
    "backbone", ["mobilenet_v3_small", "timm/vit_tiny_patch16_224", "timm/swin_tiny_patch4_window7_224"]
)
def test_maps_are_the_same_twice_and_need_no_layout(backbone):
    size = 64 if backbone.startswith("mobile") else 224
    network = build_backbone(backbone, 3)
    network.train()
    images = torch.rand(3, 3, size, size)
    first = ready(network)
    layer = find_layer(first, images[:2])
    maps = grad_cam(first, layer, images, [0, 1, 2])
    assert maps.shape == (3, layer.grid.side, layer.grid.side) and maps.max() > 0
    assert np.array_equal(maps, grad_cam(ready(network), layer, images, [0, 1, 2]))  # no dropout
    last = ready(network).to(memory_format=torch.channels_last)
    again = grad_cam(last, layer, images.contiguous(memory_format=torch.channels_last), [0, 1, 2])
    np.testing.assert_allclose(again, maps, rtol=1e-3, atol=1e-3 * maps.max())
    np.testing.assert_allclose(grad_cam(first, layer, images[1:2], [1]), maps[1:2], rtol=1e-3, atol=1e-3 * maps.max())


def test_explaining_leaves_no_trace_in_the_network(images):
    network = Small().half().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = ready(network)
    grad_cam(copied, find_layer(copied, images[:2]), images, CLASSES)
    integrated_gradients(copied, images[:1], [0], baselines(), 8)
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.requires_grad and p.grad is None and p.dtype == torch.float16 for p in network.parameters())
