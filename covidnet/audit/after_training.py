"""What is left of a trained model's score where there are no lungs, and where there is nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from covidnet.audit.findings import Finding, counted
from covidnet.audit.views import lung_field, to_grey
from covidnet.data.pixels import Indices, PixelSource
from covidnet.data.records import Record
from covidnet.evaluation.intervals import Interval, exact_interval
from covidnet.predictions import Predictions

if TYPE_CHECKING:
    import torch
    from torch import nn

    from covidnet.data.datamodule import XrayDataModule

Picture = NDArray[np.uint8]
"""Shape (C, H, W), values 0 to 255."""

PATCHES = 4
"""Patches across and down that are shuffled."""
ALARM = 0.01
SHOWN = 4


def mask_lungs(picture: Picture) -> Picture:
    """The lung field painted over with the mean grey of the rest."""
    return _keep(picture, ~lung_field(*picture.shape[1:]))


def only_lungs(picture: Picture) -> Picture:
    """All but the lung field painted over with the mean grey of the lung field."""
    return _keep(picture, lung_field(*picture.shape[1:]))


def _keep(picture: Picture, kept: NDArray[np.bool_]) -> Picture:
    mean = picture[:, kept].mean(axis=1).round().astype(np.uint8)
    return np.where(kept, picture, mean[:, None, None])


def equalize(picture: Picture) -> Picture:
    """All grey levels equally frequent, so that exposure and contrast tell nothing; colours are lost."""
    grey = to_grey(picture)
    shares = np.cumsum(np.bincount(grey.ravel(), minlength=256)) / grey.size
    levels = np.rint(255 * shares).astype(np.uint8)
    return np.asarray(np.repeat(levels[grey][None], picture.shape[0], axis=0))


def shuffle_patches(picture: Picture) -> Picture:
    """Sixteen patches in another order, the same for every image: the anatomy is gone, texture and greys stay."""
    _, height, width = picture.shape
    down, across = height // PATCHES, width // PATCHES
    order = np.random.default_rng(PATCHES).permutation(PATCHES * PATCHES)
    shuffled = picture.copy()
    for place, origin in enumerate(order.tolist()):
        to, source = divmod(place, PATCHES), divmod(origin, PATCHES)
        shuffled[:, to[0] * down : (to[0] + 1) * down, to[1] * across : (to[1] + 1) * across] = picture[
            :, source[0] * down : (source[0] + 1) * down, source[1] * across : (source[1] + 1) * across
        ]
    return shuffled


ALTERATIONS: dict[str, tuple[str, Callable[[Picture], Picture]]] = {
    "lungs_masked": ("lung field masked", mask_lungs),
    "only_lungs": ("only the lung field", only_lungs),
    "equalized": ("grey levels equalised", equalize),
    "patches_shuffled": ("patches shuffled", shuffle_patches),
}


@dataclass
class AlteredPixels:
    """A pixel source whose images are altered on the way out; see `PixelSource`."""

    source: PixelSource
    alter: Callable[[Picture], Picture]
    decoded: bool = True

    def fetch(self, positions: Indices) -> Picture:
        """See `PixelSource`."""
        return np.stack([self.alter(picture) for picture in self.source.fetch(positions)])

    def select(self, positions: Indices) -> AlteredPixels:
        """See `PixelSource`."""
        return AlteredPixels(self.source.select(positions), self.alter, self.decoded)


@dataclass(frozen=True)
class AlteredScore:
    """The model on one kind of altered test images.

    Attributes:
        name: Stable name for scripts; "unaltered" for the images as they are.
        title: The same for people.
        accuracy: Share of the test images named right, with its exact interval.
        balanced_accuracy: Mean recall over the classes that have test images.
        p_value: Exact p-value of so many right answers by always naming one class, one-sided.
    """

    name: str
    title: str
    accuracy: Interval
    balanced_accuracy: float
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for audit.json."""
        return {**vars(self), "accuracy": self.accuracy.to_json()}


@dataclass(frozen=True)
class AfterTraining:
    """All scores, the unaltered first, and pictures of what the model was given: (name, path, picture)."""

    scores: tuple[AlteredScore, ...]
    pictures: tuple[tuple[str, str, Picture], ...]


def score_altered(name: str, title: str, predictions: Predictions) -> AlteredScore:
    """Score one table of predictions.

    The p-value asks how likely so many right answers would be without looking: the chance of each is the share of
    the largest class among the test images.
    """
    from scipy.stats import binomtest

    right = predictions.truth == predictions.predicted
    counts = np.bincount(predictions.truth, minlength=len(predictions.classes))
    recalls = np.bincount(predictions.truth, weights=right, minlength=len(counts))[counts > 0] / counts[counts > 0]
    guess = counts.max() / counts.sum()
    p_value = float(binomtest(int(right.sum()), len(right), float(guess), alternative="greater").pvalue)
    return AlteredScore(name, title, exact_interval(int(right.sum()), len(right)), float(recalls.mean()), p_value)


def score_alterations(
    network: nn.Module,
    data: XrayDataModule,
    predictions: Predictions,
    records: Sequence[Record],
    device: torch.device | str = "cpu",
) -> AfterTraining:
    """Give the model its test images once per alteration.

    Args:
        network: The trained network.
        data: The data module it was trained with.
        predictions: Its predictions for the unaltered test images.
        records: The dataset's records.
        device: Where to compute.
    """
    from covidnet.models.predict import predict

    tested = data.split.positions("test")
    scores = [score_altered("unaltered", "the images as they are", predictions)]
    pictures = _pictures("unaltered", data.pixels, tested, records)
    for name, (title, alter) in ALTERATIONS.items():
        altered = copy.copy(data)
        altered.pixels = AlteredPixels(data.pixels, alter, data.pixels.decoded)
        found = predict(network, altered, ["test"], predictions.classes, records, device)
        scores.append(score_altered(name, title, found))
        pictures += _pictures(name, altered.pixels, tested, records)
    return AfterTraining(tuple(scores), tuple(pictures))


def _pictures(
    name: str, pixels: PixelSource, tested: NDArray[np.int64], records: Sequence[Record]
) -> list[tuple[str, str, Picture]]:
    """Examples of as many classes as there are, in the order of the classes."""
    by_label: dict[str, list[int]] = {}
    for position in tested.tolist():
        by_label.setdefault(records[position].label, []).append(position)
    shown = [position for turn in range(SHOWN) for group in by_label.values() for position in group[turn : turn + 1]]
    return [(name, records[p].path, np.asarray(pixels.fetch([p])[0])) for p in sorted(shown[:SHOWN])]


def judge_after_training(after: AfterTraining) -> list[Finding]:
    """What the model's score on altered images says of where it looks."""
    by_name = {score.name: score for score in after.scores}
    before = by_name["unaltered"]
    findings = [_lungs_masked(before, by_name["lungs_masked"])]
    others = [score for score in after.scores if score.name not in ("unaltered", "lungs_masked")]
    texts = [f"{score.title} {_right(score)}" for score in others]
    findings.append(
        Finding(
            id="model.altered",
            severity="note",
            title="the model on altered images",
            evidence=f"Of {counted(before.accuracy.n, 'test image')} it has {before.accuracy.successes} right as they "
            f"are; {'; '.join(texts)}.",
            action="Where shuffled patches cost nothing, the model reads texture or greys and no anatomy.",
            numbers={"scores": [score.to_json() for score in after.scores]},
            figure="audit_after_training.png",
        )
    )
    return findings


def _lungs_masked(before: AlteredScore, masked: AlteredScore) -> Finding:
    survives = masked.p_value <= ALARM
    evidence = (
        f"With the lung field painted over, the model has {_right(masked)} (accuracy {_interval(masked)}, p "
        f"{masked.p_value:.2g} against naming one class; unaltered {before.accuracy.successes})."
    )
    return Finding(
        id="model.lungs_masked",
        severity="warning" if survives else "note",
        title="the model scores without lungs" if survives else "the model without lungs",
        evidence=evidence,
        action="See audit_after_training.png, and find what it reads: frames, markers, projection, exposure."
        if survives
        else "Nothing. Few test images may hide much.",
        clause=f"without any lungs the model still has {_right(masked)}" if survives else "",
        numbers={"unaltered": before.to_json(), "lungs_masked": masked.to_json()},
        figure="audit_after_training.png",
    )


def _right(score: AlteredScore) -> str:
    return f"{score.accuracy.successes} of {score.accuracy.n} right"


def _interval(score: AlteredScore) -> str:
    return f"{score.accuracy.value:.2f} [{score.accuracy.low:.2f}, {score.accuracy.high:.2f}]"
