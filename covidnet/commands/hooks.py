"""Hydra callbacks that act before a job starts: check the configuration, then choose its directory."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from covidnet.config.check import check
from covidnet.config.schema import TrainConfig
from covidnet.console import report_error
from covidnet.data.records import check_root
from covidnet.errors import ConfigError, CovidnetError, DataError
from covidnet.runs.directories import describe_overrides, reserve_directory
from covidnet.runs.layout import RunLayout
from covidnet.training.resume import refuse_used_directory, settings_of_resumed


def register_resolvers() -> None:
    """Make ``${job_name:NUMBER,OVERRIDES}`` known; it names the directory of one job of a sweep."""
    OmegaConf.register_new_resolver("job_name", _job_name, replace=True)


def _job_name(number: int, overrides: ListConfig) -> str:
    described = describe_overrides(as_typed(overrides))
    return f"{number:04d}_{described}" if described else f"{number:04d}"


class RunDirectory(Callback):
    """Chooses the directory of a run or sweep before Hydra makes it; a faulty configuration leaves none behind."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the configuration; then name the run's directory, or take the one that is resumed."""
        with _ending_on_errors():
            if _is_further_process():
                _join_run(config)
                return
            overrides = as_typed(config.hydra.overrides.task)
            if config.resume is not None:
                settings_of_resumed(config.resume, overrides)
                _set(config, "hydra.run.dir", config.resume)
                _set(config, "hydra.output_subdir", None)  # the stored configuration is kept as it is
                return
            check_run(_without_hydra(config))
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


def _is_further_process() -> bool:
    """Whether this is not the first process of a distributed run, started by Lightning, torchrun or srun."""
    return any(int(os.environ.get(name, "0")) > 0 for name in ("LOCAL_RANK", "RANK", "SLURM_PROCID"))


def _join_run(config: DictConfig) -> None:
    """Take the directory that the first process has; its own checks hold for all."""
    if config.resume is not None:
        _set(config, "hydra.run.dir", config.resume)
    elif not _given(config, "hydra.run.dir"):
        raise ConfigError(
            "hydra.run.dir: missing; processes that torchrun or srun starts must all be given the same new directory, "
            "hydra.run.dir=PATH"
        )
    _set(config, "hydra.output_subdir", None)


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


@contextmanager
def _ending_on_errors() -> Iterator[None]:
    """Hydra turns an Exception raised in a callback into a warning and runs on; SystemExit ends the command."""
    try:
        yield
    except CovidnetError as error:
        raise SystemExit(report_error(error)) from error
    except OmegaConfBaseException as error:
        raise SystemExit(report_error(ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}"))) from error
    except Exception as error:
        traceback.print_exc()
        raise SystemExit(1) from error


def _without_hydra(config: DictConfig) -> DictConfig:
    values = OmegaConf.to_container(config, resolve=False)
    assert isinstance(values, dict)
    return OmegaConf.create({str(key): value for key, value in values.items() if key != "hydra"})


def _given(config: DictConfig, key: str) -> bool:
    return any(override.lstrip("+").startswith(f"{key}=") for override in as_typed(config.hydra.overrides.hydra))


def as_typed(overrides: Any) -> list[str]:
    """Overrides as they were given: an interpolation in one is for its key to resolve, not for the list."""
    texts = OmegaConf.to_container(overrides, resolve=False)
    assert isinstance(texts, list)
    return [str(text) for text in texts]


def _set(config: DictConfig, key: str, value: object) -> None:
    with read_write(config), open_dict(config):
        OmegaConf.update(config, key, value)
