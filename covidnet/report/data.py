"""The section on the data: images by class and part, what their files look like, patients and sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from covidnet.data.external import PART as EXTERNAL
from covidnet.report.source import RunFiles
from covidnet.report.words import NONE, counted, number

PARTS = {"train": "training", "val": "validation", "test": "test", "external": "external", "unused": "unused"}
MOST_SOURCES = 12
MOST_NOTES = 8


@dataclass(frozen=True)
class Table:
    """Rows of text below a header; the first cell of a row names it."""

    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class DataSection:
    """What is known of the images."""

    classes: Table
    spreads: dict[str, list[tuple[str, Mapping[str, float] | None]]] = field(default_factory=dict)
    sources: Table | None = None
    patients: str = ""
    notes: list[str] = field(default_factory=list)


def make_data(files: RunFiles) -> DataSection:
    """From dataset.json, split.csv and predictions.csv."""
    study = {str(one.get("name")): one for one in (files.study or {}).get("classes", []) if isinstance(one, dict)}
    classes = list(dict.fromkeys([*files.table.classes, *study]))
    return DataSection(
        classes=_class_table(files, classes, study),
        spreads={
            quantity: [(name, study.get(name, {}).get(quantity)) for name in classes]
            for quantity in ("width", "height")
            if any(study.get(name, {}).get(quantity) for name in classes)
        },
        sources=_source_table(files, classes),
        patients=_patients(files),
        notes=_notes(files),
    )


def _class_table(files: RunFiles, classes: Sequence[str], study: Mapping[str, Mapping[str, Any]]) -> Table:
    counts = Counter((row.label, row.split) for row in files.split) if files.parts else Counter()
    external = Counter(row.label for row in files.external.rows)
    if external and not files.parts[EXTERNAL]:
        counts.update({(name, EXTERNAL): external[name] for name in classes})
    parts = [name for name in PARTS if any(counts[label, name] for label in classes)]
    header = ["class", "images", *(PARTS[name] for name in parts)]
    if study:
        header += ["median size", "colour modes", "file types"]
    rows = []
    for name in classes:
        one = study.get(name, {})
        total = one.get("n") or sum(counts[name, part] for part in parts)
        row = [name, f"{total:,}", *(f"{counts[name, part]:,}" for part in parts)]
        if study:
            row += [_size(one), _shares(one.get("modes")), _shares(one.get("formats"))]
        rows.append(row)
    return Table(header, rows)


def _size(one: Mapping[str, Any]) -> str:
    sides = [(one.get(side) or {}).get("median") for side in ("width", "height")]
    return NONE if None in sides else "×".join(number(side, 0) for side in sides)


def _shares(counts: object) -> str:
    if not isinstance(counts, dict) or not counts:
        return NONE
    total = sum(counts.values())
    return ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in counts.items())


def _source_table(files: RunFiles, classes: Sequence[str]) -> Table | None:
    """Images by source and class: a class from a source of its own is told by the source."""
    pairs = [(row.source, row.label) for row in files.split] + [(row.source, row.label) for row in files.external.rows]
    counts = Counter(pair for pair in pairs if pair[0])
    totals = Counter(source for source, _ in pairs if source)
    if not totals:
        return None
    listed = [name for name, _ in totals.most_common(MOST_SOURCES)]
    lines = [[name, *(f"{counts[name, label]:,}" for label in classes), f"{totals[name]:,}"] for name in listed]
    if len(totals) > len(listed):
        rest = [name for name in totals if name not in listed]
        others = [sum(counts[name, label] for name in rest) for label in classes]
        lines.append([f"{len(rest)} more", *(f"{count:,}" for count in others), f"{sum(others):,}"])
    return Table(["source", *classes, "images"], lines)


def _patients(files: RunFiles) -> str:
    known = [row.patient for row in files.split if row.patient]
    if not known:
        return "Patients are not known, so images count as if each were of another patient."
    unknown = len(files.split) - len(known)
    text = f"{counted(len(known), 'image')} of {counted(len(set(known)), 'patient')}"
    return f"{text}; {counted(unknown, 'image')} of unknown patients." if unknown else f"{text}."


def _notes(files: RunFiles) -> list[str]:
    study = files.study or {}
    found = [str(line) for key in ("ignored", "skipped") for line in study.get(key) or []]
    shown = found[:MOST_NOTES]
    return shown + ([f"and {len(found) - MOST_NOTES} more (dataset.json)"] if len(found) > MOST_NOTES else [])
