"""The tables of a sweep's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from covidnet.naming import short_value
from covidnet.report.confusion import SHADES, Matrix, MatrixCell, MatrixRow
from covidnet.report.data import Table
from covidnet.report.repeat import to_link
from covidnet.report.words import NONE, number, score_name
from covidnet.sweeps.collect import SCORES, SweepRun
from covidnet.sweeps.compare import Summary
from covidnet.sweeps.results import SweepResults

MOST_CONFIGURATIONS = 100


@dataclass(frozen=True)
class RunCell:
    """A text, and the value that the column is sorted by."""

    text: str
    value: str
    is_number: bool = False


@dataclass(frozen=True)
class RunLine:
    """One run: its link if it has a page, and its cells."""

    name: str
    link: str
    status: str
    cells: list[RunCell]
    error: str


def make_heatmap(results: SweepResults) -> Matrix | None:
    """Means for every two values of two swept keys."""
    summaries = results.summaries[results.score]
    if not summaries or len(summaries[0].configuration.keys) != 2:
        return None
    means = {one.configuration.values: one.over_splits.mean for one in summaries}
    down, across = (list(dict.fromkeys(values[side] for values in means)) for side in (0, 1))
    low, span = min(means.values()), (max(means.values()) - min(means.values())) or 1.0
    rows = []
    for row in down:
        cells = []
        for column in across:
            mean = means.get((row, column))
            shade = 0 if mean is None else round(SHADES * (mean - low) / span)
            cells.append(MatrixCell(0, number(mean, 3), shade, False))
        rows.append(MatrixRow(short_value(row), 0, cells))
    return Matrix([short_value(value) for value in across], rows)


def make_comparisons(results: SweepResults) -> Table:
    """A row per comparison, with both tests."""
    rows = []
    for one in results.comparisons:
        difference = one.difference
        p_value = one.p_adjusted if one.p_adjusted is not None else difference.p_value
        limits = "" if difference.low is None else f"[{difference.low:+.3f}, {difference.high:+.3f}]"
        rows.append(
            [
                f"{one.first.label} against {one.second.label}", f"{difference.mean:+.3f}", limits,
                NONE if p_value is None else f"{p_value:.2g}", f"{difference.n} {one.over}",
                f"{one.only_first} : {one.only_second}", f"{one.p_mcnemar:.2g}",
            ]
        )  # fmt: skip
    header = ["comparison", "difference", "95 % interval", "p (Holm)", "over", "right alone", "p (McNemar)"]
    return Table(header, rows)


def make_configurations(results: SweepResults) -> Table:
    """A row per configuration: the compared score in full, the means of the others."""
    summaries = results.summaries[results.score][:MOST_CONFIGURATIONS]
    others = [name for name in SCORES if name != results.score and results.summaries[name]]
    header = ["configuration", "runs", score_name(results.score), "95 % interval", "sd", "min", "max"]
    header += [score_name(name) for name in others]
    rows = []
    for one in summaries:
        found = one.over_splits
        limits = NONE if found.low is None else f"[{found.low:.3f}, {found.high:.3f}]"
        rows.append(
            [
                one.configuration.label, str(one.n), number(found.mean, 3), limits, number(found.sd, 3),
                number(one.minimum, 3), number(one.maximum, 3),
                *(_mean_of(results.summaries[name], one) for name in others),
            ]
        )  # fmt: skip
    return Table(header, rows)


def _mean_of(summaries: Sequence[Summary], same: Summary) -> str:
    found = next((one for one in summaries if one.configuration == same.configuration), None)
    return NONE if found is None else number(found.over_splits.mean, 3)


def run_columns(results: SweepResults) -> list[tuple[str, bool]]:
    """Names of the columns of the table of runs after the first, and whether they hold numbers."""
    names = [(key, False) for key in results.sweep.swept]
    scores = [(score_name(name), True) for name in SCORES]
    return [*names, ("status", False), *scores, ("epoch kept", True), ("seconds", True)]


def make_line(results: SweepResults, run: SweepRun) -> RunLine:
    """One row of the table of runs."""
    scores = [(run.scores or {}).get(name) for name in SCORES]
    cells = [RunCell(short_value(run.values.get(key, "")), run.values.get(key, "")) for key in results.sweep.swept]
    cells.append(RunCell(run.status, run.status))
    cells += [RunCell(number(value, 3), "" if value is None else repr(value), True) for value in scores]
    cells.append(RunCell(str(run.epoch_kept or NONE), str(run.epoch_kept or ""), True))
    cells.append(
        RunCell(number(run.total_seconds, 1), "" if run.total_seconds is None else repr(run.total_seconds), True)
    )
    link = to_link(f"{run.name}/report.html") if run.layout.page.is_file() else ""
    return RunLine(run.name, link, run.status, cells, run.error)
