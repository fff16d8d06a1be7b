"""The files of a saliency: maps and table, then the summary, the overlays and the figure, which are made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidnet.console import RESEARCH_ONLY
from covidnet.errors import CovidnetError
from covidnet.explain.compute import Chosen, Explained
from covidnet.explain.evidence import share_inside
from covidnet.explain.lungs import LungField, LungFields
from covidnet.explain.sanity import SanityCheck
from covidnet.explain.table import CSV, FOLDER, Entry, read_entries, read_maps, write_entries, write_maps
from covidnet.figures.saliency import OVERLAY_SIDE, Picture, overlay
from covidnet.figures.style import save_figure
from covidnet.files import write_json, write_with
from covidnet.predictions import Predictions
from covidnet.reporting.saliency_figure import figure_of
from covidnet.reporting.saliency_summary import JSON, summarize_saliency
from covidnet.runs.layout import RunLayout
from covidnet.untrusted import read_object

FIGURE = "test_saliency.png"


def save_saliency(
    directory: Path,
    predictions: Predictions,
    chosen: Chosen,
    pairs: Sequence[tuple[int, int]],
    explained: Explained,
    sanity: Mapping[str, SanityCheck],
    fields: LungFields,
    picture: Callable[[str], Picture],
    settings: Mapping[str, Any],
) -> Path:
    """Write everything; saliency.json comes last.

    Args:
        directory: Of the run or evaluation; holds its predictions.csv.
        predictions: The table that ``chosen`` and ``pairs`` refer to.
        chosen: Which of its rows to show and to count.
        pairs: Row and class index of each map.
        explained: The maps.
        sanity: The sanity check by method; empty where it was not asked for.
        fields: The lung fields.
        picture: The model's view (C, H, W) of the image at a path.
        settings: Of the methods, for saliency.json.

    Returns:
        The figure's file.
    """
    clear(directory)
    write_maps(directory, explained.maps)
    maps = read_maps(directory)
    lungs = {predictions.rows[row].path: fields.of(predictions.rows[row].path) for row in chosen.rows}
    shown = [predictions.rows[row].path for row in chosen.shown]
    entries = _entries(predictions, chosen, pairs, maps, lungs)
    write_entries(directory, _save_overlays(directory, entries, shown, maps, lungs, picture))
    entries = read_entries(directory)
    summary = summarize_saliency(predictions, chosen, entries, explained, sanity, fields, settings)
    save_figure(figure_of(predictions, shown, entries, maps, lungs, picture, summary), directory / FIGURE)
    write_json(directory / JSON, {**summary, "predictions_sha256": _digest(directory), "notice": RESEARCH_ONLY})
    return directory / FIGURE


def clear(directory: Path) -> None:
    """Remove the files of an earlier saliency."""
    for name in (JSON, CSV, FIGURE):
        (directory / name).unlink(missing_ok=True)
    for file in (directory / FOLDER).glob("*"):
        if file.suffix in {".png", ".npz"}:
            file.unlink()


def clear_stale(directory: Path) -> None:
    """Remove an earlier saliency that explains other predictions than predictions.csv holds now."""
    if not (directory / JSON).is_file():
        return
    try:
        explained = read_object(directory / JSON)["predictions_sha256"]
    except (CovidnetError, KeyError):
        explained = None
    if explained != _digest(directory):
        clear(directory)


def _digest(directory: Path) -> str:
    return hashlib.sha256(RunLayout(directory).predictions.read_bytes()).hexdigest()


def _entries(
    predictions: Predictions,
    chosen: Chosen,
    pairs: Sequence[tuple[int, int]],
    maps: Mapping[str, NDArray[np.float32]],
    lungs: Mapping[str, LungField],
) -> list[Entry]:
    counted, predicted, classes = set(chosen.counted), predictions.predicted, predictions.classes
    entries = []
    for method, of_method in maps.items():
        for number, (row, index) in enumerate(pairs):
            one = predictions.rows[row]
            field = lungs[one.path]
            whose = (one.path, one.split, one.label, classes[predicted[row]], classes[index], method)
            inside = share_inside(of_method[number], field.inside)
            entries.append(Entry(*whose, inside, field.area, field.source, row in counted, number))
    return entries


def _save_overlays(
    directory: Path,
    entries: Sequence[Entry],
    shown: Sequence[str],
    maps: Mapping[str, NDArray[np.float32]],
    lungs: Mapping[str, LungField],
    picture: Callable[[str], Picture],
) -> list[Entry]:
    """One PNG of 256 colours per shown image and method, for the predicted class, numbered as they are shown."""
    places = {path: place for place, path in enumerate(shown, start=1)}
    done = []
    for entry in entries:
        name = ""
        if entry.path in places and entry.of_prediction:
            name = f"{FOLDER}/{places[entry.path]:04d}_{entry.method}.png"
            pixels = overlay(picture(entry.path), maps[entry.method][entry.map], lungs[entry.path].inside)
            write_with(directory / name, partial(_write_small, pixels))
        done.append(replace(entry, overlay=name))
    return done


def _write_small(pixels: Picture, path: Path) -> None:
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.thumbnail((OVERLAY_SIDE, OVERLAY_SIDE))
    image.quantize(256).save(path, format="PNG", optimize=True)
