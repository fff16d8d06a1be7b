"""The section on the audit: every finding, and how well the label can be read without lungs."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from covidnet.report.source import RunFiles
from covidnet.report.words import interval, number
from covidnet.untrusted import read_plain

WIDEST = 1100
QUALITY = 78
LARGEST_FILE = 8_000_000
MOST_PIXELS = 40_000_000
MOST_FIGURES = 6
SHOWN_FILES = 12


@dataclass(frozen=True)
class FindingView:
    """One finding as it is shown."""

    severity: str
    title: str
    evidence: str
    action: str
    files: list[str]
    more_files: int


@dataclass(frozen=True)
class CueView:
    """One cue, or the model itself: balanced accuracy with its interval; ``alarming`` where no lung is in it."""

    name: str
    value: str
    limits: str
    point: float | None
    low: float | None
    high: float | None
    alarming: bool
    note: str


@dataclass(frozen=True)
class AuditSection:
    """What audit.json says."""

    sentence: str
    level: str
    grave: list[FindingView]
    notes: list[FindingView]
    cues: list[CueView]
    chance: float | None
    altered: list[CueView]
    figures: list[tuple[str, str, int, int]]
    """Data URI, alternative text, width and height."""


FIGURES = {
    "audit_shortcuts.png": "How well each cue predicts the label, with intervals",
    "audit_views.png": "What each cue sees: an example and the mean image of each class",
    "audit_duplicates.png": "Images that are there more than once",
    "audit_patients.png": "Images of one patient or series in several parts of the split",
    "audit_names.png": "Images whose names contradict their label",
    "audit_after_training.png": "Test images as they were altered, and how many the model still named rightly",
}


def make_audit(files: RunFiles) -> AuditSection | None:
    """The section; None where the run was not audited."""
    audit = files.audit
    if audit is None or not isinstance(audit.get("verdict"), dict):
        return None
    findings = [_finding(one) for one in audit.get("findings") or [] if isinstance(one, dict)]
    cues = [one for one in audit.get("cues") or [] if isinstance(one, dict)]
    altered = [one for one in audit.get("after_training") or [] if isinstance(one, dict)]
    return AuditSection(
        sentence=str(audit["verdict"].get("sentence", "")),
        level=str(audit["verdict"].get("level", "")),
        grave=[one for one in findings if one.severity != "note"],
        notes=[one for one in findings if one.severity == "note"],
        cues=[_cue(one) for one in cues],
        chance=cues[0].get("chance") if cues else None,
        altered=[_altered(one) for one in altered],
        figures=_figures(files.audit_directory),
    )


def _finding(one: Mapping[str, Any]) -> FindingView:
    named = [str(name) for name in one.get("files") or []]
    return FindingView(
        str(one.get("severity", "note")), str(one.get("title", "")), str(one.get("evidence", "")),
        str(one.get("action", "")), named[:SHOWN_FILES], max(0, len(named) - SHOWN_FILES),
    )  # fmt: skip


def _cue(one: Mapping[str, Any]) -> CueView:
    lungless = bool(one.get("needs_no_lungs"))
    tested = one.get("on_test_images")
    note = "no lungs in it" if lungless else "lungs in it"
    if isinstance(tested, dict):
        note += f"; {tested.get('right')} of {tested.get('n')} test images right"
    return CueView(
        str(one.get("title", one.get("name", ""))), number(one.get("balanced_accuracy")), interval(one),
        one.get("balanced_accuracy"), one.get("low"), one.get("high"), lungless and bool(one.get("alarming")), note,
    )  # fmt: skip


def _altered(one: Mapping[str, Any]) -> CueView:
    rate = one.get("accuracy") or {}
    note = f"{rate.get('successes')} of {rate.get('n')} right"
    return CueView(
        str(one.get("title", "")), number(rate.get("value")), interval(rate), rate.get("value"), rate.get("low"),
        rate.get("high"), False, note,
    )  # fmt: skip


def _figures(directory: Path) -> list[tuple[str, str, int, int]]:
    found: list[tuple[str, str, int, int]] = []
    for name, described in FIGURES.items():
        embedded = embed_figure(directory / name)
        if embedded is not None and len(found) < MOST_FIGURES:
            found.append((embedded[0], described, *embedded[1:]))
    return found


def embed_figure(file: Path) -> tuple[str, int, int] | None:
    """A stored figure as a data URI with its width and height, no wider than a page; None where it cannot be read."""
    try:
        with Image.open(io.BytesIO(read_plain(file, LARGEST_FILE)), formats=["PNG"]) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            picture = image.convert("RGB")
    except Exception:  # no such file, or a damaged one, on which Pillow raises nearly anything
        return None
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=QUALITY, method=2)
    uri = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
    return uri, picture.width, picture.height
