"""A thread writes the checkpoints while training goes on; as on GPUs, here with a network on the CPU."""

import threading

import pytest
import torch
from pytorch_lightning.callbacks import Callback
from toy import toy_data, toy_module, toy_trainer

from covidnet.compute import quiet_libraries
from covidnet.training import checkpoints
from covidnet.training.checkpoints import BestAndLast


@pytest.fixture(autouse=True)
def _beside(monkeypatch):
    quiet_libraries()
    monkeypatch.setattr(checkpoints, "_writes_beside", lambda trainer: True)


def fit(folder, *callbacks, epochs=4):
    saving = BestAndLast(folder, 1)
    trainer = toy_trainer(folder, saving, *callbacks, epochs=epochs)
    module = toy_module("scheduler=none")
    trainer.fit(module, toy_data())
    return module


def states(folder):
    found = {}
    for name in ("best.ckpt", "last.ckpt"):
        content = torch.load(folder / name, weights_only=True)
        found[name] = (
            content["epoch"],
            [value for key, value in content["state_dict"].items() if key.startswith("net.")],
        )
    return found


def test_the_files_are_those_that_are_written_in_between(tmp_path, monkeypatch):
    module = fit(tmp_path / "beside")
    monkeypatch.setattr(checkpoints, "_writes_beside", lambda trainer: False)
    fit(tmp_path / "between")
    beside, between = states(tmp_path / "beside"), states(tmp_path / "between")
    for name, (epoch, weights) in between.items():
        assert beside[name][0] == epoch
        assert all(torch.equal(one, other) for one, other in zip(beside[name][1], weights, strict=True))
    last = [value for key, value in module.state_dict().items() if key.startswith("net.")]
    assert all(torch.equal(one, other) for one, other in zip(beside["last.ckpt"][1], last, strict=True))
    assert sorted(path.name for path in (tmp_path / "beside").glob("*.ckpt")) == ["best.ckpt", "last.ckpt"]


class Held(Callback):
    """Lets the thread write the first checkpoint only when the second epoch has changed the weights."""

    def __init__(self, monkeypatch):
        self.gate = threading.Event()
        write = BestAndLast._write

        def wait(saving, *arguments):
            assert self.gate.wait(30)
            write(saving, *arguments)

        monkeypatch.setattr(BestAndLast, "_write", wait)
        self.first = None

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            self.first = [value.clone() for value in pl_module.net.state_dict().values()]

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == 1:
            changed = list(pl_module.net.state_dict().values())
            assert not all(torch.equal(one, other) for one, other in zip(self.first, changed, strict=True))
            self.gate.set()
            raise InterruptedError


def test_training_goes_on_while_the_weights_of_an_epoch_are_written(tmp_path, monkeypatch):
    held = Held(monkeypatch)
    with pytest.raises(InterruptedError):
        fit(tmp_path, held)
    epoch, weights = states(tmp_path)["last.ckpt"]
    assert epoch == 0
    assert all(torch.equal(one, other) for one, other in zip(held.first, weights, strict=True))


def test_what_the_thread_cannot_write_ends_the_training(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(BestAndLast, "_write", fail)
    with pytest.raises(OSError, match="no space left"):
        fit(tmp_path)
