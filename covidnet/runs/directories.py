"""Names of run and sweep directories: short, readable, taken by any shell and file system, never taken twice."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from covidnet.naming import slug

UNNAMED_KEYS = frozenset(
    {"data.root", "data.cache_dir", "data.num_workers", "output_dir", "resume", "trainer", "logger"}
)
"""Overrides that say nothing about the experiment's question, or would put a path into the name."""


def describe_overrides(overrides: Iterable[str], limit: int = 60) -> str:
    """``['backbone=resnet34', 'augment.scale=[0.7,1.3]']`` as ``backbone-resnet34_scale-0.7-1.3``."""
    parts = []
    for override in overrides:
        key, _, value = override.partition("=")
        key = key.lstrip("+~")
        if key not in UNNAMED_KEYS:
            parts.append(slug(f"{key.rpartition('.')[2]}-{value}"))
    return slug("_".join(part for part in parts if part), limit)


def reserve_directory(parent: Path, overrides: Iterable[str], suffix: str = "") -> Path:
    """Create and return a new directory ``DATE_TIME[_suffix][_overrides][_N]`` in ``parent``.

    The directory is made by this process alone (an exclusive mkdir), so any number of runs may start in one second.
    """
    parts = [time.strftime("%Y-%m-%d_%H-%M-%S"), suffix, describe_overrides(overrides)]
    name = "_".join(part for part in parts if part)
    parent.mkdir(parents=True, exist_ok=True)
    attempt = 1
    while True:
        candidate = parent / (name if attempt == 1 else f"{name}_{attempt}")
        try:
            candidate.mkdir()
        except FileExistsError:
            attempt += 1
        else:
            return candidate


def discard_unused(directory: Path, log: str) -> None:
    """Remove a run's directory while it holds nothing but the configuration and the log that Hydra puts there.

    A run that failed before it recorded anything leaves no trace; one that recorded its data stays.
    """
    if {entry.name for entry in directory.iterdir()} <= {".hydra", log}:
        shutil.rmtree(directory, ignore_errors=True)
