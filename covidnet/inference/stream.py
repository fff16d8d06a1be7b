"""From files to answers: decoded in threads, predicted in batches, given in order, never more than a few at a time."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from covidnet.data.images import ImageInfo, Pixels, UnreadableImageError, decode_image, without_warnings
from covidnet.data.pixels import DecodeSettings, stack_images
from covidnet.errors import CovidnetError
from covidnet.inference.answer import NO_NUMBER, UNREADABLE, Answer
from covidnet.inference.predictor import Predictor
from covidnet.ood.files import KINDS
from covidnet.ood.pixels import pixel_statistics

if TYPE_CHECKING:
    from covidnet.inference.saliency import OverlayFolder  # draws, and so imports matplotlib


@dataclass(frozen=True)
class Decoded:
    """One file: its pixels of shape (C, S, S) and what it says of itself, or why there are none."""

    path: str
    pixels: Pixels | None
    info: ImageInfo | None
    reason: str = ""


def answers(
    predictor: Predictor,
    root: Path,
    paths: Iterable[str],
    batch_size: int,
    *,
    abstain: bool = True,
    overlays: OverlayFolder | None = None,
) -> Iterator[Answer]:
    """One answer per file, in the order of the paths; a file that fails has an answer that says so.

    Args:
        predictor: Of a run.
        root: What the paths are relative to.
        paths: Of image files; taken one by one.
        batch_size: Images that are predicted at once. About three times as many are in memory.
        abstain: Whether an image with a reason against it gets no prediction; unreadable ones never get one.
        overlays: Takes the evidence for every prediction; None for none.
    """
    decoded = decode_ahead(root, paths, decode_settings(predictor), 2 * batch_size)
    for batch in _batches(decoded, batch_size):
        found = answer_batch(predictor, batch, abstain=abstain)
        yield from found if overlays is None else _explained(predictor, batch, found, overlays)


def decode_settings(predictor: Predictor) -> DecodeSettings:
    """How the run decoded its own images."""
    data = predictor.settings.data
    return DecodeSettings(data.image_size, data.max_pixels)


def decode_file(path: str, file: Path, settings: DecodeSettings) -> Decoded:
    """Decode one file for an answer that calls it ``path``."""
    try:
        return Decoded(path, *decode_image(file, settings.size, settings.max_pixels))
    except UnreadableImageError as error:
        return Decoded(path, None, None, str(error))
    except CovidnetError as error:  # a kind of image that needs an extra
        return Decoded(path, None, None, str(error))


def decode_ahead(root: Path, paths: Iterable[str], settings: DecodeSettings, ahead: int) -> Iterator[Decoded]:
    """Decode files in threads, in order; at most ``ahead`` of them are started before the first is taken."""
    waiting: deque[Future[Decoded]] = deque()
    with without_warnings(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            for path in paths:
                waiting.append(pool.submit(decode_file, path, root / path, settings))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def answer_batch(predictor: Predictor, batch: Sequence[Decoded], *, abstain: bool = True) -> list[Answer]:
    """One answer for each decoded file, in order."""
    images = [one.pixels for one in batch if one.pixels is not None]
    judged = iter(predictor.judge(stack_images(images)) if images else [])
    limits = predictor.pixel_limits

    def answer(one: Decoded) -> Answer:
        if one.pixels is None or one.info is None:
            return Answer(one.path, None, None, (f"{UNREADABLE}: {one.reason}",))
        own = next(judged)
        looks = pixel_statistics(one.pixels, one.info.width / one.info.height)
        reasons = (*limits.reasons(looks), *_far(own.distances))
        if not all(map(math.isfinite, own.probabilities)):
            return Answer(one.path, None, None, (*reasons, f"{NO_NUMBER}: the network's output"), own.distances)
        if reasons and abstain:
            return Answer(one.path, None, None, reasons, own.distances)
        best = own.probabilities.index(max(own.probabilities))
        return Answer(one.path, predictor.classes[best], own.probabilities, reasons, own.distances)

    return [answer(one) for one in batch]


def _explained(
    predictor: Predictor, batch: Sequence[Decoded], found: Sequence[Answer], overlays: OverlayFolder
) -> list[Answer]:
    """The answers with the files of their evidence, where there is a prediction."""
    rows = [row for row, answer in enumerate(found) if answer.predicted is not None]
    if not rows:
        return list(found)
    images = stack_images([pixels for row in rows if (pixels := batch[row].pixels) is not None])
    classes = [predictor.classes.index(found[row].predicted or "") for row in rows]
    names = dict(zip(rows, overlays.save([batch[row].path for row in rows], images, classes), strict=True))
    return [replace(answer, saliency=names.get(row)) for row, answer in enumerate(found)]


def _far(distances: dict[str, float]) -> list[str]:
    return [
        f"far from the training images: {KINDS[kind]} at {distance:.3g} times the limit"
        for kind, distance in distances.items()
        if distance > 1.0
    ]


def _batches(decoded: Iterable[Decoded], size: int) -> Iterator[list[Decoded]]:
    source = iter(decoded)
    while batch := list(islice(source, size)):
        yield batch
