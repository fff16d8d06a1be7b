"""From the material to the audit: every test in turn, then the verdict."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from covidnet.audit.after_training import AfterTraining, judge_after_training
from covidnet.audit.duplicates import Pair, find_duplicates
from covidnet.audit.findings import Finding, ordered
from covidnet.audit.hints import find_hints, judge_hints
from covidnet.audit.leakage import judge_duplicates, judge_patients
from covidnet.audit.patients import find_patients, find_series
from covidnet.audit.probes import SMALLEST_CLASS, can_score
from covidnet.audit.properties import FileProperties
from covidnet.audit.representation import judge_representation
from covidnet.audit.shortcuts import Cue, CueScore, compare_on_test, judge_cues, make_cues, score_cues
from covidnet.audit.source import SourceStudy, find_sources, judge_source, study_source
from covidnet.audit.table import Table
from covidnet.audit.testsize import judge_auroc, judge_test_size
from covidnet.audit.verdict import ModelScore, Verdict, give_verdict
from covidnet.audit.views import Views
from covidnet.console import RESEARCH_ONLY
from covidnet.data.records import Record
from covidnet.evaluation.metrics import compute_metrics
from covidnet.predictions import Predictions

FORMAT = 1
"""Of audit.json; raise it when a reader must know."""


@dataclass(frozen=True)
class Material:
    """What is audited; position i means the same image in every field.

    Attributes:
        root: The data root.
        records: Paths and labels.
        sha256: Content hashes.
        files: What the files say of themselves.
        views: Their small grey views.
        table: Columns of a table beside the images.
        parts: Part of the split per image (train, val, test, or empty); None without a split.
        split: The split in words, or why there is none.
        synthetic: Whether the images are phantoms drawn by this project.
    """

    root: Path
    records: tuple[Record, ...]
    sha256: tuple[str, ...]
    files: tuple[FileProperties, ...]
    views: Views
    table: Table
    parts: tuple[str, ...] | None
    split: str
    synthetic: bool

    @property
    def classes(self) -> list[str]:
        """Class names, sorted."""
        return sorted({record.label for record in self.records})

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class index of each image, shape (N,)."""
        return np.array([self.classes.index(record.label) for record in self.records], dtype=np.int64)

    def of_part(self, name: str) -> list[int]:
        """Positions of the images in one part."""
        return [position for position, part in enumerate(self.parts or ()) if part == name]


@dataclass(frozen=True)
class Effort:
    """How long to look: repeats of the cross-validation, and permutations of the tests."""

    level: str
    repeats: int
    permutations: int


@dataclass(frozen=True)
class Model:
    """A trained model: its predictions for the test images, and what became of them on altered images."""

    predictions: Predictions
    after: AfterTraining | None


@dataclass(frozen=True)
class Audit:
    """All that an audit found."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    cues: tuple[CueScore, ...]
    pairs: tuple[Pair, ...]
    sources: tuple[SourceStudy, ...]
    model: Model | None
    effort: Effort
    seconds: float

    def to_json(self, material: Material) -> dict[str, Any]:
        """Plain values for audit.json."""
        paths = [record.path for record in material.records]
        return {
            "format": FORMAT,
            "verdict": self.verdict.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
            "data": {
                "root": str(material.root),
                "images": len(paths),
                "classes": dict(sorted(Counter(record.label for record in material.records).items())),
                "split": material.split,
                "parts": dict(Counter(part for part in material.parts or () if part)),
                "table": material.table.file,
            },
            "cues": [cue.to_json() for cue in self.cues],
            "duplicates": [
                {
                    "first": paths[p.first],
                    "second": paths[p.second],
                    "kind": p.kind,
                    "similarity": round(p.similarity, 4),
                }
                for p in self.pairs
            ],
            "sources": [source.to_json() for source in self.sources],
            "after_training": [score.to_json() for score in self.model.after.scores]
            if self.model is not None and self.model.after is not None
            else [],
            "effort": vars(self.effort),
            "seconds": round(self.seconds, 2),
            "notice": RESEARCH_ONLY,
        }


def examine(material: Material, effort: Effort, model: Model | None = None) -> Audit:
    """Run every test that the material allows."""
    # The matrices are small: several threads per product wait for each other, and take three times as long.
    with threadpool_limits(1, user_api="blas"):
        return _examine(material, effort, model)


def _examine(material: Material, effort: Effort, model: Model | None) -> Audit:
    started = time.perf_counter()
    records, parts = material.records, material.parts
    pairs = find_duplicates(material.views.thumbnails, material.sha256)
    findings = judge_duplicates(records, pairs, parts)
    findings += judge_patients(records, find_patients(records, material.table.patient), find_series(records), parts)
    findings += judge_hints(records, find_hints(records))
    cues, cue_findings = _examine_cues(material, effort, model)
    findings += cue_findings
    sources = _study_sources(material, effort)
    for source in sources:
        findings += judge_source(source)
    score = None
    if model is not None:
        score = ModelScore(int((model.predictions.truth == model.predictions.predicted).sum()), len(model.predictions))
        findings += _judge_model(model, material.synthetic)
    tested = len(material.of_part("test"))
    if tested:
        findings.append(judge_test_size(tested, None if score is None else score.right))
    if parts is None:
        findings.append(_no_split(material.split))
    findings += judge_representation(records, material.table)
    findings = ordered(findings)
    verdict = give_verdict(findings, cues, score)
    return Audit(
        verdict,
        tuple(findings),
        tuple(cues),
        tuple(pairs),
        tuple(sources),
        model,
        effort,
        time.perf_counter() - started,
    )


def _examine_cues(material: Material, effort: Effort, model: Model | None) -> tuple[list[CueScore], list[Finding]]:
    labels, classes = material.labels, material.classes
    if not can_score(labels):
        return [], [_too_few(len(classes))]
    cues: list[Cue] = make_cues(material.views, material.files)
    scored = score_cues(cues, material.files, labels, repeats=effort.repeats, permutations=effort.permutations)
    train, test = material.of_part("train"), material.of_part("test")
    if test and len(set(labels[train].tolist())) > 1:
        right = _model_right(material, test, model)
        scored = [compare_on_test(one, labels, train, test, right) for one in scored]
    return scored, judge_cues(scored, len(classes))


def _model_right(material: Material, test: list[int], model: Model | None) -> NDArray[np.bool_] | None:
    """Whether the model names each test image right, in the order of ``test``; None when its table lacks some."""
    if model is None:
        return None
    answers = dict(
        zip(
            [row.path for row in model.predictions.rows],
            (model.predictions.truth == model.predictions.predicted).tolist(),
            strict=True,
        )
    )
    paths = [material.records[position].path for position in test]
    if any(path not in answers for path in paths):
        return None
    return np.array([answers[path] for path in paths], dtype=bool)


def _study_sources(material: Material, effort: Effort) -> list[SourceStudy]:
    pixels = material.views.grid(16).reshape(len(material.records), -1)
    return [
        study_source(
            column,
            material.labels,
            material.classes,
            pixels,
            repeats=effort.repeats,
            permutations=effort.permutations,
        )
        for column in find_sources(material.records, material.table.sources)
    ]


def _judge_model(model: Model, synthetic: bool) -> list[Finding]:
    auroc = compute_metrics(model.predictions)["auroc"]
    findings = judge_auroc(auroc if isinstance(auroc, float) else None, synthetic=synthetic)
    return findings + (judge_after_training(model.after) if model.after is not None else [])


def _too_few(classes: int) -> Finding:
    found = "one class" if classes < 2 else f"a class with fewer than {SMALLEST_CLASS} images"
    return Finding(
        id="shortcuts.too_few",
        severity="note",
        title="too few images to look for shortcuts",
        evidence=f"With {found}, cross-validation says nothing.",
        action="Add images.",
    )


def _no_split(reason: str) -> Finding:
    return Finding(
        id="test.no_split",
        severity="warning",
        title="the images cannot be split",
        evidence=reason,
        action="Add images, or take the class's folder out of the data root.",
        clause="the images cannot be split into training and test images",
    )
