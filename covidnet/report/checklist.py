"""checklist.md: what a run's files can answer of CLAIM and TRIPOD+AI; all else is left open, nothing is invented."""

from __future__ import annotations

from collections.abc import Mapping

from covidnet.console import RESEARCH_ONLY
from covidnet.report.answers import make_answers
from covidnet.report.checklist_items import CLAIM, TRIPOD_AI
from covidnet.report.markdown import escape, table
from covidnet.report.source import RunFiles

OPEN = "**open**"


def make_checklist(files: RunFiles) -> str:
    """The whole file."""
    claim, tripod = make_answers(files)
    answered = len(claim) + len(tripod)
    lines = [
        "# Reporting checklists",
        "",
        f"{answered} of {len(CLAIM) + len(TRIPOD_AI)} items are answered from this run's files, as far as those say; "
        "the others are for the authors of a study. The words of the items are ours, and short: the published "
        "checklists are the authority, and a study is reported by them.",
        "",
        RESEARCH_ONLY,
        "",
        "## CLAIM, 2024 update",
        "",
        "Tejani et al., Radiology: Artificial Intelligence 6(4), 2024, doi:10.1148/ryai.240300",
        "",
        *_table(CLAIM, claim),
        "",
        "## TRIPOD+AI",
        "",
        "Collins et al., BMJ 385, 2024, doi:10.1136/bmj-2023-078378",
        "",
        *_table(TRIPOD_AI, tripod),
        "",
    ]
    return "\n".join(lines)


def _table(items: Mapping[str, str], answers: Mapping[str, str]) -> list[str]:
    rows = [
        [number, escape(words), escape(answers[number]) if number in answers else OPEN]
        for number, words in items.items()
    ]
    return table(["item", "about", "answer"], rows)
