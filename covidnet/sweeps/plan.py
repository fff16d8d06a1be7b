"""The jobs of a sweep before any of them starts: every configuration is composed and checked, all faults at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from covidnet.config.schema import TrainConfig
from covidnet.errors import ConfigError
from covidnet.runs.directories import job_name, override_key
from covidnet.sweeps.layout import SweepRecord

Compose = Callable[[Sequence[str]], TrainConfig]
"""The checked configuration of a list of overrides; raises ConfigError."""

BASIC_SWEEPER = f"{BasicSweeper.__module__}.{BasicSweeper.__qualname__}"
LISTED = 10


@dataclass(frozen=True)
class Job:
    """One run to be: its folder's name, all its overrides, and its configuration."""

    name: str
    overrides: tuple[str, ...]
    settings: TrainConfig


@dataclass(frozen=True)
class Plan:
    """What a command with -m will run; ``jobs`` is None where a search chooses them as it goes."""

    swept: tuple[str, ...]
    fixed: tuple[str, ...]
    jobs: tuple[Job, ...] | None

    @property
    def record(self) -> SweepRecord:
        """What sweep.json says of it."""
        jobs = None
        if self.jobs is not None:
            jobs = {job.name: swept_values(job.overrides, self.swept) for job in self.jobs}
        return SweepRecord(self.swept, self.fixed, jobs)


def make_plan(arguments: Sequence[str], sweeper: Mapping[str, Any], compose: Compose) -> Plan:
    """Expand the command's arguments as the configured sweeper will, and check every job's configuration.

    Args:
        arguments: The overrides of the command line.
        sweeper: Hydra's sweeper section; its ``params`` are overrides too.
        compose: Gives the checked configuration of one job.

    Raises:
        ConfigError: A job's configuration is refused, or two jobs are the same experiment.
    """
    parameters = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*parameters, *arguments])
    swept = tuple(dict.fromkeys(_key(item) for item in overrides if item.is_sweep_override()))
    fixed = tuple(
        f"{item.get_key_element()}={item.get_value_element_as_str()}"
        for item in overrides
        if not item.is_sweep_override() and _key(item) not in swept
    )
    if sweeper.get("_target_") != BASIC_SWEEPER:
        return Plan(swept, fixed, None)
    jobs = [tuple(job) for job in BasicSweeper.split_arguments(overrides, None)[0]]
    checked = _check_all(jobs, swept, compose)
    _refuse_equals(checked, swept)
    return Plan(swept, fixed, tuple(checked))


def swept_overrides(overrides: Sequence[str], swept: Sequence[str]) -> list[str]:
    """Those overrides whose key is swept, in the order of ``swept``."""
    found = {override_key(override): override for override in overrides}
    return [found[key] for key in swept if key in found]


def swept_values(overrides: Sequence[str], swept: Sequence[str]) -> dict[str, str]:
    """The values of the swept keys in one job's overrides."""
    pairs = [override.partition("=") for override in swept_overrides(overrides, swept)]
    return {override_key(key): value for key, _, value in pairs}


def _key(override: Override) -> str:
    return override_key(override.get_key_element())


def _check_all(jobs: Sequence[tuple[str, ...]], swept: Sequence[str], compose: Compose) -> list[Job]:
    """Compose every job; a fault that several jobs share is told once."""
    checked: list[Job] = []
    faults: dict[str, list[str]] = {}
    for overrides in jobs:
        own = swept_overrides(overrides, swept)
        try:
            checked.append(Job(job_name(own), overrides, compose(overrides)))
        except ConfigError as error:
            for line in str(error).splitlines():
                faults.setdefault(line, []).append(" ".join(own))
    if faults:
        lines = [
            line if len(found) == len(jobs) else f"{line} (in {len(found)} of {len(jobs)} jobs, first {found[0]})"
            for line, found in list(faults.items())[:LISTED]
        ]
        if len(faults) > LISTED:
            lines.append(f"and {len(faults) - LISTED} more faults")
        raise ConfigError("\n".join([*lines, "No job was started."]))
    return checked


def _refuse_equals(jobs: Sequence[Job], swept: Sequence[str]) -> None:
    seen: dict[str, Job] = {}
    for job in jobs:
        content = job.settings.model_dump_json()
        if content in seen:
            first, second = (" ".join(swept_overrides(one.overrides, swept)) for one in (seen[content], job))
            raise ConfigError(
                f"two jobs of this sweep are the same experiment: {first} and {second}. Give every value once; to "
                "repeat a configuration, sweep random_state (the split) or seed (all else that is random)."
            )
        seen[content] = job
