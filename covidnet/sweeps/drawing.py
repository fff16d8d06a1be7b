"""A sweep's figures, made from its summaries and comparisons."""

from __future__ import annotations

from collections.abc import Sequence

from covidnet.sweeps.collect import Sweep
from covidnet.sweeps.compare import Comparison, Configuration, Summary, paired_scores


def draw_sweep(
    sweep: Sweep,
    groups: Sequence[Configuration],
    summaries: Sequence[Summary],
    comparisons: Sequence[Comparison],
    score: str,
) -> None:
    """Write points.png, pairs.png where there are comparisons, and heatmap.png for two keys."""
    from covidnet.figures.style import save_figure
    from covidnet.figures.sweep import PairedScores, Row, heatmap_figure, pairs_figure, points_figure

    name = score.replace("_", " ")
    rows = [
        Row(
            one.configuration.label,
            [value for run in one.configuration.runs if (value := (run.scores or {}).get(score)) is not None],
            one.over_splits.mean,
            one.over_splits.low,
            one.over_splits.high,
        )
        for one in summaries
    ]
    save_figure(points_figure(rows, name, _interval_words(summaries)), sweep.layout.directory / "points.png")
    pairs = [
        PairedScores(one.second.label, one.first.label, _paired_scores(sweep, one), _pair_caption(one))
        for one in comparisons
    ]
    if pairs:
        save_figure(pairs_figure(pairs, name), sweep.layout.directory / "pairs.png")
    keys = groups[0].keys
    if len(keys) == 2:
        means = {(one.configuration.values[0], one.configuration.values[1]): one.over_splits.mean for one in summaries}
        down, across = (list(dict.fromkeys(group.values[side] for group in groups)) for side in (0, 1))
        figure = heatmap_figure((keys[0], keys[1]), (down, across), means, name)
        save_figure(figure, sweep.layout.directory / "heatmap.png")


def _interval_words(summaries: Sequence[Summary]) -> str:
    method = next((one.over_splits.method for one in summaries if one.over_splits.low is not None), None)
    return "no interval" if method is None else f"95 % interval ({method})"


def _paired_scores(sweep: Sweep, comparison: Comparison) -> list[tuple[float, float]]:
    """The reference's score first, so that lines run from the second configuration to the first."""
    scored = paired_scores(sweep, comparison.first, comparison.second, comparison.score)
    return [(second, first) for _, first, second in scored]


def _pair_caption(comparison: Comparison) -> str:
    difference = comparison.difference
    if difference.low is None:
        return f"difference {difference.mean:+.3f}"
    return f"difference {difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
