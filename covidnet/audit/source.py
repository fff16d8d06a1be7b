"""Where the images come from: whether the source gives the label away, and whether the pixels give the source away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidnet.audit.findings import Finding
from covidnet.audit.probes import SMALLEST_CLASS, Labels, Score, can_score, predict_held_out, score_features
from covidnet.audit.shortcuts import ALARM, severity_of
from covidnet.audit.table import Column
from covidnet.data.records import Record

UNKNOWN = "(unknown)"
SUBFOLDER = "sub-folder"


@dataclass(frozen=True)
class LeaveOneOut:
    """The thumbnail test trained without one source and asked about it."""

    source: str
    balanced_accuracy: float
    n: int


@dataclass(frozen=True)
class SourceStudy:
    """What one source column says.

    Attributes:
        name: The column's name, or "sub-folder".
        counts: Images by source and label.
        label_from_source: How well the source alone predicts the label; None where there are too few images.
        source_from_pixels: For each label with several sources, how well a 16x16 thumbnail predicts the source.
        within: Cross-validated balanced accuracy of the 16x16 thumbnail for the label, sources mixed.
        left_out: The same with each source left out in turn; empty unless each class has two sources.
    """

    name: str
    counts: dict[str, dict[str, int]]
    label_from_source: Score | None
    source_from_pixels: dict[str, Score]
    within: Score | None
    left_out: tuple[LeaveOneOut, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for audit.json."""
        return {
            "name": self.name,
            "counts": self.counts,
            "label_from_source": None if self.label_from_source is None else self.label_from_source.to_json(),
            "source_from_pixels": {label: score.to_json() for label, score in self.source_from_pixels.items()},
            "within_sources": None if self.within is None else self.within.to_json(),
            "left_out": [vars(one) for one in self.left_out],
        }


def find_sources(records: Sequence[Record], columns: Sequence[Column]) -> list[Column]:
    """The table's source columns with two values or more, and the folders above the class folders."""
    folders = tuple("/".join(PurePosixPath(record.path).parts[:-2]) for record in records)
    found = [column for column in columns if len(set(column.values) - {""}) > 1]
    return [*found, Column(SUBFOLDER, folders)] if len(set(folders)) > 1 else found


def study_source(
    column: Column,
    labels: Labels,
    classes: Sequence[str],
    pixels: NDArray[np.float32],
    *,
    repeats: int,
    permutations: int,
) -> SourceStudy:
    """Study one source column.

    Args:
        column: A value per image.
        labels: Class indices, shape (N,).
        classes: Class names.
        pixels: Thumbnails as features, shape (N, D).
        repeats: Of the cross-validation.
        permutations: Of the permutation tests.
    """
    values = np.array([value or UNKNOWN for value in column.values])
    names = sorted(set(values.tolist()))
    counts = {
        name: {one: int(np.sum((values == name) & (labels == index))) for index, one in enumerate(classes)}
        for name in names
    }
    settings = {"repeats": repeats, "permutations": permutations}
    label_from_source = within = None
    if can_score(labels):
        indicators = (values[:, None] == np.array(names)).astype(np.float32)
        label_from_source = score_features(indicators, labels, **settings)
        within = score_features(pixels, labels, repeats=repeats, permutations=0)
    from_pixels = {}
    for index, label in enumerate(classes):
        chosen = np.flatnonzero(labels == index)
        chosen = chosen[_frequent(values[chosen])]
        coded = np.unique(values[chosen], return_inverse=True)[1].astype(np.int64)
        if can_score(coded):
            from_pixels[label] = score_features(pixels[chosen], coded, **settings)
    return SourceStudy(
        column.name, counts, label_from_source, from_pixels, within, _leave_one_out(values, labels, pixels)
    )


def _frequent(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values occur often enough to be learnt."""
    names, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] >= SMALLEST_CLASS) if len(names) else np.zeros(0, dtype=bool)


def _leave_one_out(values: NDArray[Any], labels: Labels, pixels: NDArray[np.float32]) -> tuple[LeaveOneOut, ...]:
    """Train on the other sources, test on each that has two classes; needs two such sources for every class."""
    classes = np.unique(labels)
    sources = [name for name in np.unique(values) if len(np.unique(labels[values == name])) > 1]
    if any(sum(np.any(labels[values == name] == index) for name in sources) < 2 for index in classes):
        return ()
    found = []
    for name in sources:
        train, test = np.flatnonzero(values != name), np.flatnonzero(values == name)
        if len(np.unique(labels[train])) < len(classes):
            continue
        right = predict_held_out(pixels, labels, train.tolist(), test.tolist()) == labels[test]
        shares = [right[labels[test] == index].mean() for index in np.unique(labels[test])]
        found.append(LeaveOneOut(str(name), float(np.mean(shares)), len(test)))
    return tuple(found)


def judge_source(study: SourceStudy) -> list[Finding]:
    """Findings on one source column; a source that tells nothing of the label is a note."""
    score = study.label_from_source
    confounded = score is not None and score.p_value <= ALARM and score.low > score.chance
    findings = []
    if confounded and score is not None:
        findings.append(
            Finding(
                id="source.label",
                severity=severity_of(score),
                title="the source gives the label away",
                evidence=f"The {_called(study)} alone reaches a balanced accuracy of {score} (chance "
                f"{score.chance:.2f}, p = {score.p_value:.3f}): {_table(study)}.",
                action="Take every class from every source, or report the score within one source only.",
                clause=f"the {_called(study)} alone reaches {score}",
                numbers=study.to_json(),
            )
        )
    findings += _pixel_findings(study, confounded)
    if study.left_out:
        findings.append(_left_out(study))
    return findings


def _called(study: SourceStudy) -> str:
    return study.name if study.name == SUBFOLDER else f"column {study.name}"


def _table(study: SourceStudy) -> str:
    shown = [
        f"{name or 'none'} ({', '.join(f'{label} {count}' for label, count in by_label.items())})"
        for name, by_label in list(study.counts.items())[:4]
    ]
    more = len(study.counts) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


def _pixel_findings(study: SourceStudy, confounded: bool) -> list[Finding]:
    told = {
        label: score
        for label, score in study.source_from_pixels.items()
        if score.p_value * len(study.source_from_pixels) <= ALARM and score.low > score.chance
    }
    if not told:
        return []
    texts = [f"within {label} {score} (chance {score.chance:.2f})" for label, score in told.items()]
    return [
        Finding(
            id="source.pixels",
            severity="warning" if confounded else "note",
            title="the pixels give the source away",
            evidence=f"A 16x16 thumbnail tells the {_called(study)} {'; '.join(texts)}, so a model can recognise the "
            "source" + (", and with it the label." if confounded else "; here the source says little of the label."),
            action="Test with a source left out of training.",
            clause="the pixels tell the source, and the source the label" if confounded else "",
            numbers={"source": study.name, "labels": {label: score.to_json() for label, score in told.items()}},
        )
    ]


def _left_out(study: SourceStudy) -> Finding:
    values = [one.balanced_accuracy for one in study.left_out]
    worst = min(study.left_out, key=lambda one: one.balanced_accuracy)
    within = study.within
    dropped = within is not None and float(np.mean(values)) < within.low
    before = f"{within.balanced_accuracy:.2f} with the sources mixed" if within is not None else "unknown when mixed"
    return Finding(
        id="source.left_out",
        severity="warning" if dropped else "note",
        title="a new source" + (" costs much" if dropped else ""),
        evidence=f"A 16x16 thumbnail reads the label at {before}, and at {np.mean(values):.2f} on average on a source "
        f"it was not trained on (lowest {worst.balanced_accuracy:.2f}: {worst.source}, {worst.n} images).",
        action="Report the score on a source that was left out of training.",
        clause="what is learnt from one source does not hold for another" if dropped else "",
        numbers={"left_out": [vars(one) for one in study.left_out]},
    )
