"""Which images are explained, and how they reach the network."""

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn
from toy import toy_data

from covidnet.errors import ExplainError
from covidnet.explain.compute import Explainer, Method, choose_images
from covidnet.predictions import Prediction, Predictions


def predictions(*rows):
    """Each row: whether it is right, and how sure."""
    table = [
        Prediction(f"a/{number}.png", "test", "a" if right else "b", (sure, 1 - sure))
        for number, (right, sure) in enumerate(rows)
    ]
    return Predictions(("a", "b"), tuple(table))


def test_wrong_ones_are_shown_first_and_all_are_counted():
    table = predictions((True, 0.9), (False, 0.6), (True, 0.7), (False, 0.8))
    assert choose_images(table, 64, 64) == choose_images(table, 4, 64)
    chosen = choose_images(table, 64, 2)
    assert chosen.shown == (3, 1) and chosen.counted == (0, 1, 2, 3) and chosen.rows == (0, 1, 2, 3)


def test_of_many_images_those_counted_do_not_depend_on_the_answers():
    right = choose_images(predictions(*[(True, 0.9)] * 100), 10, 64)
    wrong = choose_images(predictions(*[(False, 0.9)] * 50, *[(True, 0.9)] * 50), 10, 64)
    assert right.counted == wrong.counted and len(right.counted) == 10
    assert wrong.shown == tuple(range(10)) and len(wrong.rows) <= 20
    assert choose_images(predictions(), 10, 64).rows == ()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 1)
        self.fc = nn.Linear(4, 2)

    def forward(self, images):
        return self.fc(self.body(images).relu().mean(dim=(2, 3)))


@pytest.fixture
def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net()


@pytest.mark.parametrize("normalize", ["none", "imagenet"])
def test_both_methods_of_grey_images(net, normalize):
    data = toy_data()
    data.normalize = normalize
    explainer = Explainer(net, data, Method.configured("both", None, 8))
    assert explainer.images([0, 3]).shape == (2, 3, 6, 6)
    black, white = explainer.baselines()
    assert black.shape == white.shape == (3, 6, 6)
    if normalize == "none":
        assert (black.max(), white.min()) == (0, 1)
    else:
        assert black[:, 0, 0].tolist() == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])
    found = explainer.explain([3, 0, 3], [0, 1, 1])
    assert {name: maps.shape for name, maps in found.maps.items()} == {
        "gradcam": (3, 6, 6), "integrated_gradients": (3, 6, 6),
    }  # fmt: skip
    assert found.gaps.shape == (3,) and found.layer.name == "body"
    alone = explainer.explain([0], [1])
    np.testing.assert_allclose(found.maps["gradcam"][1], alone.maps["gradcam"][0], rtol=1e-5)
    assert not np.array_equal(found.maps["gradcam"][0], found.maps["gradcam"][2])  # another class
    for name, maps in explainer.explain([3, 0, 3], [0, 1, 1], signed=True).maps.items():
        assert maps.min() < 0 and np.array_equal(maps.clip(min=0), found.maps[name])


def test_methods_by_their_keys():
    assert Method.configured("both", None, 9).names == ("gradcam", "integrated_gradients")
    assert Method.configured("none", None, 9).names == ()
    assert Method.configured("gradcam", "layer3", 9) == Method(("gradcam",), "layer3", 9)


def test_integrated_gradients_need_no_layer(net):
    assert Explainer(net, toy_data(), Method(("integrated_gradients",))).layer is None


def test_without_captum_it_says_what_to_install(net, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "captum" else real(name))
    with pytest.raises(ExplainError, match="pip install captum"):
        Explainer(net, toy_data(), Method())
