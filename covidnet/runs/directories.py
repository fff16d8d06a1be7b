"""Names of run and sweep directories: short, readable, taken by any shell and file system, never taken twice."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from covidnet.errors import RunError
from covidnet.naming import short_value, slug

UNNAMED_KEYS = frozenset(
    {"data.root", "data.cache_dir", "data.num_workers", "output_dir", "resume", "trainer", "logger"}
)
"""Overrides that say nothing about the experiment's question, or would put a path into the name."""


def override_key(override: str) -> str:
    """The key of ``key=value``, without Hydra's marks for adding and removing."""
    return override.partition("=")[0].lstrip("+~")


def describe_overrides(overrides: Iterable[str], limit: int = 60) -> str:
    """``['backbone=resnet34', 'augment.scale=[0.7,1.3]']`` as ``backbone-resnet34_scale-0.7-1.3``."""
    parts = []
    for override in overrides:
        key = override_key(override)
        if key not in UNNAMED_KEYS:
            parts.append(slug(f"{key.rpartition('.')[2]}-{short_value(override.partition('=')[2])}"))
    return slug("_".join(part for part in parts if part), limit)


def job_name(overrides: Iterable[str]) -> str:
    """The folder of one run of a sweep, named by its values of the swept keys and by nothing else.

    A number in the order of the jobs would give the same experiment another folder as soon as a sweep grows; the six
    digits at the end tell apart what the readable part cannot (``[0.7,1.3]`` and ``0.7-1.3``).
    """
    texts = sorted(overrides)  # whatever the order in which the keys were typed
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:6]
    return f"{describe_overrides(texts) or 'run'}_{digest}"


def reserve_directory(parent: Path, overrides: Iterable[str], suffix: str = "") -> Path:
    """Create and return a new directory ``DATE_TIME[_suffix][_overrides][_N]`` in ``parent``.

    The directory is made by this process alone (an exclusive mkdir), so any number of runs may start in one second,
    and the clock may go backwards.

    Raises:
        RunError: The system refuses to make it.
    """
    parts = [time.strftime("%Y-%m-%d_%H-%M-%S"), suffix, describe_overrides(overrides)]
    name = "_".join(part for part in parts if part)
    attempt = 1
    while True:
        candidate = parent / (name if attempt == 1 else f"{name}_{attempt}")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            candidate.mkdir()
        except FileExistsError as error:
            if not parent.is_dir():
                raise _not_writable(parent, error) from error
            attempt += 1
        except OSError as error:
            raise _not_writable(parent, error) from error
        else:
            return candidate


def _not_writable(parent: Path, error: OSError) -> RunError:
    return RunError(
        f"output_dir={parent}: no directory can be made there ({error.strerror}). Give another place, output_dir=PATH."
    )


def discard_unused(directory: Path, log: str) -> None:
    """Remove a run's directory while it holds nothing but the configuration and the log that Hydra puts there.

    A run that failed before it recorded anything leaves no trace; one that recorded its data stays.
    """
    if {entry.name for entry in directory.iterdir()} <= {".hydra", ".lock", log}:
        shutil.rmtree(directory, ignore_errors=True)
