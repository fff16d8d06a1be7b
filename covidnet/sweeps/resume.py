"""Whether a sweep may go on in a directory: the same question, the same settings, the same images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from covidnet.config.check import check
from covidnet.config.schema import AnyData, TrainConfig
from covidnet.data.changes import describe_changes, list_changes
from covidnet.data.sources import table_of
from covidnet.data.split import read_split
from covidnet.errors import ConfigError, DataError, RunError
from covidnet.runs.layout import RunLayout, open_run
from covidnet.sweeps.layout import SweepLayout, SweepRecord, read_record
from covidnet.sweeps.plan import Plan

MAY_DIFFER = (
    "output_dir", "sweep", "data.root", "data.cache", "data.cache_dir", "data.num_workers", "trainer.accelerator",
    "trainer.devices", "trainer.profiler", "callbacks.progress", "callbacks.save_every", "compute.num_threads",
    "compute.huge_pages", "compute.keep_memory", "compute.resident", "logger", "report",
)  # fmt: skip
"""Keys, or whole sections, that say how and where runs are made and not what they are."""
LISTED = 5


def check_resumable(layout: SweepLayout, plan: Plan) -> SweepRecord:
    """Refuse to go on with a sweep of other keys, other settings or other images.

    Raises:
        RunError: The directory holds no sweep.
        ConfigError: The command is for another sweep.
        DataError: The images are not those of the runs that are there.
    """
    record = read_record(layout)
    if record.swept != plan.swept and set(record.swept) != set(plan.swept):
        raise ConfigError(
            f"sweep.resume={layout.directory}: that sweep varies {', '.join(record.swept) or 'nothing'}, this command "
            f"{', '.join(plan.swept) or 'nothing'}. Give the command that started it, with sweep.resume added."
        )
    if plan.jobs is None:
        _compare_fixed(layout, record, plan)
        return record
    roots: dict[str, tuple[AnyData, RunLayout]] = {}
    for job in plan.jobs:
        run = RunLayout(layout.directory / job.name)
        if run.config.is_file():
            _compare_settings(layout, run, job.settings)
        data = job.settings.data
        if run.split.is_file():
            roots.setdefault(str(table_of(data) or data.root), (data, run))
    for settings, run in roots.values():
        _compare_images(settings, run)
    return record


def _compare_fixed(layout: SweepLayout, record: SweepRecord, plan: Plan) -> None:
    """For a search, whose jobs are not known beforehand: the same overrides were given."""
    before, now = (
        {text for text in fixed if not _is_free(text.partition("=")[0])} for fixed in (record.fixed, plan.fixed)
    )
    if before != now:
        raise _another(
            layout, sorted(f"then {text}" for text in before - now) + sorted(f"now {t}" for t in now - before)
        )


def _compare_settings(layout: SweepLayout, run: RunLayout, settings: TrainConfig) -> None:
    stored = check(open_run(str(run.directory))[1], TrainConfig)  # with defaults for keys that it was made before
    before, now = dict(_flat(stored.model_dump())), dict(_flat(settings.model_dump()))
    halved = _halved_together(stored, settings)
    differing = [
        f"{key}: {before.get(key)!r} then, {now.get(key)!r} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not _is_free(key) and key not in halved
    ]
    if differing:
        raise _another(layout, differing)


def _halved_together(stored: TrainConfig, settings: TrainConfig) -> tuple[str, ...]:
    """Keys that a run changed by itself, as compute.out_of_memory=halve let it."""
    then, now = (one.data.batch_size * one.trainer.accumulate_grad_batches for one in (stored, settings))
    may = settings.compute.out_of_memory == "halve" and abs(then - now) < now  # odd sizes lose a little
    return ("data.batch_size", "trainer.accumulate_grad_batches") if may else ()


def _another(layout: SweepLayout, differing: list[str]) -> ConfigError:
    shown = "; ".join(differing[:LISTED]) + (f"; and {len(differing) - LISTED} more" * (len(differing) > LISTED))
    return ConfigError(
        f"sweep.resume={layout.directory}: holds another experiment ({shown}). Give the command that started it, with "
        "sweep.resume added; for another experiment start a new sweep."
    )


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in MAY_DIFFER)


def _flat(node: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _flat(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip("."), list(node) if isinstance(node, tuple) else node


def _compare_images(settings: AnyData, run: RunLayout) -> None:
    """The images of one run stand for those of all the sweep's runs on this folder."""
    from covidnet.data.dataset import open_dataset

    dataset = open_dataset(settings)
    pairs = zip(dataset.records, dataset.infos, strict=True)
    changes = describe_changes(read_split(run.split), {record.path: info.sha256 for record, info in pairs})
    if changes:
        raise DataError(
            f"{dataset.root}: the images are not those of the sweep's runs:\n{list_changes(changes)}\n"
            "Put them back, or start a new sweep."
        )


def refuse_used_directory(layout: SweepLayout) -> None:
    """A new sweep must not mix its runs with another's.

    Raises:
        RunError: The directory holds a sweep already.
    """
    if layout.record.exists():
        raise RunError(
            f"{layout.directory}: holds a sweep already. Go on with it, sweep.resume={layout.directory}, or choose "
            "another directory."
        )
