"""The audit on one screen: what predicts the label, what was found, and the verdict as the last thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from covidnet.audit.examine import Audit, Material
from covidnet.audit.findings import Finding, counted
from covidnet.audit.shortcuts import CueScore
from covidnet.audit.verdict import Verdict
from covidnet.data.study import printable

WIDTHS = (80, 110)
STYLES = {"blocker": "bold red", "warning": "yellow", "note": "dim", "clean": "green"}
MOST_NOTES = 8


def print_audit(console: Console, audit: Audit, material: Material) -> None:
    """Everything on one screen."""
    counts = Counter(record.label for record in material.records)
    classes = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    _print(console, Text(printable(f"{len(material.records)} images in {material.root} ({classes}); {material.split}")))
    if audit.cues:
        _print(console, cue_table(audit.cues))
    _print(console, findings_table(audit.findings))
    notes = [one.title for one in audit.findings if one.severity == "note"]
    if notes:
        shown = "; ".join(notes[:MOST_NOTES]) + (f"; {len(notes) - MOST_NOTES} more" if len(notes) > MOST_NOTES else "")
        _print(console, Text(f"notes: {printable(shown)}", style="dim"))
    print_verdict(console, audit.verdict)


def print_brief(console: Console, audit: Audit) -> None:
    """The end of a run: what is graver than a note, one line each, and the verdict."""
    for finding in audit.findings:
        if finding.severity != "note":
            line = Text(f"  {finding.severity}: ", style=STYLES[finding.severity])
            line.append(printable(finding.title), style="default")
            _print(console, line)
    print_verdict(console, audit.verdict)


def print_verdict(console: Console, verdict: Verdict) -> None:
    """The sentence in a frame."""
    found = ((verdict.blockers, "blocker"), (verdict.warnings, "warning"), (verdict.notes, "note"))
    counts = ", ".join(counted(number, noun) for number, noun in found)
    _print(
        console,
        Panel(
            Text(printable(verdict.sentence), style="bold"),
            title="audit: what the number is worth",
            title_align="left",
            subtitle=counts,
            subtitle_align="right",
            border_style=STYLES[verdict.level],
        ),
    )


def cue_table(cues: Sequence[CueScore]) -> Table:
    """How well the label can be read without a network."""
    caption = f"* no lungs in it. Balanced accuracy: guessing {cues[0].score.chance:.2f}; p after Holm's correction."
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), caption=caption, caption_justify="left")
    table.add_column("the label, read from")
    for title in ("bal. acc.", "95 % interval", "p"):
        table.add_column(title, justify="right", no_wrap=True)
    if any(cue.on_test is not None for cue in cues):
        table.add_column("test images", justify="right", no_wrap=True)
    for number, cue in enumerate(cues):
        score = cue.score
        cells = [
            f"{cue.cue.title}{' *' if cue.cue.lungless else ''}",
            f"{score.balanced_accuracy:.2f}",
            f"{score.low:.2f} to {score.high:.2f}",
            "< 0.001" if score.p_adjusted < 0.001 else f"{score.p_adjusted:.3f}",
        ]
        if cue.on_test is not None:
            cells.append(f"{int(cue.on_test.sum())} of {len(cue.on_test)}")
        table.add_row(*cells, style="bold red" if cue.alarming and cue.cue.lungless else None)
        if number + 1 < len(cues) and cue.cue.lungless != cues[number + 1].cue.lungless:
            table.add_section()
    return table


def findings_table(findings: Sequence[Finding]) -> RenderableType:
    """What is graver than a note, one line each where it fits; the cues are in their own table."""
    grave = [one for one in findings if one.severity != "note"]
    if not grave:
        return Text("nothing graver than a note", style="green")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column()
    shortcuts = [one for one in grave if one.id.startswith("shortcuts.")]
    names = ", ".join(one.title.removeprefix("the label can be read from ") for one in shortcuts)
    for finding in grave:
        text = finding.clause or finding.title
        if finding in shortcuts:
            if finding != shortcuts[0]:
                continue
            text = f"the label can be read without lungs: from {names}"
        table.add_row(_severity(finding), Text(printable(text)))
    return table


def _severity(finding: Finding) -> Text:
    return Text(finding.severity, style=STYLES[finding.severity])


def _print(console: Console, item: RenderableType) -> None:
    width = max(WIDTHS[0], min(console.width, WIDTHS[1]))
    console.print(item, soft_wrap=False, width=width)
