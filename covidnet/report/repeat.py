"""The sections on how to make a run again, on its files, and on its folds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from covidnet.report.source import RunFiles
from covidnet.report.words import NONE, number

FILES = {
    "metrics.json": "every score with its interval",
    "predictions.csv": "each image with its class probabilities; all numbers follow from it",
    "patients.csv": "the same by patient",
    "split.csv": "which image is in which part, with content hashes",
    "history.csv": "losses, accuracies and learning rate of each epoch",
    "classification_report.txt": "precision, recall and F1 by class",
    "calibration.json": "temperature and reliability curves",
    "dataset.md": "the study of the files",
    "audit.md": "the audit in words",
    "saliency.csv": "evidence inside the lungs, by image",
    "environment.json": "versions, machine, code and data",
    "model_card.md": "the model card",
    "checklist.md": "CLAIM and TRIPOD+AI, as far as these files can answer",
}


@dataclass(frozen=True)
class RepeatSection:
    """Commands, what they ran in, and the files beside the page."""

    commands: list[str]
    environment: list[tuple[str, str]]
    packages: list[tuple[str, str]]
    files: list[tuple[str, str, str]]
    """Link, name and meaning."""


@dataclass(frozen=True)
class FoldRow:
    """One fold: its link if it has a page, its scores, and its external set."""

    number: int
    link: str
    accuracy: str
    auroc: str
    sources: str
    external: str
    drop: str


@dataclass(frozen=True)
class FoldSection:
    """All folds; ``mean`` and ``drop`` are means with their intervals."""

    rows: list[FoldRow]
    mean: str
    method: str
    drop: str


def make_repeat(files: RunFiles) -> RepeatSection:
    """From environment.json and the overrides."""
    environment, data = files.environment, files.environment.get("data") or {}
    packages = environment.get("packages")
    return RepeatSection(
        commands=_commands(files),
        environment=[(name, str(value)) for name, value in _facts(files, environment, data) if value],
        packages=[(str(name), str(version)) for name, version in packages.items()]
        if isinstance(packages, dict)
        else [],
        files=[(to_link(name), name, meaning) for name, meaning in FILES.items() if _is_there(files, name)],
    )


def _is_there(files: RunFiles, name: str) -> bool:
    # The card and the checklist are written with the page.
    return (files.directory / name).is_file() or (name in {"model_card.md", "checklist.md"} and not files.is_evaluation)


def _commands(files: RunFiles) -> list[str]:
    recorded = files.environment.get("command")
    typed = [str(part) for part in recorded] if isinstance(recorded, list) else []
    if files.overrides and (not typed or any(part.startswith("resume=") for part in typed)):
        typed = ["python", "train.py", *files.overrides]  # the command that went on with the run says too little
    if not typed:
        return []
    git = files.environment.get("git")
    commit = str(git.get("commit", "")) if isinstance(git, dict) else ""
    return ([f"git checkout {shlex.quote(commit)}"] if commit else []) + [shlex.join(typed)]


def _facts(files: RunFiles, environment: Mapping[str, Any], data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    git = environment.get("git") or {}
    changed = git.get("changed_files")
    return [
        ("Python", environment.get("python")),
        ("device", " ".join(str(part) for part in (files.device, environment.get("cuda")) if part)),
        ("processor", environment.get("processor")),
        ("threads", environment.get("threads")),
        ("platform", environment.get("platform")),
        ("code", f"{git.get('commit', '')}{f', {changed} files changed since' if changed else ''}"),
        ("data", data.get("root")),
        ("table", data.get("table")),
        ("images", data.get("images")),
        ("SHA-256 of all", data.get("sha256")),
        ("external data", (data.get("external") or {}).get("root")),
        ("split (random_state)", files.config.get("random_state")),
        ("seed", _seed(files)),
        ("training", _seconds(files.metrics.get("training_seconds"))),
        ("in all", _seconds(files.metrics.get("total_seconds"))),
    ]


def _seed(files: RunFiles) -> Any:
    seed = files.config.get("seed")
    return files.config.get("random_state") if str(seed).startswith("${") else seed


def _seconds(value: object) -> str:
    return f"{value:.1f} s" if isinstance(value, int | float) else ""


def to_link(path: str) -> str:
    """A relative address, whatever characters the name has; nobody's name can lead elsewhere."""
    return "./" + quote(path.encode("utf-8", "surrogateescape"), safe="/=")


def make_folds(files: RunFiles) -> FoldSection | None:
    """The table of folds; None for a run on one split."""
    folds = files.metrics.get("folds")
    if not isinstance(folds, dict):
        return None
    accuracies, aurocs = folds.get("accuracy_per_fold") or [], folds.get("auroc_per_fold") or []
    externals = folds.get("external") or []
    place = files.directory.relative_to(files.run.directory)
    rows = []
    for fold, accuracy in enumerate(accuracies):
        own = files.run.fold(fold) / place / "report.html"
        external = externals[fold] if fold < len(externals) and isinstance(externals[fold], dict) else {}
        up = "../" * len(place.parts)
        rows.append(
            FoldRow(
                number=fold,
                link=f"./{up}{to_link(str(own.relative_to(files.run.directory)))[2:]}" if own.is_file() else "",
                accuracy=number(accuracy, 3),
                auroc=number(aurocs[fold], 3) if fold < len(aurocs) else NONE,
                sources=", ".join(map(str, external.get("sources") or [])),
                external=number(external.get("accuracy"), 3) if external else "",
                drop=f"{external['drop']:+.3f}" if isinstance(external.get("drop"), int | float) else "",
            )
        )
    return FoldSection(rows, *_mean(folds.get("accuracy")), _mean(folds.get("accuracy_drop"))[0])


def _mean(found: object) -> tuple[str, str]:
    if not isinstance(found, dict) or found.get("mean") is None:
        return "", ""
    limits = f"[{number(found['low'], 3)}, {number(found['high'], 3)}]" if found.get("low") is not None else ""
    return f"{number(found['mean'], 3)} {limits}".strip(), str(found.get("method") or "")
