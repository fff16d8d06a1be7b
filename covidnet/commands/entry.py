"""What every command shares: it starts fast, and a user's mistake is answered in plain lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from covidnet.commands.hooks import Sweep, tell_broken_sweep  # its import makes the resolvers of conf/ known
from covidnet.console import report_error, say
from covidnet.errors import ConfigError, CovidnetError, RunError, Stopped, came_after
from covidnet.files import CANNOT_WRITE
from covidnet.sweeps.pack import with_launcher

FULL_ERROR = "HYDRA_FULL_ERROR"
TAKEN_OVER = "COVIDNET_SHOWS_ERRORS"
"""Marks, for this process and those it starts, that the variable above was set here and not by the user."""

Value = TypeVar("Value")


def run_job(work: Callable[[DictConfig], Value], config: DictConfig) -> Value:
    """Do a command's work, and end a single run at a user's mistake before Hydra adds its own words.

    In a sweep the error goes on to Hydra, which runs the other jobs.
    """
    try:
        return work(config)
    except CovidnetError as error:
        if _wants_tracebacks() or HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        raise SystemExit(report_error(error)) from error


def run_command(command: Callable[[], object], config_dir: Path, config_name: str) -> int:
    """Run a Hydra entry point and return its exit status.

    Errors that a user can cause are printed without a traceback; with HYDRA_FULL_ERROR=1 in the environment every
    error shows where it came from.
    """
    if not _wants_tracebacks():
        # Makes Hydra raise its errors instead of printing them and leaving.
        os.environ[FULL_ERROR] = os.environ[TAKEN_OVER] = "1"
    sys.argv[1:] = with_launcher(sys.argv[1:])
    try:
        command()
    except CovidnetError as error:
        if _wants_tracebacks():
            raise
        return report_error(error)
    except KeyboardInterrupt as stop:
        return _stopped(stop)
    except Exception as error:
        interrupt = came_after(error, KeyboardInterrupt)
        if interrupt is not None:
            return _stopped(interrupt)
        explained = None if _wants_tracebacks() else _explain(error, config_dir, config_name)
        if explained is None:
            raise
        return report_error(explained)
    finally:
        tell_broken_sweep()
    return 0


def _stopped(stop: KeyboardInterrupt) -> int:
    """The exit status after Ctrl-C, which is told here where neither the run nor the sweep does."""
    if not isinstance(stop, Stopped) and Sweep.running is None:
        say("stopped")
    return 130


def _explain(error: Exception, config_dir: Path, config_name: str) -> CovidnetError | None:
    """A user's mistake, or a refusal of the system, in words; None for a defect."""
    # Hydra's error for a choice that is not there is an OSError too, but without a number.
    if isinstance(error, OSError) and error.errno in CANNOT_WRITE:
        place = f"{error.filename}: " if error.filename else ""
        return RunError(f"{place}{error.strerror}. Make room, or give another place.")
    from covidnet.config.hydra_errors import arguments, explain

    text = explain(error, config_dir, config_name, arguments())
    return None if text is None else ConfigError(text)


def _wants_tracebacks() -> bool:
    return os.environ.get(FULL_ERROR) == "1" and TAKEN_OVER not in os.environ
