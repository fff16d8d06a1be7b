"""A finished run made again from what it recorded: its configuration, its split, and what differs before and after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from covidnet.config.check import check
from covidnet.config.schema import TrainConfig
from covidnet.console import RESEARCH_ONLY, say
from covidnet.data.changes import describe_changes, list_changes
from covidnet.data.dataset import XrayDataset
from covidnet.data.split import Split, read_split
from covidnet.errors import ConfigError, DataError, RunError
from covidnet.files import write_json
from covidnet.runs.comparison import compare_environments, compare_metrics, compare_predictions
from covidnet.runs.layout import RunLayout, open_run, read_overrides
from covidnet.runs.recorded import recorded_root, recorded_split, recorded_table
from covidnet.training.history import read_history
from covidnet.training.resume import goes_by_epochs

JSON = "repeat.json"
ALLOWED = (
    "output_dir", "data.root", "data.table", "data.cache", "data.cache_dir", "data.num_workers", "trainer.accelerator",
    "trainer.devices", "callbacks.progress", "callbacks.save_every", "compute.num_threads", "compute.huge_pages",
    "logger", "report.enabled", "report.images",
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
    changes = [text for text in overrides if not text.startswith("repeat=")]
    refused = [text for text in changes if text.partition("=")[0] not in ALLOWED]
    if refused:
        raise ConfigError(
            f"repeat={directory}: makes that run again with its own configuration, so {', '.join(refused)} cannot be "
            f"given. Allowed beside repeat: {', '.join(ALLOWED)}. For another experiment, start a new run."
        )
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
    environment = read_environment(layout)
    known: dict[str, Any] = {
        "repeat": str(layout.directory.absolute()), "resume": None, "sweep.resume": None, "sweep.fail_fast": False,
        "sweep.prune": None,
    }  # fmt: skip
    if "data.root" not in given and settings.data.root is not None:
        drawn = settings.data.source in {"phantoms", "phantom_patches"}  # they are drawn again where they are gone
        known["data.root"] = _root(environment) if drawn else str(recorded_root(layout, None))
    table = recorded_table(layout)
    if settings.data.source == "csv" and table is not None:
        known["data.table"] = table
    if settings.compute.num_threads is None and isinstance(environment.get("threads"), int):
        known["compute.num_threads"] = environment["threads"]
    known |= _length(layout, settings)
    return _nested(known)


def _nested(values: dict[str, Any]) -> DictConfig:
    nested = OmegaConf.create()
    for key, value in values.items():
        OmegaConf.update(nested, key, value, force_add=True)
    return nested


def _root(environment: dict[str, Any]) -> str:
    return str((environment.get("data") or {}).get("root"))


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


def read_environment(layout: RunLayout) -> dict[str, Any]:
    """environment.json.

    Raises:
        RunError: It is missing or damaged.
    """
    try:
        content = json.loads(layout.environment.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{layout.environment}: does not say what the run was made with ({error}).") from error
    if not isinstance(content, dict):
        raise RunError(f"{layout.environment}: found {type(content).__name__}, expected an object.")
    return content


def _original(settings: TrainConfig) -> RunLayout:
    """The repeated run, or of a run over folds its fold."""
    assert settings.repeat is not None
    layout = RunLayout(Path(settings.repeat))
    return RunLayout(layout.fold(settings.fold)) if settings.fold is not None and layout.folds else layout


def split_of_repeated(settings: TrainConfig, dataset: XrayDataset, split: Split) -> Split:
    """The split that the repeated run recorded; the one that is made now is the same, unless a library changed.

    Raises:
        DataError: The images are not those of the run.
    """
    layout = _original(settings)
    recorded, rows = read_split(layout.split), dataset.rows(split)
    if recorded == rows:
        return split
    changes = describe_changes(recorded, {row.path: row.sha256 for row in rows})
    if changes:
        raise DataError(
            f"repeat={layout.directory}: the images are not those of that run:\n{list_changes(changes)}\n"
            "Give the folder that it used, data.root=PATH, or start a new run."
        )
    say("the same images would be split otherwise now; the recorded split is used")
    return recorded_split(recorded, {record.path: position for position, record in enumerate(dataset.records)})


def tell_differences(settings: TrainConfig, layout: RunLayout) -> None:
    """Before training: what differs from the environment of the repeated run; nothing where none is repeated."""
    if settings.repeat is None:
        return
    original = _original(settings)
    found = compare_environments(read_environment(original), read_environment(layout))
    what = "what differs:" if found else "nothing differs from what it was made with"
    say(f"repeats {original.directory}; {what}")
    for line in found:
        say(f"  {line}")


def tell_comparison(repeated: str, layout: RunLayout) -> None:
    """After training: write repeat.json, and say whether the results are the same to the last bit."""
    original = RunLayout(Path(repeated))
    own = RunLayout(layout.fold(0)) if layout.folds else layout
    others = RunLayout(original.fold(0)) if layout.folds else original
    environments = compare_environments(read_environment(others), read_environment(own))
    predictions = compare_predictions(original.predictions, layout.predictions)
    metrics = compare_metrics(original.metrics, layout.metrics)
    content = {"of": repeated, "differences": environments, "predictions": predictions.to_json(),
               "metrics": metrics.to_json(), "notice": RESEARCH_ONLY}  # fmt: skip
    write_json(layout.directory / JSON, content)
    say(f"compared with {original.directory} ({layout.directory / JSON}):")
    for line in (*predictions.lines(), *metrics.lines()):
        say(f"  {line}")
