"""The configuration that a run keeps in .hydra, in Hydra's own files."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from covidnet.config.check import without_hydra
from covidnet.files import write_text
from covidnet.runs.layout import RunLayout


def store_configuration(config: DictConfig, layout: RunLayout) -> None:
    """Write hydra.yaml, overrides.yaml, and last config.yaml, which makes a directory one of a run.

    Args:
        config: As composed, with Hydra's own part.
        layout: The run directory.
    """
    write_text(layout.config.with_name("hydra.yaml"), OmegaConf.to_yaml(OmegaConf.masked_copy(config, "hydra")))
    write_text(layout.overrides, OmegaConf.to_yaml(config.hydra.overrides.task))
    write_text(layout.config, OmegaConf.to_yaml(without_hydra(config)))
