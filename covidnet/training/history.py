"""history.csv: one row per epoch, and the rule that chooses the kept epoch from such rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from covidnet.errors import RunError
from covidnet.files import read_csv, write_csv
from covidnet.naming import cut, listed_names

COLUMNS = ("epoch", "train_loss", "train_acc", "val_loss", "val_acc", "lr", "seconds")
"""Epochs count from 1; ``val_`` is measured on the images that choose the epoch; ``lr`` is the rate of the epoch's last
optimiser step; seconds hold the whole epoch."""

Row = dict[str, float]


def is_better(candidate: Mapping[str, float], best: Mapping[str, float] | None) -> bool:
    """Whether an epoch replaces the kept one: lower validation loss, or the same with higher accuracy.

    A loss that is not a number never wins; among equal epochs the earlier stays.
    """
    if candidate["val_loss"] != candidate["val_loss"]:
        return False
    if best is None:
        return True
    return (candidate["val_loss"], -candidate["val_acc"]) < (best["val_loss"], -best["val_acc"])


def best_row(history: Sequence[Row]) -> Row | None:
    """The kept epoch of a history; None when every loss was undefined."""
    best: Row | None = None
    for row in history:
        if is_better(row, best):
            best = row
    return best


def write_history(path: Path, history: Sequence[Row]) -> None:
    """Write history.csv; floats keep every bit."""
    rows = [[int(row["epoch"]), *(repr(float(row[name])) for name in COLUMNS[1:])] for row in history]
    write_csv(path, COLUMNS, rows)


def read_history(path: Path) -> list[Row]:
    """Read history.csv back; an absent file is an empty history.

    Raises:
        RunError: The file is not such a table.
    """
    if not path.is_file():
        return []
    header, lines = read_csv(path, "Expected the table that train.py writes.")
    if header and not set(COLUMNS) <= set(header):
        raise RunError(f"{path}: found the columns {listed_names(header)}; expected {', '.join(COLUMNS)}.")
    return [_parse(f"{path}, line {number}", dict(zip(header, values, strict=True))) for number, values in lines]


def _parse(place: str, values: Mapping[str, str]) -> Row:
    try:
        row = {name: float(values[name]) for name in COLUMNS}
        int(row["epoch"])  # a whole number that is finite
    except (KeyError, ValueError, OverflowError) as error:
        raise RunError(f"{place}: not a row of {', '.join(COLUMNS)} ({cut(str(error))}).") from error
    return row
