import time

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar
from toy import toy_data, toy_module, toy_settings

from covidnet.compute import quiet_libraries
from covidnet.data.protocols import split_records
from covidnet.data.records import Record
from covidnet.data.split import Split, SplitRow, write_split
from covidnet.errors import ConfigError, DataError
from covidnet.runs.layout import RunLayout
from covidnet.training import build
from covidnet.training.build import (
    build_datamodule,
    build_logger,
    build_module,
    build_trainer,
    refuse_changed_data,
    shows_lines,
)
from covidnet.training.callbacks import History, Patience
from covidnet.training.history import read_history
from covidnet.training.pipeline import fit


class FakeDataset:
    """What the builders ask of an `XrayDataset`."""

    def __init__(self, count=20):
        self.records = [Record(f"{i:02d}.png", "ab"[i % 2]) for i in range(count)]
        self.classes = ["a", "b"]
        self.class_indices = np.arange(count) % 2
        self.pixels = None


def trainer_of(tmp_path, *overrides):
    quiet_libraries()
    settings = toy_settings("trainer.accelerator=cpu", "callbacks.progress=none", *overrides)
    layout = RunLayout(tmp_path)
    return build_trainer(settings, layout, History(layout.history, "test", False), build_logger(settings, layout))


def test_the_trainers_keys_go_straight_to_lightning(tmp_path):
    trainer = trainer_of(
        tmp_path, "trainer.max_epochs=7", "trainer.precision=bf16-mixed", "trainer.gradient_clip_val=0.5",
        "trainer.gradient_clip_algorithm=value", "trainer.accumulate_grad_batches=3", "trainer.limit_train_batches=2",
        "trainer.limit_val_batches=0.5", "trainer.detect_anomaly=true", "trainer.profiler=simple", "logger=none",
    )  # fmt: skip
    assert trainer.max_epochs == 7 and trainer.precision == "bf16-mixed"
    assert trainer.gradient_clip_val == 0.5 and trainer.gradient_clip_algorithm == "value"
    assert trainer.accumulate_grad_batches == 3
    assert (trainer.limit_train_batches, trainer.limit_val_batches) == (2, 0.5)
    assert trainer._detect_anomaly
    assert type(trainer.profiler).__name__ == "SimpleProfiler"
    assert trainer.loggers == []


def test_every_key_of_the_trainer_is_lightnings(tmp_path):
    import inspect

    import pytorch_lightning

    theirs = inspect.signature(pytorch_lightning.Trainer.__init__).parameters
    assert set(toy_settings().trainer.model_dump()) <= set(theirs)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainer.devices=two", "devices"),
        ("trainer.devices=-1", "devices"),
        ("trainer.devices=[]", "devices"),
        ("trainer.accelerator=mps", "accelerator"),
        ("trainer.accelerator=tpu", "torch_xla"),
        ("trainer.precision=transformer-engine", "transformer_engine"),
        ("trainer.strategy=foo", "strategy"),
        ("trainer.max_time=soon", "DD:HH:MM:SS"),
    ],
)
def test_what_lightning_refuses_is_a_line_about_the_trainer(tmp_path, override, words):
    with pytest.raises(ConfigError, match=r"^trainer: [^\n]+$") as caught:
        trainer_of(tmp_path, override)
    assert words in str(caught.value)


def test_progress(tmp_path, monkeypatch):
    def bars(*overrides):
        found = trainer_of(tmp_path, *overrides).callbacks
        return sum(isinstance(callback, RichProgressBar) for callback in found)

    assert bars("callbacks.progress=bar") == 1 and bars("callbacks.progress=lines") == 0
    assert [shows_lines(toy_settings(f"callbacks.progress={kind}")) for kind in ("bar", "lines", "none")] == [
        True,
        True,
        False,
    ]
    monkeypatch.setattr(build.console, "_force_terminal", True)
    assert bars("callbacks.progress=auto") == 1
    monkeypatch.setattr(build.console, "_force_terminal", False)
    assert bars("callbacks.progress=auto") == 0 and shows_lines(toy_settings("callbacks.progress=auto"))


def test_early_stopping_is_off_unless_asked_for(tmp_path):
    def found(*overrides):
        return [callback for callback in trainer_of(tmp_path, *overrides).callbacks if isinstance(callback, Patience)]

    assert found() == []
    (patience,) = found("callbacks=early_stopping", "callbacks.early_stopping.min_delta=0.1")
    assert (patience.monitor, patience.patience, abs(patience.min_delta)) == ("val_loss", 10, 0.1)


class Slow(Callback):
    """Lets time pass in the second epoch, before its first step."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == 1 and batch_idx == 0:
            time.sleep(1.1)


def test_a_time_limit_ends_the_training_after_a_whole_epoch(tmp_path):
    trainer = trainer_of(tmp_path, 'trainer.max_time="00:00:00:01"', "callbacks.save_every=40", "logger=none")
    trainer.callbacks.append(Slow())
    trainer.fit(toy_module(), toy_data())
    epochs = len(read_history(tmp_path / "history.csv"))
    assert epochs <= 2  # one, where the machine is very slow
    assert trainer.global_step == 3 * epochs
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()


def test_the_protocol_chooses_the_parts():
    article = split_records(toy_settings(), FakeDataset().records)
    holdout = split_records(toy_settings("protocol=holdout"), FakeDataset().records)
    assert {name: len(part) for name, part in article.parts.items()} == {"train": 16, "test": 4}
    assert {name: len(part) for name, part in holdout.parts.items()} == {"train": 12, "val": 4, "test": 4}
    assert np.array_equal(article.parts["test"], holdout.parts["test"])
    assert (article.validation, holdout.validation) == ("test", "val")


def test_random_state_is_the_split_alone_and_seed_all_else():
    def splits(*overrides):
        return split_records(toy_settings(*overrides), FakeDataset().records).parts["test"].tolist()

    def weights(*overrides):
        made = build_module(
            toy_settings("backbone=squeezenet1_1", "weights=none", "data.image_size=32", *overrides),
            FakeDataset(),
            Split({"train": np.arange(16), "test": np.arange(16, 20)}),
        )
        return torch.cat([value.flatten() for value in made.state_dict().values()])

    assert (
        splits("random_state=1", "seed=5") == splits("random_state=1", "seed=6") != splits("random_state=2", "seed=5")
    )
    assert torch.equal(weights("random_state=1", "seed=0"), weights("random_state=2", "seed=0"))
    assert not torch.equal(weights("seed=0"), weights("seed=1"))


def test_the_data_module_gets_what_was_configured():
    settings = toy_settings(
        "data.batch_size=5",
        "data.normalize=imagenet",
        "seed=9",
        "augment=strong",
        "compute.channels_last=false",
        "compute.resident=true",
    )
    data = build_datamodule(settings, FakeDataset(), Split({"train": np.arange(3), "test": np.arange(3, 5)}))
    assert (data.batch_size, data.normalize, data.seed, data.channels_last) == (5, "imagenet", 9, False)
    assert data.resident is True
    assert (data.augmentation.rotation, list(data.augmentation.scale), data.augmentation.noise) == (
        20,
        [0.7, 1.3],
        0.02,
    )


ROWS = [SplitRow(f"{label}/{i}.png", label, "train", f"{i:064x}") for label in "ab" for i in range(3)]


def test_a_resumed_run_needs_the_same_images(tmp_path):
    layout = RunLayout(tmp_path)
    refuse_changed_data(layout, ROWS)  # stopped before it wrote anything
    write_split(layout.split, ROWS)
    refuse_changed_data(layout, ROWS)
    changed = [*ROWS[:-1], SplitRow("b/2.png", "b", "train", "e" * 64), SplitRow("b/new.png", "b", "test", "9" * 64)]
    with pytest.raises(DataError) as caught:
        refuse_changed_data(layout, changed[1:])
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("the images are not those that the run began with:")
    assert lines[1:4] == [
        "  changed: b/2.png",
        "  missing or unreadable: a/0.png",
        "  new, not in the run's split: b/new.png",
    ]
    assert "data.root=PATH" in lines[4]


def test_a_resumed_run_needs_the_same_split(tmp_path):
    layout = RunLayout(tmp_path)
    write_split(layout.split, ROWS)
    with pytest.raises(DataError, match="the same files, split otherwise"):
        refuse_changed_data(layout, [*ROWS[:-1], SplitRow("b/2.png", "b", "test", f"{2:064x}")])


def test_a_network_is_compiled_in_place_and_only_when_asked(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **options: asked.append(options))
    common = ("backbone=squeezenet1_1", "weights=none", "data.image_size=32")
    split = Split({"train": np.arange(16), "test": np.arange(16, 20)})
    plain = build_module(toy_settings(*common), FakeDataset(), split)
    assert asked == []
    compiled = build_module(toy_settings(*common, "compute.compile=reduce-overhead"), FakeDataset(), split)
    assert asked == [{"mode": "reduce-overhead"}]
    assert list(compiled.state_dict()) == list(plain.state_dict())


def test_a_network_that_cannot_be_compiled_is_told_in_one_line(tmp_path, monkeypatch):
    from torch._dynamo.exc import BackendCompilerFailed

    def fail(*_, **__):
        raise BackendCompilerFailed("inductor", RuntimeError("no compiler found"), None)

    trainer = trainer_of(tmp_path)
    monkeypatch.setattr(trainer, "fit", fail)
    with pytest.raises(ConfigError, match=r"compute\.compile: torch could not.*compute\.compile=none"):
        fit(trainer, toy_module(), toy_data(), RunLayout(tmp_path), resumed=False)
