"""How often do the 95 % intervals hold the truth, and how wide are they? Beside plain DeLong and plain percentiles.

    python benchmarks/coverage.py                  1000 draws of each setting, about ten minutes
    python benchmarks/coverage.py --draws 100

Scores are normal, of equal variance in both classes, so that the AUROC is Phi(shift / sqrt(2)). The settings by patient
have one to six images of each, whose scores correlate by 0.7. Sensitivity by patient: each patient's images share a
chance of being found, of mean 0.9 (beta-distributed, correlation 0.5). Results go to benchmarks/results/coverage.json.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import stats

from covidnet.evaluation.auroc import delong_limits
from covidnet.evaluation.bootstrap import Resamples
from covidnet.evaluation.delong import delong
from covidnet.evaluation.intervals import exact_interval
from covidnet.evaluation.limits import resampled_limits
from covidnet.evaluation.ranking import Ranking

RESULTS = Path(__file__).parent / "results" / "coverage.json"
LEVEL, RESAMPLES = 0.95, 1000
Limits = dict[str, tuple[float, float]]


def by_image(random: np.random.Generator, each: tuple[int, int], area: float) -> Limits:
    shift = math.sqrt(2) * stats.norm.ppf(area)
    positives, negatives = random.normal(shift, 1, each[0]), random.normal(0, 1, each[1])
    found, variance = delong(positives, negatives)
    reach = stats.norm.ppf((1 + LEVEL) / 2) * math.sqrt(variance)
    ours = delong_limits(found, positives, negatives, LEVEL)
    return {"covidnet": ours[:2], "plain DeLong": (found - reach, found + reach)}


def by_patient(random: np.random.Generator, each: tuple[int, int], area: float) -> Limits:
    counts = random.integers(1, 7, sum(each))
    patient = np.repeat(np.arange(sum(each)), counts)
    positive = patient < each[0]
    own = math.sqrt(0.7) * random.normal(size=sum(each))[patient]
    scores = math.sqrt(2) * stats.norm.ppf(area) * positive + own + math.sqrt(0.3) * random.normal(size=len(patient))
    ranking = Ranking(scores, positive)
    resampled = Resamples(positive.astype(int), patient.astype(str).tolist(), RESAMPLES).values({"a": ranking.areas})
    areas = resampled["a"][:, 0]
    value = float(ranking.areas(np.ones((1, len(scores))))[0, 0])
    ours = resampled_limits(value, areas, min(each), LEVEL, "bootstrap")
    blind = delong_limits(value, scores[positive], scores[~positive], LEVEL)
    low, high = np.quantile(areas, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"covidnet": ours[:2], "plain percentiles": (low, high), "patients ignored": blind[:2]}


def sensitivity(random: np.random.Generator, each: tuple[int, int], share: float) -> Limits:
    patient = np.repeat(np.arange(each[0]), random.integers(1, 7, each[0]))
    hit = random.random(len(patient)) < random.beta(share, 1 - share, each[0])[patient]
    resamples = Resamples(np.zeros(len(hit), dtype=int), patient.astype(str).tolist(), RESAMPLES)
    values = resamples.values({"s": lambda weights: weights @ hit / weights.sum(axis=1)})["s"]
    ours = resampled_limits(float(hit.mean()), values, each[0], LEVEL, "bootstrap")
    exact = exact_interval(int(hit.sum()), len(hit), LEVEL)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"covidnet": ours[:2], "plain percentiles": (low, high), "patients ignored": (exact.low, exact.high)}


Draw = Callable[[np.random.Generator, tuple[int, int], float], Limits]


def settings() -> Iterator[tuple[str, Draw, tuple[int, int], float]]:
    for area in (0.7, 0.85, 0.95, 0.99):
        for each in ((5, 5), (10, 10), (20, 20), (10, 90), (100, 100)):
            yield "AUROC", by_image, each, area
    for area in (0.7, 0.85, 0.95):
        for each in ((5, 5), (10, 10), (20, 20), (50, 50)):
            yield "AUROC by patient", by_patient, each, area
    for count in (5, 10, 20, 50):
        yield "sensitivity by patient", sensitivity, (count, 0), 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    started, rows = time.perf_counter(), []
    for name, draw, each, truth in settings():
        random = np.random.default_rng(0)
        found = [draw(random, each, truth) for _ in range(given.draws)]
        row = {"number": name, "positive": each[0], "other": each[1], "truth": truth}
        for method in found[0]:
            limits = np.array([one[method] for one in found])
            holds = (limits[:, 0] <= truth) & (truth <= limits[:, 1])
            row[method] = {"coverage": float(holds.mean()), "width": float(np.diff(limits, axis=1).mean())}
        rows.append(row)
        shown = ", ".join(f"{m} {row[m]['coverage']:.3f} (width {row[m]['width']:.2f})" for m in found[0])
        print(f"{name} of {truth:g}, {each[0]} and {each[1]}: {shown}", flush=True)
    results = {"draws": given.draws, "level": LEVEL, "seconds": time.perf_counter() - started, "table": rows}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
