"""What a finished run recorded of its data: where they were, and who was trained on and tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from covidnet.config.schema import CsvData, TrainConfig
from covidnet.data.split import Split, SplitRow
from covidnet.errors import CovidnetError, DataError, RunError
from covidnet.runs.layout import RunLayout
from covidnet.untrusted import read_object


def recorded_root(layout: RunLayout, given: str | None) -> Path:
    """The folder given, else the one that the run found its images in.

    Raises:
        RunError: None is given and the run did not record one.
        DataError: The folder is not there.
    """
    root = Path(given).expanduser() if given is not None else _found_in(layout)
    if not _is_folder(root):
        raise DataError(f"{root}: no such folder. Give the folder where the run's images are now, data_root=PATH.")
    return root


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that no file system takes
        return False


def _found_in(layout: RunLayout) -> Path:
    try:
        return Path(str(read_object(layout.environment)["data"]["root"]))
    except (CovidnetError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{layout.environment}: does not say where the images are. Give data_root=PATH.") from error


def recorded_table(layout: RunLayout) -> str | None:
    """The table that the run read, or None where it read none."""
    try:
        table = read_object(layout.environment)["data"].get("table")
    except (CovidnetError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None if table is None else str(table)


def with_recorded_table(settings: TrainConfig, layout: RunLayout) -> TrainConfig:
    """The settings with the table where the run found it, whatever the present directory is."""
    table = recorded_table(layout)
    if table is None or not isinstance(settings.data, CsvData):
        return settings
    return settings.model_copy(update={"data": settings.data.model_copy(update={"table": table})})


def recorded_split(recorded: Sequence[SplitRow], positions: Mapping[str, int]) -> Split:
    """The run's split over the images that are still there.

    Args:
        recorded: split.csv of the run.
        positions: Position of each readable image, by path.
    """
    parts: dict[str, list[int]] = {}
    for row in recorded:
        if row.path in positions:
            parts.setdefault(row.split, []).append(positions[row.path])
    return Split({name: np.sort(np.array(part, dtype=np.int64)) for name, part in parts.items()})
