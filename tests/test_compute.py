import logging
import os
import subprocess
import sys
import warnings

import pytest

from covidnet.compute import HUGE_PAGES, prepare_process, quiet_libraries
from covidnet.config.schema import ComputeConfig

LIBRARIES = ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric")


def settings(huge_pages):
    return ComputeConfig(channels_last=True, huge_pages=huge_pages, num_threads=None)


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
