"""Cues that need no lungs: how well the label can be read from the file, the border, the corners, a few grey values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidnet.audit.findings import Finding, Severity, counted
from covidnet.audit.probes import Labels, Score, adjusted, predict_held_out, score_features
from covidnet.audit.properties import FileProperties, property_features
from covidnet.audit.views import Views, border, corners, lung_field

ALARM = 0.01
"""Largest p-value, after Holm's correction over all cues, that counts: the rate of false alarms of all together."""
GRAVE = 0.5
"""Share of the way from guessing to perfection that the interval must lie above for a blocker."""


NEARLY = 0.05
"""Difference in balanced accuracy that makes no cue the better one to tell people of."""


@dataclass(frozen=True)
class Cue:
    """What one test may look at.

    Attributes:
        name: Stable name for scripts.
        title: What it is, for people; the subject of a sentence in the plural where ``plural``.
        lungless: Whether no lung is in it, so that reading the label from it proves a shortcut.
        features: Shape (N, D).
        plural: Whether the title takes a plural verb.
    """

    name: str
    title: str
    lungless: bool
    features: NDArray[np.float32]
    plural: bool = False

    @property
    def verb(self) -> str:
        """Of a sentence about it: reach or reaches."""
        return "reach" if self.plural else "reaches"


@dataclass(frozen=True)
class CueScore:
    """A cue with how well the label can be read from it, and how it does on the model's own test images.

    Attributes:
        cue: What was looked at.
        score: Cross-validated over all images.
        details: For the file properties: each kind of property alone, balanced accuracy by name.
        on_test: Whether the cue, learnt from the training images, names each test image right, shape (T,); None
            without a split.
        against_model: Exact McNemar p-value of the difference from the trained model on the same test images.
        model_better: Whether the model has more test images right.
    """

    cue: Cue
    score: Score
    details: Mapping[str, float]
    on_test: NDArray[np.bool_] | None = None
    against_model: float | None = None
    model_better: bool = False

    @property
    def alarming(self) -> bool:
        """Whether the label can be read from it beyond chance."""
        return self.score.p_adjusted <= ALARM and self.score.low > self.score.chance

    def to_json(self) -> dict[str, Any]:
        """Plain values for audit.json."""
        on_test = None if self.on_test is None else {"right": int(self.on_test.sum()), "n": len(self.on_test)}
        return {
            "name": self.cue.name,
            "title": self.cue.title,
            "needs_no_lungs": self.cue.lungless,
            **self.score.to_json(),
            "alarming": self.alarming,
            "single_properties": dict(self.details),
            "on_test_images": on_test,
            "mcnemar_p_against_model": self.against_model,
        }


def make_cues(views: Views, files: Sequence[FileProperties]) -> list[Cue]:
    """The six cues, those without lungs first."""
    count = len(views)
    coarse, peaks = views.grid(16), views.peaks(16)
    edges = corners(16, 16)
    properties = np.hstack(list(property_features(files).values()))
    return [
        Cue("file_properties", "file properties", True, properties, plural=True),
        Cue("border", "the outer border", True, coarse[:, border(16, 16)]),
        Cue("lungs_masked", "all but the lung field", True, coarse[:, ~lung_field(16, 16)]),
        Cue("corners", "the corners", True, np.hstack([coarse[:, edges], peaks[:, edges]]), plural=True),
        Cue("histogram", "the grey histogram", False, np.sqrt(views.histograms)),
        Cue("thumbnail", "an 8x8 thumbnail", False, views.grid(8).reshape(count, -1)),
    ]


def score_cues(
    cues: Sequence[Cue], files: Sequence[FileProperties], labels: Labels, *, repeats: int, permutations: int
) -> list[CueScore]:
    """Cross-validate every cue; p-values are corrected for there being several."""
    scores = adjusted(
        {
            cue.name: score_features(cue.features, labels, repeats=repeats, permutations=permutations, seed=number)
            for number, cue in enumerate(cues)
        }
    )
    details = {
        name: score_features(features, labels, repeats=repeats, permutations=0).balanced_accuracy
        for name, features in property_features(files).items()
        if features.shape[1] > 0
    }
    return [CueScore(cue, scores[cue.name], details if cue.name == "file_properties" else {}) for cue in cues]


def compare_on_test(
    result: CueScore,
    labels: Labels,
    train: Sequence[int],
    test: Sequence[int],
    model_right: NDArray[np.bool_] | None,
) -> CueScore:
    """Learn the cue from the model's training images, and set it against the model on the model's test images."""
    named = predict_held_out(result.cue.features, labels, train, test)
    right = np.asarray(named == labels[list(test)])
    p_value, better = None, False
    if model_right is not None:
        p_value = mcnemar(model_right, right)
        better = bool(model_right.sum() > right.sum())
    return CueScore(result.cue, result.score, result.details, right, p_value, better)


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Exact two-sided p-value for two classifiers on the same images, by those that only one of them has right."""
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def strongest(results: Sequence[CueScore]) -> CueScore | None:
    """The alarming cue without lungs that reads the label best; of those nearly as good, the one listed first."""
    alarming = [result for result in results if result.alarming and result.cue.lungless]
    best = max((result.score.balanced_accuracy for result in alarming), default=0.0)
    return next((result for result in alarming if result.score.balanced_accuracy >= best - NEARLY), None)


def judge_cues(results: Sequence[CueScore], classes: int) -> list[Finding]:
    """A finding per cue from which the label can be read."""
    alarming = [result for result in results if result.alarming]
    findings = [_shortcut(result) if result.cue.lungless else _coarse(result) for result in alarming]
    lungless = [result for result in results if result.cue.lungless]
    if lungless and not any(result.alarming for result in lungless):
        highest = max(result.score.high for result in lungless)
        findings.append(
            Finding(
                id="shortcuts.none",
                severity="note",
                title="no shortcut found",
                evidence=f"From the file, the border, the corners or what is left without the lung field the label "
                f"could not be read (chance {1 / classes:.2f}; none of these intervals reaches beyond {highest:.2f}).",
                action="Nothing. A linear reader found none; this does not prove that there is none.",
                numbers={"highest_limit": highest},
            )
        )
    return findings


def severity_of(score: Score) -> Severity:
    """Blocker where even the interval's lower limit is half-way from guessing to perfection; else warning."""
    return "blocker" if score.low >= score.chance + GRAVE * (1 - score.chance) else "warning"


def _shortcut(result: CueScore) -> Finding:
    score = result.score
    title = result.cue.title
    best = _best_detail(result)
    evidence = (
        f"{title[0].upper()}{title[1:]} alone {result.cue.verb} a balanced accuracy of {score}{best} "
        f"(chance {score.chance:.2f}, p {_p(score.p_adjusted)} after Holm).{_against(result)}"
    )
    return Finding(
        id=f"shortcuts.{result.cue.name}",
        severity=severity_of(score),
        title=f"the label can be read from {title}",
        evidence=evidence,
        action=ACTIONS[result.cue.name],
        clause=f"{title} alone {result.cue.verb} {score} where guessing reaches {score.chance:.2f}{best}",
        numbers=result.to_json(),
        figure="audit_shortcuts.png",
    )


ACTIONS = {
    "file_properties": "Take both classes from the same sources, or store all images alike; then audit again. Never "
    "let the loader see what differs.",
    "border": "Look at audit_views.png for frames, collimation and padding; crop all images to the chest, and "
    "audit again.",
    "lungs_masked": "Look at audit_views.png: projection, zoom, age or brightness differ between the classes. Take "
    "both classes from the same sources.",
    "corners": "Look at audit_views.png for markers and text; paint them over in all images, and audit again.",
}


def _coarse(result: CueScore) -> Finding:
    score = result.score
    title = result.cue.title
    return Finding(
        id=f"shortcuts.{result.cue.name}",
        severity="note",
        title=f"{title} tells much",
        evidence=f"{title[0].upper()}{title[1:]} alone {result.cue.verb} a balanced accuracy of {score} (chance "
        f"{score.chance:.2f}, p {_p(score.p_adjusted)} after Holm). The lungs are in it, so this alone proves no "
        f"shortcut; it is what a network must beat.{_against(result)}",
        action="Compare the model with this number, not with chance.",
        numbers=result.to_json(),
        figure="audit_shortcuts.png",
    )


def _best_detail(result: CueScore) -> str:
    if not result.details:
        return ""
    name = max(result.details, key=lambda name: result.details[name])
    return f", the {name} by itself {result.details[name]:.2f}"


def _against(result: CueScore) -> str:
    if result.on_test is None:
        return ""
    right, n = int(result.on_test.sum()), len(result.on_test)
    text = f" Learnt from the training images it names {right} of {counted(n, 'test image')} right"
    if result.against_model is None:
        return f"{text}."
    return f"{text}; against the model p = {result.against_model:.2g} (exact McNemar)."


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
