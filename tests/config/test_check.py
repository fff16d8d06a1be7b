"""What the schema refuses, and in which words."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from covidnet.config.check import check, unknown_key
from covidnet.config.compose import CONFIG_DIR
from covidnet.config.schema import EvaluateConfig, TrainConfig
from covidnet.errors import ConfigError

SEED = "a whole number at least 0 and at most 4294967295"
EARLY = "callbacks.early_stopping.patience"


def faults(*overrides, schema=TrainConfig, name="train"):
    given = ["data.root=/somewhere", *overrides] if name == "train" else list(overrides)
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = compose(name, given)
    with pytest.raises(ConfigError) as caught:
        check(config, schema)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("trainer.max_epochs=ten", "trainer.max_epochs: found 'ten'; expected a whole number at least 1."),
        ("trainer.max_epochs=0", "trainer.max_epochs: found 0; expected a whole number at least 1."),
        ("trainer.max_epochs=2.5", "trainer.max_epochs: found 2.5; expected a whole number at least 1."),
        ("trainer.max_epochs=true", "trainer.max_epochs: found True; expected a whole number at least 1."),
        ("trainer.max_epochs=null", "trainer.max_epochs: found None; expected a whole number at least 1."),
        ("data.test_size=1.5", "data.test_size: found 1.5; expected a number above 0 and below 1."),
        ("data.test_size=0", "data.test_size: found 0; expected a number above 0 and below 1."),
        ("data.test_size=nan", "data.test_size: found nan; expected a number above 0 and below 1."),
        ("data.image_size=8", "data.image_size: found 8; expected a whole number at least 16 and at most 4096."),
        ("data.cache=maybe", "data.cache: found 'maybe'; expected true or false."),
        ("data.root=''", "data.root: found ''; expected a text."),
        ("seed=-1", f"seed: found -1; expected {SEED}."),
        ("random_state=4294967296", f"random_state: found 4294967296; expected {SEED}."),
        ("optimizer.lr=fast", "optimizer.lr: found 'fast'; expected a number above 0."),
        ("optimizer.betas=[0.9,1.5]", "optimizer.betas[1]: found 1.5; expected a number at least 0 and below 1."),
        ("augment.scale=0.7", "augment.scale: found 0.7; expected a list of 2 values, each a number above 0."),
        ("augment.scale=[1]", "augment.scale: found [1]; expected a list of 2 values, each a number above 0."),
        ("augment.scale=[0,1]", "augment.scale[0]: found 0; expected a number above 0."),
        (
            "augment.scale=[1.3,0.7]",
            "augment.scale: found [1.3, 0.7]; expected [low, high] with low <= high, for example [0.7, 1.3]",
        ),
        (
            "augment.interpolation=bilinaer",
            "augment.interpolation: found 'bilinaer'; expected bilinear or nearest. Did you mean bilinear?",
        ),
        (
            "protocol=hold-out",
            "protocol: found 'hold-out'; expected article, holdout, patient, kfold, source or given. "
            "Did you mean holdout?",
        ),
        ("scheduler.name=cosin", "scheduler.name: found 'cosin'; choose with scheduler=CHOICE (see conf/scheduler)"),
        (f"{EARLY}=0", f"{EARLY}: found 0; expected a whole number at least 1 or null."),
        ("seed=${nothing}", "seed: Interpolation key 'nothing' not found"),
        ("~augment", "augment: missing; choose with augment=CHOICE"),
    ],
)  # fmt: skip
def test_one_line_names_the_key_what_was_found_and_what_is_allowed(override, line):
    assert faults(override) == [line]


def test_an_unknown_key_names_the_nearest_and_all():
    (line,) = faults("+augment.scal=[1,1]")
    assert line.startswith("augment.scal: no such key. Did you mean augment.scale? Allowed under augment: rotation, ")
    (line,) = faults("+qqq=1")
    assert line.startswith("qqq: no such key. Allowed at the top: data, augment,")
    assert "Did you mean" not in line
    (line,) = faults("+callbacks.early_stopping.patiense=3")
    assert line.startswith(
        "callbacks.early_stopping.patiense: no such key. Did you mean callbacks.early_stopping.patience?"
    )


def test_a_key_of_another_kind_says_how_to_change_the_kind():
    (line,) = faults("+optimizer.momentum=0.9")
    assert line.startswith("optimizer.momentum: no such key.")
    assert "optimizer.name=adam; to change the kind, write optimizer=CHOICE" in line


def test_all_faults_are_told_at_once():
    lines = faults("trainer.max_epochs=ten", "augment.scale=[1.3,0.7]", "data.test_size=1.5", "+foo=1")
    assert sorted(line.split(":")[0] for line in lines) == [
        "augment.scale", "data.test_size", "foo", "trainer.max_epochs",
    ]  # fmt: skip


def test_a_missing_value_does_not_hide_the_others():
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = compose("train", ["trainer.max_epochs=ten"])
    with pytest.raises(ConfigError) as caught:
        check(config, TrainConfig)
    first, second = str(caught.value).splitlines()
    assert first.startswith("data.root: missing; give the folder")
    assert "data=phantoms" in first
    assert second.startswith("trainer.max_epochs: found 'ten'")


def test_sections_that_contradict_themselves_are_refused():
    (line,) = faults("protocol=holdout", "data.test_size=0.6", "data.val_size=0.5")
    assert line == "data.test_size=0.6 and data.val_size=0.5 leave nothing to train on; expected a sum below 1"
    (line,) = faults("optimizer=sgd", "optimizer.nesterov=true", "optimizer.momentum=0")
    assert line == "optimizer: nesterov=true needs momentum above 0"
    (line,) = faults("trainer=ddp", "trainer.accelerator=cpu")
    assert line.startswith("trainer: sync_batchnorm=true works on GPUs only")


def test_one_operating_point_is_asked_for():
    (line,) = faults("evaluation.at_sensitivity=0.9", "evaluation.at_specificity=0.9")
    assert line == "evaluation: at_sensitivity and at_specificity: expected one of them, the other null"
    (line,) = faults("run=x", "at_sensitivity=0.9", "at_specificity=0.9", schema=EvaluateConfig, name="evaluate")
    assert line == "at_sensitivity and at_specificity: expected one of them, the other null"
    (line,) = faults("evaluation.at_sensitivity=1.5")
    assert line == ("evaluation.at_sensitivity: found 1.5; expected a number above 0 and at most 1 or null.")


def test_a_configuration_from_before_the_evaluation_had_keys_still_loads():
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = compose("train", ["data.root=/somewhere"])
    with open_dict(config):
        del config.evaluation
    settings = check(config, TrainConfig)
    assert settings.evaluation.at_sensitivity is None and settings.evaluation.calibrate == "none"


def test_a_long_value_is_cut():
    (line,) = faults(f"data.cache='{'x' * 500}'")
    assert len(line) < 150
    assert "..." in line


def test_evaluate_is_checked_alike():
    assert faults(schema=EvaluateConfig, name="evaluate") == [
        "run: missing; give the directory of a finished run, run=outputs/..."
    ]
    (line,) = faults("run=x", "split=tests", schema=EvaluateConfig, name="evaluate")
    assert line == "split: found 'tests'; expected train, val, test or all. Did you mean test?"


def test_a_configuration_is_not_changed_once_typed():
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        settings = check(compose("train", ["data.root=/somewhere"]), TrainConfig)
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 3


def test_an_empty_configuration_misses_everything():
    with pytest.raises(ConfigError) as caught:
        check(OmegaConf.create({}), EvaluateConfig)
    assert str(caught.value).splitlines()[0] == "run: missing; expected a text"


def test_unknown_key_without_neighbours():
    assert unknown_key("zzz", ["seed"]) == "zzz: no such key. Allowed at the top: seed"
