"""Where pixels come from: planes decoded before (see `covidnet.data.cache`), or the files themselves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from covidnet.console import progress_bar
from covidnet.data.images import ImageInfo, Pixels, UnreadableImageError, decode_image, without_warnings
from covidnet.errors import DataError

Indices = Sequence[int] | NDArray[np.integer[Any]]
Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 256
"""Images decoded before the first of them is taken: bounds the memory of a build."""


class PixelSource(Protocol):
    """Decoded images by position."""

    decoded: bool
    """Whether fetching only copies memory; if not, it decodes files and is worth worker processes."""

    def fetch(self, positions: Indices) -> Pixels:
        """Images of shape (B, C, H, W), uint8; C is 1 when all of them are grey, else 3."""

    def select(self, positions: Indices) -> PixelSource:
        """Only the images at ``positions``, numbered anew."""


@dataclass(frozen=True)
class DecodeSettings:
    """What decides the pixels of a file, besides its content."""

    image_size: int
    max_pixels: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image_size, self.image_size


@dataclass(frozen=True)
class Inspected:
    """Per file, in the order asked: what it says of itself, or why it cannot be read."""

    source: PixelSource
    infos: tuple[ImageInfo | None, ...]
    reasons: tuple[str | None, ...]
    report: str


def stack_images(images: Sequence[Pixels]) -> Pixels:
    """Images of shape (C, H, W) as one batch (B, C, H, W); grey ones are repeated when any has colours."""
    channels = max(image.shape[0] for image in images)
    batch = np.empty((len(images), channels, *images[0].shape[1:]), dtype=np.uint8)
    for row, image in zip(batch, images, strict=True):
        row[:] = image
    return batch


@dataclass
class StreamedPixels:
    """Decodes files whenever they are asked for."""

    files: Sequence[Path]
    settings: DecodeSettings
    decoded: bool = False

    def select(self, positions: Indices) -> StreamedPixels:
        """See `PixelSource`."""
        return StreamedPixels([self.files[position] for position in positions], self.settings)

    def fetch(self, positions: Indices) -> Pixels:
        """Decode the files at ``positions``; see `PixelSource`."""
        with without_warnings():
            return stack_images([self._decode(self.files[position]) for position in positions])

    def _decode(self, file: Path) -> Pixels:
        try:
            return decode_image(file, self.settings.size, self.settings.max_pixels)[0]
        except UnreadableImageError as error:
            raise DataError(f"{file}: {error}. It was readable when the run started; was it changed?") from error


@dataclass
class CachedPixels:
    """Images as planes of one memory-mapped file; a grey image takes one plane, a colour image three.

    ``planes`` has shape (P, H, W); ``first`` and ``channels`` have shape (N,) and say which planes are an image's.
    """

    planes: NDArray[np.uint8]
    first: NDArray[np.int64]
    channels: NDArray[np.int64]
    decoded: bool = True

    def select(self, positions: Indices) -> CachedPixels:
        """See `PixelSource`."""
        chosen = np.asarray(positions, dtype=np.int64)
        return CachedPixels(self.planes, self.first[chosen], self.channels[chosen])

    def fetch(self, positions: Indices) -> Pixels:
        """Copy the images at ``positions`` out of the cache; see `PixelSource`."""
        chosen = np.asarray(positions, dtype=np.int64)
        first, grey = self.first[chosen], self.channels[chosen] == 1
        if grey.all():
            return np.asarray(self.planes[first][:, None])
        batch = np.empty((len(chosen), 3, *self.planes.shape[1:]), dtype=np.uint8)
        batch[grey] = self.planes[first[grey]][:, None]
        batch[~grey] = self.planes[first[~grey, None] + np.arange(3)]
        return batch


def stream_pixels(files: Sequence[Path], settings: DecodeSettings) -> Inspected:
    """Check every file by decoding it once, then decode again whenever pixels are asked for."""
    started = time.perf_counter()

    def check(file: Path) -> ImageInfo | str:
        try:
            return decode_image(file, settings.size, settings.max_pixels)[1]
        except UnreadableImageError as error:
            return str(error)

    outcomes = list(in_threads(check, files, "checking images"))
    infos = tuple(None if isinstance(outcome, str) else outcome for outcome in outcomes)
    reasons = tuple(outcome if isinstance(outcome, str) else None for outcome in outcomes)
    report = f"no pixel cache: {len(files)} images checked in {time.perf_counter() - started:.1f} s"
    return Inspected(StreamedPixels(files, settings), infos, reasons, report)


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], title: str) -> Iterator[Result]:
    """Results in order; a bounded number of them waits at a time. Decoders and hashes release Python's lock."""
    with (
        without_warnings(),
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        progress_bar(title, len(items)) as advance,
    ):
        try:
            for chunk in _chunks(items):
                for result in pool.map(work, chunk):
                    advance()
                    yield result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # a user who stops it does not wait for the chunk
            raise


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
