"""State files of every kind, and what is told when they do not fit."""

import os
import pickle
import re

import pytest
import torch
from torch import nn

from covidnet.errors import WeightsError
from covidnet.models.weights import fit_state_dict, load_state_file


def small_model(classes=3, width=4):
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(3, width, 3))
    model.add_module("bn1", nn.BatchNorm2d(width))
    model.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    model.add_module("fc", nn.Linear(width, classes))
    return model


@pytest.fixture
def state():
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.rand(tensor.shape, generator=generator).to(tensor.dtype)
        for name, tensor in small_model().state_dict().items()
    }


def equal(model, state):
    own = model.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[name], state[name]) for name in own)


class RunsCode:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
def test_files_of_every_layout_give_the_same_tensors(tmp_path, state, key):
    path = tmp_path / "weights.pt"
    torch.save(state if key is None else {key: state, "epoch": 3}, path)
    loaded = load_state_file(path)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_safetensors(tmp_path, state):
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(state, tmp_path / "weights.safetensors")
    assert load_state_file(tmp_path / "weights.safetensors").keys() == state.keys()
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match=r"bad\.safetensors is damaged"):
        load_state_file(tmp_path / "bad.safetensors")


def test_code_in_a_file_is_refused_and_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"fc.weight": torch.zeros(1)}, "extra": RunsCode()}, "evil.ckpt")
    with pytest.raises(WeightsError, match=r"evil\.ckpt was refused.*\w+\.mkdir.*would execute code"):
        load_state_file(tmp_path / "evil.ckpt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"fc.weight": RunsCode()}))
    with pytest.raises(WeightsError, match="can execute code"):
        load_state_file(tmp_path / "evil.pkl")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"hello this is not", b"<html>404</html>"])
def test_other_bytes_are_an_error_and_no_traceback(tmp_path, content):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.pt is damaged or not a file of torch\.save"):
        load_state_file(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_off_is_damaged(tmp_path, state, zipped):
    path = tmp_path / "weights.pt"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(WeightsError, match="damaged"):
        load_state_file(path)


def test_a_file_without_state_dict_names_what_it_holds(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"epoch": 3, "loss": 0.1}, path)
    with pytest.raises(WeightsError, match="holds no state dict but the keys epoch, loss"):
        load_state_file(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(WeightsError, match="holds no state dict but a Tensor"):
        load_state_file(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        load_state_file(tmp_path / "absent.pt")


def test_an_equal_state_dict_is_loaded_whole(state):
    model = small_model()
    assert fit_state_dict(model, state, "fc") == []
    assert equal(model, state)


@pytest.mark.parametrize("prefix", ["module.", "net.", "model.", "backbone.", "_orig_mod.module.", "model.net."])
def test_wrappers_prefixes_are_taken_off(state, prefix):
    model = small_model()
    wrapped = {prefix + name: tensor for name, tensor in state.items()}
    assert fit_state_dict(model, wrapped, "fc") == []
    assert equal(model, state)


def test_what_else_a_wrapper_holds_is_named(state):
    model = small_model()
    wrapped = {"net." + name: tensor for name, tensor in state.items()} | {"loss.weight": torch.ones(3)}
    assert fit_state_dict(model, wrapped, "fc") == ["left out, since not under net.: loss.weight"]
    assert equal(model, state)


def test_a_prefix_that_belongs_to_the_model_stays():
    model = nn.Sequential()
    model.add_module("net", nn.Linear(2, 2))
    values = {"net.weight": torch.ones(2, 2), "net.bias": torch.ones(2)}
    assert fit_state_dict(model, values, "fc") == []
    assert equal(model, values)


def test_another_number_of_classes_loads_all_but_the_head(state):
    model = small_model(classes=5)
    head = model.fc.weight.detach().clone()
    assert fit_state_dict(model, state, "fc") == ["fc starts fresh: 3 classes in the file, 5 in the model"]
    assert torch.equal(model.fc.weight, head)
    assert torch.equal(model.conv1.weight, state["conv1.weight"])
    assert torch.equal(model.bn1.running_var, state["bn1.running_var"])


def test_a_file_without_head_says_so(state):
    model = small_model()
    body = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    assert fit_state_dict(model, body, "fc") == ["fc starts fresh: the file has no such layer"]


def test_counters_of_batch_normalisation_may_be_missing(state):
    del state["bn1.num_batches_tracked"]
    model = small_model()
    assert fit_state_dict(model, state, "fc") == []
    assert torch.equal(model.bn1.running_mean, state["bn1.running_mean"])


def test_mismatches_are_listed_by_name_and_shape_and_nothing_is_loaded(state):
    state["conv1.weight"] = torch.zeros(4, 1, 3, 3)
    state["extra.weight"] = torch.zeros(2)
    del state["bn1.running_mean"]
    model = small_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(WeightsError) as error:
        fit_state_dict(model, state, "fc")
    text = str(error.value)
    assert "missing: bn1.running_mean" in text
    assert "unexpected: extra.weight" in text
    assert "other shape: conv1.weight (4, 1, 3, 3), expected (4, 3, 3, 3)" in text
    assert equal(model, before)


def test_a_head_for_other_features_is_a_mismatch(state):
    state["fc.weight"] = torch.zeros(3, 7)
    with pytest.raises(WeightsError, match=re.escape("fc.weight (3, 7), expected (3, 4)")):
        fit_state_dict(small_model(), state, "fc")


def test_long_lists_are_cut(state):
    state |= {f"extra{number}": torch.zeros(1) for number in range(20)}
    with pytest.raises(WeightsError, match=r"extra7 \.\.\. and 12 more$"):
        fit_state_dict(small_model(), state, "fc")


def test_half_precision_is_converted(state):
    model = small_model()
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    fit_state_dict(model, halves, "fc")
    assert model.conv1.weight.dtype == torch.float32
    assert torch.equal(model.conv1.weight, state["conv1.weight"].half().float())
