"""What evaluate.py does: score a finished run again from its checkpoint, on its recorded split."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from covidnet.compute import prepare_process
from covidnet.config.check import check
from covidnet.config.schema import EvaluateConfig, TrainConfig
from covidnet.console import say
from covidnet.data.changes import describe_changes, list_changes
from covidnet.data.split import SplitRow, read_split
from covidnet.errors import ConfigError, DataError
from covidnet.runs.layout import RunLayout, open_run
from covidnet.runs.recorded import recorded_root, recorded_split


def evaluate(config: DictConfig) -> None:
    """Recompute predictions, metrics and figures into RUN/evaluation/SPLIT, and compare them with the run's own.

    Raises:
        CovidnetError: Anything a user can mend; the data differ from the run's and allow_changed_data is false.
    """
    asked = check(config, EvaluateConfig)
    layout, stored = open_run(asked.run)
    settings = check(stored, TrainConfig)
    recorded = read_split(layout.split)
    root = recorded_root(layout, asked.data_root)
    prepare_process(settings.compute)
    score(asked, settings, layout, recorded, root)


def score(
    asked: EvaluateConfig, settings: TrainConfig, layout: RunLayout, recorded: Sequence[SplitRow], root: Path
) -> None:
    """The part that needs torch."""
    import torch

    from covidnet.data.dataset import open_dataset
    from covidnet.models.predict import load_network, predict
    from covidnet.reporting.results import Protocol, save_results, summarize
    from covidnet.training.build import build_datamodule
    from covidnet.training.saliency import describe_saliency, explain_run

    started = time.perf_counter()
    if settings.compute.num_threads is not None:
        torch.set_num_threads(settings.compute.num_threads)
    device = _device(asked.device)
    network, classes = load_network(layout.best if asked.checkpoint == "best" else layout.last)
    # An unreadable image is one that changed, and is told and refused with the others.
    dataset = open_dataset(settings.data.model_copy(update={"on_bad_image": "skip"}), root)
    current = {
        record.path: (position, info.sha256)
        for position, (record, info) in enumerate(zip(dataset.records, dataset.infos, strict=True))
    }
    changes = describe_changes(recorded, {path: digest for path, (_, digest) in current.items()})
    _refuse_changes(changes, asked.allow_changed_data, root)

    if asked.batch_size is not None:
        settings = settings.model_copy(
            update={"data": settings.data.model_copy(update={"batch_size": asked.batch_size})}
        )
    split = recorded_split(recorded, {path: position for path, (position, _) in current.items()})
    data = build_datamodule(settings, dataset, split)
    protocol = Protocol.named(settings.protocol)
    parts = _parts(asked.split, split.parts, protocol.validation)
    predictions = predict(network, data, parts, classes, dataset.records, device)
    if asked.split == "val" and protocol.validation == "test":
        say("this run validated on its test images (protocol=article): split=val is split=test")
    directory = layout.directory / "evaluation" / asked.split
    shown = asked.split if asked.split == "all" else parts[0]
    extra: dict[str, Any] = {
        "run": str(layout.directory),
        "checkpoint": asked.checkpoint,
        "changed_data": changes,
    }
    save_results(directory, predictions, shown, dataset, settings.data.positive_class, protocol, [], extra)
    explained = predictions if shown == "all" else predictions.of_split(shown)
    explain_run(asked.saliency, settings, directory, dataset, data, network, explained)
    for line in (*summarize(directory / "metrics.json"), *describe_saliency(directory)):
        say(line)
    say(f"results: {directory} ({time.perf_counter() - started:.1f} s)")
    if asked.checkpoint == "best":
        say(_compare(layout.predictions, directory / "predictions.csv"))


def _device(name: str) -> str:
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device={name}: {str(error).splitlines()[0]}. Allowed: cpu, cuda, cuda:1, mps ..."
        ) from error
    return name


def _refuse_changes(changes: Sequence[str], allowed: bool, root: Path) -> None:
    if not changes:
        return
    listed = list_changes(changes)
    if not allowed:
        raise DataError(
            f"{root}: the images are not those of the run:\n{listed}\n"
            "Give the folder the run used, data_root=PATH, or score what is there with allow_changed_data=true."
        )
    say(f"the images are not those of the run (allow_changed_data=true):\n{listed}")


def _parts(asked: str, present: Mapping[str, object], validation: str) -> list[str]:
    """The parts to score; ``validation`` is what the run's protocol validated on."""
    parts = list(present) if asked == "all" else [validation if asked == "val" else asked]
    if not parts or parts[0] not in present:
        raise DataError(f"none of the run's {asked} images is there. Give the folder the run used, data_root=PATH.")
    return parts


def _compare(run_file: Path, new_file: Path) -> str:
    """One line on whether the shared rows agree with those that train.py wrote."""
    from covidnet.predictions import read_predictions

    if not run_file.is_file():
        return "the run has no predictions.csv to compare with (it was stopped before its end)"
    old = {(row.split, row.path): row.probabilities for row in read_predictions(run_file).rows}
    new = {(row.split, row.path): row.probabilities for row in read_predictions(new_file).rows}
    shared = [key for key in new if key in old]
    if not shared:
        return "no image in common with the run's own predictions.csv, which holds its test images"
    worst = max(abs(a - b) for key in shared for a, b in zip(old[key], new[key], strict=True))
    verdict = "equal to the last bit" if worst == 0.0 else f"differ by at most {worst:.2g}"
    return f"compared with the run's own predictions.csv: {len(shared)} images, probabilities {verdict}"
