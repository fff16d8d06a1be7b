import logging
import os
import platform
import subprocess
import sys
import warnings

import pytest

from covidnet.compute import HUGE_PAGES, describe_compute, prepare_process, prepare_torch, quiet_libraries
from covidnet.config.schema import ComputeConfig

LIBRARIES = ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric")


def settings(huge_pages=True, **more):
    return ComputeConfig(channels_last=True, huge_pages=huge_pages, **{"num_threads": None} | more)


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """Environment, warning filters and log levels belong to the whole process."""
    monkeypatch.delenv(HUGE_PAGES, raising=False)
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    with warnings.catch_warnings():
        yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    os.environ.pop(HUGE_PAGES, None)


def test_huge_pages_are_asked_for_on_linux_only(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    prepare_process(settings(huge_pages=True))
    assert HUGE_PAGES not in os.environ
    monkeypatch.setattr(sys, "platform", "linux")
    prepare_process(settings(huge_pages=False))
    assert HUGE_PAGES not in os.environ
    prepare_process(settings(huge_pages=True))
    assert os.environ[HUGE_PAGES] == "1"


def test_what_the_user_set_stays(monkeypatch):
    monkeypatch.setenv(HUGE_PAGES, "0")
    prepare_process(settings(huge_pages=True))
    assert os.environ[HUGE_PAGES] == "0"


INTENDED = [
    "The 'train_dataloader' does not have many workers which may be a bottleneck.",
    "The number of training batches (1) is smaller than the logging interval Trainer(log_every_n_steps=50).",
    "Checkpoint directory /x/checkpoints exists and is not empty.",
]


HELD = """
import sys
from pathlib import Path
from covidnet import compute
if sys.argv[1] == "keep":
    assert compute.keep_memory()
def held():
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]) // 1024
before = held()
buffers = [bytearray(10**7) for _ in range(10)]
del buffers
freed = held()
compute.give_memory_back()
print(freed - before, held() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
@pytest.mark.parametrize(("way", "kept"), [("keep", True), ("leave", False)])
def test_freed_memory_stays_until_it_is_given_back(way, kept):
    done = subprocess.run([sys.executable, "-c", HELD, way], capture_output=True, text=True, check=True)
    freed, returned = map(int, done.stdout.split())
    assert (freed > 80) is kept
    assert returned < 20


def test_memory_is_kept_only_when_asked(monkeypatch):
    asked = []
    monkeypatch.setattr("covidnet.compute.keep_memory", lambda: asked.append(True))
    prepare_process(settings(keep_memory=False))
    assert asked == []
    prepare_process(settings(keep_memory=True))
    assert asked == [True]


def test_remarks_on_intended_things_are_silenced_and_real_warnings_stay():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        quiet_libraries()
        for message in [*INTENDED, "Detected NaN in the loss."]:
            warnings.warn(message, stacklevel=1)
    assert [str(one.message) for one in seen] == ["Detected NaN in the loss."]


def test_lightnings_log_keeps_its_warnings():
    quiet_libraries()
    for name in LIBRARIES:
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
        assert logging.getLogger(name).isEnabledFor(logging.WARNING)


def test_importing_comes_before_torch():
    code = "import sys, covidnet.compute, covidnet.console, covidnet.predictions; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_line_says_what_is_done_for_speed(monkeypatch):
    asked = settings(fused_optimizer=True, tf32=True, compile="reduce-overhead")
    line = describe_compute(asked, "cuda", resident=True)
    assert "cuda; for speed: channels_last, fused_optimizer, resident, tf32, compile" in line
    line = describe_compute(asked, "cpu", resident=False)
    assert "huge_pages" not in line  # it was not set before torch was imported
    assert "; for speed: channels_last, fused_optimizer, compile" in line
    monkeypatch.setenv(HUGE_PAGES, "1")
    assert "huge_pages" in describe_compute(asked, "cpu", resident=False)
    plain = ComputeConfig(channels_last=False, huge_pages=False, num_threads=None)
    monkeypatch.delenv(HUGE_PAGES)
    assert "for speed: nothing" in describe_compute(plain, "cpu", resident=False)


def test_products_of_matrices_are_exact_unless_tf32_is_allowed(monkeypatch):
    import torch

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    before, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    try:
        prepare_torch(settings(tf32=False, num_threads=1))
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cudnn.allow_tf32
        assert torch.get_num_threads() == 1
        prepare_torch(settings(tf32=True))
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before)
        torch.set_num_threads(threads)
