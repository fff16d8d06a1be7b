"""All that a sweep's runs say together, computed once for its tables, its figures, its page and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from covidnet.errors import ConfigError
from covidnet.naming import did_you_mean
from covidnet.sweeps.collect import SCORES, Sweep, collect
from covidnet.sweeps.compare import Comparison, Configuration, Summary, compare_all, configurations, sentence, summarize

MOST_COMPARED = 10
"""More configurations than these give so many pairs that Holm's correction leaves nothing to find."""


@dataclass(frozen=True)
class SweepResults:
    """A sweep's configurations, summarised and compared.

    Attributes:
        sweep: Its runs.
        score: What is compared and drawn.
        groups: The configurations.
        summaries: Of each score, one per configuration that has it.
        comparisons: Of each two configurations; empty where there are too many, or none was repeated.
        sentences: What each comparison says.
    """

    sweep: Sweep
    score: str
    groups: list[Configuration]
    summaries: dict[str, list[Summary]]
    comparisons: list[Comparison]
    sentences: list[str]


def examine_sweep(directory: Path, by: Sequence[str] | None = None, score: str = "accuracy") -> SweepResults:
    """Collect, summarise and compare the runs of a sweep, or of any folder of run directories.

    Args:
        directory: The sweep's.
        by: The swept keys that make configurations; the other swept keys pair the runs. None: all but the seeds.
        score: What is compared.

    Raises:
        RunError: There is no run in the directory.
        ConfigError: A key was not swept, or the score is unknown.
    """
    if score not in SCORES:
        raise ConfigError(f"--score {score}: unknown.{did_you_mean(score, SCORES)} Known: {', '.join(SCORES)}")
    sweep = collect(directory)
    groups = configurations(sweep, by)
    summaries = {name: [one for group in groups if (one := summarize(group, name))] for name in SCORES}
    repeated = any(len(group.runs) > 1 for group in groups)
    comparisons = compare_all(sweep, groups, score) if repeated and len(groups) <= MOST_COMPARED else []
    return SweepResults(sweep, score, groups, summaries, comparisons, [sentence(one) for one in comparisons])
