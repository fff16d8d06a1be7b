"""Networks with heads of this project: shapes, positions, frozen parts, weights and what checkpoints say."""

import importlib.util
from functools import partial

import pytest
import torch
from pydantic import ValidationError
from toy import toy_data, toy_settings, toy_trainer

from covidnet.compute import quiet_libraries
from covidnet.config.compose import compose_train
from covidnet.data.attributes import Attributes
from covidnet.errors import ConfigError, DataError, WeightsError
from covidnet.models.backbones import check_image_size
from covidnet.models.headed import edge_distance, run_network
from covidnet.models.module import DESCRIPTION_KEY, XrayClassifier
from covidnet.models.network import build_network, describe_head, described_head, freeze_backbone
from covidnet.models.optim import build_optimizer
from covidnet.models.predict import load_network, predict

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="extra timm")


def head(*overrides):
    return compose_train(["data.root=/x", *overrides]).head


MLP, LOCATION, OWN = head("head=pooled_mlp", "head.pool=2"), head("head=location"), head()
IMAGES = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
POSITIONS = torch.tensor([[0.1, 0.5], [0.5, 0.5], [0.9, 0.3], [0.4, 0.95]])


def network(backbone="resnet18", given=MLP, size=64, weights="none", classes=3, seed=0):
    torch.manual_seed(seed)
    return build_network(backbone, classes, weights, given, size)


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("size", "pool", "inputs"), [(224, 4, 512), (256, 4, 2048), (128, 4, 512), (96, 3, 512), (64, 1, 2048)]
)
def test_the_pooled_head_is_as_wide_as_the_pooled_map(size, pool, inputs):
    """The tutorial's: 7x7 places of 512 features, pooled by 4x4 windows, leave one place."""
    made = network("vgg11", head("head=pooled_mlp", f"head.pool={pool}"), size, classes=2).head
    assert (made.hidden.in_features, made.hidden.out_features) == (inputs, 64)
    assert (made.output.in_features, made.output.out_features) == (64, 2)
    assert made.dropout.p == 0.5 and not made.hidden.bias.any() and not made.output.bias.any()
    assert made.hidden.weight.abs().max() <= (6 / (inputs + 64)) ** 0.5  # Glorot's bound, Keras's default


def test_the_pooled_head_by_hand():
    made = network(given=head("head=pooled_mlp", "head.pool=2", "head.hidden=5")).eval()
    features = made.backbone(IMAGES)
    assert features.shape == (4, 512, 2, 2)
    hidden = (features.mean(dim=(2, 3)) @ made.head.hidden.weight.T + made.head.hidden.bias).clamp(min=0)
    torch.testing.assert_close(made(IMAGES), hidden @ made.head.output.weight.T + made.head.output.bias)


def test_images_too_small_for_the_pooling_window():
    with pytest.raises(ConfigError, match=r"head\.pool=4 is larger than the feature map, which has 3x3 places .*=96; "
                                          r"give larger images, or head\.pool=3"):  # fmt: skip
        network("vgg11", head("head=pooled_mlp"), size=96)
    with pytest.raises(ConfigError, match=r"backbone=vgg11 cannot take data\.image_size=\[16,16\]"):
        network("vgg11", size=16)


def test_distance_from_the_edge():
    expected = torch.tensor([[0.2], [1.0], [0.2], [0.1]])
    torch.testing.assert_close(edge_distance(POSITIONS), expected)
    mirrored = POSITIONS * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    torch.testing.assert_close(edge_distance(mirrored), expected)  # so a mirrored patch does not contradict it
    assert edge_distance(torch.tensor([[0.0, 0.5], [1.0, 1.0]])).tolist() == [[0.0], [0.0]]


def test_the_location_head_by_hand():
    made = network(given=LOCATION).eval()
    layers = made.head
    reduced = layers.reduce(made.backbone(IMAGES).mean(dim=(2, 3))).relu()
    joined = torch.cat([reduced, edge_distance(POSITIONS)], dim=1)
    expected = layers.output(layers.hidden(layers.joined(joined).relu()).relu())
    torch.testing.assert_close(run_network(made, IMAGES, POSITIONS), expected)
    assert not torch.equal(run_network(made, IMAGES, POSITIONS), run_network(made, IMAGES, POSITIONS.flip(0)))


def test_positions_reach_only_networks_that_take_them():
    made = network(given=LOCATION).eval()
    assert made.takes_positions and not network().takes_positions
    for call in (lambda: run_network(made, IMAGES, None), lambda: made(IMAGES)):
        with pytest.raises(
            DataError, match=r"head=location needs the position of every patch: columns .*data\.columns\.x"
        ):
            call()
    plain = network(given=OWN).eval()
    assert torch.equal(run_network(plain, IMAGES, POSITIONS), plain(IMAGES))
    check_image_size(made, "resnet18", (64, 64))


def test_the_default_head_is_the_backbone_itself():
    assert type(network(given=OWN)).__name__ == "ResNet"


@needs_timm
def test_offline_weights_come_under_a_head():
    made = network("efficientnet_lite0")
    assert made(IMAGES).shape == (4, 3)
    with pytest.raises(ConfigError, match="timm/vit_tiny_patch16_224 has no feature map"):
        network("timm/vit_tiny_patch16_224", size=224)


@pytest.mark.parametrize("given", [MLP, LOCATION, OWN], ids=lambda value: value.name)
def test_a_description_is_enough_to_build_the_network_again(tmp_path, given):
    made = network(given=given).eval()
    description = {
        "format": 1, "backbone": "resnet18", "classes": ["a", "b", "c"], "image_size": 64, "normalize": "none",
        **describe_head(given),
    }  # fmt: skip
    assert ("head" in description) == (given is not OWN)
    state = {f"net.{name}": value for name, value in made.state_dict().items()}
    torch.save({"state_dict": state, DESCRIPTION_KEY: description}, tmp_path / "x.ckpt")
    loaded, _ = load_network(tmp_path / "x.ckpt")
    assert torch.equal(run_network(loaded, IMAGES, POSITIONS), run_network(made, IMAGES, POSITIONS))


def test_a_head_of_another_version_is_refused(tmp_path):
    with pytest.raises(ValidationError):
        described_head({"head": {"name": "transformer"}})
    description = {"backbone": "resnet18", "classes": ["a"], "head": {"name": "pooled_mlp", "pool": "all"}}
    torch.save({"state_dict": {}, DESCRIPTION_KEY: description}, tmp_path / "x.ckpt")
    with pytest.raises(WeightsError, match="not a checkpoint"):
        load_network(tmp_path / "x.ckpt")


class TestWeights:
    @pytest.fixture
    def files(self, tmp_path):
        made = network(given=MLP, seed=5)
        whole = network(given=OWN, seed=6)
        for name, one in (("headed", made), ("whole", whole)):
            torch.save({"state_dict": {f"net.{key}": value for key, value in one.state_dict().items()}},
                       tmp_path / f"{name}.ckpt")  # fmt: skip
        return tmp_path, made, whole

    def test_of_the_whole_backbone(self, files):
        folder, _, whole = files
        made = network(given=MLP, weights=str(folder / "whole.ckpt"))
        expected = {name: value for name, value in whole.state_dict().items() if not name.startswith("fc.")}
        assert same(made.backbone.state_dict(), expected)

    def test_of_the_same_head(self, files):
        folder, theirs, _ = files
        assert same(network(given=MLP, weights=str(folder / "headed.ckpt")).state_dict(), theirs.state_dict())
        other = network(given=MLP, weights=str(folder / "headed.ckpt"), classes=2)
        assert torch.equal(other.head.hidden.weight, theirs.head.hidden.weight)
        assert other.head.output.weight.shape == (2, 64)

    def test_of_another_head(self, files):
        with pytest.raises(WeightsError, match=r"backbone=resnet18 head=location weights=.*headed\.ckpt: [^$]*missing"):
            network(given=LOCATION, weights=str(files[0] / "headed.ckpt"))

    def test_the_feature_map_of_a_headed_one_serves_the_default_head(self, files):
        folder, theirs, _ = files
        made = network(given=OWN, weights=str(folder / "headed.ckpt"))
        assert torch.equal(made.layer4[1].conv2.weight, theirs.backbone.layer4[1].conv2.weight)


def classifier(made, *overrides, frozen=()):
    settings = toy_settings(*overrides)
    optimizer = partial(build_optimizer, settings.optimizer)
    return XrayClassifier(made, 3, optimizer, lambda *_: None, 0, {}, None, frozen)


def trained(tmp_path, made, frozen, epochs=2, positions=False):
    quiet_libraries()
    data = toy_data(classes=3)
    images = torch.randint(0, 256, (17, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data.pixels.images = images.numpy()
    if positions:
        data.attributes = Attributes(positions=torch.rand(17, 2).numpy())
    module = classifier(made, frozen=frozen)
    toy_trainer(tmp_path, epochs=epochs).fit(module, data)
    return module, data


def copied(made):
    return {name: value.clone() for name, value in made.state_dict().items()}


@pytest.mark.parametrize(("backbone", "given", "learning"), [
    ("resnet18", MLP, "head."), ("resnet18", OWN, "fc."), ("mobilenet_v3_small", OWN, "classifier.3."),
    ("squeezenet1_1", OWN, "classifier.1."),
])  # fmt: skip
def test_what_is_frozen_stays_to_the_last_bit_and_the_head_learns(tmp_path, backbone, given, learning):
    """Weights, statistics and counters of batch normalisation; through training, validation and training again."""
    made = network(backbone, given)
    frozen = freeze_backbone(made)
    before = copied(made)
    trained(tmp_path, made, frozen)
    after = made.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {name for name in after if name.startswith(learning)}


def test_without_freezing_everything_learns(tmp_path):
    made = network(given=OWN)
    before = copied(made)
    trained(tmp_path, made, ())
    after = made.state_dict()
    assert all(not torch.equal(after[name], before[name]) for name in after)


def test_a_frozen_part_is_one_function_of_the_image_and_records_no_gradient():
    made = network("mobilenet_v3_small", OWN)
    module = classifier(made, frozen=freeze_backbone(made))
    module.train()
    seen = []
    made.classifier[3].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    first, second = module(IMAGES), module(IMAGES)
    assert torch.equal(first, second) and first.requires_grad  # the dropout before the last layer is off
    assert not any(inputs.requires_grad for inputs in seen)
    assert made.training and not made.features.training and made.classifier[3].training
    module.eval()
    assert not made.classifier[3].training


def test_the_dropout_of_a_head_stays_on():
    made = network()
    module = classifier(made, frozen=freeze_backbone(made))
    assert not torch.equal(module(IMAGES), module(IMAGES))
    assert module.frozen == ["backbone"] and not made.backbone.training and made.head.training


def test_the_same_head_on_the_same_features_learns_the_same_with_or_without_the_backbone(tmp_path):
    """Frozen training is right: it is the training of the head alone on the features of a fixed backbone."""
    made = network(given=MLP.model_copy(update={"dropout": 0.0}))
    start = copied(made.head)
    features = made.backbone.eval()
    module, data = trained(tmp_path, made, freeze_backbone(made), epochs=1)
    alone = network(given=MLP.model_copy(update={"dropout": 0.0})).head
    alone.load_state_dict(start)
    optimizer = build_optimizer(toy_settings().optimizer, alone.parameters())
    loader = data.train_dataloader()
    loader.batch_sampler.sampler.set_epoch(0)
    for batch in loader:
        batch = data.prepare(batch, epoch=0)
        with torch.no_grad():
            inputs = features(batch.images)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(alone(inputs), batch.labels).backward()
        optimizer.step()
    for ours, theirs in zip(module.net.head.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_positions_go_through_training_and_prediction(tmp_path):
    from covidnet.data.records import Record

    made = network(given=LOCATION)
    module, data = trained(tmp_path, made, (), epochs=1, positions=True)
    records = [Record(f"{i}.png", "abc"[i % 3]) for i in range(17)]
    table = predict(module.net.eval(), data, ["test"], ["a", "b", "c"], records)
    batch = data.prepare(data.part("test").__getitems__(range(7)), epoch=None)
    with torch.inference_mode():
        expected = module.net(batch.images, torch.from_numpy(data.attributes.positions[10:])).double().softmax(1)
    torch.testing.assert_close(torch.tensor(table.probabilities), expected, rtol=1e-5, atol=1e-7)
    data.attributes = Attributes()
    with pytest.raises(DataError, match="head=location needs the position"):
        predict(module.net, data, ["test"], ["a", "b", "c"], records)
