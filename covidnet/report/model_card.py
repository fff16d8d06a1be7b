"""model_card.md in the form of the Hugging Face Hub: front matter with the results, then words from the run's files.

Mitchell et al., "Model cards for model reporting" (FAT* 2019); the front matter's ``model-index`` is that of the Hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from covidnet.console import RESEARCH_ONLY
from covidnet.report.data import make_data
from covidnet.report.hero import changes, make_hero
from covidnet.report.markdown import code, code_block, escape, table
from covidnet.report.repeat import make_repeat
from covidnet.report.scores import Cell, make_scores
from covidnet.report.source import RunFiles
from covidnet.report.words import folder_name

Json = Mapping[str, Any]

METRICS = (
    ("accuracy", "accuracy", ("accuracy", "value")),
    ("recall", "sensitivity", ("sensitivity", "value")),
    ("specificity", "specificity", ("specificity", "value")),
    ("roc_auc", "AUROC", ("auroc",)),
    ("brier_score", "Brier score", ("brier",)),
)
"""The Hub's type of a metric, our name, and where it stands in metrics.json."""

INTERVALS = {"accuracy": "accuracy", "recall": "sensitivity", "specificity": "specificity"}


def make_model_card(files: RunFiles) -> str:
    """The whole card."""
    lines = [
        "---",
        yaml.safe_dump(_front_matter(files), sort_keys=False, allow_unicode=False).rstrip(),
        "---",
        "",
        f"# {escape(_title(files))}",
        "",
        f"**{RESEARCH_ONLY}**",
        "",
        escape(make_hero(files).sentence),
        "",
        *_use(files),
        *_data(files),
        *_training(files),
        *_evaluation(files),
        *_limitations(files),
        *_repeat(files),
    ]
    return "\n".join(lines)


def _title(files: RunFiles) -> str:
    backbone = files.config.get("backbone")
    return f"{backbone or 'Network'}: {' or '.join(files.table.classes)} on chest X-rays"


def _dataset(files: RunFiles) -> str:
    data = files.environment.get("data") or {}
    return folder_name(data.get("table") or data.get("root")) or "images of the run"


def _front_matter(files: RunFiles) -> dict[str, Any]:
    results = [_result(files.metrics, _dataset(files), files.split_name)]
    external = files.metrics.get("external")
    if isinstance(external, dict):
        root = ((files.environment.get("data") or {}).get("external") or {}).get("root")
        results.append(_result(external, folder_name(root) or "external images", "external"))
    base = str(files.config.get("backbone") or "")
    return {
        "library_name": "timm" if base.startswith("timm/") else "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["chest-x-ray", "medical-imaging", "research-only", "covidnet"],
        "metrics": sorted({metric["type"] for one in results for metric in one["metrics"]}),
        "model-index": [{"name": _clean(files.run.directory.name), "results": results}],
    }


def _result(metrics: Json, dataset: str, split: str) -> dict[str, Any]:
    found = []
    for kind, name, keys in METRICS:
        value: Any = metrics
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, int | float):
            found.append({"type": kind, "name": f"{name}{_limits(metrics, kind)}", "value": round(float(value), 4)})
    return {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"type": "image-folder", "name": _clean(dataset), "split": _clean(split)},
        "metrics": found,
    }


def _limits(metrics: Json, kind: str) -> str:
    key = INTERVALS.get(kind)
    found = metrics.get(key) if key else metrics.get({"roc_auc": "auroc_interval"}.get(kind, "brier_interval"))
    if not isinstance(found, dict) or found.get("low") is None or found.get("high") is None:
        return ""
    return f" (95% CI {found['low']:.3f} to {found['high']:.3f})"


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _use(files: RunFiles) -> list[str]:
    classes = ", ".join(escape(name) for name in files.table.classes)
    return [
        "## Intended use",
        "",
        "Research on how such classifiers are trained and tested, and on what their scores are worth. "
        f"Classes: {classes}.",
        "",
        "## Out of scope",
        "",
        "Diagnosis, triage, screening, or any other decision about a person. Nothing here was tested for that; it is "
        "no medical device.",
        "",
    ]


def _data(files: RunFiles) -> list[str]:
    data = make_data(files)
    rows = [[escape(cell) for cell in row] for row in data.classes.rows]
    lines = [
        "## Training data",
        "",
        f"{code(_dataset(files))}. Where these images come from, under which licence, and how their labels were made, "
        "the run's files do not say.",
        "",
        *table([escape(name) for name in data.classes.header], rows),
        "",
        escape(data.patients),
        "",
    ]
    if data.sources is not None:
        rows = [[escape(cell) for cell in row] for row in data.sources.rows]
        lines += [*table([escape(name) for name in data.sources.header], rows), ""]
    return lines


def _training(files: RunFiles) -> list[str]:
    config = files.config
    optimizer = config.get("optimizer") or {}
    image = (config.get("data") or {}).get("image_size")
    facts = [
        ("backbone", config.get("backbone")),
        ("weights at the start", config.get("weights")),
        ("input", f"{image}x{image} pixels" if image else None),
        ("optimiser", " ".join(str(optimizer[key]) for key in ("name", "lr") if key in optimizer)),
        ("protocol", config.get("protocol")),
        ("epochs", files.metrics.get("epochs")),
        ("epoch kept", files.metrics.get("epoch_kept")),
    ]
    lines = ["## Training", "", *(f"- {name}: {code(value)}" for name, value in facts if value)]
    given = changes(files.overrides)
    if given:
        lines.append(f"- changed against the defaults: {', '.join(code('='.join(pair)) for pair in given)}")
    return [*lines, ""]


def _evaluation(files: RunFiles) -> list[str]:
    scores = make_scores(files)
    rows = [[escape(row.name), *(_cell(cell) for cell in row.cells)] for row in scores.rows]
    lines = ["## Evaluation", "", *table(["score", *(escape(name) for name in scores.columns)], rows), ""]
    warning = (files.metrics.get("protocol") or {}).get("warning")
    if warning:
        lines += [f"**Protocol: {escape(warning)}.**", ""]
    if scores.methods:
        lines += [f"Intervals (95 %): {escape('; '.join(scores.methods))}.", ""]
    return lines


def _cell(cell: Cell) -> str:
    by_patient = f"; by patient {cell.by_patient}" if cell.by_patient else ""
    return escape(f"{cell.value} {cell.limits}{by_patient}".strip())


def _limitations(files: RunFiles) -> list[str]:
    audit = files.audit
    lines = ["## Limitations", ""]
    if audit is None or not isinstance(audit.get("verdict"), dict):
        return [*lines, "The run was not audited: nobody has looked for leakage and shortcuts.", ""]
    lines += [f"The audit's verdict: {escape(audit['verdict'].get('sentence', ''))}", ""]
    grave = [one for one in audit.get("findings") or [] if isinstance(one, dict) and one.get("severity") != "note"]
    lines += [
        f"- **{escape(one.get('severity', ''))}: {escape(one.get('title', ''))}.** {escape(one.get('evidence', ''))}"
        for one in grave
    ]
    return [*lines, ""] if grave else lines


def _repeat(files: RunFiles) -> list[str]:
    repeat = make_repeat(files)
    if not repeat.commands:
        return []
    return ["## Make it again", "", *code_block(repeat.commands), ""]
