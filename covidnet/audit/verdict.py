"""One sentence that a user remembers, from all findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from covidnet.audit.findings import SEVERITIES, Finding, counted, worst
from covidnet.audit.shortcuts import CueScore, strongest

MOST_CLAUSES = 3
DISTINCT = 0.05
"""McNemar p-value up to which the model counts as better than a cue."""

OPENINGS = {
    "blocker": "Do not trust a score on these images",
    "warning": "Doubt a score on these images",
}


@dataclass(frozen=True)
class Verdict:
    """The sentence, and the gravest severity that it speaks of; level "clean" when nothing above a note was found."""

    level: str
    sentence: str
    blockers: int
    warnings: int
    notes: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for audit.json."""
        return asdict(self)


@dataclass(frozen=True)
class ModelScore:
    """The trained model on its test images."""

    right: int
    n: int

    def __str__(self) -> str:
        return f"{self.right / self.n:.2f} on {counted(self.n, 'image')}"


def give_verdict(findings: Sequence[Finding], cues: Sequence[CueScore], model: ModelScore | None) -> Verdict:
    """The gravest findings in one sentence: the strongest shortcut first, with the model set against it."""
    counts = {
        severity: sum(one.severity == severity for one in findings) for severity in ("blocker", "warning", "note")
    }
    level = worst(findings)
    if level in (None, "note"):
        sentence = _clean(findings, cues)
        return Verdict("clean", sentence, 0, 0, counts["note"])
    clauses = _clauses(findings, strongest(cues), model)
    shown, more = clauses[:MOST_CLAUSES], len(clauses) - MOST_CLAUSES
    sentence = f"{OPENINGS[str(level)]}: {'; '.join(shown)}" + (f"; and {more} more." if more > 0 else ".")
    return Verdict(str(level), sentence, counts["blocker"], counts["warning"], counts["note"])


def _clauses(findings: Sequence[Finding], cue: CueScore | None, model: ModelScore | None) -> list[str]:
    """Of the shortcuts only the strongest speaks; then what else weighs most."""
    shortcuts = [one for one in findings if one.id.startswith("shortcuts.") and one.severity != "note"]
    others = [one for one in findings if one not in shortcuts and one.severity != "note" and one.clause]
    clauses: list[str] = []
    for severity in reversed(SEVERITIES[1:]):
        clauses += [
            finding.clause + _against(cue, model)
            for finding in shortcuts
            if cue is not None and finding.severity == severity and finding.id == f"shortcuts.{cue.cue.name}"
        ]
        clauses += [one.clause for one in others if one.severity == severity]
    return clauses


def _against(cue: CueScore, model: ModelScore | None) -> str:
    """How the model compares with the cue, as a further clause."""
    if model is None or cue.against_model is None:
        return ""
    them = "them" if cue.cue.plural else "it"
    if cue.against_model <= DISTINCT and cue.model_better:
        return f", and the model's {model} is better than {them} (p = {cue.against_model:.2g})"
    if not cue.model_better and cue.on_test is not None and model.right < int(cue.on_test.sum()):
        return f"; the model's {model} is no better"
    return f"; the model's {model} cannot be told apart from {them}"


def _clean(findings: Sequence[Finding], cues: Sequence[CueScore]) -> str:
    checked = "no leak" if not cues else "no leak and no shortcut"
    size = next((one for one in findings if one.id == "test.size"), None)
    text = f"The audit found {checked} (which does not prove that there is none)"
    return f"{text}. {size.evidence}" if size else f"{text}."
