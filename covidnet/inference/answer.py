"""What a run says of one new image, or why it says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

UNREADABLE, NO_NUMBER = "unreadable", "not a number"
"""Kinds of reasons; others are of `covidnet.ood.pixels`, and of distances."""


@dataclass(frozen=True)
class Answer:
    """One image.

    Attributes:
        path: As it was found, relative to the folder that was given; the file's name where a file was given.
        predicted: The most probable class, None where the run abstains.
        probabilities: One per class, in [0, 1]; None where the run abstains.
        reasons: What speaks against trusting a prediction; the kind of each comes before its colon.
        distances: How far the image is from the training images, by kind (`covidnet.ood.files.KINDS`), in parts of
            the limit; empty where that was not checked.
        saliency: The file with the evidence for the predicted class, beside the table; None where none was asked for.
    """

    path: str
    predicted: str | None
    probabilities: tuple[float, ...] | None
    reasons: tuple[str, ...]
    distances: Mapping[str, float] = field(default_factory=dict)
    saliency: str | None = None

    @property
    def abstained(self) -> bool:
        """Whether there is no prediction."""
        return self.predicted is None


@dataclass
class Tally:
    """Counts answers while they pass by."""

    predicted: Counter[str] = field(default_factory=Counter)
    abstained: Counter[str] = field(default_factory=Counter)
    """By the kind of the first reason."""
    total: int = 0

    def counting(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """The same answers, counted."""
        for answer in answers:
            self.total += 1
            if answer.predicted is None:
                self.abstained[kind_of(answer.reasons[0])] += 1
            else:
                self.predicted[answer.predicted] += 1
            yield answer


def kind_of(reason: str) -> str:
    """Such as ``unreadable`` of "unreadable: empty file"."""
    return reason.partition(":")[0]
