"""audit.md: the verdict, then every finding with its evidence, its files and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from covidnet.audit.examine import Audit, Material
from covidnet.audit.findings import Finding
from covidnet.audit.shortcuts import CueScore
from covidnet.console import RESEARCH_ONLY
from covidnet.data.study import inert, printable

LISTED = 30
"""Longer lists of files are cut here; audit.json has them whole."""


def to_markdown(audit: Audit, material: Material, figures: Sequence[str]) -> str:
    """The whole audit as markdown that also reads well as plain text."""
    counts = Counter(record.label for record in material.records)
    classes = ", ".join(f"{_text(label)} {count}" for label, count in sorted(counts.items()))
    lines = [
        "# Audit: what the number is worth",
        "",
        f"**{_text(audit.verdict.sentence)}**",
        "",
        f"{len(material.records)} images in `{_safe(str(material.root))}` ({classes}); {_text(material.split)}. "
        f"{audit.verdict.blockers} blockers, {audit.verdict.warnings} warnings, {audit.verdict.notes} notes; "
        f"level {audit.effort.level}, {audit.seconds:.1f} s. What each finding means: docs/audit.md.",
        "",
    ]
    for finding in audit.findings:
        lines += _finding(finding, figures)
    if audit.cues:
        lines += _cues(audit.cues)
    lines += [RESEARCH_ONLY, ""]
    return "\n".join(lines)


def _finding(finding: Finding, figures: Sequence[str]) -> list[str]:
    lines = [
        f"## {finding.severity}: {_text(finding.title)}",
        "",
        _text(finding.evidence),
        "",
        f"What to do: {_text(finding.action)}",
        "",
    ]
    if finding.figure in figures:
        lines += [f"![{_text(finding.title)}]({finding.figure})", ""]
    if finding.files:
        lines += [f"- `{_safe(file)}`" for file in finding.files[:LISTED]]
        if len(finding.files) > LISTED:
            lines.append(f"- and {len(finding.files) - LISTED} more (audit.json)")
        lines.append("")
    return lines


def _cues(cues: Sequence[CueScore]) -> list[str]:
    rows = [
        "## How well the label can be read without a network",
        "",
        "Balanced accuracy of a linear classifier, cross-validated over all images; p after Holm's correction.",
        "",
        "| from | lungs in it | balanced accuracy | 95 % interval | p | test images right |",
        "|---|---|---|---|---|---|",
    ]
    for cue in cues:
        on_test = "" if cue.on_test is None else f"{int(cue.on_test.sum())} of {len(cue.on_test)}"
        score = cue.score
        rows.append(
            f"| {cue.cue.title} | {'no' if cue.cue.lungless else 'yes'} | {score.balanced_accuracy:.2f} "
            f"| {score.low:.2f} to {score.high:.2f} | {score.p_adjusted:.3f} | {on_test} |"
        )
    single = {name: value for cue in cues for name, value in cue.details.items()}
    if single:
        listed = ", ".join(f"{name} {value:.2f}" for name, value in sorted(single.items(), key=lambda item: -item[1]))
        rows += ["", f"Single file properties: {listed}."]
    return [*rows, ""]


def _text(text: str) -> str:
    """As `_safe`, outside a code span: names of strangers make no tag, link, picture or address."""
    return inert(_safe(text))


def _safe(text: str) -> str:
    """On one line, and without leaving a code span or a table cell."""
    return printable(text).replace("`", "'").replace("|", "¦")
