"""The files of an audit: audit.json, audit.md and the figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from covidnet.audit.examine import Audit, Material
from covidnet.audit.markdown import to_markdown
from covidnet.data.pixels import PixelSource
from covidnet.figures import audit as draw
from covidnet.figures.style import save_figure
from covidnet.files import write_json, write_text

JSON, MARKDOWN = "audit.json", "audit.md"

GALLERIES = {
    "audit_patients.png": (
        "One patient or series in several parts of the split",
        ("leakage.patients", "leakage.series"),
    ),
    "audit_names.png": ("Images whose names contradict their label", ("labels.contradicted",)),
}
"""Figures of the files of some findings: title and the findings' ids."""


def save_audit(directory: Path, audit: Audit, material: Material, pixels: PixelSource) -> list[Path]:
    """Write everything; audit.json comes last, and figures of an earlier audit that no longer apply are removed.

    Returns:
        The figures' files.
    """
    figures = _figures(audit, material, lambda position: np.asarray(pixels.fetch([position])[0]))
    for old in directory.glob("audit_*.png"):
        if old.name not in figures:
            old.unlink()
    for name, make in figures.items():
        save_figure(make(), directory / name)
    write_text(directory / MARKDOWN, to_markdown(audit, material, list(figures)))
    write_json(directory / JSON, audit.to_json(material))
    return [directory / name for name in figures]


def _figures(
    audit: Audit, material: Material, picture: Callable[[int], NDArray[np.uint8]]
) -> dict[str, Callable[[], Figure]]:
    """The figures that have something to show, by file name."""
    figures: dict[str, Callable[[], Figure]] = {}
    if audit.pairs:
        figures["audit_duplicates.png"] = partial(draw.duplicates_figure, audit.pairs, material, picture)
    for name, (title, ids) in GALLERIES.items():
        files = [file for finding in audit.findings if finding.id in ids for file in finding.files]
        if files:
            figures[name] = partial(draw.files_figure, title, files, material, picture)
    if audit.cues:
        figures["audit_shortcuts.png"] = partial(draw.cues_figure, audit.cues, _model_score(audit))
        figures["audit_views.png"] = partial(draw.views_figure, material)
    if audit.model is not None and audit.model.after is not None:
        figures["audit_after_training.png"] = partial(draw.after_training_figure, audit.model.after)
    return figures


def _model_score(audit: Audit) -> tuple[int, int] | None:
    """How many test images the model has right, and of how many."""
    if audit.model is None:
        return None
    predictions = audit.model.predictions
    return int((predictions.truth == predictions.predicted).sum()), len(predictions)
