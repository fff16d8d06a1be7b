"""Every file under conf/ composes to a configuration that the schema takes."""

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from covidnet.config.check import check
from covidnet.config.compose import CONFIG_DIR, compose_train
from covidnet.config.schema import EvaluateConfig, PhantomData, SGDConfig
from covidnet.errors import ConfigError

FILES = sorted(path.relative_to(CONFIG_DIR).with_suffix("").as_posix() for path in CONFIG_DIR.rglob("*.yaml"))
ROOTS = {"train", "evaluate", "audit", "predict", "export", "demo"}
HYDRAS = {file for file in FILES if file.startswith("hydra/")}
PARTS = {"data/base", "audit/base"}  # no choices by themselves: other files of their groups begin with them
CHOICES = [file for file in FILES if file not in ROOTS | HYDRAS | PARTS]
SOME_ROOT = "data.root=/somewhere"


def test_the_groups_of_the_design_are_there():
    groups = {file.rpartition("/")[0] for file in CHOICES}
    assert groups >= {"data", "augment", "optimizer", "scheduler", "trainer", "logger", "callbacks", "experiment"}
    assert all(len([file for file in CHOICES if file.startswith(f"{group}/")]) >= 2 for group in groups)


@pytest.mark.parametrize("file", FILES)
def test_each_file_is_yaml_that_begins_with_a_comment_on_itself(file):
    text = (CONFIG_DIR / f"{file}.yaml").read_text()
    assert text.startswith("#")
    assert isinstance(yaml.safe_load(text.replace("${", "$ {")), dict)


@pytest.mark.parametrize("file", CHOICES)
def test_each_choice_composes_and_is_valid(file):
    group, _, choice = file.rpartition("/")
    table = ["data.table=/x.csv"] if file == "data/csv" else []
    settings = compose_train([f"{group}={choice}", SOME_ROOT, *table])
    if group in {"optimizer", "scheduler", "logger"}:
        assert getattr(settings, group).name == choice


@pytest.mark.parametrize("file", sorted(HYDRAS))
def test_files_for_hydra_itself_compose(file):
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = compose("train", ["=".join(file.rsplit("/", 1))])
    assert config.backbone == "resnet18"


def test_evaluate_composes():
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        settings = check(compose("evaluate", ["run=outputs/x"]), EvaluateConfig)
    assert (settings.split, settings.checkpoint, settings.allow_changed_data) == ("test", "best", False)


def test_the_defaults_are_the_articles_recipe():
    settings = compose_train([SOME_ROOT])
    assert (settings.random_state, settings.protocol, settings.backbone, settings.weights) == (
        50, "article", "resnet18", "imagenet",
    )  # fmt: skip
    data, augment = settings.data, settings.augment
    assert (data.image_size, data.test_size, data.normalize, data.batch_size) == (224, 0.2, "none", 64)
    assert (augment.rotation, augment.scale, augment.interpolation, augment.fill) == (20, [0.7, 1.3], "bilinear", 0)
    assert augment.translation == [0, 0]
    assert not any([augment.horizontal_flip, augment.brightness, augment.contrast, augment.noise])
    assert settings.optimizer.model_dump() == {
        "name": "adam", "lr": 0.001, "weight_decay": 0.0005, "betas": [0.9, 0.999], "eps": 1e-8,
    }  # fmt: skip
    plateau = settings.scheduler
    assert (plateau.name, plateau.monitor, plateau.factor, plateau.patience, plateau.eps) == (
        "plateau", "train_loss", 0.1, 10, 1e-6,
    )  # fmt: skip
    assert settings.trainer.max_epochs == 50


def test_experiment_article_is_the_default():
    assert compose_train([SOME_ROOT, "experiment=article"]) == compose_train([SOME_ROOT])


def test_the_demo_needs_no_data_and_no_weights():
    settings = compose_train(["experiment=demo"])
    assert isinstance(settings.data, PhantomData)
    assert settings.weights == "none"
    assert settings.data.count == 60


def test_the_seed_is_random_state_unless_given():
    assert compose_train([SOME_ROOT, "random_state=7"]).seed == 7
    settings = compose_train([SOME_ROOT, "random_state=7", "seed=0"])
    assert (settings.random_state, settings.seed) == (7, 0)


def test_an_override_wins_over_the_experiment():
    settings = compose_train(["experiment=demo", "trainer.max_epochs=3", "optimizer=sgd", "optimizer.momentum=0.5"])
    assert settings.trainer.max_epochs == 3
    assert isinstance(settings.optimizer, SGDConfig)
    assert settings.optimizer.momentum == 0.5


def test_compose_train_checks_too():
    with pytest.raises(ConfigError, match=r"^data\.root: missing"):
        compose_train([])


def test_every_key_is_documented_where_it_is_defined():
    """A comment beside each key of a group's fullest file, or above all of them."""
    undocumented = []
    for file in (
        "data/base",
        "augment/none",
        "optimizer/adam",
        "scheduler/plateau",
        "callbacks/default",
        "evaluate",
        "saliency/default",
    ):
        for line in (CONFIG_DIR / f"{file}.yaml").read_text().splitlines():
            key = line.split(":")[0].strip()
            if ":" in line and not line.startswith(("#", " ", "-", "defaults", "hydra")) and "#" not in line:
                undocumented.append(f"{file}: {key}")
    assert set(undocumented) <= {
        "optimizer/adam: name", "optimizer/adam: betas", "optimizer/adam: eps", "scheduler/plateau: name",
        "callbacks/default: early_stopping",
    }  # fmt: skip


def test_composing_leaves_no_trace():
    from hydra.core.global_hydra import GlobalHydra

    compose_train([SOME_ROOT])
    assert not GlobalHydra.instance().is_initialized()
    assert OmegaConf.has_resolver("oc.env")
