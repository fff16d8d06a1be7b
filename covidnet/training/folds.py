"""A protocol with folds as one command: a run directory for each fold, and the scores of all of them together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from covidnet.config.schema import TrainConfig
from covidnet.config.stored import read_config
from covidnet.console import say, silent
from covidnet.data.protocols import sources_of, split_records
from covidnet.evaluation.fold_choices import FoldChoices
from covidnet.evaluation.folds import Fold, pool_folds, summarize_folds
from covidnet.files import write_json, write_text
from covidnet.predictions import read_predictions
from covidnet.reporting.results import Protocol, save_results, summarize
from covidnet.runs.environment import describe_environment
from covidnet.runs.layout import RunLayout, read_overrides
from covidnet.runs.single import as_single_run, free_memory
from covidnet.training.history import best_row, read_history
from covidnet.training.images import Images, describe_images
from covidnet.training.page import show_results
from covidnet.training.pipeline import train_split


def train_folds(
    settings: TrainConfig, layout: RunLayout, overrides: list[str], images: Images, count: int, *, started: float
) -> float | None:
    """Train every fold that is not done yet, then pool their test predictions.

    Each fold is a run of its own in ``fold=N`` that can be evaluated, audited and resumed alone.

    Returns:
        The mean of the folds' lowest validation losses; None when a fold has none.
    """
    own = [text for text in read_overrides(layout) or overrides if not text.startswith("fold=")]
    layout.unfinished.touch()
    layout.metrics.unlink(missing_ok=True)
    layout.page.unlink(missing_ok=True)
    split = split_records(settings, images.dataset.records)
    described = describe_images(settings, images, images.dataset.rows(split))
    write_json(layout.environment, describe_environment("see the folds", described))
    for fold in range(count):
        _train_fold(settings.model_copy(update={"fold": fold}), layout, own, images, count)
    runs = [RunLayout(path) for path in layout.folds]
    _pool(settings, layout, images, runs, started)
    layout.unfinished.unlink(missing_ok=True)
    losses = [best["val_loss"] for run in runs if (best := best_row(read_history(run.history))) is not None]
    return sum(losses) / count if len(losses) == count else None


def _train_fold(settings: TrainConfig, parent: RunLayout, overrides: Sequence[str], images: Images, count: int) -> None:
    fold = settings.fold
    run = RunLayout(parent.fold(fold or 0))
    if run.is_finished:
        return
    started = time.perf_counter()
    own = [*overrides, f"fold={fold}"]
    resumed = run.last.is_file()
    if not resumed:
        _write_configuration(parent, run, own, fold or 0)
    # The data were audited with the first fold; the others divide the same images.
    audit = settings.audit if fold == 0 else settings.audit.model_copy(update={"level": "off"})
    try:
        with as_single_run(run, own, resumed), silent(fold != 0):
            train_split(
                settings.model_copy(update={"audit": audit}), run, own, images, resumed=resumed, started=started
            )
    finally:
        free_memory()
    say(f"{_title(settings, images, count)}: {summarize(run.metrics)[0]}, {time.perf_counter() - started:.1f} s")


def _title(settings: TrainConfig, images: Images, count: int) -> str:
    title = f"fold {settings.fold} of {count}"
    if settings.protocol != "source":
        return title
    return f"{title}, source {sources_of(images.dataset.records)[settings.fold or 0]} left out"


def _write_configuration(parent: RunLayout, run: RunLayout, overrides: list[str], fold: int) -> None:
    """The configuration of a fold, as Hydra would have stored it."""
    stored = read_config(parent.config)
    stored.fold = fold
    write_text(run.config, OmegaConf.to_yaml(stored))
    write_text(run.overrides, OmegaConf.to_yaml(OmegaConf.create(overrides)))


def _pool(settings: TrainConfig, layout: RunLayout, images: Images, runs: Sequence[RunLayout], started: float) -> None:
    """Write the pooled predictions and everything that follows from them, as for a single run."""
    folds = [Fold.read(run.metrics, read_predictions(run.predictions), run.split) for run in runs]
    histories = [read_history(run.history) for run in runs]
    extra: dict[str, Any] = {
        "folds": summarize_folds(folds),
        "epochs": max(len(rows) for rows in histories),
        "training_seconds": sum(row["seconds"] for rows in histories for row in rows),
        "total_seconds": time.perf_counter() - started,
    }
    save_results(
        layout.directory,
        pool_folds(folds),
        "test",
        images.dataset,
        settings.data.positive_class,
        Protocol.of(settings.protocol, "val"),
        [],
        extra,
        settings.aggregate,
        choice=FoldChoices(settings.evaluation, folds),
        figures=settings.report.figures,
    )
    for line in summarize(layout.metrics):
        say(line)
    say(f"results: {Path(layout.directory)}, each fold in {layout.fold(0).name} and so on")
    show_results(settings.report, layout.directory, "test", images.dataset, images.external)
