"""What train.py does. This file is light: torch is imported after the configuration proved sound."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from covidnet.compute import prepare_process
from covidnet.config.check import as_typed, check
from covidnet.config.schema import TrainConfig
from covidnet.console import say
from covidnet.errors import CovidnetError, Stopped, came_after
from covidnet.runs.directories import discard_unused
from covidnet.runs.layout import RunLayout, go_on_with
from covidnet.runs.single import is_further_process
from covidnet.sweeps.layout import SweepLayout, read_record
from covidnet.training.repeat import configuration_of_repeated
from covidnet.training.resume import settings_of_resumed


def train(config: DictConfig) -> float | None:
    """Train, score and report one run in Hydra's output directory; in a sweep, one of its jobs.

    Returns:
        The lowest validation loss, for searches over configurations; None when no epoch gave one.

    Raises:
        CovidnetError: Anything a user can mend; never in a sweep, where failures are written down.
    """
    hydra = HydraConfig.get()
    overrides = as_typed(hydra.overrides.task)
    layout = RunLayout(Path(hydra.runtime.output_dir))
    if hydra.mode == RunMode.MULTIRUN:
        return _train_job(config, layout, SweepLayout(Path(hydra.sweep.dir)), overrides)
    # A DDP process other than the first is started with the same command.
    resumed, repeated = OmegaConf.select(config, "resume"), OmegaConf.select(config, "repeat")
    if repeated:
        stored, overrides = configuration_of_repeated(repeated, overrides)
        settings = check(stored, TrainConfig)
    else:
        settings = settings_of_resumed(resumed, overrides) if resumed else check(config, TrainConfig)
    try:
        return _train(settings, layout, overrides, resumed=bool(resumed))
    except BaseException as error:
        stop = came_after(error, (KeyboardInterrupt, SystemExit))  # which a library may have made an error of its own
        if stop is None and not isinstance(error, CovidnetError):
            raise
        if stop is not None and not is_further_process():
            say(f"stopped; {go_on_with(layout)}")
        if not any("hydra.run.dir=" in text for text in as_typed(hydra.overrides.hydra)):
            discard_unused(layout.directory, f"{hydra.job.name}.log")
        if isinstance(stop, KeyboardInterrupt):
            raise Stopped from error
        raise


def _train(settings: TrainConfig, layout: RunLayout, overrides: list[str], *, resumed: bool) -> float | None:
    started = time.perf_counter()
    prepare_process(settings.compute)

    from covidnet.training.run import run_training

    return run_training(settings, layout, overrides, resumed=resumed, started=started)


def _train_job(config: DictConfig, layout: RunLayout, sweep: SweepLayout, overrides: list[str]) -> float | None:
    from covidnet.sweeps.job import SweepJob, run_sweep_job

    settings = check(config, TrainConfig)
    job = SweepJob(
        layout,
        sweep,
        read_record(sweep),
        tuple(overrides),
        fail_fast=settings.sweep.fail_fast,
        quiet=settings.callbacks.progress == "auto",
    )

    def work(resumed: bool) -> float | None:
        with _own_device(settings, sweep) as pinned:
            return _train(pinned, layout, overrides, resumed=resumed)

    return run_sweep_job(job, work)


@contextmanager
def _own_device(settings: TrainConfig, sweep: SweepLayout) -> Iterator[TrainConfig]:
    """On a machine with several GPUs a job that takes one takes its own; the settings say which."""
    trainer = settings.trainer
    if trainer.accelerator not in {"auto", "gpu", "cuda"} or trainer.devices != 1:
        yield settings
        return
    prepare_process(settings.compute)
    import torch

    if torch.cuda.device_count() < 2:
        yield settings
        return
    from covidnet.sweeps.devices import claim_device

    with claim_device(sweep.devices, torch.cuda.device_count()) as index:
        yield settings.model_copy(update={"trainer": trainer.model_copy(update={"devices": [index]})})
