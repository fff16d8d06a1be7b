"""The checks of ``python -m tests.kills`` find what they look for."""

import json
import shutil

import numpy as np
import pytest
from kills.checks import cache_differences, differences, torn
from kills.scenarios import SCENARIOS
from PIL import Image


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({"accuracy": {"value": 0.5}, "total_seconds": 3.0}))
    (folder / "predictions.csv").write_text("path,label\na,b\n")
    (folder / "history.csv").write_text("epoch,loss,seconds\n1,0.5,3\n")
    np.savez(folder / "maps.npz", a=np.ones(5))
    Image.new("L", (40, 40)).save(folder / "a.png")
    return folder


def test_whole_files_are_no_fault(run):
    assert torn(run) == []


@pytest.mark.parametrize("name", ["metrics.json", "maps.npz", "a.png"])
def test_a_file_cut_short_is_torn(run, name):
    content = (run / name).read_bytes()
    (run / name).write_bytes(content[: len(content) // 2])
    (fault,) = torn(run)
    assert fault.startswith(f"torn: {name}")


@pytest.mark.parametrize("name", [f".metrics-{'0' * 32}.json", "checkpoints/.last.ckpt", ".12-images-seed-0-abcdefgh"])
def test_what_a_killed_process_left_is_found(run, name):
    (run / name).write_text("")
    assert torn(run) == [f"left over: {name}"]


def test_other_numbers_and_files_are_found_but_not_other_times(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other")
    (other / "metrics.json").write_text(json.dumps({"accuracy": {"value": 0.5}, "total_seconds": 9.0}))
    (other / "history.csv").write_text("epoch,loss,seconds\n1,0.5,8\n")
    assert differences(other, run) == []
    (other / "metrics.json").write_text(json.dumps({"accuracy": {"value": 0.6}, "total_seconds": 9.0}))
    (other / "history.csv").write_text("epoch,loss,seconds\n1,0.6,8\n")
    (other / "predictions.csv").write_text("path,label\na,c\n")
    (other / "a.png").unlink()
    (other / "b.png").touch()
    assert differences(other, run) == [
        "missing: a.png", "unexpected: b.png", "differs: history.csv", "differs: metrics.json",
        "differs: predictions.csv",
    ]  # fmt: skip


def test_another_cache_is_found(tmp_path):
    for name, content in (("mine", b"12"), ("other", b"13")):
        (tmp_path / name / "cache" / "pixels-1").mkdir(parents=True)
        (tmp_path / name / "cache" / "pixels-1" / "planes.u8").write_bytes(content)
    assert cache_differences(tmp_path / "mine", tmp_path / "mine") == []
    assert cache_differences(tmp_path / "none", tmp_path / "mine") == []
    assert cache_differences(tmp_path / "mine", tmp_path / "other") == ["cache differs: pixels-1/planes.u8"]


def test_a_user_types_the_same_again_until_there_is_a_run(tmp_path):
    single = SCENARIOS["single"]
    assert single.next_arguments(tmp_path) == single.arguments(tmp_path)
    (tmp_path / "out" / "run" / ".hydra").mkdir(parents=True)
    (tmp_path / "out" / "run" / ".hydra" / "config.yaml").touch()
    assert single.next_arguments(tmp_path) == [f"resume={tmp_path / 'out' / 'run'}"]
