"""The configuration that makes a finished run again, from what the run recorded; a light file, as its callers are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from covidnet.config.check import check
from covidnet.config.schema import TrainConfig
from covidnet.errors import RunError
from covidnet.runs.layout import RunLayout, open_run, read_overrides
from covidnet.training.history import read_history
from covidnet.training.resume import changes_beside, goes_by_epochs
from covidnet.untrusted import read_object

ALLOWED = (
    "output_dir", "data.root", "data.table", "data.cache", "data.cache_dir", "data.num_workers", "trainer.accelerator",
    "trainer.devices", "callbacks.progress", "callbacks.save_every", "compute.num_threads", "compute.huge_pages",
    "compute.keep_memory",
    "logger", "report.enabled", "report.images", "report.figures",
)  # fmt: skip
"""Keys that may be given beside repeat: where and how a run is made, and not what it is."""


def configuration_of_repeated(directory: str, overrides: Sequence[str]) -> tuple[DictConfig, list[str]]:
    """The configuration that makes a run again, and the overrides that it was made with.

    Its images are looked for where the run found them, and it takes as many threads as the run did.

    Raises:
        RunError: There is no such run, it is not finished, or it cannot be made again.
        ConfigError: An override would make it another experiment.
    """
    layout, config = open_run(directory)
    does = "makes that run again with its own configuration"
    changes = changes_beside("repeat", directory, does, overrides, ALLOWED)
    if not layout.is_finished or not layout.predictions.is_file():
        raise RunError(f"{directory}: not finished, so there is nothing to compare with. First go on with it, resume=.")
    with open_dict(config):
        config.merge_with(_recorded(layout, config, changes))
        config.merge_with(OmegaConf.from_dotlist([_as_group(text) for text in changes]))
    return config, read_overrides(layout)


def _as_group(text: str) -> str:
    """``logger=none`` chooses a file of conf/logger, whose only key is the name."""
    return f"logger.name={text.partition('=')[2]}" if text.startswith("logger=") else text


def _recorded(layout: RunLayout, config: DictConfig, changes: Sequence[str]) -> DictConfig:
    """What the configuration leaves open and the run found out."""
    settings = check(config, TrainConfig)
    given = {text.partition("=")[0] for text in changes}
    environment = read_object(layout.environment)
    known: dict[str, Any] = {
        "repeat": str(layout.directory.absolute()), "resume": None, "sweep.resume": None, "sweep.fail_fast": False,
        "sweep.prune": None,
    }  # fmt: skip
    data = environment.get("data") or {}
    if "data.root" not in given and settings.data.root is not None and data.get("root") is not None:
        known["data.root"] = str(data["root"])
    if "data.table" not in given and settings.data.source == "csv" and data.get("table") is not None:
        known["data.table"] = str(data["table"])
    if settings.compute.num_threads is None and isinstance(environment.get("threads"), int):
        known["compute.num_threads"] = environment["threads"]
    known |= _length(layout, settings)
    return _nested(known)


def _nested(values: dict[str, Any]) -> DictConfig:
    nested = OmegaConf.create()
    for key, value in values.items():
        OmegaConf.update(nested, key, value, force_add=True)
    return nested


def _length(layout: RunLayout, settings: TrainConfig) -> dict[str, Any]:
    """As many epochs as the run had, where its clock or its sweep decided when it ended.

    Raises:
        RunError: Its learning rates were planned over more epochs than it had.
    """
    by_time = settings.trainer.max_time is not None or settings.sweep.prune is not None
    if not by_time or layout.folds:
        return {}
    epochs = len(read_history(layout.history))
    if epochs < settings.trainer.max_epochs and goes_by_epochs(settings.scheduler):
        raise RunError(
            f"{layout.directory}: was ended after {epochs} of {settings.trainer.max_epochs} epochs, over which "
            f"scheduler={settings.scheduler.name} was planned. Such a run cannot be made again."
        )
    return {"trainer.max_epochs": min(epochs, settings.trainer.max_epochs), "trainer.max_time": None}
