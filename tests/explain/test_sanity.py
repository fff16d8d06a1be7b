"""Weights are randomised from the top, and maps that do not care are found out."""

import numpy as np
import pytest
import torch
from torch import nn

from covidnet.explain.layers import find_layer
from covidnet.explain.maps import grad_cam, ready
from covidnet.explain.sanity import check_sanity, layers_from_top
from covidnet.models.backbones import build_backbone


def network(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ready(build_backbone("mobilenet_v3_small", 2))


@pytest.fixture(scope="module")
def images():
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_layers_come_in_the_order_in_which_they_run_the_head_first():
    layers = layers_from_top(build_backbone("resnet18", 2).eval(), torch.zeros(1, 3, 64, 64))
    assert layers[:4] == ["fc", "layer4.1.bn2", "layer4.1.conv2", "layer4.1.bn1"]
    assert layers[-2:] == ["bn1", "conv1"] and len(layers) == 41


def test_weights_that_are_used_without_a_call_have_their_owners_place():
    layers = layers_from_top(build_backbone("timm/vit_tiny_patch16_224", 2).eval(), torch.zeros(1, 3, 224, 224))
    assert layers[:2] == ["head", "norm"] and layers[-2:] == ["patch_embed.proj", ""]  # "": class token, positions
    layers = layers_from_top(build_backbone("swin_t", 2).eval(), torch.zeros(1, 3, 64, 64))
    place = {name: number for number, name in enumerate(layers)}
    assert place["features.7.1.norm2"] < place["features.7.1.attn.proj"] < place["features.7.1.norm1"]


def test_the_last_step_is_the_untrained_network(images):
    trained, untrained = network(0), network(1)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    seen = []

    def explain(one):
        seen.append({name: value.clone() for name, value in one.state_dict().items()})
        return {
            "any": np.stack([one(image[None]).sum().detach().numpy() * np.eye(3, dtype=np.float32) for image in images])
        }

    check = check_sanity(trained, untrained, explain, images, steps=4)["any"]
    assert len(seen) == 5 and len(check.steps) == 4
    changed = [sum(not torch.equal(value, before[name]) for name, value in state.items()) for state in seen]
    assert changed[0] == 0 and changed == sorted(changed)
    assert all(torch.equal(value, untrained.state_dict()[name]) for name, value in seen[-1].items())
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    shares = [step.share for step in check.steps]
    assert 0 < shares[0] < shares[-1] == 1 and check.steps[0].down_to == "classifier.3"
    assert check.steps[-1].down_to == "features.0.0"


def test_grad_cam_passes_and_an_edge_detector_does_not(images):
    trained, untrained = network(0), network(1)
    layer = find_layer(trained, images[:2])
    edges = images.diff(dim=3).abs().mean(dim=1).numpy()

    def explain(one):
        return {"gradcam": grad_cam(one, layer, images, [0, 1, 0, 1]), "edges": edges}

    checks = check_sanity(trained, untrained, explain, images)
    assert checks["gradcam"].passed and checks["gradcam"].steps[-1].likeness.absolute < 0.5
    assert not checks["edges"].passed
    for step in checks["edges"].steps:
        assert step.likeness.rank_correlation == pytest.approx(1) and step.likeness.ssim == pytest.approx(1)
    assert abs(checks["edges"].between_images.rank_correlation) < 0.1
    plain = checks["gradcam"].to_json()
    assert plain["images"] == 4 and len(plain["steps"]) == 6 and plain["steps"][-1]["share_of_weights"] == 1


def test_a_map_that_only_changed_its_sign_is_the_same(images):
    maps = np.random.default_rng(0).standard_normal((2, 7, 7)).astype(np.float32)
    signs = np.array([1, -1], dtype=np.float32)[:, None, None]
    answers = iter([maps, signs * maps, signs * maps])
    check = check_sanity(network(0), network(1), lambda _: {"any": next(answers)}, images, steps=2)["any"]
    last = check.steps[-1].likeness
    assert last.rank_correlation == pytest.approx(0) and last.absolute == pytest.approx(1) and not check.passed


@pytest.mark.parametrize(("later", "empty"), [(np.zeros, 2), (np.ones, 0)])
def test_a_map_without_order_is_another_one(images, later, empty):
    trained, untrained = network(0), network(1)
    maps = np.random.default_rng(0).random((2, 7, 7)).astype(np.float32)
    answers = iter([maps, *[later((2, 7, 7), dtype=np.float32)] * 2])
    check = check_sanity(trained, untrained, lambda _: {"any": next(answers)}, images, steps=2)["any"]
    assert check.passed
    assert (check.steps[-1].likeness.rank_correlation, check.steps[-1].likeness.empty) == (0, empty)


def test_without_any_evidence_nothing_is_compared(images):
    nothing = np.zeros((2, 7, 7), dtype=np.float32)
    check = check_sanity(network(0), network(1), lambda _: {"any": nothing}, images, steps=2)["any"]
    assert check.steps[-1].likeness.rank_correlation is None and check.between_images.ssim is None


def test_a_single_layer_has_a_single_step():
    only = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    maps = np.eye(4, dtype=np.float32)[None]
    check = check_sanity(only, only, lambda _: {"any": maps}, torch.zeros(1, 3, 8, 8))["any"]
    assert [step.share for step in check.steps] == [1] and not check.passed
