"""Scoring a finished run otherwise, from the predictions that it stored: neither model nor images are needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from covidnet.config.schema import EvaluateConfig, EvaluationConfig, TrainConfig
from covidnet.console import say
from covidnet.data.external import PART as EXTERNAL
from covidnet.data.split import SplitRow, read_split
from covidnet.errors import ConfigError
from covidnet.predictions import Predictions, read_predictions
from covidnet.runs.layout import RunLayout

KEYS = ("at_sensitivity", "at_specificity", "calibrate", "bins", "bootstrap", "prevalence")
POINTS = frozenset({"at_sensitivity", "at_specificity"})

WRITTEN = "validation.csv"
"""Predictions of the validation images, beside those that are scored, where the run itself has none of a checkpoint."""


def with_evaluation(settings: TrainConfig, asked: EvaluateConfig) -> TrainConfig:
    """The run's settings, with what the command line says of the evaluation."""
    given = {key: value for key in KEYS if (value := getattr(asked, key)) is not None}
    replaced = (
        dict.fromkeys(POINTS) if not POINTS.isdisjoint(given) else {}
    )  # one operating point takes another's place
    evaluation = EvaluationConfig.model_validate({**settings.evaluation.model_dump(), **replaced, **given})
    return settings.model_copy(update={"evaluation": evaluation})


def stored_suffice(asked: EvaluateConfig, layout: RunLayout) -> bool:
    """Whether the run's own predictions.csv is to be scored.

    Raises:
        ConfigError: It is asked for, but does not hold what is to be scored.
    """
    if asked.predict == "always" or (asked.predict == "auto" and all(getattr(asked, key) is None for key in KEYS)):
        return False
    lacking = _lacking(asked, layout)
    if lacking is not None and asked.predict == "never":
        raise ConfigError(f"predict=never: {lacking}; give predict=auto, which then asks the model")
    return lacking is None


def _lacking(asked: EvaluateConfig, layout: RunLayout) -> str | None:
    if asked.checkpoint != "best":
        return f"{layout.predictions} holds the predictions of checkpoint=best, not of checkpoint={asked.checkpoint}"
    if asked.saliency.method != "none":
        return f"saliency.method={asked.saliency.method} looks into the model"
    if asked.external is not None:
        return f"external={asked.external} has not been predicted by this run"
    if asked.split not in {"val", "test"}:
        return f"{layout.predictions} holds no predictions for split={asked.split}"
    return None if layout.predictions.is_file() else f"{layout.predictions} is missing"


def validation_part(recorded: Sequence[SplitRow]) -> str:
    """The part of a recorded split that chose the epoch: ``val``, or ``test`` in the article's protocol."""
    return "val" if any(row.split == "val" for row in recorded) else "test"


def rescore(asked: EvaluateConfig, settings: TrainConfig, layout: RunLayout) -> None:
    """Write RUN/evaluation/SPLIT from the run's predictions.csv, with the settings' evaluation."""
    from covidnet.reporting.results import Protocol, save_results, summarize
    from covidnet.training.page import show_results

    table = read_predictions(layout.predictions)
    protocol = Protocol.of(settings.protocol, validation_part(read_split(layout.split)))
    shown = protocol.validation if asked.split == "val" else asked.split
    parts = {shown, EXTERNAL} if shown == "test" else {shown}
    rows = Predictions(table.classes, tuple(row for row in table.rows if row.split in parts))
    directory = layout.directory / "evaluation" / asked.split
    for name in ("test_images.png", WRITTEN):
        (directory / name).unlink(missing_ok=True)  # of an earlier evaluation, perhaps of another checkpoint
    extra: dict[str, Any] = {"run": str(layout.directory), "checkpoint": asked.checkpoint, "predicted_anew": False}
    save_results(
        directory,
        rows,
        shown,
        None,
        settings.data.positive_class,
        protocol,
        [],
        extra,
        settings.aggregate,
        settings.evaluation,
        table.of_split(protocol.validation),
        figures=settings.report.figures,
    )
    for line in summarize(directory / "metrics.json"):
        say(line)
    say(f"results: {directory}, from {layout.predictions} as it is (predict=always asks the model again)")
    show_results(settings.report, directory, shown)


def stored_validation(asked: EvaluateConfig, layout: RunLayout, part: str) -> Predictions | None:
    """The validation rows of the checkpoint in the run's predictions.csv, or None where it has none of it."""
    if asked.checkpoint != "best" or not layout.predictions.is_file():
        return None
    found = read_predictions(layout.predictions).of_split(part)
    return found if len(found) else None


def written_validation(predictions: Predictions, directory: Path) -> Predictions:
    """Validation rows that the run did not store, from the file that they are stored in now."""
    from covidnet.predictions import write_predictions

    path = directory / WRITTEN
    write_predictions(predictions, path)
    return read_predictions(path)
