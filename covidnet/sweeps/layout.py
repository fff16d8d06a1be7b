"""What lies where in a sweep's directory, and sweep.json, the record of what the sweep is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from covidnet.errors import RunError
from covidnet.files import write_json
from covidnet.naming import cut
from covidnet.runs.layout import SWEEP_RECORD
from covidnet.untrusted import read_object

FORMAT = 1


@dataclass(frozen=True)
class SweepLayout:
    """Paths inside one sweep directory; every run has a sub-folder of its own."""

    directory: Path

    @property
    def record(self) -> Path:
        """What was swept: see `SweepRecord`."""
        return self.directory / SWEEP_RECORD

    @property
    def stopped(self) -> Path:
        """There when a job failed under sweep.fail_fast=true: no further job starts."""
        return self.directory / "stopped"

    @property
    def lock(self) -> Path:
        """Held by the process that started the sweep or goes on with it."""
        return self.directory / ".lock"

    @property
    def devices(self) -> Path:
        """Locks by which running jobs share out the GPUs."""
        return self.directory / ".devices"

    @property
    def runs(self) -> Path:
        """One row per run."""
        return self.directory / "runs.csv"

    @property
    def summary(self) -> Path:
        """One row per configuration."""
        return self.directory / "summary.csv"

    @property
    def summary_json(self) -> Path:
        """The summary and the comparison, whole."""
        return self.directory / "summary.json"

    @property
    def comparison(self) -> Path:
        """One row per pair of configurations."""
        return self.directory / "comparison.csv"


@dataclass(frozen=True)
class SweepRecord:
    """What a sweep is.

    Attributes:
        swept: The keys that differ between its runs, in the order given.
        fixed: The overrides that all its runs share.
        jobs: The name of each run's folder with its values of the swept keys; None where a search chooses them.
    """

    swept: tuple[str, ...]
    fixed: tuple[str, ...]
    jobs: dict[str, dict[str, str]] | None

    def describe(self) -> str:
        """Such as ``random_state (10 values), augment.scale (2 values)``."""
        if self.jobs is None:
            return ", ".join(self.swept)
        counts = [(key, len({job[key] for job in self.jobs.values() if key in job})) for key in self.swept]
        return ", ".join(f"{key} ({count} value{'s' * (count != 1)})" for key, count in counts)


def grown(old: SweepRecord, new: SweepRecord) -> SweepRecord:
    """The record of a sweep that goes on with a command that may name more values, or fewer; no run is forgotten."""
    if old.jobs is None or new.jobs is None:
        return new
    return SweepRecord(old.swept, new.fixed, {**old.jobs, **new.jobs})


def write_record(layout: SweepLayout, record: SweepRecord) -> None:
    """Write sweep.json."""
    write_json(layout.record, {"format": FORMAT, **asdict(record)})


def read_record(layout: SweepLayout) -> SweepRecord:
    """Read sweep.json back.

    Raises:
        RunError: It is missing or not such a record.
    """
    if not layout.record.is_file():
        raise RunError(
            f"{layout.directory}: no sweep, {layout.record.name} is missing. Give the directory that a command with -m "
            "printed, such as outputs/DATE_TIME_sweep."
        )
    try:
        content = read_object(layout.record)
        jobs = content["jobs"]
        return SweepRecord(
            swept=_texts(content["swept"]),
            fixed=_texts(content["fixed"]),
            jobs=None if jobs is None else {_folder(name): _values(values) for name, values in jobs.items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{layout.record}: not the record of a sweep ({error}).") from error


def _folder(name: str) -> str:
    """The name of a run's folder, which lies in the sweep's and nowhere else."""
    if name in {"", ".", ".."} or Path(name).name != name or "\\" in name or "\0" in name:
        raise ValueError(f"{cut(name)!r} is no name of a folder")
    return name


def _values(values: Mapping[str, object]) -> dict[str, str]:
    return {str(key): str(value) for key, value in values.items()}


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)
