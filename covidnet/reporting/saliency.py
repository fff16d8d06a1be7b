"""The files of a run's saliency: maps, table, summary, overlays and figure, the last four made from the first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidnet.console import RESEARCH_ONLY
from covidnet.errors import RunError
from covidnet.explain.compute import TITLES, Chosen, Explained
from covidnet.explain.evidence import LungShare, lung_share, share_inside
from covidnet.explain.lungs import LungField, LungFields
from covidnet.explain.sanity import SanityCheck
from covidnet.figures.saliency import MeanMap, Picture, Shown, heat_of, overlay, saliency_figure
from covidnet.figures.style import save_figure
from covidnet.files import write_csv, write_json, write_with
from covidnet.predictions import Predictions
from covidnet.runs.layout import RunLayout

CSV, JSON, FIGURE, FOLDER, MAPS = "saliency.csv", "saliency.json", "test_saliency.png", "saliency", "maps.npz"
HEADER = (
    "path", "split", "label", "predicted", "explained", "method", "inside_lungs", "lung_area", "lung_field", "counted",
    "map", "overlay",
)  # fmt: skip
"""Columns of saliency.csv: ``inside_lungs`` is empty where there is no evidence; ``counted`` is 1 for the images that
the summary is computed from; ``map`` is the row in the method's array of maps.npz; ``overlay`` is a file or empty."""

VERDICTS = {"more": "more than", "less": "less than", "unclear": "not clearly other than"}
SETTLED = 0.1
"""Median completeness gap of integrated gradients above which more steps are advised."""


@dataclass(frozen=True)
class Entry:
    """One image, one class, one method: a row of saliency.csv."""

    row: int
    path: str
    split: str
    label: str
    predicted: str
    explained: str
    method: str
    inside: float | None
    area: float
    field: str
    counted: bool
    map: int
    overlay: str = ""

    def to_csv(self) -> list[object]:
        """In the order of `HEADER`."""
        inside = "" if self.inside is None else repr(self.inside)
        return [
            self.path, self.split, self.label, self.predicted, self.explained, self.method, inside, repr(self.area),
            self.field, int(self.counted), self.map, self.overlay,
        ]  # fmt: skip


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
    write_with(directory / FOLDER / MAPS, lambda path: _write_maps(path, explained))
    maps = read_maps(directory)
    inside = {row: fields.of(predictions.rows[row].path) for row in chosen.rows}
    entries = _entries(predictions, chosen, pairs, maps, inside)
    entries = _save_overlays(directory, entries, chosen, maps, inside, picture)
    write_csv(directory / CSV, HEADER, [entry.to_csv() for entry in entries])
    summary = _summary(predictions, chosen, entries, explained, sanity, fields, settings)
    figure = _figure(predictions, chosen, entries, maps, inside, picture, summary)
    save_figure(figure, directory / FIGURE)
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
        explained = json.loads((directory / JSON).read_text())["predictions_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        explained = None
    if explained != _digest(directory):
        clear(directory)


def _digest(directory: Path) -> str:
    return hashlib.sha256(RunLayout(directory).predictions.read_bytes()).hexdigest()


def _write_maps(path: Path, explained: Explained) -> None:
    """Each map with a maximum of 1, in half precision: its scale means nothing, and no share needs more digits."""
    arrays = {}
    for method, maps in explained.maps.items():
        highest = maps.max(axis=(1, 2), keepdims=True)
        arrays[method] = (maps / np.where(highest > 0, highest, 1)).astype(np.float16)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_maps(directory: Path) -> dict[str, NDArray[np.float32]]:
    """The maps of a run or evaluation by method, shape (N, h, w), 0 to 1.

    Raises:
        RunError: There are none, or the file is damaged.
    """
    file = directory / FOLDER / MAPS
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {method: arrays[method].astype(np.float32) for method in TITLES if method in arrays}
    except FileNotFoundError as error:
        raise RunError(f"{file}: missing. Make it with evaluate.py run=RUN saliency=default.") from error
    except Exception as error:  # numpy and zipfile raise nearly anything on a damaged file
        raise RunError(f"{file}: not the maps that train.py writes ({error}).") from error


def _entries(
    predictions: Predictions,
    chosen: Chosen,
    pairs: Sequence[tuple[int, int]],
    maps: Mapping[str, NDArray[np.float32]],
    fields: Mapping[int, LungField],
) -> list[Entry]:
    counted = set(chosen.counted)
    predicted = predictions.predicted
    entries = []
    for method, of_method in maps.items():
        for number, (row, index) in enumerate(pairs):
            one, field = predictions.rows[row], fields[row]
            explained, taken = predictions.classes[index], predictions.classes[predicted[row]]
            inside = share_inside(of_method[number], field.inside)
            whose = (row, one.path, one.split, one.label, taken, explained, method)
            entries.append(Entry(*whose, inside, field.area, field.source, row in counted, number))
    return entries


def _save_overlays(
    directory: Path,
    entries: Sequence[Entry],
    chosen: Chosen,
    maps: Mapping[str, NDArray[np.float32]],
    fields: Mapping[int, LungField],
    picture: Callable[[str], Picture],
) -> list[Entry]:
    """One PNG of 256 colours per shown image and method, for the predicted class, numbered as they are shown."""
    places = {row: place for place, row in enumerate(chosen.shown, start=1)}
    done = []
    for entry in entries:
        name = ""
        if entry.row in places and entry.explained == entry.predicted:
            name = f"{FOLDER}/{places[entry.row]:04d}_{entry.method}.png"
            pixels = overlay(picture(entry.path), maps[entry.method][entry.map], fields[entry.row].inside)
            write_with(directory / name, partial(_write_small, pixels))
        done.append(replace(entry, overlay=name))
    return done


def _write_small(pixels: Picture, path: Path) -> None:
    from covidnet.figures.saliency import OVERLAY_SIDE

    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.thumbnail((OVERLAY_SIDE, OVERLAY_SIDE))
    image.quantize(256).save(path, format="PNG", optimize=True)


def _summary(
    predictions: Predictions,
    chosen: Chosen,
    entries: Sequence[Entry],
    explained: Explained,
    sanity: Mapping[str, SanityCheck],
    fields: LungFields,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    sources = {entry.row: entry.field for entry in entries if entry.counted}
    summary: dict[str, Any] = {
        "split": sorted({row.split for row in predictions.rows}),
        "images": {"of": len(predictions), "counted": len(chosen.counted), "shown": len(chosen.shown)},
        "settings": dict(settings),
        "explained": "the log-odds of a class; by_class holds the images by the class they were taken for",
        "lung_field": {name: sum(source == name for source in sources.values()) for name in ("simple", "mask")},
        "unusable_masks": list(fields.faults),
        "methods": {},
    }
    for method in explained.maps:
        own = [entry for entry in entries if entry.method == method and entry.counted]
        taken = [entry for entry in own if entry.explained == entry.predicted]
        other = [entry for entry in own if entry.explained != entry.predicted]
        found: dict[str, Any] = {"title": TITLES[method]}
        if method == "gradcam" and explained.layer is not None:
            found["layer"] = {"name": explained.layer.name, "cells": explained.layer.grid.side}
        if method == "integrated_gradients" and explained.gaps is not None:
            found["completeness_gap"] = {
                "median": float(np.median(explained.gaps)), "max": float(explained.gaps.max())
            }  # fmt: skip
        found["overall"] = _to_json(_share(taken))
        found["by_class"] = {
            name: _to_json(_share([entry for entry in taken if entry.explained == name]))
            for name in predictions.classes
        }
        if other:
            found["not_predicted"] = {
                name: _to_json(_share([entry for entry in other if entry.explained == name]))
                for name in predictions.classes
            }
        if method in sanity:
            check = sanity[method]
            found["sanity_check"] = {**check.to_json(), "inside_lungs_when_random": _random_share(check, fields)}
        summary["methods"][method] = found
    return summary


def _share(entries: Sequence[Entry]) -> LungShare | None:
    return lung_share([entry.inside for entry in entries], [entry.area for entry in entries])


def _to_json(share: LungShare | None) -> dict[str, Any] | None:
    return None if share is None else share.to_json()


def _random_share(check: SanityCheck, fields: LungFields) -> dict[str, Any] | None:
    """Evidence inside the simple field by the network that learnt nothing: what its architecture gives anyhow."""
    found = [share_inside(one, fields.simple.inside) for one in check.maps]
    share = lung_share(found, [fields.simple.area] * len(found))
    return None if share is None else share.inside.to_json()


def _figure(
    predictions: Predictions,
    chosen: Chosen,
    entries: Sequence[Entry],
    maps: Mapping[str, NDArray[np.float32]],
    fields: Mapping[int, LungField],
    picture: Callable[[str], Picture],
    summary: Mapping[str, Any],
) -> Any:
    taken = [entry for entry in entries if entry.explained == entry.predicted]
    by_row: dict[int, list[Entry]] = {}
    for entry in taken:
        by_row.setdefault(entry.row, []).append(entry)
    probabilities = predictions.probabilities
    shown = [
        Shown(
            picture(own[0].path),
            {TITLES[one.method]: maps[one.method][one.map] for one in own},
            fields[row].inside,
            {TITLES[one.method]: one.inside for one in own},
            own[0].label,
            own[0].predicted,
            float(probabilities[row].max()),
            own[0].path,
        )
        for row in chosen.shown
        if (own := by_row.get(row))
    ]
    means = [
        mean
        for method in maps
        for name in predictions.classes
        if (mean := _mean_map([e for e in taken if e.counted and e.method == method and e.explained == name],
                              maps[method], fields, picture, len(maps) > 1))
    ]  # fmt: skip
    described = [describe_method(method, found) for method, found in summary["methods"].items()]
    images = summary["images"]
    some = "" if images["shown"] == images["of"] else f"; {images['shown']} of {images['of']} shown, wrong ones first"
    return saliency_figure(
        "Where the evidence for the predicted class lies", f"{' and '.join(described)}{some}", means, shown
    )


def describe_method(method: str, found: Mapping[str, Any]) -> str:
    """Such as "Grad-CAM of layer4 (7x7 cells)"."""
    layer = found.get("layer")
    return TITLES[method] + (f" of {layer['name']} ({layer['cells']}x{layer['cells']} cells)" if layer else "")


def _mean_map(
    entries: Sequence[Entry],
    maps: NDArray[np.float32],
    fields: Mapping[int, LungField],
    picture: Callable[[str], Picture],
    name_method: bool,
) -> MeanMap | None:
    """The mean of some images' maps, each scaled to a maximum of 1, over the mean of the images."""
    share = _share(entries)
    if share is None:
        return None
    pictures = [picture(entry.path).astype(np.float32).mean(axis=0) for entry in entries]
    heat = np.mean([heat_of(maps[entry.map], *pictures[0].shape) for entry in entries], axis=0)
    inside = np.mean([fields[entry.row].inside for entry in entries], axis=0) >= 0.5
    counted = f"mean of {len(entries)}" if len(entries) > 1 else "1 image"
    method = f"\n{TITLES[entries[0].method]}" if name_method else ""
    return MeanMap(
        f"{entries[0].explained}: {counted}",
        np.rint(np.mean(pictures, axis=0)).astype(np.uint8)[None],
        (heat / heat.max()).astype(np.float32) if heat.max() > 0 else heat.astype(np.float32),
        inside,
        f"{share.inside} in the lung\nfield, {share.area.value:.2f} of the area{method}",
    )


def describe_saliency(directory: Path) -> list[str]:
    """What a run or evaluation says about its saliency: the share of evidence in the lungs; nothing without any."""
    if not (directory / JSON).is_file():
        return []
    summary = json.loads((directory / JSON).read_text())
    lines = []
    for method, found in summary["methods"].items():
        by_class = {name: share for name, share in found["by_class"].items() if share is not None}
        if found["overall"] is None:
            lines.append(f"saliency, {describe_method(method, found)}: no evidence for any predicted class")
            continue
        if len(by_class) > 3:
            by_class = {"all classes": found["overall"]}
        texts = [
            f"{name} {_with_interval(share['inside_lungs'])} ({VERDICTS[share['verdict']]} the field's "
            f"{share['lung_area']['value']:.2f} of the area)"
            for name, share in by_class.items()
        ]
        described = describe_method(method, found)
        lines.append(f"saliency, {described}: share of the evidence inside the lung field: {', '.join(texts)}")
        if found.get("completeness_gap", {"median": 0.0})["median"] > SETTLED:
            lines.append(
                f"  the integrals miss {found['completeness_gap']['median']:.0%} of what they should sum up to: the maps "
                f"are rough; more saliency.steps than {summary['settings']['steps']} help"
            )
        check = found.get("sanity_check")
        if check is not None:
            left = check["steps"][-1]["rank_correlation"]
            text = "no map left" if left is None else f"rank correlation {left:.2f} with the trained model's maps"
            verdict = "passed: maps follow the weights" if check["passed"] else "FAILED: maps hardly follow the weights"
            lines.append(f"  sanity check {verdict}; with random weights {text}")
    lines += [f"  mask not used: {fault}" for fault in summary["unusable_masks"]]
    return lines


def _with_interval(median: Mapping[str, Any]) -> str:
    limits = "" if median["low"] is None else f" [{median['low']:.2f}, {median['high']:.2f}]"
    return f"{median['value']:.2f}{limits}"
