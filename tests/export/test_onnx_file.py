import importlib.util
import logging

import numpy as np
import onnx
import pytest
import torch

from covidnet.errors import ExportError, MissingExtraError
from covidnet.export import onnx_file
from covidnet.export.graph import Deployable, trace
from covidnet.export.onnx_file import onnx_runner, quiet, require_onnx, write_onnx
from covidnet.models.backbones import build_backbone

SIZE = 32


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Deployable(build_backbone("mobilenet_v3_small", 2).eval(), "imagenet", 2.0)


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    write_onnx(trace(model, SIZE), path, {"classes": '["a", "b"]', "image_size": "32"})
    return path


def test_one_file_says_what_is_in_it(file):
    loaded = onnx.load(file)
    assert {entry.key: entry.value for entry in loaded.metadata_props} == {"classes": '["a", "b"]', "image_size": "32"}
    assert loaded.producer_name == "covidnet" and loaded.doc_string == "For research only; never a diagnosis."
    (images,) = loaded.graph.input
    assert images.name == "images"
    assert [one.dim_param or one.dim_value for one in images.type.tensor_type.shape.dim] == ["batch", 3, SIZE, SIZE]
    outputs = {one.name: one.type.tensor_type.shape.dim[0].dim_param for one in loaded.graph.output}
    assert outputs == {"logits": "batch", "probabilities": "batch"}
    assert [path.name for path in file.parent.iterdir()] == ["model.onnx"]


def test_onnxruntime_gives_the_same_for_any_number_of_images(file, model):
    run = onnx_runner(file)
    for count in (1, 4):
        images = torch.rand(count, 3, SIZE, SIZE)
        with torch.inference_mode():
            expected = model(images)
        for ours, theirs in zip(run(images.numpy()), expected, strict=True):
            assert np.allclose(ours, theirs.numpy(), atol=1e-4)


def test_what_onnxruntime_cannot_run_is_told(tmp_path):
    (tmp_path / "torn.onnx").write_bytes(b"torn")
    with pytest.raises(ExportError, match=r"torn\.onnx: onnxruntime cannot run it: "):
        onnx_runner(tmp_path / "torn.onnx")


def test_what_onnx_cannot_say_is_told(tmp_path, monkeypatch, model):
    def refuse(*_, **__):
        raise RuntimeError("no such operator\nmore")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(ExportError, match="cannot be written as ONNX: no such operator"):
        write_onnx(trace(model, SIZE), tmp_path / "x.onnx", {})


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_names_the_extra(monkeypatch, package):
    real = importlib.util.find_spec
    monkeypatch.setattr(onnx_file.importlib.util, "find_spec", lambda name: None if name == package else real(name))
    with pytest.raises(MissingExtraError, match=r"pip install 'covidnet\[export\]'"):
        require_onnx()


def test_libraries_are_kept_quiet_only_within(capsys, caplog):
    with quiet():
        print("noise")
        logging.getLogger("x").warning("noise")
    print("heard")
    logging.getLogger("x").warning("heard")
    assert capsys.readouterr().out == "heard\n" and [one.message for one in caplog.records] == ["heard"]
