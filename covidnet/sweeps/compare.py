"""What a sweep's runs say together: each configuration's mean, and paired differences between configurations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from covidnet.evaluation.resampled import MeanInterval, holm, mcnemar_exact, resampled_mean
from covidnet.naming import short_value
from covidnet.predictions import read_predictions
from covidnet.sweeps.collect import LOWER_IS_BETTER, Sweep, SweepRun

Values = tuple[str, ...]
"""Values of some keys, in the keys' order; a run that lacks one has an empty text for it."""

LEVEL = 0.95
ALPHA = 0.05


@dataclass(frozen=True)
class Configuration:
    """The runs that share the values of the keys compared by."""

    keys: Values
    values: Values
    runs: tuple[SweepRun, ...]

    @property
    def label(self) -> str:
        """Such as ``augment.scale=[1,1] backbone=resnet18``."""
        pairs = zip(self.keys, self.values, strict=True)
        return " ".join(f"{key}={short_value(value)}" for key, value in pairs) or "all runs"


@dataclass(frozen=True)
class Summary:
    """One score of one configuration over its runs; n, minimum and maximum are over runs, the interval over splits."""

    configuration: Configuration
    score: str
    n: int
    over_splits: MeanInterval
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Comparison:
    """The first configuration against the second, on the runs that they have in common.

    Attributes:
        difference: First minus second, over splits; over seeds where the split was not swept.
        over: What the difference is averaged over: ``splits`` or ``seeds``.
        pairs: Number of pairs of runs.
        only_first: Test images that the first alone got right, pooled over the pairs.
        only_second: Those that the second alone got right.
        images: Number of pooled test images.
        p_mcnemar: Of McNemar's exact test on them; images that several pairs share count each time.
        p_adjusted: The difference's p-value after Holm's correction for the number of comparisons.
        p_mcnemar_adjusted: Likewise.
    """

    first: Configuration
    second: Configuration
    score: str
    difference: MeanInterval
    over: str
    pairs: int
    only_first: int
    only_second: int
    images: int
    p_mcnemar: float
    p_adjusted: float | None = None
    p_mcnemar_adjusted: float | None = None


def configurations(sweep: Sweep, by: Sequence[str] | None = None) -> list[Configuration]:
    """The finished runs grouped by the keys compared by, all swept keys but the replicates by default.

    Raises:
        ConfigError: A key of ``by`` was not swept.
    """
    keys = tuple(by) if by is not None else sweep.factors
    sweep.require_keys(keys)
    groups: dict[Values, list[SweepRun]] = {}
    for run in sweep.runs:  # the order of the runs, finished or not, is that of the command
        group = groups.setdefault(_values(run, keys), [])
        if run.is_finished:
            group.append(run)
    return [Configuration(keys, values, tuple(runs)) for values, runs in groups.items() if runs]


def summarize(configuration: Configuration, score: str) -> Summary | None:
    """One score over a configuration's runs; None where no run has it."""
    scored = [(run, value) for run in configuration.runs if (value := _score(run, score)) is not None]
    if not scored:
        return None
    values = [value for _, value in scored]
    by_split = _by_split([(run.values, value) for run, value in scored])
    interval = resampled_mean(by_split, _test_to_train([run for run, _ in scored]), LEVEL, _bounds(score, 0.0))
    return Summary(configuration, score, len(values), interval, min(values), max(values))


def compare_all(sweep: Sweep, groups: Sequence[Configuration], score: str) -> list[Comparison]:
    """Every pair of configurations, each against those that come after it; Holm's correction over all pairs."""
    found = [compare(sweep, first, second, score) for first, second in combinations(groups, 2)]
    kept = [one for one in found if one is not None]
    adjusted = holm([one.difference.p_value for one in kept])
    mcnemar = holm([one.p_mcnemar for one in kept])
    return [
        Comparison(**{**vars(one), "p_adjusted": p_value, "p_mcnemar_adjusted": p_mcnemar})
        for one, p_value, p_mcnemar in zip(kept, adjusted, mcnemar, strict=True)
    ]


def compare(sweep: Sweep, first: Configuration, second: Configuration, score: str) -> Comparison | None:
    """The paired difference of one score; None where no two runs can be paired."""
    scored = paired_scores(sweep, first, second, score)
    if not scored:
        return None
    pairs = paired_runs(sweep, first, second)
    over_splits = "random_state" in sweep.swept and "random_state" not in first.keys
    ratio = _test_to_train([run for run, _ in pairs]) if over_splits else None
    differences = _by_split([(values, one - other) for values, one, other in scored])
    only_first, only_second, images = _disagreements(pairs)
    return Comparison(
        first=first,
        second=second,
        score=score,
        difference=resampled_mean(differences, ratio, LEVEL, _bounds(score, -1.0)),
        over="splits" if over_splits else "seeds",
        pairs=len(scored),
        only_first=only_first,
        only_second=only_second,
        images=images,
        p_mcnemar=mcnemar_exact(only_first, only_second),
    )


def paired_runs(sweep: Sweep, first: Configuration, second: Configuration) -> list[tuple[SweepRun, SweepRun]]:
    """The runs of two configurations that agree in all other swept keys."""
    rest = tuple(key for key in sweep.swept if key not in first.keys)
    partners = {_values(run, rest): run for run in second.runs}
    return [(run, partners[unit]) for run in first.runs if (unit := _values(run, rest)) in partners]


def paired_scores(
    sweep: Sweep, first: Configuration, second: Configuration, score: str
) -> list[tuple[Mapping[str, str], float, float]]:
    """The swept values of the first run of each pair, and both runs' scores; pairs that lack one are left out."""
    found = []
    for one, other in paired_runs(sweep, first, second):
        values = _score(one, score), _score(other, score)
        if values[0] is not None and values[1] is not None:
            found.append((one.values, values[0], values[1]))
    return found


def sentence(comparison: Comparison) -> str:
    """The comparison in plain words, such as "augment.scale=[0.7,1.3] against [1,1] changes accuracy by +0.01 ..."."""
    first, second, shared = contrast(comparison.first, comparison.second)
    difference, score = comparison.difference, comparison.score.replace("_", " ")
    count = f"{difference.n} {comparison.over[:-1] if difference.n == 1 else comparison.over}"
    start = f"{first} against {second}{shared}"
    if difference.sd is not None and difference.low is None and difference.mean == 0.0:
        return f"{start}: the same {score} in each of {count}: no evidence of any difference"
    change = f"{start} changes {score} by {difference.mean:+.3f}"
    if difference.low is None or difference.high is None:
        reason = "one pair of runs says" if difference.n == 1 else "differences without any spread say"
        return f"{change} over {count}: {reason} nothing about chance"
    p_value = comparison.p_adjusted if comparison.p_adjusted is not None else difference.p_value
    assert p_value is not None
    corrected = ", Holm" if comparison.p_adjusted not in (None, difference.p_value) else ""
    numbers = f"{change} [{difference.low:+.3f}, {difference.high:+.3f}] over {count} (p = {p_value:.2g}{corrected})"
    if p_value >= ALPHA:
        return f"{numbers}: no evidence that it helps or harms"
    better = (difference.mean < 0) == (comparison.score in LOWER_IS_BETTER)
    return f"{numbers}: it {'helps' if better else 'harms'}"


def contrast(first: Configuration, second: Configuration) -> tuple[str, str, str]:
    """What differs, as the first has it and as the second has it, and in brackets what both share."""
    triples = list(zip(first.keys, map(short_value, first.values), map(short_value, second.values), strict=True))
    differing = [(key, one, other) for key, one, other in triples if one != other]
    shared = " ".join(f"{key}={one}" for key, one, other in triples if one == other)
    named = " ".join(f"{key}={one}" for key, one, _ in differing)
    other = differing[0][2] if len(differing) == 1 else " ".join(f"{key}={value}" for key, _, value in differing)
    return named, other, f" ({shared})" if shared else ""


def _bounds(score: str, low: float) -> tuple[float, float]:
    """Where scores, or their differences, must lie: all are shares but the log loss."""
    return (low, 1.0) if score != "log_loss" else (-math.inf if low else 0.0, math.inf)


def _values(run: SweepRun, keys: Sequence[str]) -> Values:
    return tuple(run.values.get(key, "") for key in keys)


def _score(run: SweepRun, score: str) -> float | None:
    return None if run.scores is None else run.scores.get(score)


def _by_split(scored: Sequence[tuple[Mapping[str, str], float]]) -> list[float]:
    """One value per split: runs on the same split are no independent measurements, so they are averaged first.

    Where the split was not swept, each run is a measurement of its own.
    """
    if not all("random_state" in values for values, _ in scored):
        return [value for _, value in scored]
    groups: dict[str, list[float]] = {}
    for values, value in scored:
        groups.setdefault(values["random_state"], []).append(value)
    return [fmean(group) for group in groups.values()]


def _test_to_train(runs: Sequence[SweepRun]) -> float | None:
    """Mean n_test / n_train of runs over several splits; None where all share one split."""
    if len({run.values.get("random_state") for run in runs}) < 2:
        return None
    return fmean(run.n_test / run.n_train for run in runs if run.n_train)


def _disagreements(pairs: Sequence[tuple[SweepRun, SweepRun]]) -> tuple[int, int, int]:
    """Test images, pooled over the pairs, that only the first or only the second run got right, and their number."""
    only_first = only_second = images = 0
    for first, second in pairs:
        right, other = _right(first), _right(second)
        shared = right.keys() & other.keys()
        images += len(shared)
        only_first += sum(right[path] and not other[path] for path in shared)
        only_second += sum(other[path] and not right[path] for path in shared)
    return only_first, only_second, images


def _right(run: SweepRun) -> dict[str, bool]:
    table = read_predictions(run.layout.predictions).of_split("test")
    correct = table.truth == table.predicted
    return {row.path: bool(flag) for row, flag in zip(table.rows, correct, strict=True)}
