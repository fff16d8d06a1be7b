"""Hydra's own errors, one readable line per fault of the command line."""

import shlex

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from covidnet.config.compose import CONFIG_DIR
from covidnet.config.hydra_errors import explain

ROOT = "data.root=/somewhere"


def explained(*arguments, name="train"):
    """The lines for a command line that Hydra refuses."""
    overrides = [text for text in arguments if "=" in text or text == arguments[0] != "-m"]
    try:
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"), pytest.raises(Exception) as caught:
            compose(name, overrides)
        text = explain(caught.value, CONFIG_DIR, name, arguments)
    finally:
        GlobalHydra.instance().clear()
    assert text is not None
    return text.splitlines()


@pytest.mark.parametrize(
    ("override", "start"),
    [
        ("augment.scal=[1,1]", "augment.scal: no such key. Did you mean augment.scale? Allowed under augment:"),
        ("traner.max_epochs=3", "traner: no such key. Did you mean trainer? Allowed at the top: data,"),
        ("qqq=1", "qqq: no such key. Allowed at the top: data,"),
        ("~qqq", "qqq: no such key. Allowed at the top: data,"),
        ("optimizer.momentum=0.9", "optimizer.momentum: no such key. Allowed under optimizer: name, lr,"),
        ("optimizer=adamm", "optimizer=adamm: no such choice. Did you mean adam? Allowed: adam, adamw, sgd"),
        ("augment=null", "augment=null: expected one of article, none, strong"),
        ("experiment=", "experiment=: no such choice. Allowed: article, demo"),
        ("seed.x=3", "seed.x: seed is a value, not a section. Set it whole, seed=VALUE"),
        ("optimizer.betas.foo=3", "optimizer.betas.foo: optimizer.betas is a value, not a section."),
        ("hydra.foo=1", "hydra.foo: no such key of Hydra's own configuration"),
        ("+seed=3", "+seed=3: Could not append to config. An item is already at 'seed'."),
        ("~seed=3", "~seed=3: Could not delete from config. The value of 'seed' is 50 and not 3."),
        ("seed=1,2", "seed=1,2: several values make a sweep, with -m."),
        ("=3", "=3: not of the form KEY=VALUE"),
        ("seed", "seed: not of the form KEY=VALUE"),
        ("a=b=c", "a=b=c: cannot be read as KEY=VALUE"),
        ("augment.scale=[1,", "augment.scale=[1,: cannot be read as KEY=VALUE"),
        ("foo@bar=1", "foo: no such key."),
    ],
)  # fmt: skip
def test_one_line(override, start):
    (line,) = explained(override, ROOT)
    assert line.startswith(start)
    assert "Traceback" not in line and "hydra.cc" not in line


@pytest.mark.parametrize("path", ["/x (1)/y", "/ü", "/it's", '/a"b', "~/x", "/a=b", "/a{b", "/a,b", "/back\\slash'"])
def test_a_path_with_special_characters_is_answered_with_the_quotes_it_needs(path):
    (line,) = explained(f"data.root={path}")
    (typed,) = shlex.split(line.partition("needs quotes: ")[2])
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        assert compose("train", [typed]).data.root == path


def test_an_odd_key_gets_no_advice_that_does_not_help():
    (line,) = explained("é=3", ROOT)
    assert line == "é=3: cannot be read as KEY=VALUE."


def test_all_faults_are_told_at_once():
    lines = explained(
        "augment.scal=1", "trainer.max_epoch=2", "optimizer=adamm", "optimizer.momentum=0.9", "trainer.max_epochs=ten",
        "augment.scale=[1.3,0.7]", "data.test_size=1.5", "data.root=/ü",
    )  # fmt: skip
    assert sorted(line.replace("=", ":").split(":")[0] for line in lines) == [
        "augment.scal", "augment.scale", "data.root", "data.test_size", "optimizer", "trainer.max_epoch",
        "trainer.max_epochs",
    ]  # fmt: skip


def test_keys_are_looked_for_in_the_chosen_kind_whatever_the_order():
    (line,) = explained("optimizer.betas=[0.1,0.2]", "optimizer.momentum=0.5", "optimizer=sgd", ROOT)
    assert line == "optimizer.betas: no such key. Allowed under optimizer: name, lr, weight_decay, momentum, nesterov"


def test_a_sweeps_several_values_are_no_fault():
    (line,) = explained("-m", "seed=1,2", "augment.scale=[1,1],[2,2]", "seeed=3", ROOT)
    assert line.startswith("seeed: no such key. Did you mean seed?")


def test_the_word_after_a_flag_is_no_override():
    (line,) = explained("augment.scal=1", ROOT, "--cfg", "job", "--package", "trainer")
    assert line.startswith("augment.scal: no such key.")


def test_a_resumed_run_needs_no_data_root():
    (line,) = explained("resume=outputs/x", "trainer.max_epoch=3")
    assert line.startswith("trainer.max_epoch: no such key.")


def test_evaluates_keys():
    (line,) = explained("runn=outputs/x", "run=x", name="evaluate")
    assert line.startswith("runn: no such key. Did you mean run? Allowed at the top: ")


def test_an_error_that_is_none_of_hydras_is_left_alone():
    assert explain(ValueError("something else"), CONFIG_DIR, "train", [ROOT]) is None
    assert explain(ZeroDivisionError(), CONFIG_DIR, "train", [ROOT, "seed=3"]) is None
