"""Hydra callbacks around runs and sweeps: check the configuration, choose the directory, sum up at the end."""

from __future__ import annotations

import shlex
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from covidnet.config.check import as_typed, check, without_hydra
from covidnet.config.resolvers import register_config_resolvers
from covidnet.config.schema import TrainConfig
from covidnet.console import report_error, say
from covidnet.errors import ConfigError, CovidnetError, RunError, came_after
from covidnet.files import CANNOT_WRITE
from covidnet.runs.directories import reserve_directory
from covidnet.runs.layout import RunLayout, read_overrides
from covidnet.runs.single import is_further_process
from covidnet.runs.stored import store_configuration
from covidnet.training.check import check_run
from covidnet.training.repeat import configuration_of_repeated
from covidnet.training.resume import refuse_used_directory, settings_of_resumed


class RunDirectory(Callback):
    """Chooses the directory of a run before Hydra makes it; a faulty configuration leaves none behind."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the configuration; then name the run's directory, or take the one that is resumed."""
        with _ending_on_errors():
            if is_further_process():
                _join_run(config)
                return
            overrides = as_typed(config.hydra.overrides.task)
            if config.repeat is not None:
                _start_repeat(config, overrides)
                return
            if config.resume is not None:
                settings_of_resumed(config.resume, overrides)
                _set(config, "hydra.run.dir", config.resume)
                return
            _refuse_sweep_keys(check_run(without_hydra(config)))
            if _given(config, "hydra.run.dir"):
                refuse_used_directory(RunLayout(Path(config.hydra.run.dir)))
            else:
                _set(config, "hydra.run.dir", str(reserve_directory(Path(config.output_dir), overrides)))

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Store the configuration in .hydra, as Hydra would, but each file whole or not at all.

        A run that goes on keeps the one that it has.
        """
        if config.resume is None and not is_further_process():
            with _ending_on_errors():
                layout = RunLayout(Path(config.hydra.runtime.output_dir))
                own, overrides = without_hydra(config), as_typed(config.hydra.overrides.task)
                if config.repeat is not None:
                    own, overrides = configuration_of_repeated(config.repeat, overrides)
                store_configuration(layout, own, overrides, config)


def _start_repeat(config: DictConfig, overrides: list[str]) -> None:
    check(configuration_of_repeated(config.repeat, overrides)[0], TrainConfig)
    if _given(config, "hydra.run.dir"):
        refuse_used_directory(RunLayout(Path(config.hydra.run.dir)))
        return
    recorded = read_overrides(RunLayout(Path(config.repeat).expanduser()))
    _set(config, "hydra.run.dir", str(reserve_directory(Path(config.output_dir), recorded, suffix="repeat")))


def _refuse_sweep_keys(settings: TrainConfig) -> None:
    sweep = settings.sweep
    given = {
        "resume": sweep.resume,
        "fail_fast": sweep.fail_fast or None,
        "prune": sweep.prune,
        "pack": sweep.pack if sweep.pack > 1 else None,
    }
    for key, value in given.items():
        if value is not None:
            raise ConfigError(f"sweep.{key}: found {value}; it is for the runs of a sweep, so give -m with it")


class Sweep(Callback):
    """Plans a sweep before its first job, and sums its runs up after the last."""

    running: ClassVar[Path | None] = None
    """The directory of this process's sweep, from its first job until its summary."""

    held: ClassVar[ExitStack] = ExitStack()
    """The sweep's lock, as long; of the class, since launchers send callbacks to other processes."""

    def on_multirun_start(self, config: DictConfig, config_name: str | None = None, **kwargs: Any) -> None:
        """Check all jobs, then name the sweep's directory for them, or take the one that is resumed."""
        from covidnet.sweeps import start

        with _ending_on_errors():
            if config.repeat is not None:
                raise ConfigError(f"repeat={config.repeat}: one run is made again, without -m")
            if config.resume is not None:
                raise ConfigError(
                    f"resume={config.resume}: one run is gone on with, without -m; a sweep by the same command with "
                    "sweep.resume=outputs/SWEEP"
                )
            given = Path(config.hydra.sweep.dir) if _given(config, "hydra.sweep.dir") else None
            directory = start.start_sweep(config, str(config_name), given, Sweep.held)
            _set(config, "hydra.sweep.dir", str(directory))
            # Each job composes its configuration anew from these overrides, in whichever process.
            with read_write(config), open_dict(config):
                config.hydra.overrides.hydra.append(f"hydra.sweep.dir={_quoted(str(directory))}")
            Sweep.running = directory

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write and print the summary; a job that failed or never ran makes the exit status 1."""
        from covidnet.sweeps.report import report_sweep

        try:
            with _ending_on_errors():
                complete = report_sweep(Path(config.hydra.sweep.dir))
        except SystemExit:
            Sweep.running = None  # what went wrong is told
            raise
        finally:
            Sweep.held.close()
        Sweep.running = None
        if not complete:
            raise SystemExit(1)


def tell_broken_sweep() -> None:
    """Where a sweep ended before its summary (Ctrl-C, a worker that was killed), say how to go on with it."""
    directory, Sweep.running = Sweep.running, None
    Sweep.held.close()
    if directory is not None:
        finished = sum(1 for _ in directory.glob("*/metrics.json"))
        runs = "1 run" if finished == 1 else f"{finished} runs"
        say(
            f"the sweep was stopped with {runs} finished; go on with the same command and "
            f"sweep.resume={shlex.quote(str(directory))}, or see what is there: "
            f"python -m covidnet.sweeps {shlex.quote(str(directory))}"
        )


def register_resolvers() -> None:
    """Make ``${job_name:SWEEP_DIR,OVERRIDES}`` known, a sweep's job directory, and what the data need."""
    register_config_resolvers()
    OmegaConf.register_new_resolver("job_name", _job_name, replace=True)


def _job_name(sweep_dir: str, overrides: ListConfig) -> str:
    from covidnet.runs.directories import job_name
    from covidnet.sweeps.layout import SweepLayout, read_record
    from covidnet.sweeps.plan import swept_overrides

    record = read_record(SweepLayout(Path(sweep_dir)))
    return job_name(swept_overrides(as_typed(overrides), record.swept))


# Launchers run jobs in other processes, where this module is imported because its callbacks are unpickled.
register_resolvers()
# The presets in conf/hydra bear the names of the plugins' own configurations, against which Hydra checks their types.
# They are complete, so that they also work with a Hydra that no longer does so.
warnings.filterwarnings("ignore", message=r"(?s).*is validated against ConfigStore schema with the same name")


def _join_run(config: DictConfig) -> None:
    """Take the directory that the first process has; its own checks hold for all."""
    if config.resume is not None:
        _set(config, "hydra.run.dir", config.resume)
    elif not _given(config, "hydra.run.dir"):
        raise ConfigError(
            "hydra.run.dir: missing; processes that torchrun or srun starts must all be given the same new directory, "
            "hydra.run.dir=PATH"
        )


@contextmanager
def _ending_on_errors() -> Iterator[None]:
    """Hydra turns an Exception raised in a callback into a warning and runs on; SystemExit ends the command."""
    try:
        yield
    except CovidnetError as error:
        raise SystemExit(report_error(error)) from error
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            traceback.print_exc()
            raise SystemExit(1) from error
        raise SystemExit(report_error(RunError(f"{error.filename}: cannot be written ({error.strerror})"))) from error
    except OmegaConfBaseException as error:
        raise SystemExit(report_error(ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}"))) from error
    except Exception as error:
        if came_after(error, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        traceback.print_exc()
        raise SystemExit(1) from error


def _given(config: DictConfig, key: str) -> bool:
    return any(override.lstrip("+").startswith(f"{key}=") for override in as_typed(config.hydra.overrides.hydra))


def _quoted(text: str) -> str:
    """A value that Hydra's override grammar reads back as it is, whatever its characters."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _set(config: DictConfig, key: str, value: object) -> None:
    with read_write(config), open_dict(config):
        OmegaConf.update(config, key, value)
