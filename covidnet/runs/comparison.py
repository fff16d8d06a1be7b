"""Two runs of one configuration side by side: what they were made with, and what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from covidnet.predictions import read_predictions
from covidnet.untrusted import read_object

FACTS = {
    "python": "Python", "platform": "platform", "processor": "processor", "threads": "threads", "device": "device",
    "cuda": "CUDA",
}  # fmt: skip


def compare_environments(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two environment.json and may change results, a line each.

    Where the images are is no such thing.
    """
    lines = [f"{title}: {_shown(then.get(key))} then, {_shown(now.get(key))} now"
             for key, title in FACTS.items() if then.get(key) != now.get(key)]  # fmt: skip
    old, new = _part(then, "packages"), _part(now, "packages")
    lines += [f"{name}: {_shown(old.get(name))} then, {_shown(new.get(name))} now"
              for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]  # fmt: skip
    return lines + _compare_code(_part(then, "git"), _part(now, "git")) + _compare_data(then, now)


def _compare_code(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    lines = []
    if then.get("commit") != now.get("commit"):
        lines.append(f"code: commit {_shown(then.get('commit'))} then, {_shown(now.get('commit'))} now")
    changed = then.get("changed_files") or 0, now.get("changed_files") or 0
    if any(changed):
        lines.append(f"code: with changes that are in no commit, in {changed[0]} files then, {changed[1]} now")
    return lines


def _compare_data(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    old, new = _part(then, "data"), _part(now, "data")
    lines = []
    if (old.get("images"), old.get("sha256")) != (new.get("images"), new.get("sha256")):
        lines.append(f"images: {_shown(old.get('images'))} then, {_shown(new.get('images'))} now, with other contents")
    if _part(old, "external").get("sha256") != _part(new, "external").get("sha256"):
        lines.append("external images: others than then")
    return lines


def _part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


@dataclass(frozen=True)
class PredictionsCompared:
    """Two predictions.csv.

    Attributes:
        equal: To the last bit.
        n: Rows.
        largest_difference: Of a probability; None where the rows are of other images.
        path: Of the image that it is found on; None where all are the same.
        other_classes: Rows whose predicted class differs.
    """

    equal: bool
    n: int
    largest_difference: float | None
    path: str | None
    other_classes: int | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """In words."""
        if self.equal:
            return [f"predictions.csv: equal to the last bit, {self.n} rows"]
        if self.largest_difference is None:
            return ["predictions.csv: of other images, parts or classes"]
        if self.path is None:
            return ["predictions.csv: the same probabilities, but other columns differ"]
        return [
            f"predictions.csv: the largest difference of a probability is {self.largest_difference:.2g}, on "
            f"{self.path}; {self.other_classes} of {self.n} rows have another predicted class"
        ]


def compare_predictions(then: Path, now: Path) -> PredictionsCompared:
    """Compare two predictions.csv, of shape (N, classes) each, row by row.

    Raises:
        RunError: One of them is missing or damaged.
    """
    old, new = read_predictions(then), read_predictions(now)
    equal = then.read_bytes() == now.read_bytes()
    same = [(row.path, row.split) for row in old.rows] == [(row.path, row.split) for row in new.rows]
    if not same or old.classes != new.classes:
        return PredictionsCompared(equal, len(new), None, None, None)
    if not len(new):
        return PredictionsCompared(equal, 0, 0.0, None, 0)
    apart = np.abs(old.probabilities - new.probabilities).max(axis=1)
    worst = int(apart.argmax())
    others = int((old.predicted != new.predicted).sum())
    path = new.rows[worst].path if apart[worst] > 0 else None
    return PredictionsCompared(equal, len(new), float(apart[worst]), path, others)


@dataclass(frozen=True)
class MetricsCompared:
    """Two metrics.json without their times.

    Attributes:
        equal: Every value, to the last bit.
        largest_difference: Of two numbers.
        key: Where it is found.
        others: Keys whose values differ and are no numbers, or that only one of them has.
    """

    equal: bool
    largest_difference: float
    key: str | None
    others: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """In words."""
        if self.equal:
            return ["metrics.json: equal to the last bit, but for times"]
        lines = []
        if self.key is not None:
            lines.append(f"metrics.json: the largest difference is {self.largest_difference:.2g}, of {self.key}")
        if self.others:
            more = f" and {len(self.others) - 5} more" if len(self.others) > 5 else ""
            lines.append(f"metrics.json: also differ {', '.join(self.others[:5])}{more}")
        return lines


def compare_metrics(then: Path, now: Path) -> MetricsCompared:
    """Compare two metrics.json value by value.

    Raises:
        RunError: One of them is missing or damaged.
    """
    old, new = dict(_leaves(read_object(then))), dict(_leaves(read_object(now)))
    differing = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    both = [key for key in differing if _is_number(old.get(key)) and _is_number(new.get(key))]
    numbers = {key: abs(old[key] - new[key]) for key in both}
    worst = max(numbers, key=lambda key: numbers[key], default=None)
    others = tuple(key for key in differing if key not in numbers)
    return MetricsCompared(not differing, 0.0 if worst is None else numbers[worst], worst, others)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if not str(key).endswith("seconds"):
                yield from _leaves(inner, f"{prefix}{key}.")
    else:
        yield prefix.rstrip("."), value
