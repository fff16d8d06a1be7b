"""A run that repeats another beside it: the split it takes over, and what differs before and after training."""

from __future__ import annotations

from pathlib import Path

from covidnet.config.schema import TrainConfig
from covidnet.console import RESEARCH_ONLY, say
from covidnet.data.changes import describe_changes, list_changes
from covidnet.data.dataset import XrayDataset
from covidnet.data.split import Split, read_split
from covidnet.errors import DataError
from covidnet.files import write_json
from covidnet.runs.comparison import compare_environments, compare_metrics, compare_predictions
from covidnet.runs.layout import RunLayout
from covidnet.runs.recorded import recorded_split
from covidnet.untrusted import read_object

JSON = "repeat.json"


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
    found = compare_environments(read_object(original.environment), read_object(layout.environment))
    what = "what differs:" if found else "nothing differs from what it was made with"
    say(f"repeats {original.directory}; {what}")
    for line in found:
        say(f"  {line}")


def tell_comparison(repeated: str, layout: RunLayout) -> None:
    """After training: write repeat.json, and say whether the results are the same to the last bit."""
    original = RunLayout(Path(repeated))
    own = RunLayout(layout.fold(0)) if layout.folds else layout
    others = RunLayout(original.fold(0)) if layout.folds else original
    environments = compare_environments(read_object(others.environment), read_object(own.environment))
    predictions = compare_predictions(original.predictions, layout.predictions)
    metrics = compare_metrics(original.metrics, layout.metrics)
    content = {"of": repeated, "differences": environments, "predictions": predictions.to_json(),
               "metrics": metrics.to_json(), "notice": RESEARCH_ONLY}  # fmt: skip
    write_json(layout.directory / JSON, content)
    say(f"compared with {original.directory} ({layout.directory / JSON}):")
    for line in (*predictions.lines(), *metrics.lines()):
        say(f"  {line}")
