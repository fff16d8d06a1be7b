"""One run of a sweep: done already, to be gone on with, or new; its failure is written down and stops no other."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from covidnet.console import say, showable, silent
from covidnet.errors import BusyError, CovidnetError, came_after
from covidnet.files import write_json, write_text
from covidnet.naming import short_value
from covidnet.runs.layout import RunLayout
from covidnet.runs.single import as_single_run, free_memory
from covidnet.sweeps.layout import SweepLayout, SweepRecord
from covidnet.sweeps.plan import swept_values
from covidnet.training.history import best_row, read_history
from covidnet.untrusted import read_object

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepJob:
    """What a job needs to know of itself and of its sweep."""

    run: RunLayout
    sweep: SweepLayout
    record: SweepRecord
    overrides: tuple[str, ...]
    fail_fast: bool
    quiet: bool

    @property
    def title(self) -> str:
        """Its values of the swept keys, such as ``random_state=1 augment.scale=[1,1]``."""
        values = swept_values(self.overrides, self.record.swept)
        return " ".join(f"{key}={short_value(value)}" for key, value in values.items()) or self.run.directory.name


def run_sweep_job(job: SweepJob, work: Callable[[bool], float | None]) -> float | None:
    """Do ``work``, a whole run that is told whether it goes on with a stopped one, unless it is done already.

    Returns:
        What ``work`` gives, the lowest validation loss; None for a failed job, or one that a failed job kept from
        starting. Nothing is raised, so that the launcher goes on with the other jobs.
    """
    if job.run.is_finished:
        return _stored_loss(job.run)
    if job.sweep.stopped.exists():
        return None
    job.run.failure.unlink(missing_ok=True)
    resumed = job.run.last.is_file()
    try:
        with as_single_run(job.run, job.overrides, resumed), silent(job.quiet):
            loss = work(resumed)
    except BusyError as error:
        say(f"{_position(job)} {job.title}: left alone: {error}")
        return None
    except Exception as error:
        if came_after(error, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        _record_failure(job, error)
        return None
    finally:
        free_memory()
    say(f"{_position(job)} {job.title}: {_outcome(job.run)}")
    return loss


def _stored_loss(run: RunLayout) -> float | None:
    best = best_row(read_history(run.history))
    return None if best is None else best["val_loss"]


def _record_failure(job: SweepJob, error: Exception) -> None:
    expected = isinstance(error, CovidnetError)
    text = str(error).strip() or type(error).__name__
    trace = None if expected else traceback.format_exc()
    try:
        write_json(job.run.failure, {"error": text, "type": type(error).__name__, "traceback": trace})
        if job.fail_fast:
            write_text(job.sweep.stopped, f"{job.run.directory.name}\n")
    except CovidnetError as refused:  # what made the run fail may be a full disk
        say(str(refused))
    log.info("failed: %s", showable(text if trace is None else trace, "utf-8"))
    shown = text if expected else f"{type(error).__name__}: {text}"
    say(f"{_position(job)} {job.title}: failed: {shown.splitlines()[0]} (whole text in {job.run.failure})")


def _position(job: SweepJob) -> str:
    """How many runs of the sweep are done, of how many."""
    jobs = job.record.jobs
    if jobs is None:
        return f"[{sum(1 for _ in job.sweep.directory.glob('*/metrics.json'))}]"
    ended = sum(
        RunLayout(job.sweep.directory / name).metrics.is_file()
        or RunLayout(job.sweep.directory / name).failure.is_file()
        for name in jobs
    )
    return f"[{ended:{len(str(len(jobs)))}d}/{len(jobs)}]"


def _outcome(run: RunLayout) -> str:
    metrics = read_object(run.metrics)
    accuracy = metrics["accuracy"]
    return (
        f"{metrics['split']} accuracy {accuracy['value']:.2f} [{accuracy['low']:.2f}, {accuracy['high']:.2f}], "
        f"{accuracy['n']} images, {metrics['total_seconds']:.1f} s"
    )
