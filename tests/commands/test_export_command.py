"""python -m covidnet.export on a finished run."""

import json
import shutil
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from support import ROOT, Run, call, environment, only_run

from covidnet.export import onnx_file
from covidnet.predictions import read_predictions

NOTICE = "For research only; never a diagnosis."


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    """A finished run whose network normalises."""
    folder = tmp_path_factory.mktemp("finished")
    outcome = call("train", *small(folder, "protocol=holdout", "data.normalize=imagenet", "logger=none"))
    assert outcome.status == 0, outcome.err
    return only_run(folder)


@pytest.fixture
def run(finished, tmp_path):
    return Run(shutil.copytree(finished.directory, tmp_path / "run"))


@pytest.fixture
def export(command):
    return lambda run, *arguments: command("export", f"run={run.directory}", *arguments)


def as_a_user_types(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-m", "covidnet.export", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env=environment() | {"PYTHONPATH": str(ROOT)}, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines(), done.stderr


def prepared(path, described):
    """An image as the file's own metadata say, by Pillow and numpy alone."""
    size = int(described["image_size"])
    with Image.open(path) as image:
        pixels = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return (np.asarray(pixels, dtype=np.float32) / 255).transpose(2, 0, 1)[None]


def test_onnx_with_its_quantised_copy(run, images, tmp_path):
    (run.directory / "calibration.json").write_text(json.dumps({"temperature": 2.0}))
    status, out, err = as_a_user_types("run=run", "int8=true", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert out[0].startswith("exported: run/export/model.onnx (")
    assert out[1].startswith("  agrees with PyTorch on 4 test images: probabilities differ by at most ")
    assert out[2].startswith("int8: run/export/model.int8.onnx (")
    assert out[3].startswith("  test accuracy ") and ", in floating point " in out[3]
    assert "; the same class for " in out[3] and out[3].endswith(" of 4 images") and out[-1] == NOTICE
    folder = run.directory / "export"
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.int8.onnx", "model.int8.onnx.json", "model.onnx", "model.onnx.json",
    ]  # fmt: skip
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    described = session.get_modelmeta().custom_metadata_map
    assert described["notice"] == NOTICE and described["temperature"] == "2.0"
    assert described["normalisation"].startswith("inside the graph: subtract [0.485, 0.456, 0.406]")
    classes = json.loads(described["classes"])
    for row in read_predictions(run.directory / "predictions.csv").of_split("test").rows:
        logits, probabilities = session.run(None, {"images": prepared(images / row.path, described)})
        raw = np.exp(logits[0] - logits.max())
        assert classes == ["covid", "normal"]
        assert np.allclose(raw / raw.sum(), row.probabilities, atol=1e-4)
        warm = np.exp(logits[0] / 2)
        assert np.allclose(probabilities[0], warm / warm.sum(), atol=1e-5)
    content = json.loads((folder / "model.int8.onnx.json").read_text())
    assert content["test_accuracy"]["int8"]["n"] == content["against_float"]["images"] == 4
    quantised = onnxruntime.InferenceSession(folder / "model.int8.onnx", providers=["CPUExecutionProvider"])
    assert quantised.get_modelmeta().custom_metadata_map["quantisation"].startswith("int8, by channel; ranges of 12 ")
    assert (folder / "model.int8.onnx").stat().st_size < (folder / "model.onnx").stat().st_size / 2


def test_torch(run, export):
    outcome = export(run, "format=torch")
    assert outcome.status == 0, outcome.err
    extra = {"covidnet.json": ""}
    program = torch.export.load(run.directory / "export" / "model.pt2", extra_files=extra)
    described = json.loads(extra["covidnet.json"])
    assert described == json.loads((run.directory / "export" / "model.pt2.json").read_text())["metadata"]
    assert len(described["checkpoint_sha256"]) == 64
    logits, probabilities = program.module()(torch.rand(3, 3, 32, 32))
    assert logits.shape == probabilities.shape == (3, 2)


@pytest.mark.slow
def test_elsewhere_and_again(run, export, tmp_path):
    for _ in range(2):
        assert export(run, f"output={tmp_path / 'there'}", "images=2").status == 0
    content = json.loads((tmp_path / "there" / "model.onnx.json").read_text())
    assert content["agreement"]["images"] == 2 and content["agreement"]["same_class"] == 2
    assert not (run.directory / "export").exists()


def test_a_file_that_does_not_agree_is_not_kept(run, export, monkeypatch):
    real = onnx_file.onnx_runner

    def off(path):
        run = real(path)
        return lambda images: (run(images)[0] + 0.01, run(images)[1])

    monkeypatch.setattr(onnx_file, "onnx_runner", off)
    outcome = export(run)
    assert outcome.status == 1
    (line,) = outcome.lines
    assert line.startswith("error: model.onnx: does not agree with PyTorch on 4 images: logits differ by up to 0.01")
    assert list((run.directory / "export").iterdir()) == []


def test_help_comes_at_once(tmp_path):
    program = "import runpy, sys; sys.argv = ['covidnet.export', '--help']\ntry:\n runpy.run_module('covidnet.export', "
    program += "run_name='__main__')\nfinally:\n print({'torch', 'onnx', 'sklearn'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)}, timeout=120,
    )  # fmt: skip
    assert "python -m covidnet.export run=outputs/RUN" in done.stdout and done.stdout.endswith("set()\n")


def test_mistakes(run, export, command, monkeypatch, tmp_path):
    assert command("export").lines == ["error: run: missing; give the directory of a finished run, run=outputs/..."]
    (line,) = export(run, "format=torch", "int8=true").lines
    assert line == "error: int8=true is for format=onnx; found format=torch"
    (line,) = export(run, "format=onx").lines
    assert line == "error: format: found 'onx'; expected onnx or torch. Did you mean onnx?"
    (line,) = export(run, f"data_root={tmp_path}").lines
    assert line.startswith("error: ") and str(tmp_path) in line
    monkeypatch.setattr(onnx_file, "PACKAGES", ("no_such_package",))
    (line,) = export(run).lines
    assert line == "error: format=onnx needs an optional package: pip install 'covidnet[export]'"
    (run.directory / "fold=0").mkdir()
    (line,) = export(run).lines
    assert line.endswith(f"a run over folds; export one of them, such as run={run.directory}/fold=0")
