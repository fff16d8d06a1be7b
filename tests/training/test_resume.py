"""Which runs may go on, and with which changes."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from covidnet.config.compose import CONFIG_DIR
from covidnet.config.schema import LossConfig
from covidnet.errors import ConfigError, RunError
from covidnet.runs.layout import RunLayout
from covidnet.training.history import write_history
from covidnet.training.resume import refuse_used_directory, settings_of_resumed


@pytest.fixture
def stopped(tmp_path):
    """``stopped(overrides, epochs done)`` makes the directory of a run that was stopped."""

    def make(*overrides, done=2, finished=False):
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            config = compose("train", ["data.root=/x", "trainer.max_epochs=5", *overrides])
        layout = RunLayout(tmp_path / "run")
        layout.config.parent.mkdir(parents=True)
        OmegaConf.save(config, layout.config)
        names = ("train_loss", "train_acc", "val_loss", "val_acc", "lr", "seconds")
        write_history(layout.history, [{"epoch": i + 1.0} | dict.fromkeys(names, 0.5) for i in range(done)])
        if finished:
            layout.metrics.write_text("{}")
        return str(layout.directory)

    return make


def go_on(run, *overrides):
    return settings_of_resumed(run, [f"resume={run}", *overrides])


def test_the_runs_own_configuration_counts(stopped):
    settings = go_on(stopped("seed=3", "backbone=resnet34", "optimizer=sgd"))
    assert (settings.seed, settings.backbone, settings.optimizer.name) == (3, "resnet34", "sgd")
    assert settings.trainer.max_epochs == 5


def test_a_run_from_before_some_keys_were_there_has_their_defaults(stopped):
    run = stopped()
    stored = OmegaConf.load(RunLayout(Path(run)).config)
    for key in ("loss", "head", "freeze", "aggregate"):
        del stored[key]
    del stored.data["sampling"]
    OmegaConf.save(stored, RunLayout(Path(run)).config)
    settings = go_on(run)
    assert (settings.head.name, settings.freeze, settings.aggregate) == ("default", "none", "none")
    assert settings.loss == LossConfig() and settings.data.sampling == "shuffle"


@pytest.mark.parametrize(("decay", "allowed"), [("null", False), ("0.01", True)])
def test_a_decay_by_the_number_of_epochs_cannot_be_stretched(stopped, decay, allowed):
    run = stopped("scheduler=inverse_time", f"scheduler.decay={decay}")
    if allowed:
        assert go_on(run, "trainer.max_epochs=8").trainer.max_epochs == 8
    else:
        with pytest.raises(ConfigError, match="scheduler=inverse_time was planned over 5 epochs"):
            go_on(run, "trainer.max_epochs=8")


def test_what_leaves_the_experiment_the_same_may_change(stopped):
    settings = go_on(
        stopped(), "data.root=/y", "trainer.max_epochs=8", "callbacks.progress=none", "compute.num_threads=1"
    )
    assert (settings.data.root, settings.trainer.max_epochs) == ("/y", 8)
    assert (settings.callbacks.progress, settings.compute.num_threads) == ("none", 1)


@pytest.mark.parametrize(
    "override", ["seed=4", "optimizer.lr=0.1", "backbone=vgg11", "augment=none", "+foo=1", "data.batch_size=3"]
)
def test_another_experiment_is_refused(stopped, override):
    with pytest.raises(ConfigError, match="goes on with that run's own configuration") as caught:
        go_on(stopped(), override)
    text = str(caught.value)
    assert f"so {override} cannot be given" in text
    assert "Allowed beside resume: data.root, data.cache," in text and "start a new run" in text


def test_an_allowed_key_is_checked_too(stopped):
    with pytest.raises(ConfigError, match=r"trainer\.max_epochs: found 'ten'"):
        go_on(stopped(), "trainer.max_epochs=ten")


@pytest.mark.parametrize("scheduler", ["cosine", "one_cycle"])
def test_a_planned_schedule_cannot_be_stretched(stopped, scheduler):
    run = stopped(f"scheduler={scheduler}")
    with pytest.raises(ConfigError, match=rf"found 9; scheduler={scheduler} was planned over 5 epochs"):
        go_on(run, "trainer.max_epochs=9")
    assert go_on(run, "trainer.max_epochs=5").trainer.max_epochs == 5


def test_a_finished_run_is_refused_unless_it_shall_train_longer(stopped):
    run = stopped(done=5, finished=True)
    with pytest.raises(RunError, match="this run is finished, after 5 epochs") as caught:
        go_on(run)
    assert f"evaluate.py run={run}" in str(caught.value) and f"resume={run} trainer.max_epochs=15" in str(caught.value)
    with pytest.raises(RunError, match="finished"):
        go_on(run, "trainer.max_epochs=5")
    assert go_on(run, "trainer.max_epochs=6").trainer.max_epochs == 6


def test_nothing_is_advised_that_would_be_refused(stopped):
    run = stopped("scheduler=cosine", done=5, finished=True)
    with pytest.raises(RunError, match="this run is finished") as caught:
        go_on(run)
    assert "max_epochs" not in str(caught.value)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="no such run directory"):
        go_on(str(tmp_path / "absent"))
    with pytest.raises(RunError, match="not a run directory"):
        go_on(str(tmp_path))


def test_a_new_run_never_writes_over_another(stopped, tmp_path):
    run = stopped()
    with pytest.raises(RunError, match="holds a run already"):
        refuse_used_directory(RunLayout(tmp_path / "run"))
    refuse_used_directory(RunLayout(tmp_path))
    refuse_used_directory(RunLayout(tmp_path / "absent"))
    assert run
