"""All faults of a run's configuration that can be told before torch is imported."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from covidnet.config.check import check
from covidnet.config.schema import TrainConfig
from covidnet.data.records import check_root
from covidnet.errors import ConfigError, DataError


def check_run(config: DictConfig) -> TrainConfig:
    """The typed configuration of a run, all of whose faults can be told before torch is imported.

    Raises:
        ConfigError: One line per fault, a folder of images that is not there among them.
    """
    faults = []
    settings = None
    try:
        settings = check(config, TrainConfig)
    except ConfigError as error:
        faults.append(str(error))
    if OmegaConf.select(config, "data.source") == "folder" and not OmegaConf.is_missing(config.data, "root"):
        try:
            check_root(Path(str(config.data.root)).expanduser())
        except DataError as error:
            faults.append(str(error))
    if settings is None or faults:
        raise ConfigError("\n".join(faults))
    return settings
