"""Which configuration a run has: the composed one, or that of the stopped run it goes on with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from covidnet.config.check import check
from covidnet.config.schema import InverseTimeConfig, PhantomData, PhantomPatchData, SchedulerConfig, TrainConfig
from covidnet.data.sources import expanded
from covidnet.errors import ConfigError, RunError
from covidnet.runs.layout import RunLayout, open_run
from covidnet.runs.trust import may_be_drawn
from covidnet.training.history import read_history

CHANGEABLE = (
    "data.root", "data.cache", "data.cache_dir", "data.num_workers",
    "trainer.max_epochs", "trainer.max_time", "trainer.accelerator", "trainer.devices", "trainer.profiler",
    "callbacks.progress", "callbacks.save_every", "compute.num_threads", "compute.huge_pages",
    "compute.keep_memory", "compute.resident",
    "evaluation.at_sensitivity", "evaluation.at_specificity", "evaluation.calibrate", "evaluation.bins",
    "evaluation.bootstrap", "evaluation.prevalence", "report.enabled", "report.images", "report.figures",
)  # fmt: skip
"""Keys that may differ when a run goes on; all others define what it is."""


def settings_of_resumed(directory: str, overrides: Sequence[str]) -> TrainConfig:
    """The stopped run's settings, with those changes that leave it the same experiment.

    Raises:
        RunError: There is no such run, or nothing is left to do.
        ConfigError: An override would make it another experiment.
    """
    layout, stored = open_run(directory)
    changes = changes_beside("resume", directory, "goes on with that run's own configuration", overrides, CHANGEABLE)
    merged = OmegaConf.merge(stored, OmegaConf.from_dotlist(changes))
    assert isinstance(merged, DictConfig)
    settings = check(merged, TrainConfig)
    _refuse_far_phantoms(settings, layout)
    planned = check(stored, TrainConfig).trainer.max_epochs
    if settings.trainer.max_epochs != planned and goes_by_epochs(settings.scheduler):
        raise ConfigError(
            f"trainer.max_epochs: found {settings.trainer.max_epochs}; scheduler={settings.scheduler.name} was planned "
            f"over {planned} epochs and cannot be stretched. Start a new run, or resume without it."
        )
    if layout.folds and layout.is_finished:
        raise RunError(
            f"{directory}: all {len(layout.folds)} folds of this run are finished. Score them again with evaluate.py "
            f"run={directory}; for more epochs start a new run."
        )
    done = len(read_history(layout.history))
    longer = any(text.startswith(("trainer.max_epochs=", "trainer.max_time=")) for text in changes)
    if layout.is_finished and not (longer and done < settings.trainer.max_epochs):
        again = f"Score it again with evaluate.py run={directory}"
        if not goes_by_epochs(settings.scheduler):
            again += f", or train it longer: resume={directory} trainer.max_epochs={done + 10}"
        raise RunError(f"{directory}: this run is finished, after {done} epochs. {again}")
    return settings


def changes_beside(key: str, directory: str, does: str, overrides: Sequence[str], allowed: Sequence[str]) -> list[str]:
    """The overrides beside ``key=directory``, which leave the run the same experiment.

    Raises:
        ConfigError: One is of a key that is not ``allowed``; the message says what ``key`` ``does``.
    """
    changes = [text for text in overrides if not text.startswith(f"{key}=")]
    refused = [text for text in changes if text.partition("=")[0] not in allowed]
    if refused:
        raise ConfigError(
            f"{key}={directory}: {does}, so {', '.join(refused)} cannot be given. Allowed beside {key}: "
            f"{', '.join(allowed)}. For another experiment, start a new run."
        )
    return changes


def _refuse_far_phantoms(settings: TrainConfig, layout: RunLayout) -> None:
    """A stored configuration must not choose where on this machine images are drawn."""
    if not isinstance(settings.data, PhantomData | PhantomPatchData):
        return
    folder = expanded("data.root", Path(settings.data.root))
    if not folder.exists() and not may_be_drawn(folder, layout.directory):
        raise RunError(
            f"{layout.config}: its phantoms are to be drawn into {folder}, which is not there and is far from the run "
            f"directory. Make the folder {folder}, if that is right, and start again."
        )


def goes_by_epochs(scheduler: SchedulerConfig) -> bool:
    """Whether the rate of a step depends on how many epochs there will be."""
    return scheduler.name in {"cosine", "one_cycle"} or (
        isinstance(scheduler, InverseTimeConfig) and scheduler.decay is None
    )


def refuse_used_directory(layout: RunLayout) -> None:
    """A new run must not write over another.

    Raises:
        RunError: The directory holds a run already.
    """
    if layout.history.exists() or layout.checkpoints.exists():
        raise RunError(
            f"{layout.directory}: holds a run already. Go on with it, resume={layout.directory}, or choose another "
            "directory."
        )
