"""Hydra callbacks that act before a job starts: check the configuration, then choose its directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write

from covidnet.config.check import check
from covidnet.config.resolvers import register_config_resolvers
from covidnet.config.schema import TrainConfig
from covidnet.console import report_error
from covidnet.errors import CovidnetError
from covidnet.runs.directories import describe_overrides, reserve_directory
from covidnet.runs.layout import RunLayout
from covidnet.training.resume import refuse_used_directory, settings_of_resumed


def register_resolvers() -> None:
    """Make ``${job_name:NUMBER,OVERRIDES}`` known, a sweep's job directory, and what the data need."""
    register_config_resolvers()
    OmegaConf.register_new_resolver("job_name", _job_name, replace=True)


def _job_name(number: int, overrides: ListConfig) -> str:
    described = describe_overrides(str(override) for override in overrides)
    return f"{number:04d}_{described}" if described else f"{number:04d}"


class RunDirectory(Callback):
    """Chooses the directory of a run or sweep before Hydra makes it; a faulty configuration leaves none behind."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the configuration; then name the run's directory, or take the one that is resumed."""
        if "LOCAL_RANK" in os.environ:
            return  # a further process of a run whose first process did all this
        with _ending_on_errors():
            overrides = [str(override) for override in config.hydra.overrides.task]
            if config.resume is not None:
                settings_of_resumed(config.resume, overrides)
                _set(config, "hydra.run.dir", config.resume)
                _set(config, "hydra.output_subdir", None)  # the stored configuration is kept as it is
                return
            check(_without_hydra(config), TrainConfig)
            if _given(config, "hydra.run.dir"):
                refuse_used_directory(RunLayout(Path(config.hydra.run.dir)))
            else:
                _set(config, "hydra.run.dir", str(reserve_directory(Path(config.output_dir), overrides)))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Name the sweep's directory once for all its jobs, whichever process runs them."""
        if not _given(config, "hydra.sweep.dir"):
            directory = reserve_directory(Path(config.output_dir), [], suffix="sweep")
            _set(config, "hydra.sweep.dir", str(directory))
            # Each job composes its configuration anew from these overrides.
            with read_write(config), open_dict(config):
                config.hydra.overrides.hydra.append(f"hydra.sweep.dir={directory}")


@contextmanager
def _ending_on_errors() -> Iterator[None]:
    """Hydra turns an Exception raised in a callback into a warning and runs on; SystemExit ends the command."""
    try:
        yield
    except CovidnetError as error:
        raise SystemExit(report_error(error)) from error


def _without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _given(config: DictConfig, key: str) -> bool:
    return any(override.lstrip("+").startswith(f"{key}=") for override in config.hydra.overrides.hydra)


def _set(config: DictConfig, key: str, value: object) -> None:
    with read_write(config), open_dict(config):
        OmegaConf.update(config, key, value)
