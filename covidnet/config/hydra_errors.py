"""Hydra's errors in the user's words: the key, what was found, what is allowed, the nearest valid name."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from covidnet.config.check import unknown_key
from covidnet.errors import MissingExtraError
from covidnet.naming import did_you_mean

PLUGIN_EXTRAS = {
    "hydra/launcher=joblib": "joblib",
    "hydra/launcher=submitit_slurm": "submitit",
    "hydra/launcher=submitit_local": "submitit",
    "hydra/launcher=ray": "ray",
    "hydra/sweeper=optuna": "optuna",
}
"""Choices that Hydra's plugins bring, and the extra that installs each."""


def explain(error: Exception, config_dir: Path, config_name: str, arguments: Sequence[str]) -> str | None:
    """One readable text for an error that Hydra raised while composing; None when it is not one of those."""
    if isinstance(error, MissingConfigException):
        return _missing_choice(error)
    if isinstance(error, ConfigCompositionException):
        key = re.match(r"Could not override '([^']+)'", str(error))
        if key:
            return _unknown_override(key.group(1), config_dir, config_name, arguments)
    if isinstance(error, ValueError) and str(error).startswith("Only one of --"):
        return str(error)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return None


def _missing_choice(error: MissingConfigException) -> str:
    wanted = str(error.missing_cfg_file or "")
    group, _, choice = wanted.rpartition("/")
    if f"{group}={choice}" in PLUGIN_EXTRAS:
        return str(MissingExtraError(f"{group}={choice}", PLUGIN_EXTRAS[f"{group}={choice}"]))
    options = list(error.options or [])
    if not group or not options:
        return " ".join(str(error).split())
    return f"{group}={choice}: no such choice.{did_you_mean(choice, options)} Allowed: {', '.join(options)}"


def _unknown_override(key: str, config_dir: Path, config_name: str, arguments: Sequence[str]) -> str:
    """Compose once more without the faulty override, so that the names shown are those of the chosen groups."""
    others = [text for text in arguments if "=" in text and not text.lstrip("+~").startswith(f"{key}=")]
    config = _compose(config_dir, config_name, others)
    if config is None:
        config = _compose(config_dir, config_name, [])
    if config is None:
        return f"{key}: no such key."
    section, _, _ = key.rpartition(".")
    node = OmegaConf.select(config, section) if section else config
    while not isinstance(node, DictConfig) and section:
        section = section.rpartition(".")[0]
        node = OmegaConf.select(config, section) if section else config
        key = key[: len(section) + 1] + key[len(section) + 1 :].split(".")[0] if section else key.split(".")[0]
    return unknown_key(key, [str(name) for name in node] if isinstance(node, DictConfig) else [])


def _compose(config_dir: Path, config_name: str, overrides: Sequence[str]) -> DictConfig | None:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_dir), version_base="1.3"):
            return compose(config_name, overrides=list(overrides))
    except Exception:
        return None


def arguments() -> list[str]:
    """The command line's overrides, as typed."""
    return sys.argv[1:]
