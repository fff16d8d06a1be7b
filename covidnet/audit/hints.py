"""Words in file and folder names that contradict the label, or give it away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from covidnet.audit.findings import Finding, Severity, counted, listed
from covidnet.data.records import Record
from covidnet.evaluation.metrics import NEGATIVE_NAME

WORDS: Mapping[str, str] = {
    **dict.fromkeys(("normal", "healthy", "negative", "nofinding", "control"), "normal"),
    **dict.fromkeys(("covid", "ncov", "sarscov", "coronavirus", "corona"), "covid"),
    **dict.fromkeys(("bacteria", "bacterial", "bacterium"), "bacterial"),
    **dict.fromkeys(("virus", "viral"), "viral"),
    **dict.fromkeys(("pneumonia", "pneumonias"), "pneumonia"),
    **dict.fromkeys(("tb", "tuberculosis"), "tuberculosis"),
    **dict.fromkeys(("effusion", "edema", "oedema", "pneumothorax", "lungopacity", "opacity"), "other disease"),
}
"""Words of names, in small letters, and what they say the image shows."""

FITTING: Mapping[str, frozenset[str]] = {
    "normal": frozenset({"normal"}),
    "covid": frozenset({"covid", "viral", "pneumonia", "other disease"}),
    "bacterial": frozenset({"bacterial", "pneumonia", "other disease"}),
    "viral": frozenset({"viral", "covid", "pneumonia", "other disease"}),
    "pneumonia": frozenset({"pneumonia", "bacterial", "viral", "covid", "other disease"}),
    "tuberculosis": frozenset({"tuberculosis", "bacterial", "pneumonia", "other disease"}),
}
"""For what a label says: what its images' names may say without contradicting it."""

GRAVE_SHARE = 0.2
"""From this share of a class's images on, contradictions are a blocker."""


@dataclass(frozen=True)
class Hint:
    """One image whose name says something of the label."""

    position: int
    word: str
    says: str
    contradicts: bool


def find_hints(records: Sequence[Record]) -> list[Hint]:
    """Names that speak of a disease or of its absence; a name that contradicts its label counts as that."""
    hints = []
    for position, record in enumerate(records):
        fitting = FITTING.get(_said_by_label(record.label) or "")
        found = [(word, WORDS[word]) for word in _words(record)]
        if not found or fitting is None:
            continue
        wrong = [(word, says) for word, says in found if says not in fitting]
        word, says = (wrong or found)[0]
        hints.append(Hint(position, word, says, bool(wrong)))
    return hints


def judge_hints(records: Sequence[Record], hints: Sequence[Hint]) -> list[Finding]:
    """A finding per class whose names contradict it, and a note on names that give the label away."""
    sizes = Counter(record.label for record in records)
    findings = []
    for label in sorted(sizes):
        against = [hint for hint in hints if hint.contradicts and records[hint.position].label == label]
        if against:
            findings.append(_contradiction(label, sizes[label], against, records))
    telling = [hint for hint in hints if not hint.contradicts]
    if telling:
        findings.append(_revelation(telling, records))
    return findings


def _contradiction(label: str, size: int, hints: Sequence[Hint], records: Sequence[Record]) -> Finding:
    words = Counter(hint.word for hint in hints)
    share = len(hints) / size
    severity: Severity = "blocker" if share >= GRAVE_SHARE else "warning"
    kinds = {hint.says for hint in hints}
    disease = "pneumonia" if kinds <= {"bacterial", "viral", "pneumonia"} else " and ".join(sorted(kinds))
    said = ", ".join(f"{word} {count}" for word, count in words.most_common())
    clause = f"{len(hints)} of {size} files under {label} are named as {disease}"
    return Finding(
        id="labels.contradicted",
        severity=severity,
        title=f"names contradict the label {label}",
        evidence=f"{clause} ({said}), for example {PurePosixPath(records[hints[0].position].path).name}.",
        action=f"Find out where these images come from. If the names are right, the class is not what {label} says, "
        "and every score on it answers another question.",
        clause=clause,
        files=tuple(records[hint.position].path for hint in hints),
        numbers={"label": label, "contradicting": len(hints), "of": size, "words": dict(words)},
        figure="audit_names.png",
    )


def _revelation(hints: Sequence[Hint], records: Sequence[Record]) -> Finding:
    words = Counter(hint.word for hint in hints)
    return Finding(
        id="labels.revealed",
        severity="note",
        title="names give the label away",
        evidence=f"{counted(len(hints), 'name')} of {len(records)} hold a word for their own label "
        f"({listed([word for word, _ in words.most_common()])}). The model does not see names.",
        action="Rename the images before people label or grade them by eye.",
        files=tuple(records[hint.position].path for hint in hints),
        numbers={"revealing": len(hints), "of": len(records), "words": dict(words)},
    )


def _said_by_label(label: str) -> str | None:
    if NEGATIVE_NAME.fullmatch(re.sub(r"[\W_]+", "", label).lower()):
        return "normal"
    return next((WORDS[word] for word in _split(label)), None)


def _words(record: Record) -> list[str]:
    """Known words in the file's name and in the folders above its label's folder, the file's first."""
    path = PurePosixPath(record.path)
    return [word for part in (path.stem, *path.parts[:-2]) for word in _split(part)]


def _split(text: str) -> list[str]:
    """Known words of one name: runs of letters, whole or cut at capitals ("ViralPneumonia")."""
    words = []
    for run in re.findall(r"[A-Za-z]+", text):
        pieces = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", run)
        words += [run, *pieces] if len(pieces) > 1 else [run]
    joined = re.sub(r"[^A-Za-z]+", "", text).lower()
    found = [word.lower() for word in words if word.lower() in WORDS]
    return found or [word for word in ("nofinding", "lungopacity", "sarscov") if word in joined]
