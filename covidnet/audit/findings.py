"""`Finding`: one thing that an audit found, how grave it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Severity = Literal["note", "warning", "blocker"]
"""note: worth knowing. warning: the number may be better than the model. blocker: the number cannot be trusted."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        id: Stable name for scripts, such as ``leakage.exact``.
        severity: How grave it is.
        title: What was found, in a few words.
        evidence: The numbers, in one or two sentences.
        action: What to do.
        clause: What the verdict says of it: a part of a sentence, in small letters, without a full stop. Empty where
            the verdict has nothing to say of it.
        files: The images concerned, relative to the data root.
        numbers: The evidence as plain values.
        figure: Name of the figure that shows it, or None.
    """

    id: str
    severity: Severity
    title: str
    evidence: str
    action: str
    clause: str = ""
    files: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    figure: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for audit.json."""
        return {**asdict(self), "files": list(self.files)}


def rank(severity: Severity) -> int:
    """0 for a note to 2 for a blocker."""
    return SEVERITIES.index(severity)


def worst(findings: Sequence[Finding]) -> Severity | None:
    """The gravest severity among them; None when there are none."""
    return max((finding.severity for finding in findings), key=rank, default=None)


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """The gravest first; otherwise as they came."""
    return sorted(findings, key=lambda finding: -rank(finding.severity))


def reaches(findings: Sequence[Finding], threshold: str) -> list[Finding]:
    """Those at or above ``threshold``; with ``never``, none."""
    if threshold not in SEVERITIES:
        return []
    return [finding for finding in findings if rank(finding.severity) >= SEVERITIES.index(threshold)]


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Such as "1 image" and "2 images"."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Such as "a, b, c and 4 more"."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
