"""The first screen: what was asked, the number with its interval, what the protocol and the audit say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from covidnet.console import RESEARCH_ONLY
from covidnet.figures.style import shorten_middle
from covidnet.report.source import RunFiles
from covidnet.report.words import LAST_EPOCH, PROTOCOLS, counted, folder_name, interval, listed, number
from covidnet.runs.directories import override_key

HOUSEKEEPING = frozenset(
    {
        "data.root", "data.table", "data.cache_dir", "data.num_workers", "output_dir", "resume", "trainer.accelerator",
        "trainer.devices", "logger", "callbacks.progress", "report.enabled", "report.images", "report.figures",
    }
)  # fmt: skip
"""Overrides that say where and how a run was made, and not what it is."""


LONGEST_NAME, LONGEST_NAMES = 30, 64


@dataclass(frozen=True)
class Callout:
    """A box beside the number.

    Attributes:
        level: ``good``, ``warning``, ``blocker`` or ``plain``.
        title: In a few words.
        text: One or two sentences.
        link: Identifier of the section that says more; empty for none.
    """

    level: str
    title: str
    text: str
    link: str = ""


@dataclass(frozen=True)
class Hero:
    """What stands on the first screen; ``low`` to ``baseline`` are in [0, 1] or None."""

    question: str
    sentence: str
    changes: list[tuple[str, str]]
    value: str
    limits: str
    caption: str
    low: float | None
    high: float | None
    point: float | None
    baseline: float | None
    baseline_text: str
    callouts: list[Callout]
    external: str = ""


def make_hero(files: RunFiles) -> Hero:
    """The first screen of a run or an evaluation."""
    accuracy = files.metrics["accuracy"]
    share, name = _largest_class(files)
    return Hero(
        question=question(files.table.classes, files.positive),
        sentence=" ".join(_sentences(files)),
        changes=changes(files.overrides),
        value=number(accuracy.get("value")),
        limits=interval(accuracy),
        caption=_caption(files, accuracy),
        low=accuracy.get("low"),
        high=accuracy.get("high"),
        point=accuracy.get("value"),
        baseline=share,
        baseline_text=f"Always answering {name} (the tick) would give {share:.2f}." if share is not None else "",
        callouts=[_protocol(files), audit_callout(files.audit), Callout("plain", "Research only", RESEARCH_ONLY)],
        external=_external(files),
    )


def _external(files: RunFiles) -> str:
    """The accuracy on images from elsewhere, and how much lower it is."""
    metrics = files.metrics.get("external")
    accuracy = metrics.get("accuracy") if isinstance(metrics, dict) else None
    if not isinstance(metrics, dict) or not isinstance(accuracy, dict):
        return ""
    drop = metrics.get("accuracy_drop") or {}
    text = f"{number(accuracy.get('value'))} {interval(accuracy)} on {accuracy.get('n'):,} external images"
    lower = f"; a drop of {drop['value']:.2f} {interval(drop)}".rstrip() if (drop.get("value") or 0) > 0 else ""
    return f"{text}{lower}."


def question(classes: tuple[str, ...], positive: str) -> str:
    """What the model was to tell apart; of many classes, or long names, only how many."""
    names = [shorten_middle(name, LONGEST_NAME) for name in classes]
    if sum(map(len, names)) > LONGEST_NAMES:
        return f"Can {len(classes)} classes be told apart?"
    others = [shorten_middle(name, LONGEST_NAME) for name in classes if name != positive]
    if len(others) == 1:
        return f"Can {shorten_middle(positive, LONGEST_NAME)} be told from {others[0]}?"
    return f"Can {listed(names)} be told apart?"


def changes(overrides: list[str]) -> list[tuple[str, str]]:
    """Keys and values that were given and say what the run is."""
    kept = [text for text in overrides if override_key(text) not in HOUSEKEEPING and not text.startswith("hydra")]
    return [(override_key(text), text.partition("=")[2]) for text in kept]


def _sentences(files: RunFiles) -> list[str]:
    config, parts = files.config, files.parts
    backbone, weights = config.get("backbone"), config.get("weights")
    data = files.environment.get("data") or {}
    source = folder_name(data.get("table") or data.get("root"))
    learnt = f"{counted(parts['train'], 'image')}" if parts["train"] else counted(int(data.get("images") or 0), "image")
    begin = {"imagenet": " with ImageNet weights", "none": " from random weights"}.get(
        str(weights), " from other weights"
    )
    text = f"{backbone}{begin if weights else ''}" if backbone else "A network"
    if len(files.table.classes) > 2:
        text += f" for {len(files.table.classes)} classes"
    folds = files.metrics.get("folds")
    if folds:
        text += f", in {folds.get('count')} folds of {learnt}"
    elif parts["train"]:
        text += f", trained on {learnt}"
    if source:
        text += f" of {source}"
    epochs = files.metrics.get("epochs")
    kept = files.metrics.get("epoch_kept")
    if epochs:
        text += f" for {counted(int(epochs), 'epoch')}"
    sentences = [f"{text}."]
    if kept is not None:
        sentences.append(f"Epoch {kept} was kept.")
    if files.is_evaluation:
        sentences.append("Scored again after the training.")
    return sentences


def _caption(files: RunFiles, accuracy: Mapping[str, Any]) -> str:
    part = {"test": "test", "val": "validation", "train": "training", "all": ""}.get(files.split_name, files.split_name)
    folds = files.metrics.get("folds")
    images = "out-of-fold images" if folds else f"{part} images".strip()
    right, n = accuracy.get("correct"), accuracy.get("n", 0)
    level = f"{100 * accuracy.get('level', 0.95):g} % interval ({accuracy.get('method', 'exact')})"
    text = f"accuracy: {right} of {n:,} {images} right; {level}."
    if folds and (folds.get("accuracy") or {}).get("mean") is not None:
        mean = folds["accuracy"]
        text += f" Mean of the folds {number(mean['mean'])} {interval(mean)}".rstrip() + "."
    by_patient = accuracy.get("by_patient")
    if by_patient:
        text += f" By patient ({by_patient.get('patients')}): {interval(by_patient)}."
    return text


def _largest_class(files: RunFiles) -> tuple[float | None, str]:
    found = Counter(row.label for row in files.scored.rows).most_common(1)
    return (found[0][1] / len(files.scored), listed([found[0][0]])) if found else (None, "")


def _protocol(files: RunFiles) -> Callout:
    protocol = files.metrics.get("protocol") or {}
    name = str(protocol.get("name") or "")
    warning = protocol.get("warning")
    last = files.metrics.get("checkpoint") == "last" and not warning
    template = LAST_EPOCH if last else PROTOCOLS.get(name, "")
    described = template.format(test=f"{files.parts['test']:,}", val=f"{files.parts['val']:,}")
    text = ". ".join(part[0].upper() + part[1:] for part in (described, warning) if part)
    return Callout("warning" if warning else "good", f"Protocol: {name or 'unknown'}", f"{text}." if text else "")


def audit_callout(audit: Mapping[str, Any] | None) -> Callout:
    """The verdict of audit.json."""
    verdict = (audit or {}).get("verdict")
    if not isinstance(verdict, dict):
        return Callout(
            "plain", "No audit", "Nobody has looked for leakage and shortcuts (python -m covidnet.audit run=RUN)."
        )
    counts = [
        counted(verdict[key], key[:-1]) for key in ("blockers", "warnings") if isinstance(verdict.get(key), int)
        and verdict[key]
    ]  # fmt: skip
    level = {"blocker": "blocker", "warning": "warning"}.get(str(verdict.get("level")), "good")
    return Callout(level, f"Audit: {', '.join(counts) or 'nothing grave'}", str(verdict.get("sentence", "")), "audit")
