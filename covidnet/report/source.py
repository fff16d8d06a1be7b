"""The files of a run, or of an evaluation of it, read back; what is absent or damaged is left out of its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from covidnet.config.schema import EvaluationConfig
from covidnet.config.stored import read_values
from covidnet.data.external import PART as EXTERNAL
from covidnet.data.split import SplitRow, read_split
from covidnet.errors import CovidnetError, RunError
from covidnet.evaluation.temperature import scaled
from covidnet.files import read_csv
from covidnet.predictions import Predictions, read_predictions
from covidnet.report.thumbnails import Thumbnails, read_thumbnails
from covidnet.runs.layout import RunLayout, read_overrides
from covidnet.runs.trust import refuse_links_outside
from covidnet.untrusted import read_json, read_object

Json = dict[str, Any]
HISTORY = ("epoch", "train_loss", "train_acc", "val_loss", "val_acc")
Value = TypeVar("Value")


@dataclass
class RunFiles:
    """What a directory with a metrics.json says.

    Attributes:
        layout: The directory itself: a run, or RUN/evaluation/SPLIT.
        run: The run that it belongs to.
        metrics: metrics.json.
        table: predictions.csv, all rows.
        notes: Files that could not be read, in words.
        left_out: Names of JSON files that are as if they were absent.
    """

    layout: RunLayout
    run: RunLayout
    metrics: Json
    table: Predictions
    notes: list[str] = field(default_factory=list)
    left_out: frozenset[str] = frozenset()

    @property
    def directory(self) -> Path:
        """Where the page goes."""
        return self.layout.directory

    @property
    def is_evaluation(self) -> bool:
        """Whether this is an evaluation and not the run."""
        return self.layout != self.run

    @property
    def split_name(self) -> str:
        """The part that the metrics describe; ``all`` for every part."""
        return str(self.metrics.get("split", "test"))

    @cached_property
    def scored(self) -> Predictions:
        """The rows that the metrics describe, as the model gave them."""
        if self.split_name == "all":
            return self.table.without_split(EXTERNAL)
        return self.table.of_split(self.split_name)

    @cached_property
    def external(self) -> Predictions:
        """The rows of the external test set; may be empty."""
        return self.table.of_split(EXTERNAL)

    @cached_property
    def positive(self) -> str:
        """The positive class."""
        name = self.metrics.get("positive_class")
        return str(name) if name in self.table.classes else self.table.classes[0]

    def used(self, predictions: Predictions) -> Predictions:
        """The rows with the probabilities that the metrics were computed from: calibrated, where that was asked for."""
        calibration = self.metrics.get("calibration") or {}
        if not calibration.get("applied") or not len(predictions):
            return predictions
        return self.calibrated(predictions) or predictions

    def calibrated(self, predictions: Predictions) -> Predictions | None:
        """The rows after temperature scaling; None where there is no temperature."""
        calibration = self.metrics.get("calibration") or {}
        if not len(predictions):
            return None
        if calibration.get("temperature") is not None:
            return scaled(predictions, float(calibration["temperature"]))
        return self._calibrated_by_fold(predictions) if calibration.get("per_fold") else None

    def _calibrated_by_fold(self, predictions: Predictions) -> Predictions | None:
        from covidnet.evaluation.fold_choices import FoldChoices
        from covidnet.evaluation.folds import Fold

        def read() -> Predictions | None:
            place = self.directory.relative_to(self.run.directory)
            folds = [RunLayout(fold / place) for fold in self.run.folds]
            found = [Fold.read(one.metrics, read_predictions(one.predictions), run / "split.csv")
                     for one, run in zip(folds, self.run.folds, strict=True)]  # fmt: skip
            return FoldChoices(EvaluationConfig(calibrate="temperature"), found).calibrated(predictions)

        return self._tolerant("the folds' predictions", read)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """history.csv, a row per epoch; empty for a run over folds."""
        if not self.run.history.is_file():
            return []
        return self._tolerant("history.csv", self._read_history) or []

    def _read_history(self) -> list[dict[str, float]]:
        header, lines = read_csv(self.run.history, "Expected the table that train.py writes.")
        rows = [dict(zip(header, map(float, values), strict=True)) for _, values in lines]
        if not set(HISTORY) <= set(header):
            raise ValueError(f"found the columns {', '.join(header)}")
        return rows

    @cached_property
    def split(self) -> list[SplitRow]:
        """split.csv; that of the first fold for a run over folds, whose parts then mean nothing."""
        file = self.run.split if self.run.split.is_file() else self._first_fold / "split.csv"
        return (self._tolerant("split.csv", lambda: read_split(file)) or []) if file.is_file() else []

    @cached_property
    def parts(self) -> Counter[str]:
        """Number of images in each part; empty for a run over folds."""
        return Counter(row.split for row in self.split) if self.run.split.is_file() else Counter()

    @property
    def _first_fold(self) -> Path:
        return self.run.folds[0] if self.run.folds else self.run.directory

    @cached_property
    def audit(self) -> Json | None:
        """audit.json; that of the first fold for a run over folds, with which the data were audited."""
        return self.json("audit.json", self.run.directory, self._first_fold)

    @property
    def audit_directory(self) -> Path:
        """Where the audit's figures lie."""
        own = self.run.directory
        return own if (own / "audit.json").is_file() else self._first_fold

    @cached_property
    def study(self) -> Json | None:
        """dataset.json."""
        return self.json("dataset.json", self.run.directory, self._first_fold)

    @cached_property
    def environment(self) -> Json:
        """environment.json; empty where there is none."""
        return self.json("environment.json", self.run.directory) or {}

    @cached_property
    def device(self) -> str | None:
        """What the run was computed on; the folds know it where the run itself does not."""
        own = self.json("environment.json", self._first_fold) or self.environment
        return own.get("device")

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """.hydra/config.yaml as plain values; empty where there is none."""

        def read() -> Any:
            return read_values(self.run.config)

        found = self._tolerant("config.yaml", read) if self.run.config.is_file() else None
        return found if isinstance(found, dict) else {}

    @cached_property
    def overrides(self) -> list[str]:
        """What was given on the command line."""
        return self._tolerant("overrides.yaml", lambda: read_overrides(self.run)) or []

    @cached_property
    def saliency(self) -> Json | None:
        """saliency.json."""
        return self.json("saliency.json", self.directory)

    @cached_property
    def thumbnails(self) -> Thumbnails:
        """Small pictures by part and path, of the directory itself and of its run."""
        found: Thumbnails = {}
        for directory in (self.run.directory, self.directory):
            found |= self._tolerant("thumbnails.npz", lambda where=directory: read_thumbnails(where)) or {}  # type: ignore[misc]
        return found

    def json(self, name: str, *directories: Path) -> Json | None:
        """The object in the first of these files that is there."""
        file = next((where / name for where in directories if (where / name).is_file()), None)
        if file is None or name in self.left_out:
            return None
        content = self._tolerant(name, lambda: read_json(file))
        if content is None or isinstance(content, dict):
            return content
        self.notes.append(f"{name} is no object")
        return None

    def _tolerant(self, name: str, read: Callable[[], Value]) -> Value | None:
        try:
            return read()
        except (CovidnetError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.notes.append(f"{name} could not be read: {' '.join(str(error).split())}")
            return None
        except Exception as error:  # YAML and numpy raise nearly anything on a damaged file
            self.notes.append(f"{name} could not be read: {type(error).__name__}")
            return None


def read_run(directory: Path) -> RunFiles:
    """The files of a finished run or evaluation.

    Raises:
        RunError: It has no metrics.json or predictions.csv, or they are damaged.
    """
    layout = RunLayout(directory.resolve())
    if not layout.directory.is_dir():
        raise RunError(f"{directory}: no such directory. Give that of a run, an evaluation or a sweep.")
    if not layout.metrics.is_file():
        raise RunError(
            f"{directory}: no finished run, {layout.metrics.name} is missing. Give the directory that train.py or "
            "evaluate.py printed, or that of a sweep."
        )
    refuse_links_outside(layout.directory)
    metrics = read_object(layout.metrics)
    if not isinstance(metrics.get("accuracy"), dict):
        raise RunError(f"{layout.metrics}: not the metrics that train.py writes. Score it again with evaluate.py.")
    return RunFiles(layout, _run_of(layout), metrics, read_predictions(layout.predictions))


def _run_of(layout: RunLayout) -> RunLayout:
    """The run itself, for RUN/evaluation/SPLIT."""
    folder = layout.directory.parent
    above = RunLayout(folder.parent)
    return above if folder.name == "evaluation" and above.config.is_file() else layout
