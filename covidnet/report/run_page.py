"""report.html of a run or an evaluation, with its model card and checklist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covidnet import __version__
from covidnet.console import RESEARCH_ONLY
from covidnet.data.study import printable
from covidnet.evaluation.metrics import confusion_matrix
from covidnet.files import write_text
from covidnet.predictions import Predictions
from covidnet.report.audit import embed_figure, make_audit
from covidnet.report.checklist import make_checklist
from covidnet.report.data import Table, make_data
from covidnet.report.hero import make_hero
from covidnet.report.html import render
from covidnet.report.images import make_images
from covidnet.report.model_card import make_model_card
from covidnet.report.plots import draw_plots
from covidnet.report.repeat import make_folds, make_repeat
from covidnet.report.scores import make_scores
from covidnet.report.source import RunFiles, read_run
from covidnet.report.threshold import make_threshold
from covidnet.report.words import interval, number, probability, with_interval

PAGE, CARD, CHECKLIST = "report.html", "model_card.md", "checklist.md"
MOST_PICTURES = 200

TITLES = {
    "scores": "Scores",
    "folds": "Folds",
    "audit": "Audit",
    "data": "Data",
    "training": "Training",
    "confusion": "Confusion",
    "threshold": "Threshold",
    "curves": "ROC",
    "calibration": "Calibration",
    "images": "Images",
    "repeat": "Make it again",
}
"""Sections in their order, by the names of their templates."""

DATA_FIGURES = {
    "dataset.png": "Every image's width and height, colour modes and file types by class",
    "batch.png": "Training images as the first epoch saw them, after augmentation",
}
RULES = {"mean": "mean", "max": "maximum", "noisy_or": "noisy-OR"}
SHADES = 10


@dataclass(frozen=True)
class MatrixCell:
    """A count, its share of the row, and how dark the cell is, 0 to 10."""

    count: int
    share: str
    shade: int
    right: bool


@dataclass(frozen=True)
class MatrixRow:
    """One true class."""

    name: str
    n: int
    cells: list[MatrixCell]


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix; rows are true classes."""

    classes: list[str]
    rows: list[MatrixRow]


def make_run_page(directory: Path, most_pictures: int = MOST_PICTURES) -> Path:
    """Write report.html into a run or an evaluation, and for a run model_card.md and checklist.md.

    Args:
        directory: Of the finished run, or RUN/evaluation/SPLIT.
        most_pictures: So many test images at most are shown with pictures.

    Returns:
        The page.

    Raises:
        RunError: It is no finished run.
    """
    files = read_run(directory)
    if not files.is_evaluation:
        write_text(files.directory / CARD, make_model_card(files))
        write_text(files.directory / CHECKLIST, make_checklist(files))
    page = files.directory / PAGE
    write_text(page, render_run(files, most_pictures))
    return page


def render_run(files: RunFiles, most_pictures: int = MOST_PICTURES) -> str:
    """The page as text."""
    data = make_data(files)
    plots = draw_plots(files, data)
    threshold, audit, folds = make_threshold(files), make_audit(files), make_folds(files)
    images = make_images(files, most_pictures)
    present = {
        "scores": True,
        "folds": folds is not None,
        "audit": audit is not None,
        "data": True,
        "training": "history_loss" in plots,
        "confusion": len(files.scored) > 0,
        "threshold": threshold is not None,
        "curves": "roc" in plots or "roc_external" in plots,
        "calibration": "reliability" in plots,
        "images": bool(images.rows),
        "repeat": True,
    }
    scores = make_scores(files)
    return render(
        "run.html.j2",
        version=__version__,
        notice=RESEARCH_ONLY,
        name=files.directory.name,
        above=_above(files),
        hero=make_hero(files),
        sections=[(name, TITLES[name]) for name in TITLES if present[name]],
        scores=scores,
        drop_text=_drop_text(files),
        patient_scores=_patient_scores(files),
        folds=folds,
        audit=audit,
        data=data,
        data_figures=_data_figures(files),
        number_columns=_number_columns(data.classes.header),
        plots=plots,
        matrices=_matrices(files),
        per_class=_per_class(files),
        threshold=threshold,
        positive=printable(files.positive),
        area_texts=_area_texts(files),
        calibration_text=_calibration_text(files.metrics),
        images=images,
        saliency_text=_saliency_text(files.saliency),
        repeat=make_repeat(files),
        notes=files.notes,
        number=number,
        probability=probability,
    )


def _above(files: RunFiles) -> list[tuple[str, str]]:
    """Links to the pages above: the run of an evaluation, the run over folds, the sweep."""
    found = []
    up = "../../" if files.is_evaluation else ""
    parent = files.run.directory.parent
    if (parent / PAGE).is_file() or (parent / "sweep.json").is_file() or files.run.directory.name.startswith("fold="):
        found.append((f"./{up}../{PAGE}", parent.name))
    if files.is_evaluation:
        found.append((f"./{up}{PAGE}", files.run.directory.name))
    return found


def _number_columns(header: list[str]) -> int:
    """How far the columns of numbers reach."""
    return header.index("median size") if "median size" in header else len(header)


def _data_figures(files: RunFiles) -> list[tuple[str, str, int, int]]:
    where = files.run.directory if (files.run.directory / "dataset.png").is_file() else files.audit_directory
    found = [(embed_figure(where / name), described) for name, described in DATA_FIGURES.items()]
    return [(one[0], described, one[1], one[2]) for one, described in found if one is not None]


def _matrices(files: RunFiles) -> list[tuple[str, Matrix]]:
    found = [(f"{files.split_name.capitalize()} images", _matrix(files.scored))]
    if len(files.external):
        found.append(("External images", _matrix(files.external)))
    return found


def _matrix(table: Predictions) -> Matrix:
    names = [printable(name) for name in table.classes]
    rows = []
    for index, counts in enumerate(confusion_matrix(table).tolist()):
        n = sum(counts)
        cells = [
            MatrixCell(count, f"{100 * count / n:.0f} %" if n else "–", round(SHADES * count / n) if n else 0, index == at)
            for at, count in enumerate(counts)
        ]
        rows.append(MatrixRow(names[index], n, cells))
    return Matrix(names, rows)


def _per_class(files: RunFiles) -> Table:
    found = files.metrics.get("per_class")
    rows = [
        [name, *(number(one.get(key)) for key in ("precision", "recall", "f1")), str(one.get("support", ""))]
        for name, one in (found.items() if isinstance(found, dict) else ())
        if isinstance(one, dict)
    ]
    return Table(["class", "precision", "recall", "F1", "images"], rows)


def _drop_text(files: RunFiles) -> str:
    drop = (files.metrics.get("external") or {}).get("accuracy_drop") or {}
    value = drop.get("value")
    if value is None:
        return ""
    limits = f" [{-drop['high']:+.2f}, {-drop['low']:+.2f}]" if drop.get("low") is not None else ""
    return f"{-value:+.2f}{limits}"


def _patient_scores(files: RunFiles) -> dict[str, Any] | None:
    """What patients.csv gives, where images were combined to patients."""
    found = files.metrics.get("patients")
    if not isinstance(found, dict) or not isinstance(found.get("accuracy"), dict):
        return None
    rule = str(found.get("aggregate"))
    return {"rule": RULES.get(rule, rule), "accuracy": with_interval(found["accuracy"]), "n": found.get("n")}


def _area_texts(files: RunFiles) -> list[str]:
    external = files.metrics.get("external") or {}
    texts = []
    for metrics in (files.metrics, external):
        for name, key in (("AUROC", "auroc"), ("Average precision", "average_precision")):
            limits = interval(metrics.get(f"{key}_interval"), 3)
            texts.append(f"{name} {number(metrics.get(key), 3)} {limits}".rstrip() + ".")
    return texts


def _calibration_text(metrics: dict[str, Any]) -> str:
    found = metrics.get("calibration")
    if not isinstance(found, dict) or not isinstance(found.get("before"), dict):
        return ""
    usual = (metrics.get("ece_if_calibrated") or {}).get("high")
    text = f"The calibration error is {number(found['before'].get('ece'), 3)}"
    text += f" (chance alone gives a calibrated model up to {number(usual, 3)})." if usual is not None else "."
    after = found.get("after")
    if not isinstance(after, dict):
        return f"{text} No temperature was fitted: {found.get('reason')}." if found.get("reason") else text
    temperature = f"A temperature of {number(found.get('temperature'))}" if found.get("temperature") else (
        "Each fold's own temperature"
    )  # fmt: skip
    applied = "it is applied to all numbers here" if found.get("applied") else "it is not applied to the numbers here"
    return f"{text} {temperature} would make it {number(after.get('ece'), 3)}; {applied}."


def _saliency_text(saliency: dict[str, Any] | None) -> str:
    """Such as "Grad-CAM: 0.45 [0.40, 0.50] of the evidence lies inside the lung field, which is 0.38 of the image"."""
    methods = (saliency or {}).get("methods")
    if not isinstance(methods, dict):
        return ""
    texts = []
    for one in methods.values():
        overall = one.get("overall") if isinstance(one, dict) else None
        if isinstance(overall, dict):
            inside, area = overall.get("inside_lungs"), overall.get("lung_area")
            texts.append(
                f"{one.get('title')}: {with_interval(inside)} of the evidence lies inside the lung field, "
                f"which is {number((area or {}).get('value'))} of the image."
            )
    return " ".join(texts)
