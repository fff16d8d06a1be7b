"""report.html of a sweep: what the comparison says, figures, and a table of runs that leads to each run's page."""

from __future__ import annotations

import shlex
from pathlib import Path

from covidnet import __version__
from covidnet.config.stored import read_values
from covidnet.console import RESEARCH_ONLY
from covidnet.errors import CovidnetError
from covidnet.figures.svg import Plot
from covidnet.files import write_text
from covidnet.naming import short_value
from covidnet.report.hero import Callout, Hero, audit_callout, changes
from covidnet.report.html import render
from covidnet.report.repeat import RepeatSection, to_link
from covidnet.report.source import RunFiles, read_run
from covidnet.report.words import NONE, counted, folder_name, listed, score_name
from covidnet.runs.layout import RunLayout
from covidnet.sweeps.collect import LOWER_IS_BETTER
from covidnet.sweeps.drawing import interval_words, paired_runs_scores, point_rows
from covidnet.sweeps.page_tables import (
    MOST_CONFIGURATIONS,
    make_comparisons,
    make_configurations,
    make_heatmap,
    make_line,
    run_columns,
)
from covidnet.sweeps.results import SweepResults, examine_sweep
from covidnet.sweeps.tables import failed_runs, protocol_warning

MOST_RUNS = 2000
MOST_FIRST = 3
"""Sentences on the first screen; all stand below."""
MOST_PANELS = 6

TITLES = {"comparisons": "Comparisons", "figures": "Figures", "configurations": "Configurations", "runs": "Runs",
          "repeat": "Make it again"}  # fmt: skip

FILES = {
    "runs.csv": "a row per run: values, status, scores, seconds",
    "summary.csv": "a row per configuration and score",
    "comparison.csv": "a row per pair of configurations",
    "summary.json": "all of it, with the sentences",
}


def make_sweep_page(results: SweepResults) -> Path:
    """Write report.html into the sweep's directory.

    Returns:
        The page.
    """
    sweep = results.sweep
    plots = _draw(results)
    comparisons = make_comparisons(results)
    first = _first_files(results)
    repeat = _repeat(results, first)
    present = {
        "comparisons": bool(comparisons.rows),
        "figures": bool(plots),
        "configurations": bool(results.summaries[results.score]),
        "runs": True,
        "repeat": bool(repeat.commands or repeat.files),
    }
    page = RunLayout(sweep.layout.directory.resolve()).page
    text = render(
        "sweep.html.j2",
        version=__version__,
        notice=RESEARCH_ONLY,
        name=page.parent.name,
        hero=_hero(results, first),
        swept=[(key, _values(results, key)) for key in sweep.swept],
        sentences=results.sentences[:MOST_FIRST],
        more_sentences=len(results.sentences) - MOST_FIRST,
        sections=[(key, title) for key, title in TITLES.items() if present[key]],
        score=score_name(results.score),
        comparisons=comparisons,
        all_sentences=results.sentences,
        plots=plots,
        interval=interval_words(results.summaries[results.score]),
        heatmap=make_heatmap(results),
        keys=results.groups[0].keys if results.groups else (),
        configurations=make_configurations(results),
        hidden_configurations=max(0, len(results.summaries[results.score]) - MOST_CONFIGURATIONS),
        columns=run_columns(results),
        runs=[make_line(results, run) for run in sweep.runs[:MOST_RUNS]],
        hidden_runs=max(0, len(sweep.runs) - MOST_RUNS),
        repeat=repeat,
    )
    write_text(page, text)
    return page


def remake_sweep_page(directory: Path) -> Path:
    """The page of a sweep's directory as its runs are now, compared as by default."""
    return make_sweep_page(examine_sweep(directory))


def _hero(results: SweepResults, first: RunFiles | None) -> Hero:
    value, limits, caption, low, high, point = _number(results)
    sweep = results.sweep
    seeds = [key for key in sweep.swept if key not in sweep.factors]
    repeated = ", each repeated over " + listed(seeds) if seeds and results.groups else ""
    groups = counted(len(results.groups), "configuration")
    source = folder_name((first.environment.get("data") or {}).get("root")) if first else ""
    return Hero(
        question=_question(results),
        sentence=f"{counted(len(sweep.runs), 'run')}{f' on {source}' if source else ''}: {groups}{repeated}.",
        changes=changes(list(sweep.fixed)),
        value=value,
        limits=limits,
        caption=caption,
        low=low,
        high=high,
        point=point,
        baseline=None,
        baseline_text="",
        callouts=_callouts(results, first),
    )


def _question(results: SweepResults) -> str:
    score, factors = score_name(results.score), results.sweep.factors
    if len(results.groups) > 1 and factors:
        names = [key.rpartition(".")[2] if len(factors) > 3 else key for key in factors]
        return f"How {'do' if len(names) > 1 else 'does'} {listed(names)} change the {score}?"
    return f"How much does the {score} vary from run to run?"


def _values(results: SweepResults, key: str) -> str:
    found = list(dict.fromkeys(run.values[key] for run in results.sweep.runs if key in run.values))
    shown = ",".join(short_value(value) for value in found[:6])
    return shown + (f",... ({len(found)} values)" if len(found) > 6 else "")


def _number(results: SweepResults) -> tuple[str, str, str, float | None, float | None, float | None]:
    """The number of the first screen: the difference of one comparison, else the mean of the best configuration."""
    score = score_name(results.score)
    if len(results.comparisons) == 1:
        one = results.comparisons[0]
        difference = one.difference
        limits = "" if difference.low is None else f"[{difference.low:+.3f}, {difference.high:+.3f}]"
        over = counted(difference.n, one.over[:-1])
        return _signed(difference.mean), limits, f"difference in {score} over {over}, 95 % interval.", None, None, None
    summaries = results.summaries[results.score]
    if not summaries:
        return NONE, "", f"No run has a {score} yet.", None, None, None
    lower = results.score in LOWER_IS_BETTER
    best = min(summaries, key=lambda one: one.over_splits.mean if lower else -one.over_splits.mean)
    found = best.over_splits
    limits = "" if found.low is None else f"[{found.low:.3f}, {found.high:.3f}]"
    many = len(summaries) > 1
    caption = f"mean {score} of {best.configuration.label}" if many else f"mean {score}"
    caption += f" over {counted(best.n, 'run')}" + (f", 95 % interval ({found.method})" if limits else "") + "."
    if many:
        caption += f" It is the best of {len(summaries)} by these same scores, which flatters it."
    share = found if results.score != "log_loss" else None
    return (f"{found.mean:.3f}", limits, caption, share.low if share else None, share.high if share else None,
            share.mean if share else None)  # fmt: skip


def _signed(value: float) -> str:
    """With a sign of its full width, for a large number."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _callouts(results: SweepResults, first: RunFiles | None) -> list[Callout]:
    sweep = results.sweep
    warning = protocol_warning(sweep)
    found = []
    unfinished = [run for run in sweep.runs if not run.is_finished]
    if unfinished:
        failed = len(failed_runs(sweep))
        text = f"{len(unfinished)} of {counted(len(sweep.runs), 'run')} have no scores" + (
            f"; {failed} failed." if failed else "."
        )
        found.append(Callout("warning", "Not complete", text, "runs"))
    if warning:
        found.append(Callout("warning", "Protocol", f"{warning[0].upper()}{warning[1:]}."))
    if first is not None:
        audit = audit_callout(first.audit)
        title = audit.title if audit.level == "plain" else f"{audit.title} (first run)"
        found.append(Callout(audit.level, title, audit.text))
    return [*found, Callout("plain", "Research only", RESEARCH_ONLY)]


def _first_files(results: SweepResults) -> RunFiles | None:
    """The files of the first finished run, which stands for the others where all share the data."""
    run = next(iter(results.sweep.finished), None)
    try:
        return None if run is None else read_run(run.layout.directory)
    except CovidnetError:
        return None


def _draw(results: SweepResults) -> dict[str, Plot]:
    from covidnet.figures.svg import to_plot
    from covidnet.figures.sweep import pairs_figure, points_figure

    summaries = results.summaries[results.score]
    if not summaries:
        return {}
    name = score_name(results.score)
    described = "; ".join(f"{one.configuration.label}: mean {one.over_splits.mean:.3f}" for one in summaries[:12])
    rows = point_rows(summaries, results.score)
    figure = points_figure(rows, name, interval_words(summaries), width=5.2, titled=False)
    plots = {"points": to_plot(figure, "points", f"{name.capitalize()} of every run by configuration. {described}.")}
    pairs = paired_runs_scores(results.sweep, results.comparisons)
    for place, (pair, text) in enumerate(zip(pairs[:MOST_PANELS], results.sentences, strict=False)):
        figure = pairs_figure([pair], name, results.score in LOWER_IS_BETTER, titled=False)
        plots[f"pair{place}"] = to_plot(figure, f"pair{place}", f"Paired runs. {text}")
    return plots


def _repeat(results: SweepResults, first: RunFiles | None) -> RepeatSection:
    directory = results.sweep.layout.directory
    environment = first.environment if first is not None else {}
    packages = environment.get("packages")
    facts = [
        (name, str(environment[name]))
        for name in ("python", "device", "processor", "platform")
        if environment.get(name)
    ]
    return RepeatSection(
        commands=_command(directory, environment),
        environment=facts,
        packages=[(str(name), str(version)) for name, version in packages.items()]
        if isinstance(packages, dict)
        else [],
        files=[(to_link(name), name, meaning) for name, meaning in FILES.items() if (directory / name).is_file()],
    )


def _command(directory: Path, environment: dict[str, object]) -> list[str]:
    """From what Hydra recorded of the sweep; nothing where it recorded nothing."""
    try:
        recorded = read_values(directory / "multirun.yaml")["hydra"]["overrides"]
        overrides = [str(text) for text in recorded["task"]]
        options = [str(text) for text in recorded["hydra"]]
    except Exception:  # YAML and OmegaConf raise nearly anything on a damaged file
        return []
    kept = [text for text in options if text.startswith(("hydra/", "hydra.launcher", "hydra.sweeper"))]
    git = environment.get("git")
    commit = str(git.get("commit") or "") if isinstance(git, dict) else ""
    return ([f"git checkout {shlex.quote(commit)}"] if commit else []) + [
        shlex.join(["python", "train.py", "-m", *overrides, *kept])
    ]
