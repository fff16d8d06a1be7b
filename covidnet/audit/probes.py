"""How well the label can be read from some features: repeated stratified cross-validation of a linear classifier.

The classifier is scikit-learn's ridge regression on the class indicators (for two classes: regularised linear
discriminant analysis). It is strong enough for shortcuts, has nothing to tune, and fits a thousand permuted labels in
one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedKFold

Features = NDArray[np.float32]
Labels = NDArray[np.int64]

PENALTY = 0.2
"""Ridge penalty on features scaled to a total variance of 1; from 0.03 to 1 the results hardly change."""
FOLDS = 5
SMALLEST_CLASS = 4
"""With fewer images in a class, cross-validation says nothing."""
DRAWS = 20_000
LEVEL = 0.95


@dataclass(frozen=True)
class Score:
    """How well the label can be read.

    Attributes:
        balanced_accuracy: Mean over the classes of the share of images that were named right while held out.
        low: Lower limit of its 95 % interval.
        high: Upper limit.
        p_value: Of the permutation test; ``p_adjusted`` after Holm's correction over the tests made together.
        p_adjusted: See there.
        chance: What guessing reaches: one over the number of classes.
        right: For each image, the share of repeats in which it was named right, shape (N,).
    """

    balanced_accuracy: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    chance: float
    right: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the single images."""
        names = ("balanced_accuracy", "low", "high", "p_value", "p_adjusted", "chance")
        return {name: float(getattr(self, name)) for name in names}

    def __str__(self) -> str:
        return f"{self.balanced_accuracy:.2f} [{self.low:.2f}, {self.high:.2f}]"


def can_score(labels: Labels) -> bool:
    """Whether there are two classes and enough images in each of them."""
    counts = np.unique(labels, return_counts=True)[1]
    return len(counts) >= 2 and int(counts.min()) >= SMALLEST_CLASS


def score_features(
    features: Features, labels: Labels, *, repeats: int, permutations: int, seed: int = 0, folds: int = FOLDS
) -> Score:
    """Cross-validate, with an interval and a permutation test.

    The interval is the central 95 % of the posterior of the balanced accuracy (Brodersen et al. 2010, "The balanced
    accuracy and its posterior distribution", ICPR), with Jeffreys' prior on each class's recall. Its unit is the image:
    repeats average over the ways to cut the folds and do not narrow it, and at 100 % it does not shrink to a point, as
    a bootstrap over the images would.

    The permutation test shuffles labels within the test folds of the first repeat, so that permuted data keep the very
    folds and class counts of the real ones; the p-value is exact for that repeat.

    Args:
        features: Shape (N, D).
        labels: Class indices, shape (N,).
        repeats: How often the folds are drawn anew.
        permutations: How many shuffled labellings the real one is compared with; 0 gives a p-value of 1.
        seed: Fixes folds and shuffles.
        folds: Number of folds; fewer where a class has fewer images.

    Raises:
        ValueError: `can_score` is false.
    """
    if not can_score(labels):
        raise ValueError("a score needs two classes with enough images each")
    classes, labels = np.unique(labels, return_inverse=True)
    folds = min(folds, int(np.bincount(labels).min()))
    right = np.zeros(len(labels))
    p_value = 1.0
    for repeat in range(repeats):
        parts = list(_folds(labels, folds, seed + repeat))
        tables = _permuted(labels, parts, permutations if repeat == 0 else 0, seed)
        hits = _held_out(features, tables, parts, len(classes)) == tables
        right += hits[:, 0]
        if tables.shape[1] > 1:
            values = np.mean(
                [(hits & (tables == c)).sum(axis=0) / np.sum(labels == c) for c in range(len(classes))], axis=0
            )
            p_value = float((1 + np.sum(values[1:] >= values[0] - 1e-9)) / (1 + permutations))
    right /= repeats
    value = _balanced(right, labels)
    low, high = _interval(right, labels, seed)
    return Score(value, min(low, value), max(high, value), p_value, p_value, 1.0 / len(classes), right)


def adjusted(scores: Mapping[str, Score]) -> dict[str, Score]:
    """The scores with p-values corrected for having made all these tests (Holm 1979)."""
    order = sorted(scores, key=lambda name: scores[name].p_value)
    result: dict[str, Score] = {}
    highest = 0.0
    for position, name in enumerate(order):
        score = scores[name]
        highest = max(highest, min(1.0, (len(order) - position) * score.p_value))
        result[name] = Score(**{**vars(score), "p_adjusted": highest})
    return {name: result[name] for name in scores}


def predict_held_out(features: Features, labels: Labels, train: Sequence[int], test: Sequence[int]) -> Labels:
    """Class indices for the ``test`` rows by the classifier trained on the ``train`` rows."""
    classes, coded = np.unique(labels[list(train)], return_inverse=True)
    table = np.zeros((len(labels), 1), dtype=np.int64)
    table[list(train), 0] = coded
    found = _fit_and_name(features, table, np.asarray(train), np.asarray(test), len(classes))
    return np.asarray(classes[found[:, 0]], dtype=np.int64)


def _folds(labels: Labels, folds: int, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    yield from splitter.split(np.zeros(len(labels)), labels)


def _permuted(labels: Labels, parts: Sequence[tuple[Any, Any]], permutations: int, seed: int) -> Labels:
    """Shape (N, 1 + permutations): the real labels, then shuffled ones."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, permutations)))
    tables = np.repeat(labels[:, None], 1 + permutations, axis=1)
    for _, test in parts:
        tables[test, 1:] = rng.permuted(tables[test, 1:], axis=0)
    return tables


def _held_out(features: Features, tables: Labels, parts: Sequence[tuple[Any, Any]], classes: int) -> Labels:
    """What each image is named while it is held out, for each column of labels; the shape of ``tables``."""
    named = np.empty_like(tables)
    for train, test in parts:
        named[test] = _fit_and_name(features, tables, train, test, classes)
    return named


def _fit_and_name(
    features: Features, tables: Labels, train: NDArray[np.int64], test: NDArray[np.int64], classes: int
) -> Labels:
    mean, spread = features[train].mean(axis=0), features[train].std(axis=0)
    scale = np.where(spread > 1e-6, spread, np.inf) * np.sqrt(max(1, features.shape[1]))
    inputs, asked = (features[train] - mean) / scale, (features[test] - mean) / scale
    # The indicator of the first class follows from the others, as they add up to 1.
    indicators = (tables[train][:, :, None] == np.arange(1, classes)).astype(np.float64)
    targets = indicators.reshape(len(train), -1)
    if inputs.shape[1] == 0:
        outputs = np.repeat(targets.mean(axis=0)[None], len(test), axis=0)
    else:
        outputs = Ridge(PENALTY).fit(inputs, targets).predict(asked)
    outputs = _with_first(outputs.reshape(len(test), tables.shape[1], classes - 1))
    # They estimate p(class | x); over p(class) they compare the classes as if these were equally frequent.
    odds = outputs / np.maximum(_with_first(indicators.mean(axis=0)), 1e-12)
    return np.asarray(odds.argmax(axis=2), dtype=np.int64)


def _with_first(others: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([1.0 - others.sum(axis=-1, keepdims=True), others], axis=-1)


def _balanced(right: NDArray[Any], labels: Labels) -> float:
    counts = np.bincount(labels)
    return float(np.mean(np.bincount(labels, weights=right.astype(np.float64)) / counts))


def _interval(right: NDArray[np.float64], labels: Labels, seed: int) -> tuple[float, float]:
    counts = np.bincount(labels)
    hits = np.bincount(labels, weights=right)
    rng = np.random.default_rng(seed)
    draws = np.stack(
        [
            beta.rvs(hit + 0.5, count - hit + 0.5, size=DRAWS, random_state=rng)
            for hit, count in zip(hits, counts, strict=True)
        ]
    ).mean(axis=0)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
