import numpy as np
import pytest
import torch
from PIL import Image
from toy import toy_settings

from covidnet.errors import ExplainError
from covidnet.inference.calibration import Calibration
from covidnet.inference.predictor import Model, Predictor
from covidnet.inference.saliency import OverlayFolder, Overlays
from covidnet.runs.layout import RunLayout

SIZE = 32


class Brightness(torch.nn.Module):
    """Says "bright" by what is bright on the left: the evidence can only lie there."""

    def __init__(self, weight):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 1, 4, stride=4, bias=False)
        torch.nn.init.constant_(self.conv.weight, 1 / 48)
        self.last = torch.nn.Linear(1, 2, bias=False)
        self.last.weight.data = torch.tensor([[-weight], [weight]])

    def forward(self, images):
        return self.last(self.conv(images)[..., :4].mean(dim=(2, 3)))


def predictor(tmp_path, *networks):
    models = [Model(RunLayout(tmp_path), network.eval(), Calibration(None, ""), None) for network in networks]
    return Predictor(models, ["dark", "bright"], toy_settings(f"data.image_size={SIZE}"), "cpu")


def left_bright():
    image = np.full((1, 1, SIZE, SIZE), 0, dtype=np.uint8)
    image[..., :12, :12] = 200
    return image


def coloured(picture):
    return (picture.max(axis=0).astype(int) - picture.min(axis=0)) > 20


def test_the_overlay_is_in_colour_where_the_evidence_is(tmp_path):
    (bright,) = Overlays(predictor(tmp_path, Brightness(1.0))).draw(left_bright(), [1])
    assert bright.shape == (3, SIZE, SIZE)
    assert coloured(bright)[:10, :10].mean() > 0.8 and not coloured(bright)[20:].any()
    (against,) = Overlays(predictor(tmp_path, Brightness(1.0))).draw(left_bright(), [0])
    assert not coloured(against).any()


def test_models_that_disagree_leave_the_evidence_of_the_stronger(tmp_path):
    both = Overlays(predictor(tmp_path, Brightness(1.0), Brightness(-3.0)))
    assert coloured(both.draw(left_bright(), [0])[0]).any()
    assert not coloured(both.draw(left_bright(), [1])[0]).any()


def test_files_are_numbered_and_have_names_that_any_system_takes(tmp_path):
    folder = OverlayFolder(tmp_path / "seen", Overlays(predictor(tmp_path, Brightness(1.0))))
    images = np.repeat(left_bright(), 2, axis=0)
    assert folder.save(["a/=b c.png", "日本.png"], images, [1, 1]) == ["seen/000001_b-c.png", "seen/000002.png"]
    assert folder.save(["x.png"], left_bright(), [1]) == ["seen/000003_x.png"]
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == [
        "000001_b-c.png", "000002.png", "000003_x.png",
    ]  # fmt: skip
    with Image.open(tmp_path / "seen" / "000003_x.png") as image:
        assert image.size == (SIZE, SIZE)


def test_a_network_without_a_map_is_refused(tmp_path):
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIZE * SIZE, 2))
    with pytest.raises(ExplainError):
        Overlays(predictor(tmp_path, flat))
