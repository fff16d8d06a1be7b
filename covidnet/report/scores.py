"""The table of scores: each with its interval, internal and external side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from covidnet.report.source import RunFiles
from covidnet.report.words import NONE, interval, listed, number

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """A value with its interval as text, and as numbers in [0, 1] for the bar; ``by_patient`` is a second interval."""

    value: str
    limits: str
    point: float | None
    low: float | None
    high: float | None
    detail: str = ""
    by_patient: str = ""


@dataclass(frozen=True)
class ScoreRow:
    """One score: its name, what it means, and a cell for the internal and the external images."""

    name: str
    meaning: str
    cells: list[Cell]
    bar: bool = True


@dataclass(frozen=True)
class ScoreTable:
    """All rows; ``columns`` names the sets of images, ``drop`` is how far the accuracy falls outside."""

    columns: list[str]
    rows: list[ScoreRow]
    drop: Cell | None
    methods: list[str]


def make_scores(files: RunFiles) -> ScoreTable:
    """The scores of metrics.json, as far as they are there."""
    sets: list[Json] = [files.metrics]
    names = [f"{'out-of-fold' if files.metrics.get('folds') else files.split_name} (n = {files.metrics.get('n')})"]
    external = files.metrics.get("external")
    if isinstance(external, dict):
        sets.append(external)
        names.append(f"external (n = {external.get('n')})")
    positive = listed([files.positive])
    rows = [
        _rate_row("Accuracy", "share of images named rightly", "accuracy", sets),
        _plain_row("Balanced accuracy", "mean of the classes' recalls", "balanced_accuracy", sets),
        _rate_row("Sensitivity", f"share of {positive} that is called so", "sensitivity", sets),
        _rate_row("Specificity", f"share of the others that is not called {positive}", "specificity", sets),
        _ranked_row("AUROC", "chance that a positive image is ranked above another", "auroc", sets),
        _ranked_row("Average precision", "area below the precision-recall curve", "average_precision", sets),
        _ranked_row("Brier score", "mean squared error of the probabilities; 0 is perfect", "brier", sets),
        _plain_row("Calibration error", "mean distance of stated and true probability; 0 is perfect", "ece", sets),
    ]
    return ScoreTable(names, [row for row in rows if row is not None], _drop(external), _methods(sets))


def _rate_row(name: str, meaning: str, key: str, sets: list[Json]) -> ScoreRow | None:
    if not any(isinstance(one.get(key), dict) for one in sets):
        return None
    return ScoreRow(name, meaning, [_rate(one.get(key)) for one in sets])


def _rate(rate: Json | None) -> Cell:
    if not isinstance(rate, dict):
        return Cell(NONE, "", None, None, None)
    hits = rate.get("correct", rate.get("successes"))
    patient = rate.get("by_patient")
    return Cell(
        number(rate.get("value")), interval(rate), rate.get("value"), rate.get("low"), rate.get("high"),
        f"{hits} of {rate.get('n')}" if hits is not None else "", interval(patient) if patient else "",
    )  # fmt: skip


def _ranked_row(name: str, meaning: str, key: str, sets: list[Json]) -> ScoreRow | None:
    if all(one.get(key) is None for one in sets):
        return None
    cells = []
    for one in sets:
        limits = one.get(f"{key}_interval") or {}
        cells.append(
            Cell(number(one.get(key), 3), interval(limits, 3), one.get(key), limits.get("low"), limits.get("high"))
        )
    return ScoreRow(name, meaning, cells)


def _plain_row(name: str, meaning: str, key: str, sets: list[Json]) -> ScoreRow | None:
    if all(one.get(key) is None for one in sets):
        return None
    digits = 3 if key == "ece" else 2
    usual = [(one.get("ece_if_calibrated") or {}).get("high") if key == "ece" else None for one in sets]
    cells = [
        Cell(
            number(one.get(key), digits), "", one.get(key), None, None,
            f"chance alone: up to {number(high, 3)}" if high is not None else "",
        )
        for one, high in zip(sets, usual, strict=True)
    ]  # fmt: skip
    return ScoreRow(name, meaning, cells)


def _drop(external: object) -> Cell | None:
    drop = external.get("accuracy_drop") if isinstance(external, dict) else None
    if not isinstance(drop, dict) or drop.get("value") is None:
        return None
    return Cell(f"{drop['value']:+.2f}", interval(drop), drop["value"], drop.get("low"), drop.get("high"))


def _methods(sets: list[Json]) -> list[str]:
    """How the intervals were computed, each method once."""
    keys = ("accuracy", "auroc_interval", "average_precision_interval", "brier_interval")
    found = [(one.get(key) or {}).get("method") for one in sets for key in keys]
    patient = [((one.get("accuracy") or {}).get("by_patient") or {}).get("method") for one in sets]
    return list(dict.fromkeys(str(method) for method in [*found, *patient] if method))
