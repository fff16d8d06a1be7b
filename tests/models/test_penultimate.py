import pytest
import torch

from covidnet.models.backbones import build_backbone
from covidnet.models.heads import final_layer
from covidnet.models.penultimate import run_with_features


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet18", "vit_b_32", "timm/swin_s3_tiny_224"])
def test_the_last_layer_turns_the_features_into_the_logits(name):
    torch.manual_seed(0)
    network = build_backbone(name, 3).eval()
    images = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        logits, features = run_with_features(network, images)
        assert torch.equal(logits, network(images))
        layer = final_layer(network)[1]
        assert features.shape == (2, layer.in_features)
        assert torch.allclose(layer(features), logits, atol=1e-5)


def test_a_last_convolution_has_the_mean_of_its_map_as_features():
    torch.manual_seed(0)
    network = build_backbone("squeezenet1_1", 2).eval()
    seen = []
    final_layer(network)[1].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        _, features = run_with_features(network, torch.rand(2, 3, 64, 64))
    assert features.shape == (2, 512)
    assert torch.allclose(features, seen[0].mean(dim=(2, 3)), atol=1e-6)


def test_no_hook_stays_behind():
    network = build_backbone("mobilenet_v3_small", 2).eval()
    run_with_features(network, torch.rand(2, 3, 32, 32))
    assert not final_layer(network)[1]._forward_pre_hooks
    with pytest.raises(RuntimeError):
        run_with_features(network, torch.rand(2, 5, 32, 32))
    assert not final_layer(network)[1]._forward_pre_hooks
