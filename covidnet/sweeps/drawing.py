"""A sweep's figures, made from its summaries and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from covidnet.naming import short_value
from covidnet.sweeps.collect import LOWER_IS_BETTER, Sweep
from covidnet.sweeps.compare import Comparison, Configuration, Summary, contrast, paired_scores

if TYPE_CHECKING:
    from covidnet.figures.sweep import PairedScores, Row


def draw_sweep(
    sweep: Sweep,
    groups: Sequence[Configuration],
    summaries: Sequence[Summary],
    comparisons: Sequence[Comparison],
    score: str,
) -> None:
    """Write points.png, pairs.png where there are comparisons, and heatmap.png for two keys."""
    from covidnet.figures.style import save_figure
    from covidnet.figures.sweep import heatmap_figure, pairs_figure, points_figure

    name = score.replace("_", " ")
    figure = points_figure(point_rows(summaries, score), name, interval_words(summaries))
    save_figure(figure, sweep.layout.directory / "points.png")
    pairs = paired_runs_scores(sweep, comparisons)
    if pairs:
        save_figure(pairs_figure(pairs, name, score in LOWER_IS_BETTER), sweep.layout.directory / "pairs.png")
    keys = groups[0].keys
    if len(keys) == 2:
        means = {(one.configuration.values[0], one.configuration.values[1]): one.over_splits.mean for one in summaries}
        down, across = (list(dict.fromkeys(group.values[side] for group in groups)) for side in (0, 1))
        figure = heatmap_figure((keys[0], keys[1]), (down, across), means, name)
        save_figure(figure, sweep.layout.directory / "heatmap.png")


def point_rows(summaries: Sequence[Summary], score: str) -> list[Row]:
    """Each configuration's runs with their mean and its interval, to draw."""
    from covidnet.figures.sweep import Row

    return [
        Row(
            _lines(one.configuration),
            [value for run in one.configuration.runs if (value := (run.scores or {}).get(score)) is not None],
            one.over_splits.mean,
            one.over_splits.low,
            one.over_splits.high,
        )
        for one in summaries
    ]


def paired_runs_scores(sweep: Sweep, comparisons: Sequence[Comparison]) -> list[PairedScores]:
    """Each comparison's pairs of runs, to draw."""
    from covidnet.figures.sweep import PairedScores

    return [PairedScores(*_pair_labels(one), _paired_scores(sweep, one), _pair_caption(one)) for one in comparisons]


def _lines(configuration: Configuration) -> str:
    """A label with one key a line; the keys by their last part."""
    pairs = zip(configuration.keys, configuration.values, strict=True)
    return "\n".join(f"{key.rpartition('.')[2]} {short_value(value)}" for key, value in pairs) or "all runs"


def _pair_labels(comparison: Comparison) -> tuple[str, str]:
    """What the second configuration has that the first has not, and the other way round."""
    keys = [
        key
        for key, one, other in zip(
            comparison.first.keys, comparison.first.values, comparison.second.values, strict=True
        )
        if one != other
    ]
    labels = [
        "\n".join(f"{key.rpartition('.')[2]} {short_value(side.values[side.keys.index(key)])}" for key in keys)
        for side in (comparison.second, comparison.first)
    ]
    return labels[0], labels[1]


def interval_words(summaries: Sequence[Summary]) -> str:
    """What the intervals are, for an axis."""
    method = next((one.over_splits.method for one in summaries if one.over_splits.low is not None), None)
    return "no interval" if method is None else f"95 % interval ({method})"


def _paired_scores(sweep: Sweep, comparison: Comparison) -> list[tuple[float, float]]:
    """The reference's score first, so that lines run from the second configuration to the first."""
    scored = paired_scores(sweep, comparison.first, comparison.second, comparison.score)
    return [(second, first) for _, first, second in scored]


def _pair_caption(comparison: Comparison) -> str:
    difference, shared = comparison.difference, contrast(comparison.first, comparison.second)[2].strip(" ()")
    limits = "" if difference.low is None else f" [{difference.low:+.3f}, {difference.high:+.3f}]"
    return f"{shared}\ndifference {difference.mean:+.3f}{limits}".strip()
