"""The end of a sweep: its tables, its comparison and its figures, in its directory and on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from rich.markup import escape
from rich.table import Table

from covidnet.config.stored import read_values
from covidnet.console import RESEARCH_ONLY, console, say
from covidnet.data.study import printable
from covidnet.naming import short_value
from covidnet.runs.layout import RunLayout
from covidnet.sweeps.collect import Sweep, SweepRun
from covidnet.sweeps.compare import Configuration, Summary
from covidnet.sweeps.drawing import draw_sweep
from covidnet.sweeps.results import MOST_COMPARED, SweepResults, examine_sweep
from covidnet.sweeps.tables import failed_runs, protocol_warning, write_summary, write_tables

MOST_ROWS = 60
WIDE = 100
"""Columns of a terminal from which on the whole table is shown."""


def report_sweep(directory: Path, by: Sequence[str] | None = None, score: str = "accuracy") -> bool:
    """Collect, summarise, compare, draw and print a sweep; everything is computed from its runs' files.

    Args:
        directory: The sweep's, or any folder of run directories.
        by: The swept keys that make configurations; the other swept keys pair the runs. None: all but the seeds.
        score: What is compared and drawn.

    Returns:
        Whether all its runs are finished.

    Raises:
        RunError: There is no run in the directory.
        ConfigError: A key was not swept, or the score is unknown.
    """
    results = examine_sweep(directory, by, score)
    sweep, groups, summaries = results.sweep, results.groups, results.summaries
    comparisons, sentences = results.comparisons, results.sentences
    write_tables(sweep, summaries, comparisons)
    write_summary(sweep, groups, summaries, comparisons, sentences)
    if groups and summaries[score]:
        draw_sweep(sweep, groups, summaries[score], comparisons, score)
    _make_page(results)
    _print(sweep, groups, summaries[score], sentences, score)
    return all(run.is_finished for run in sweep.runs)


def _make_page(results: SweepResults) -> None:
    """The sweep's page, where its runs have theirs; an error is only told, for all else is written."""
    page = RunLayout(results.sweep.layout.directory).page
    page.unlink(missing_ok=True)  # it may show fewer runs
    if "report.enabled=false" in results.sweep.fixed:
        return
    try:
        from covidnet.sweeps.page import make_sweep_page

        make_sweep_page(results)
    except Exception as error:  # nothing that goes wrong in showing results may lose them
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        say(f"no page: {reason} (the results are complete; try python -m covidnet.report {page.parent})")


def _print(
    sweep: Sweep, groups: Sequence[Configuration], summaries: Sequence[Summary], sentences: Sequence[str], score: str
) -> None:
    if summaries:
        # Not on a terminal, the lines may be as long as the table needs.
        width = console.width if console.is_terminal else 160
        console.print(_table(summaries, score, compact=width < WIDE), width=width)
    _print_best_trial(sweep)
    for run in failed_runs(sweep)[:MOST_ROWS]:
        say(f"failed: {_title(sweep, run)}: {run.error}")
    unfinished = [run for run in sweep.runs if run.status in {"stopped", "not started"}]
    if unfinished:
        shown = "; ".join(_title(sweep, run) for run in unfinished[:5]) + ("; ..." if len(unfinished) > 5 else "")
        say(f"not finished: {len(unfinished)} of {len(sweep.runs)} runs ({shown})")
    for text in sentences:
        say(text)
    if len(groups) > 1 and all(len(group.runs) == 1 for group in groups):
        say("each configuration ran once: their differences say nothing about chance (sweep random_state with them)")
    if len(groups) > MOST_COMPARED and any(len(group.runs) > 1 for group in groups):
        say(f"{len(groups)} configurations are too many to compare each with each; --by KEY compares by some keys only")
    if protocol_warning(sweep):
        say(f"  {protocol_warning(sweep)}")
    say(RESEARCH_ONLY)
    if unfinished or failed_runs(sweep):
        say(f"to run what is missing, give the same command with sweep.resume={sweep.layout.directory}")
    say(
        f"results: {sweep.layout.directory} (runs.csv, summary.csv, comparison.csv, summary.json, figures, report.html)"
    )


def _print_best_trial(sweep: Sweep) -> None:
    """What a search found, as its sweeper wrote it down."""
    found = sweep.layout.directory / "optimization_results.yaml"
    best = read_values(found) if found.is_file() else {}
    try:
        values = " ".join(f"{key}={short_value(str(value))}" for key, value in best["best_params"].items())
        say(f"best trial: {values}; validation loss {best['best_value']:.4g}")
    except (KeyError, TypeError, ValueError, AttributeError):  # a search that ended early, or a stranger's file
        return


def _title(sweep: Sweep, run: SweepRun) -> str:
    return " ".join(f"{key}={short_value(run.values[key])}" for key in sweep.swept if key in run.values) or run.name


def _table(summaries: Sequence[Summary], score: str, compact: bool) -> Table:
    """One line per configuration, in the order given."""
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    for column, key in enumerate(summaries[0].configuration.keys):
        longest = max(len(short_value(one.configuration.values[column])) for one in summaries)
        table.add_column(escape(printable(key.rpartition(".")[2])), overflow="fold", min_width=min(longest, 18))
    headings = ["runs", score.replace("_", " "), "95 % interval", "sd", "min", "max", "s/run"]
    for heading in headings[:3] if compact else headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for one in summaries[:MOST_ROWS]:
        interval = one.over_splits
        limits = "–" if interval.low is None else f"[{interval.low:.3f}, {interval.high:.3f}]"
        cells = [str(one.n), f"{interval.mean:.3f}", escape(limits)]
        if not compact:
            seconds = [run.total_seconds for run in one.configuration.runs if run.total_seconds is not None]
            cells += ["–" if interval.sd is None else f"{interval.sd:.3f}", f"{one.minimum:.3f}", f"{one.maximum:.3f}"]
            cells += [f"{fmean(seconds):.1f}" if seconds else "–"]
        table.add_row(*(escape(printable(short_value(value))) for value in one.configuration.values), *cells)
    if len(summaries) > MOST_ROWS:
        table.caption = f"the first {MOST_ROWS} of {len(summaries)} configurations; all are in summary.csv"
    return table
