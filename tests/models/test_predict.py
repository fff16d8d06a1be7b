import numpy as np
import pytest
import torch
from toy import toy_data

from covidnet.data.records import Record
from covidnet.errors import ConfigError, WeightsError
from covidnet.models.backbones import build_backbone
from covidnet.models.module import DESCRIPTION_KEY
from covidnet.models.predict import load_network, predict

CLASSES = ["a", "b"]


def checkpoint(path, network, **changes):
    state = {f"net.{name}": value for name, value in network.state_dict().items()}
    description = {"format": 1, "backbone": "squeezenet1_1", "classes": CLASSES} | changes
    torch.save({"state_dict": state | {"other.weight": torch.zeros(1)}, DESCRIPTION_KEY: description}, path)
    return path


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_backbone("squeezenet1_1", 2, "none")


def test_a_network_is_built_again_from_its_checkpoint_alone(tmp_path, network):
    loaded, classes = load_network(checkpoint(tmp_path / "x.ckpt", network))
    assert classes == CLASSES
    assert not loaded.training
    images = torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loaded(images), network.eval()(images))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04", b"\x80\x02K\x01."])
def test_files_that_are_no_checkpoints(tmp_path, content):
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(WeightsError, match=r"x\.ckpt: not a checkpoint that train\.py wrote \(.+\)\."):
        load_network(tmp_path / "x.ckpt")


@pytest.mark.parametrize("content", [[1, 2], {}, {DESCRIPTION_KEY: 3, "state_dict": {}},
                                     {DESCRIPTION_KEY: {"classes": ["a"]}, "state_dict": {}}], ids=str)  # fmt: skip
def test_checkpoints_of_others(tmp_path, content):
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(WeightsError, match=r"not a checkpoint that train\.py wrote"):
        load_network(tmp_path / "x.ckpt")


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    torch.save({"state_dict": Evil()}, tmp_path / "x.ckpt")
    with pytest.raises(WeightsError, match="not a checkpoint"):
        load_network(tmp_path / "x.ckpt")
    assert not (tmp_path / "harm").exists()


def test_weights_that_do_not_fit_and_unknown_backbones(tmp_path, network):
    with pytest.raises(WeightsError, match="not a checkpoint"):
        load_network(checkpoint(tmp_path / "x.ckpt", network, classes=["a", "b", "c"]))
    with pytest.raises(ConfigError, match="no such model"):
        load_network(checkpoint(tmp_path / "x.ckpt", network, backbone="resnet19"))


def test_a_missing_checkpoint_says_what_may_have_happened(tmp_path):
    with pytest.raises(WeightsError, match=r"absent\.ckpt: missing\. Did the run stop before its first epoch ended"):
        load_network(tmp_path / "absent.ckpt")


class Brightness(torch.nn.Module):
    """Logits that tell the image: its mean, twice and once."""

    def forward(self, images):
        mean = images.mean(dim=(1, 2, 3))
        return torch.stack([2 * mean, mean], dim=1)


def test_probabilities_stand_beside_their_images_in_the_records_order():
    data = toy_data(batch_size=3, train=5, val=4)
    records = [Record(f"{CLASSES[i % 2]}/{i}.png", CLASSES[i % 2]) for i in range(9)]
    table = predict(Brightness(), data, ["test", "train"], CLASSES, records)
    assert [(row.path, row.split, row.label) for row in table.rows] == [
        (records[i].path, "test" if i >= 5 else "train", records[i].label) for i in (5, 6, 7, 8, 0, 1, 2, 3, 4)
    ]
    means = data.pixels.images.reshape(9, -1).mean(1)[[5, 6, 7, 8, 0, 1, 2, 3, 4]] / 255
    np.testing.assert_allclose(table.probabilities[:, 0], 1 / (1 + np.exp(-means)), rtol=1e-6)
    np.testing.assert_allclose(table.probabilities.sum(1), 1, rtol=1e-15)
    assert table.classes == ("a", "b")


def test_predicting_does_not_augment():
    data = toy_data()
    data.augmentation = lambda *arguments: pytest.fail("augmented")
    records = [Record(f"a/{i}.png", "a") for i in range(17)]
    assert len(predict(Brightness(), data, ["train"], CLASSES, records)) == 10
