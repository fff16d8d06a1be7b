import pytest
import torch

from covidnet.data.batches import finish_images
from covidnet.errors import ExportError
from covidnet.export.graph import Deployable, trace
from covidnet.models.backbones import build_backbone

SIZE = 32


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_backbone("mobilenet_v3_small", 3).eval()


@pytest.mark.parametrize("normalize", ["none", "imagenet"])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_normalisation_and_temperature_are_inside(network, normalize, temperature):
    images = torch.rand(4, 3, SIZE, SIZE)
    with torch.inference_mode():
        logits, probabilities = Deployable(network, normalize, temperature)(images)
        expected = network(finish_images(images, normalize, channels_last=False))
    assert torch.allclose(logits, expected, atol=1e-5)
    assert torch.allclose(probabilities, (expected / temperature).softmax(dim=1), atol=1e-6)


def test_the_program_takes_any_number_of_images(network):
    model = Deployable(network, "imagenet", 1.5)
    program = trace(model, SIZE).module()
    with torch.inference_mode():
        for count in (1, 2, 7):
            images = torch.rand(count, 3, SIZE, SIZE)
            for ours, theirs in zip(program(images), model(images), strict=True):
                assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_network_that_cannot_be_traced_is_told():
    class Odd(torch.nn.Module):
        def forward(self, images):
            return images[:, :2, 0, 0] if float(images.sum()) > 0 else images[:, 1:, 0, 0]

    with pytest.raises(ExportError, match="PyTorch cannot export this network: "):
        trace(Deployable(Odd(), "none", 1.0), SIZE)
