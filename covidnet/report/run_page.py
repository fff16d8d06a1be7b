"""report.html of a run or an evaluation, with its model card and checklist."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jinja2 import TemplateError

from covidnet import __version__
from covidnet.console import RESEARCH_ONLY
from covidnet.data.study import printable
from covidnet.errors import RunError
from covidnet.files import write_text
from covidnet.naming import cut
from covidnet.report.audit import embed_figure, make_audit
from covidnet.report.checklist import make_checklist
from covidnet.report.confusion import make_matrices, make_per_class
from covidnet.report.data import make_data
from covidnet.report.hero import make_hero
from covidnet.report.html import render
from covidnet.report.images import make_images
from covidnet.report.model_card import make_model_card
from covidnet.report.plots import draw_plots
from covidnet.report.repeat import make_folds, make_repeat
from covidnet.report.scores import make_scores
from covidnet.report.sentences import (
    area_texts,
    calibration_text,
    drop_text,
    patient_scores,
    saliency_text,
)
from covidnet.report.source import RunFiles, read_run
from covidnet.report.threshold import make_threshold
from covidnet.report.words import number, probability
from covidnet.runs.layout import SWEEP_RECORD

PAGE, CARD, CHECKLIST = "report.html", "model_card.md", "checklist.md"
MOST_PICTURES = 200

OPTIONAL = ("audit.json", "dataset.json", "saliency.json", "environment.json")
"""Files that a page can do without, whatever they hold."""
ODD_CONTENT = (
    KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError, TemplateError,
)  # fmt: skip
"""What code raises on JSON of another form than it expects."""

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


def make_run_page(directory: Path, most_pictures: int | None = None) -> Path:
    """Write report.html into a run or an evaluation, and for a run model_card.md and checklist.md.

    Args:
        directory: Of the finished run, or RUN/evaluation/SPLIT.
        most_pictures: So many test images at most are shown with pictures; None: as many as the run's report.images.

    Returns:
        The page.

    Raises:
        RunError: It is no finished run.
    """
    files = read_run(directory)
    for name, text in _tolerant_texts(files, directory, most_pictures).items():
        write_text(files.directory / name, text)
    return files.directory / PAGE


def _tolerant_texts(files: RunFiles, directory: Path, most_pictures: int | None) -> dict[str, str]:
    """What is written, if need be without the one file that does not hold what train.py writes into it."""
    try:
        return _texts(files, most_pictures)
    except ODD_CONTENT as error:
        for name in OPTIONAL:
            without = replace(read_run(directory), left_out=frozenset({name}))
            without.notes.append(f"{name} does not hold what is expected of it ({_said(error)})")
            try:
                return _texts(without, most_pictures)
            except ODD_CONTENT:
                continue
        raise RunError(
            f"{files.layout.metrics}: not the metrics that train.py writes ({_said(error)}); "
            "score the run again with evaluate.py"
        ) from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {cut(str(error))}"


def _texts(files: RunFiles, most_pictures: int | None) -> dict[str, str]:
    """The page, and of a run its card and checklist, by file name."""
    own = {} if files.is_evaluation else {CARD: make_model_card(files), CHECKLIST: make_checklist(files)}
    return {**own, PAGE: render_run(files, _stated_pictures(files) if most_pictures is None else most_pictures)}


def _stated_pictures(files: RunFiles) -> int:
    stated = (files.config.get("report") or {}).get("images")
    return stated if isinstance(stated, int) else MOST_PICTURES


def render_run(files: RunFiles, most_pictures: int) -> str:
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
        drop_text=drop_text(files),
        patient_scores=patient_scores(files),
        folds=folds,
        audit=audit,
        data=data,
        data_figures=_data_figures(files),
        number_columns=_number_columns(data.classes.header),
        plots=plots,
        matrices=make_matrices(files),
        per_class=make_per_class(files),
        threshold=threshold,
        positive=printable(files.positive),
        area_texts=area_texts(files),
        calibration_text=calibration_text(files.metrics),
        images=images,
        saliency_text=saliency_text(files.saliency),
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
    if (parent / PAGE).is_file() or (parent / SWEEP_RECORD).is_file() or files.run.directory.name.startswith("fold="):
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
