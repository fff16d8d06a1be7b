"""What the page says, as HTML; every text that a file could bring is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from covidnet.console import RESEARCH_ONLY
from covidnet.data.study import printable
from covidnet.errors import CovidnetError
from covidnet.inference.answer import Answer
from covidnet.ood.files import KINDS
from covidnet.runs.layout import RunLayout
from covidnet.untrusted import read_object

AUDIT = "audit.json"
LEVELS = {"blocker": "stop", "warning": "doubt", "clean": "fine"}
"""Of a verdict, and the style of the box it stands in."""


@dataclass(frozen=True)
class Verdict:
    """What the run's audit says: a sentence and the style of its box; without an audit, that there is none."""

    sentence: str
    style: str


def read_verdict(layout: RunLayout) -> Verdict:
    """The verdict in the run's audit.json; of a run over folds, that of the first fold."""
    for directory in [layout.directory, *layout.folds[:1]]:
        verdict = _verdict_in(directory / AUDIT)
        if verdict is not None:
            return verdict
    return Verdict(
        "This run was not audited, so nothing is known of what its scores are worth. "
        f"python -m covidnet.audit run={layout.directory}",
        "doubt",
    )


def _verdict_in(file: Path) -> Verdict | None:
    try:
        verdict = read_object(file)["verdict"]
        return Verdict(str(verdict["sentence"]), LEVELS.get(str(verdict["level"]), "doubt"))
    except (CovidnetError, ValueError, KeyError, TypeError):
        return None


def heading(layout: RunLayout, verdict: Verdict, notes: list[str], score: str | None) -> str:
    """The top of the page: the notice, the run, its score, the audit's verdict, and what holds for all images."""
    name = _safe(layout.directory.resolve().name)
    lines = [
        f'<p class="notice" role="note">{_safe(RESEARCH_ONLY)}</p>',
        f"<h1>What the run <code>{name}</code> says of an image</h1>",
        *([f"<p>{_safe(score)}</p>"] if score else []),
        f'<p class="box {verdict.style}"><b>Audit of the run.</b> {_safe(verdict.sentence)}</p>',
        *(f"<p>{_safe(note[:1].upper() + note[1:])}.</p>" for note in notes),
    ]
    return "\n".join(lines)


def answer_text(answer: Answer, classes: Sequence[str]) -> str:
    """One image: its class or that there is none, the probabilities, the reasons against it, and how far it is off."""
    name = f"<code>{_safe(answer.path)}</code>"
    if answer.predicted is None or answer.probabilities is None:
        first = f'<p class="box doubt" role="status"><b>No prediction</b> for {name}.</p>'
    else:
        first = f'<p class="box plain" role="status"><b>{_safe(answer.predicted)}</b> for {name}.</p>'
        first += _bars(zip(classes, answer.probabilities, strict=True))
    reasons = "".join(f"<li>{_safe(reason)}</li>" for reason in answer.reasons)
    distances = ", ".join(f"{KINDS[kind]} {value:.2f}" for kind, value in answer.distances.items())
    measured = f"<p>Distance from the training images, in parts of the limit: {distances}.</p>" if distances else ""
    return first + (f"<ul>{reasons}</ul>" if reasons else "") + measured + f"<p>{_safe(RESEARCH_ONLY)}</p>"


def _bars(probabilities: Iterable[tuple[str, float]]) -> str:
    """A table of classes with a bar for each, the most probable first."""
    rows = (
        f'<tr><th scope="row">{_safe(name)}</th><td class="number">{value:.3f}</td>'
        f'<td class="bar"><span style="width: {100 * value:.1f}%"></span></td></tr>'
        for name, value in sorted(probabilities, key=lambda pair: -pair[1])
    )
    return f'<table class="bars" aria-label="Probabilities">{"".join(rows)}</table>'


def score_of(metrics: Path) -> str | None:
    """Such as "test accuracy 0.95 [0.75, 1.00] on 20 images, chosen on these: optimistic"; None of a run without."""
    try:
        content: dict[str, Any] = read_object(metrics)
        rate = content["accuracy"]
        text = f"Test accuracy {rate['value']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}] on {rate['n']} images"
        warning = content["protocol"]["warning"]
    except (CovidnetError, ValueError, KeyError, TypeError):
        return None
    return f"{text}; {warning}." if warning else f"{text}."


def _safe(text: str) -> str:
    return escape(printable(text))
