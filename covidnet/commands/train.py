"""What train.py does. This file is light: torch is imported after the configuration proved sound."""

from __future__ import annotations

import time
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from covidnet.commands.hooks import as_typed
from covidnet.compute import prepare_process
from covidnet.config.check import check
from covidnet.config.schema import TrainConfig
from covidnet.errors import CovidnetError
from covidnet.runs.directories import discard_unused
from covidnet.runs.layout import RunLayout
from covidnet.training.resume import settings_of_resumed


def train(config: DictConfig) -> float | None:
    """Train, score and report one run in Hydra's output directory.

    Returns:
        The lowest validation loss, for searches over configurations; None when no epoch gave one.

    Raises:
        CovidnetError: Anything a user can mend.
    """
    started = time.perf_counter()
    hydra = HydraConfig.get()
    overrides = as_typed(hydra.overrides.task)
    # A DDP process other than the first is started with the same command.
    resumed = OmegaConf.select(config, "resume")
    settings = settings_of_resumed(resumed, overrides) if resumed else check(config, TrainConfig)
    prepare_process(settings.compute)

    from covidnet.training.pipeline import run_training

    layout = RunLayout(Path(hydra.runtime.output_dir))
    try:
        return run_training(settings, layout, overrides, resumed=bool(resumed), started=started)
    except CovidnetError:
        if hydra.mode == RunMode.RUN and not any("hydra.run.dir=" in text for text in as_typed(hydra.overrides.hydra)):
            discard_unused(layout.directory, f"{hydra.job.name}.log")
        raise
