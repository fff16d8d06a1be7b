"""The table of test images: wrong ones first, with their pictures and where the model looked."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidnet.data.study import printable
from covidnet.errors import RunError
from covidnet.files import read_csv
from covidnet.predictions import Prediction, Predictions
from covidnet.report.source import RunFiles
from covidnet.report.thumbnails import SIDE, Thumbnails, chosen
from covidnet.report.words import number
from covidnet.untrusted import read_plain

MOST_ROWS = 1000
"""Lines of the table; predictions.csv has all."""

QUALITY = 80
LARGEST_OVERLAY = 2_000_000
METHODS = {"gradcam": "Grad-CAM", "integrated_gradients": "integrated gradients"}


@dataclass(frozen=True)
class Overlay:
    """Where the model looked: a picture, the method, and the share of the evidence inside the lung field."""

    uri: str
    method: str
    inside: str


@dataclass(frozen=True)
class ImageRow:
    """One image."""

    place: int
    name: str
    folder: str
    part: str
    label: str
    predicted: str
    confidence: float
    probabilities: list[float]
    right: bool
    patient: str
    source: str
    thumbnail: str
    overlays: list[Overlay]


@dataclass(frozen=True)
class ImageSection:
    """The table; the flags say which columns have anything to show."""

    rows: list[ImageRow]
    total: int
    wrong: int
    classes: list[str]
    pictures: int
    has_patients: bool
    has_sources: bool
    has_saliency: bool
    parts: list[str]


def make_images(files: RunFiles, most_pictures: int) -> ImageSection:
    """The images of the scored part and of the external set, wrong ones first.

    Args:
        files: Of a run or evaluation.
        most_pictures: So many images at most are shown with pictures, whatever the number that was kept.
    """
    with_pictures = {(row.split, row.path) for row in chosen(files.scored, files.external, most_pictures)}
    thumbnails = files.thumbnails
    overlays = _overlays(files, with_pictures)
    ordered = _ordered(files)
    classes = files.table.classes
    rows = [
        _row(place, row, classes, thumbnails if (row.split, row.path) in with_pictures else {}, overlays)
        for place, row in enumerate(ordered[:MOST_ROWS])
    ]
    return ImageSection(
        rows=rows,
        total=len(ordered),
        wrong=_wrong(files.scored) + _wrong(files.external),
        classes=[printable(name) for name in classes],
        pictures=sum(bool(row.thumbnail) for row in rows),
        has_patients=any(row.patient for row in rows),
        has_sources=any(row.source for row in rows),
        has_saliency=any(row.overlays for row in rows),
        parts=list(dict.fromkeys(row.part for row in rows)),
    )


def _ordered(files: RunFiles) -> list[Prediction]:
    both = Predictions(files.table.classes, files.scored.rows + files.external.rows)
    return [both.rows[row] for row in both.wrong_first()]


def _wrong(table: Predictions) -> int:
    return int((table.truth != table.predicted).sum()) if len(table) else 0


def _row(
    place: int, row: Prediction, classes: tuple[str, ...], thumbnails: Thumbnails,
    overlays: Mapping[tuple[str, str], list[Overlay]],
) -> ImageRow:  # fmt: skip
    best = int(np.argmax(row.probabilities))
    path = PurePosixPath(row.path)
    picture = thumbnails.get((row.split, row.path))
    return ImageRow(
        place=place,
        name=printable(path.name),
        folder=printable(str(path.parent)) if str(path.parent) != "." else "",
        part=printable(row.split),
        label=printable(row.label),
        predicted=printable(classes[best]),
        confidence=row.probabilities[best],
        probabilities=[round(value, 6) for value in row.probabilities],
        right=classes[best] == row.label,
        patient=printable(row.patient),
        source=printable(row.source),
        thumbnail="" if picture is None else to_uri(picture),
        overlays=overlays.get((row.split, row.path), []),
    )


def to_uri(pixels: NDArray[np.uint8]) -> str:
    """A JPEG as a data URI.

    Args:
        pixels: Shape (H, W) or (H, W, 3).
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _overlays(files: RunFiles, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], list[Overlay]]:
    """From saliency.csv and the pictures that it names, which must lie in the directory."""
    table = files.directory / "saliency.csv"
    found: dict[tuple[str, str], list[Overlay]] = {}
    if not table.is_file():
        return found
    try:
        header, rows = read_csv(table, "")
    except RunError as error:
        files.notes.append(f"saliency.csv could not be read: {error}")
        return found
    for line in (dict(zip(header, values, strict=True)) for _, values in rows):
        key = (line.get("split") or "", line.get("path") or "")
        uri = _overlay_uri(files.directory, line.get("overlay") or "") if key in wanted else ""
        if uri:
            found.setdefault(key, []).append(Overlay(uri, METHODS.get(line.get("method") or "", ""), _share(line)))
    return found


def _share(line: Mapping[str, str | None]) -> str:
    try:
        return number(float(line.get("inside_lungs") or ""))
    except ValueError:
        return ""


def _overlay_uri(directory: Path, name: str) -> str:
    if not name.endswith(".png"):
        return ""
    try:
        file = (directory / name).resolve()
        if not file.is_relative_to(directory):
            return ""
        with Image.open(io.BytesIO(read_plain(file, LARGEST_OVERLAY)), formats=["PNG"]) as image:
            if max(image.size) > 8 * SIDE:
                return ""
            small = image.convert("RGB")
    except Exception:  # no such file, or a damaged one, on which Pillow raises nearly anything
        return ""
    small.thumbnail((SIDE, SIDE))
    return to_uri(np.asarray(small))
