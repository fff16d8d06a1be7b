"""The runs of a sweep as rows of one table, read from their directories alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covidnet.data.split import read_split
from covidnet.errors import ConfigError, RunError
from covidnet.naming import did_you_mean
from covidnet.runs.layout import RunLayout, read_overrides
from covidnet.sweeps.layout import SweepLayout, SweepRecord, read_record
from covidnet.sweeps.plan import swept_values
from covidnet.untrusted import read_object

REPLICATES = ("random_state", "seed")
"""Swept keys that repeat a configuration rather than make another one."""

SCORES: dict[str, tuple[str, ...]] = {
    "accuracy": ("accuracy", "value"),
    "balanced_accuracy": ("balanced_accuracy",),
    "auroc": ("auroc",),
    "log_loss": ("log_loss",),
    "sensitivity": ("sensitivity", "value"),
    "specificity": ("specificity", "value"),
}
"""The scores that sweeps compare and where they stand in metrics.json."""

LOWER_IS_BETTER = frozenset({"log_loss"})


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    Attributes:
        name: Of its folder in the sweep's directory.
        values: Its values of the swept keys, as texts.
        status: ``finished``, ``pruned`` (finished early, its scores count), ``failed``, ``stopped`` or ``not started``.
        error: The first line of why it failed.
        scores: By name; empty unless finished.
        n_train: Number of training images; 0 where unknown.
        n_test: Number of test images; 0 where unknown.
        epoch_kept: The epoch whose model was scored, from 1.
        epochs: Number of epochs trained.
        training_seconds: Time in the epochs.
        total_seconds: Time of the whole run.
        warning: What the run's protocol says of its scores.
    """

    name: str
    layout: RunLayout
    values: Mapping[str, str]
    status: str
    error: str = ""
    scores: Mapping[str, float | None] | None = None
    n_train: int = 0
    n_test: int = 0
    epoch_kept: int | None = None
    epochs: int | None = None
    training_seconds: float | None = None
    total_seconds: float | None = None
    warning: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it has scores."""
        return self.scores is not None


@dataclass(frozen=True)
class Sweep:
    """All runs of a sweep, and the keys that tell them apart."""

    layout: SweepLayout
    swept: tuple[str, ...]
    fixed: tuple[str, ...]
    runs: tuple[SweepRun, ...]

    @property
    def finished(self) -> tuple[SweepRun, ...]:
        """Those with scores."""
        return tuple(run for run in self.runs if run.is_finished)

    @property
    def factors(self) -> tuple[str, ...]:
        """The swept keys that make configurations; the others repeat them."""
        return tuple(key for key in self.swept if key not in REPLICATES)

    def require_keys(self, keys: Sequence[str]) -> None:
        """Raises ConfigError when one of ``keys`` was not swept."""
        for key in keys:
            if key not in self.swept:
                hint = did_you_mean(key, self.swept)
                raise ConfigError(f"--by {key}: not swept here.{hint} Swept: {', '.join(self.swept) or 'nothing'}")


def collect(directory: Path) -> Sweep:
    """Read a sweep's directory, or any folder of run directories.

    Raises:
        RunError: There is no run in it.
    """
    layout = SweepLayout(directory)
    if not directory.is_dir():
        raise RunError(f"{directory}: no such directory. Give the one that a command with -m printed.")
    record = read_record(layout) if layout.record.is_file() else _found_record(layout)
    jobs = dict(record.jobs or {})
    for run in _runs_in(directory):  # a search's trials, and runs of an earlier, larger plan
        jobs.setdefault(run.directory.name, swept_values(read_overrides(run), record.swept))
    if not jobs:
        raise RunError(f"{directory}: holds neither a sweep nor run directories.")
    runs = tuple(_read_run(RunLayout(directory / name), values) for name, values in jobs.items())
    return Sweep(layout, record.swept, record.fixed, runs)


def _found_record(layout: SweepLayout) -> SweepRecord:
    """For a folder of single runs: the keys whose values differ among their overrides are the swept ones."""
    overrides = [tuple(read_overrides(run)) for run in _runs_in(layout.directory)]
    if not overrides:
        raise RunError(f"{layout.directory}: holds neither a sweep nor run directories.")
    common = {text for text, count in Counter(text for one in overrides for text in set(one)).items()
              if count == len(overrides)}  # fmt: skip
    keys = dict.fromkeys(text.partition("=")[0].lstrip("+") for one in overrides for text in one if text not in common)
    return SweepRecord(tuple(keys), tuple(sorted(common)), {})


def _runs_in(directory: Path) -> list[RunLayout]:
    folders = sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [RunLayout(folder) for folder in folders if RunLayout(folder).overrides.is_file()]


def _read_run(run: RunLayout, values: Mapping[str, str]) -> SweepRun:
    name = run.directory.name
    if run.metrics.is_file():
        return _finished(run, values)
    if run.failure.is_file():
        error = str(read_object(run.failure).get("error", "")).splitlines()
        return SweepRun(name, run, values, "failed", error[0] if error else "?")
    return SweepRun(name, run, values, "stopped" if run.history.is_file() else "not started")


def _finished(run: RunLayout, values: Mapping[str, str]) -> SweepRun:
    metrics = read_object(run.metrics)
    parts = _split_sizes(run.split)
    return SweepRun(
        name=run.directory.name,
        layout=run,
        values=values,
        status="pruned" if metrics.get("pruned") else "finished",
        scores={name: _score(metrics, keys) for name, keys in SCORES.items()},
        n_train=parts["train"],
        n_test=parts["test"],
        epoch_kept=metrics.get("epoch_kept"),
        epochs=metrics.get("epochs"),
        training_seconds=metrics.get("training_seconds"),
        total_seconds=metrics.get("total_seconds"),
        warning=(metrics.get("protocol") or {}).get("warning"),
    )


def _score(metrics: Mapping[str, Any], keys: Sequence[str]) -> float | None:
    value: Any = metrics
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value is None else float(value)


def _split_sizes(path: Path) -> Counter[str]:
    if not path.is_file():
        return Counter()
    return Counter(row.split for row in read_split(path))
