"""What lies where in a run directory."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from covidnet.config.stored import read_config, read_texts
from covidnet.errors import RunError
from covidnet.runs.trust import keep_to_caches, refuse_links_outside

FOLD = "fold="
SWEEP_RECORD = "sweep.json"
"""In the directory of a sweep, which holds those of its runs."""


@dataclass(frozen=True)
class RunLayout:
    """Paths inside one run directory."""

    directory: Path

    @property
    def config(self) -> Path:
        """The configuration as composed by Hydra."""
        return self.directory / ".hydra" / "config.yaml"

    @property
    def overrides(self) -> Path:
        """What was given on the command line."""
        return self.directory / ".hydra" / "overrides.yaml"

    @property
    def checkpoints(self) -> Path:
        """Holds best.ckpt and last.ckpt."""
        return self.directory / "checkpoints"

    @property
    def best(self) -> Path:
        """Weights of the kept epoch."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """Everything needed to go on."""
        return self.checkpoints / "last.ckpt"

    @property
    def split(self) -> Path:
        """Which image is in which part."""
        return self.directory / "split.csv"

    @property
    def history(self) -> Path:
        """One row per epoch."""
        return self.directory / "history.csv"

    @property
    def environment(self) -> Path:
        """Versions, device, code and data."""
        return self.directory / "environment.json"

    @property
    def metrics(self) -> Path:
        """Every score, the last file that is computed from predictions.csv alone."""
        return self.directory / "metrics.json"

    @property
    def unfinished(self) -> Path:
        """There from a run's first file to its last, so that a run which was killed in between is known."""
        return self.directory / ".unfinished"

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do: its scores are there, and its saliency, audit and page if it has them."""
        return self.metrics.is_file() and not self.unfinished.exists()

    @property
    def lock(self) -> Path:
        """Held by the process that works in the directory."""
        return self.directory / ".lock"

    @property
    def page(self) -> Path:
        """The page that shows the results."""
        return self.directory / "report.html"

    @property
    def failure(self) -> Path:
        """In a sweep: why the run failed; gone when it is tried again."""
        return self.directory / "failure.json"

    def fold(self, number: int) -> Path:
        """The run directory of one fold, of a run over all folds."""
        return self.directory / f"{FOLD}{number}"

    @property
    def folds(self) -> list[Path]:
        """The run directories of the folds, in their order; empty for a run on one split."""
        found = [path for path in self.directory.glob(f"{FOLD}*") if path.name.removeprefix(FOLD).isdecimal()]
        return sorted(found, key=lambda path: int(path.name.removeprefix(FOLD)))

    @property
    def predictions(self) -> Path:
        """The table that metrics and figures are computed from."""
        return self.directory / "predictions.csv"


def go_on_with(layout: RunLayout) -> str:
    """How to go on with a run that was stopped, as the end of a sentence."""
    if layout.split.is_file() or layout.folds:
        return f"go on with: python train.py resume={shlex.quote(str(layout.directory))}"
    return "give the same command again: nothing was trained yet"


def open_run(directory: str) -> tuple[RunLayout, DictConfig]:
    """A run directory and its stored configuration.

    Raises:
        RunError: It is not a run directory, or one with which a stranger could reach out of it.
    """
    layout = RunLayout(Path(directory).expanduser())
    if not directory or not layout.directory.is_dir():
        raise RunError(
            f"{directory or 'nothing given'}: no such run directory. Give one that train.py printed, such as "
            "outputs/DATE_TIME."
        )
    if (layout.directory / SWEEP_RECORD).is_file():
        raise RunError(
            f"{directory}: a sweep, not a run. Give one of the runs in it, or go on with the sweep by its own command "
            f"and sweep.resume={directory}"
        )
    if not layout.config.is_file():
        raise RunError(f"{directory}: not a run directory, {layout.config} is missing. Give one that train.py made.")
    refuse_links_outside(layout.directory)
    config = read_config(layout.config)
    keep_to_caches(config)
    return layout, config


def read_overrides(layout: RunLayout) -> list[str]:
    """What was given on the command line of the run."""
    return read_texts(layout.overrides) if layout.overrides.is_file() else []
