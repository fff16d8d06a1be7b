import json
import platform
import subprocess
import sys

import torch

from covidnet.runs import environment
from covidnet.runs.environment import describe_environment


def test_it_says_what_a_run_was_made_with(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "seed=1"])
    data = {"root": "/x", "images": 3, "sha256": "abc"}
    described = json.loads(json.dumps(describe_environment("cpu", data)))
    assert described["command"][1:] == ["train.py", "seed=1"]
    assert described["python"] == platform.python_version()
    assert described["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert {"torchvision", "pytorch-lightning", "hydra-core", "numpy"} <= set(described["packages"])
    assert described["device"] == "cpu"
    assert described["data"] == data
    assert described["processor"]


def test_the_commit_is_that_of_the_code_not_of_the_folder_one_is_in(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q", "."], check=True)
    found = describe_environment("cpu", {})["git"]
    code = environment.Path(environment.__file__).resolve().parents[2]
    asked = subprocess.run(["git", "-C", str(code), "rev-parse", "HEAD"], capture_output=True, text=True)
    if asked.returncode:  # the code is no checkout here
        assert found is None
    else:
        assert found["commit"] == asked.stdout.strip()
        assert found["changed_files"] >= 0


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert describe_environment("cpu", {})["git"] is None
