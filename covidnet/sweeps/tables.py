"""A sweep's files: runs.csv, summary.csv, comparison.csv, and summary.json with all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from covidnet.console import RESEARCH_ONLY
from covidnet.files import write_csv, write_json
from covidnet.sweeps.collect import SCORES, Sweep, SweepRun
from covidnet.sweeps.compare import Comparison, Configuration, Summary

RUN_COLUMNS = (
    "status", *SCORES, "n_train", "n_test", "epoch_kept", "epochs", "training_seconds", "total_seconds", "error", "run"
)  # fmt: skip


def write_tables(sweep: Sweep, summaries: dict[str, list[Summary]], comparisons: Sequence[Comparison]) -> None:
    """Write runs.csv, summary.csv and comparison.csv."""
    rows = []
    for run in sweep.runs:
        scores = [_cell((run.scores or {}).get(name)) for name in SCORES]
        others = (run.n_train, run.n_test, run.epoch_kept, run.epochs, run.training_seconds, run.total_seconds)
        values = [run.values.get(key, "") for key in sweep.swept]
        rows.append([*values, run.status, *scores, *map(_cell, others), run.error, run.name])
    write_csv(sweep.layout.runs, [*sweep.swept, *RUN_COLUMNS], rows)

    everything = [one for found in summaries.values() for one in found]
    keys = everything[0].configuration.keys if everything else sweep.factors
    header = [*keys, "score", "n", "mean", "sd", "low", "high", "min", "max", "splits", "method"]
    write_csv(sweep.layout.summary, header, [_summary_row(one) for one in everything])

    columns = [
        "first", "second", "score", "difference", "low", "high", "p", "p_holm", "over", "n", "method", "pairs",
        "only_first_right", "only_second_right", "images", "p_mcnemar", "p_mcnemar_holm",
    ]  # fmt: skip
    write_csv(sweep.layout.comparison, columns, [_comparison_row(one) for one in comparisons])


def _summary_row(one: Summary) -> list[object]:
    interval = one.over_splits
    numbers = [interval.mean, interval.sd, interval.low, interval.high, one.minimum, one.maximum]
    return [*one.configuration.values, one.score, one.n, *map(_cell, numbers), interval.n, interval.method]


def _comparison_row(one: Comparison) -> list[object]:
    difference = one.difference
    numbers = [difference.mean, difference.low, difference.high, difference.p_value, one.p_adjusted]
    labels = [one.first.label, one.second.label, one.score]
    counts = [one.over, difference.n, difference.method, one.pairs, one.only_first, one.only_second, one.images]
    return [*labels, *map(_cell, numbers), *counts, _cell(one.p_mcnemar), _cell(one.p_mcnemar_adjusted)]


def _cell(value: object) -> object:
    return "" if value is None else repr(value) if isinstance(value, float) else value


def write_summary(
    sweep: Sweep,
    groups: Sequence[Configuration],
    summaries: dict[str, list[Summary]],
    comparisons: Sequence[Comparison],
    sentences: Sequence[str],
) -> None:
    """summary.json: all of it in one file."""
    content = {
        "swept": list(sweep.swept),
        "fixed": list(sweep.fixed),
        "runs": {status: sum(run.status == status for run in sweep.runs) for status in _statuses(sweep)},
        "failed": [{"run": run.name, "values": dict(run.values), "error": run.error} for run in failed_runs(sweep)],
        "configurations": [
            {
                "values": dict(zip(group.keys, group.values, strict=True)),
                "scores": {
                    name: _summary_json(one)
                    for name, found in summaries.items()
                    for one in found
                    if one.configuration == group
                },
            }
            for group in groups
        ],
        "comparisons": [_comparison_json(one, text) for one, text in zip(comparisons, sentences, strict=True)],
        "protocol_warning": protocol_warning(sweep),
        "notice": RESEARCH_ONLY,
    }
    write_json(sweep.layout.summary_json, content)


def _summary_json(one: Summary) -> dict[str, Any]:
    return {"n": one.n, "min": one.minimum, "max": one.maximum, **vars(one.over_splits), "splits": one.over_splits.n}


def _comparison_json(one: Comparison, text: str) -> dict[str, Any]:
    return {
        "first": one.first.label,
        "second": one.second.label,
        "score": one.score,
        "sentence": text,
        "over": one.over,
        **vars(one.difference),
        "p_holm": one.p_adjusted,
        "pairs": one.pairs,
        "mcnemar": {
            "only_first_right": one.only_first,
            "only_second_right": one.only_second,
            "images": one.images,
            "p": one.p_mcnemar,
            "p_holm": one.p_mcnemar_adjusted,
            "note": "pooled over the pairs; an image that is tested in several splits counts each time",
        },
    }


def _statuses(sweep: Sweep) -> list[str]:
    return sorted({run.status for run in sweep.runs})


def failed_runs(sweep: Sweep) -> list[SweepRun]:
    """The runs that ended with an error."""
    return [run for run in sweep.runs if run.status == "failed"]


def protocol_warning(sweep: Sweep) -> str | None:
    """What the runs' protocol says of their scores."""
    return next((run.warning for run in sweep.finished if run.warning), None)
