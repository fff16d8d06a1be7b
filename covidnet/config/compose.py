"""The typed configuration of a list of overrides, without Hydra's command line: for scripts, notebooks and tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from covidnet.config.check import check
from covidnet.config.schema import TrainConfig

CONFIG_DIR = Path(__file__).resolve().parents[2] / "conf"
"""The checkout's conf folder."""


def compose_train(overrides: Sequence[str]) -> TrainConfig:
    """What ``python train.py`` with these arguments would run with.

    Raises:
        ConfigError: An override is ill-typed or out of range.
        HydraException: An override names no key or choice.
    """
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return check(compose("train", list(overrides)), TrainConfig)
