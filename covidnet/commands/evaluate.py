"""What evaluate.py does: score a finished run again from its checkpoint, on its recorded split."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from covidnet.commands.rescore import (
    rescore,
    stored_suffice,
    stored_validation,
    validation_part,
    with_evaluation,
    written_validation,
)
from covidnet.compute import prepare_process
from covidnet.config.check import check
from covidnet.config.schema import EvaluateConfig, TrainConfig
from covidnet.console import say
from covidnet.data.changes import describe_changes, list_changes
from covidnet.data.split import SplitRow, read_split
from covidnet.errors import ConfigError, DataError
from covidnet.runs.layout import FOLD, RunLayout, open_run
from covidnet.runs.recorded import recorded_root, recorded_split, with_recorded_table

if TYPE_CHECKING:
    from covidnet.data.dataset import XrayDataset


def evaluate(config: DictConfig) -> None:
    """Recompute predictions, metrics and figures into RUN/evaluation/SPLIT, and compare them with the run's own.

    Raises:
        CovidnetError: Anything a user can mend; the data differ from the run's and allow_changed_data is false.
    """
    asked = check(config, EvaluateConfig)
    layout, stored = open_run(asked.run)
    settings = with_evaluation(_with_external(check(stored, TrainConfig), asked), asked)
    settings = _with_report(settings, asked)
    prepare_process(settings.compute)
    if layout.folds:
        _score_folds(asked, settings, layout)
    else:
        _score_run(asked, settings, layout, layout)


def _score_run(asked: EvaluateConfig, settings: TrainConfig, layout: RunLayout, whole: RunLayout) -> XrayDataset | None:
    """Score one run: from its stored predictions, or else from its checkpoint; ``whole`` is the run it is a fold of.

    Returns:
        Its images, where they were looked at.
    """
    if stored_suffice(asked, layout):
        rescore(asked, settings, layout)
        return None
    root = recorded_root(whole, asked.data_root)
    return score(asked, with_recorded_table(settings, whole), layout, read_split(layout.split), root)


def _with_external(settings: TrainConfig, asked: EvaluateConfig) -> TrainConfig:
    if asked.external is None:
        return settings
    if settings.protocol == "source":
        raise ConfigError(f"external={asked.external}: this run's external images are those of the source left out.")
    changes = {"external": asked.external, "external_classes": asked.external_classes}
    return settings.model_copy(update={"data": settings.data.model_copy(update=changes)})


def _with_report(settings: TrainConfig, asked: EvaluateConfig) -> TrainConfig:
    if asked.report is None:
        return settings
    return settings.model_copy(update={"report": settings.report.model_copy(update={"enabled": asked.report})})


def _score_folds(asked: EvaluateConfig, settings: TrainConfig, layout: RunLayout) -> None:
    """Score each fold, then all of them together."""
    from covidnet.evaluation.fold_choices import FoldChoices
    from covidnet.evaluation.folds import Fold, pool_folds, summarize_folds
    from covidnet.predictions import read_predictions
    from covidnet.reporting.results import Protocol, save_results, summarize
    from covidnet.training.page import show_results

    if asked.split != "test":
        raise ConfigError(f"split={asked.split}: of a run over folds only the test images can be pooled; give one fold")
    folds = []
    for directory in layout.folds:
        run = RunLayout(directory)
        number = int(directory.name.removeprefix(FOLD))
        dataset = _score_run(asked, settings.model_copy(update={"fold": number}), run, layout)
        scored = RunLayout(directory / "evaluation" / asked.split)
        folds.append(Fold.read(scored.metrics, read_predictions(scored.predictions), run.split))
    target = RunLayout(layout.directory / "evaluation" / asked.split)
    extra = {"run": str(layout.directory), "checkpoint": asked.checkpoint, "folds": summarize_folds(folds)}
    protocol = Protocol.of(settings.protocol, "val")
    positive, rule = settings.data.positive_class, settings.aggregate
    choice = FoldChoices(settings.evaluation, folds)
    pooled = pool_folds(folds)
    save_results(
        target.directory,
        pooled,
        "test",
        dataset,
        positive,
        protocol,
        [],
        extra,
        rule,
        choice=choice,
        figures=settings.report.figures,
    )
    for line in summarize(target.metrics):
        say(line)
    say(f"results: {target.directory}")
    show_results(settings.report, target.directory, "test", dataset)
    if asked.checkpoint == "best" and dataset is not None:
        say(_compare(layout.predictions, target.predictions))


def score(
    asked: EvaluateConfig, settings: TrainConfig, layout: RunLayout, recorded: Sequence[SplitRow], root: Path
) -> XrayDataset:
    """Score one run on one split; the part that needs torch."""
    import torch

    from covidnet.data.dataset import open_dataset
    from covidnet.data.external import KEY as EXTERNAL_KEY
    from covidnet.data.external import PART, open_external
    from covidnet.models.device import usable_device
    from covidnet.models.predict import load_network, predict
    from covidnet.reporting.results import Protocol, save_results, summarize
    from covidnet.training.build import build_datamodule
    from covidnet.training.external import predict_external
    from covidnet.training.page import show_results
    from covidnet.training.saliency import describe_saliency, explain_run

    started = time.perf_counter()
    if settings.compute.num_threads is not None:
        torch.set_num_threads(settings.compute.num_threads)
    device = usable_device(asked.device)
    network, classes = load_network(layout.best if asked.checkpoint == "best" else layout.last)
    external = open_external(settings.data, classes, "external" if asked.external is not None else EXTERNAL_KEY)
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
    chosen = asked.checkpoint == "best" or settings.callbacks.early_stopping.patience is not None
    protocol = Protocol.of(settings.protocol, validation_part(recorded), chosen)
    parts = _parts(asked.split, split.parts, protocol.validation)
    if asked.split == "test" and PART in split.parts:
        parts = [*parts, PART]
    predictions = predict(network, data, parts, classes, dataset.records, device)
    if external is not None:
        predictions = predictions.joined(predict_external(settings, network, external, classes, device))
    if asked.split == "val" and protocol.validation == "test":
        say("this run validated on its test images: split=val is split=test")
    directory = layout.directory / "evaluation" / asked.split
    shown = asked.split if asked.split == "all" else parts[0]
    extra: dict[str, Any] = {
        "run": str(layout.directory),
        "checkpoint": asked.checkpoint,
        "changed_data": changes,
    }
    chosen_here = protocol.validation in parts
    validation = None if chosen_here else stored_validation(asked, layout, protocol.validation)
    if validation is None and not chosen_here and protocol.validation in split.parts:
        rows = predict(network, data, [protocol.validation], classes, dataset.records, device)
        validation = written_validation(rows, directory)
    positive, rule = settings.data.positive_class, settings.aggregate
    options = settings.evaluation
    save_results(
        directory,
        predictions,
        shown,
        dataset,
        positive,
        protocol,
        [],
        extra,
        rule,
        options,
        validation,
        figures=settings.report.figures,
    )
    explained = predictions if shown == "all" else predictions.of_split(shown)
    explain_run(asked.saliency, settings, directory, dataset, data, network, explained)
    for line in (*summarize(directory / "metrics.json"), *describe_saliency(directory)):
        say(line)
    say(f"results: {directory} ({time.perf_counter() - started:.1f} s)")
    show_results(settings.report, directory, shown, dataset, external)
    if asked.checkpoint == "best":
        say(_compare(layout.predictions, directory / "predictions.csv"))
    return dataset


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
