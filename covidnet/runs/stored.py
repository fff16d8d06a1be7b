"""The configuration that a run keeps in .hydra, in Hydra's own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from covidnet.files import write_text
from covidnet.runs.layout import RunLayout, open_run


def store_configuration(layout: RunLayout, config: DictConfig, overrides: Sequence[str], hydra: DictConfig) -> None:
    """Write hydra.yaml, overrides.yaml, and last config.yaml, which makes a directory one of a run.

    Args:
        layout: The run directory.
        config: As composed, without Hydra's own part.
        overrides: What makes the run, as typed.
        hydra: The whole configuration, of which only Hydra's own part is stored.
    """
    write_text(layout.config.with_name("hydra.yaml"), OmegaConf.to_yaml(OmegaConf.masked_copy(hydra, "hydra")))
    write_text(layout.overrides, OmegaConf.to_yaml(OmegaConf.create(list(overrides))))
    write_text(layout.config, OmegaConf.to_yaml(config))


def store_changes(layout: RunLayout, changes: Mapping[str, Any]) -> None:
    """Note in a run's configuration that it went on with other values of some keys."""
    if not changes:
        return
    _, config = open_run(str(layout.directory))
    with open_dict(config):
        for key, value in changes.items():
            OmegaConf.update(config, key, value)
    write_text(layout.config, OmegaConf.to_yaml(config))
