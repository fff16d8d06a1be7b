"""Where pixels come from: a memory-mapped cache that decodes every image once, or the files themselves."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import PIL
from filelock import FileLock
from numpy.typing import NDArray

from covidnet.console import progress_bar
from covidnet.data.images import DECODER_VERSION, ImageInfo, Pixels, UnreadableImageError, decode_image
from covidnet.errors import DataError

Indices = Sequence[int] | NDArray[np.integer[Any]]
Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 256
"""Images decoded before they are written out: bounds the memory of a build."""


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
    infos: list[ImageInfo | None] = []
    reasons: list[str | None] = []
    for outcome in _in_threads(lambda file: _try_decode(file, settings), files, "checking images"):
        infos.append(None if isinstance(outcome, str) else outcome[1])
        reasons.append(outcome if isinstance(outcome, str) else None)
    report = f"no pixel cache: {len(files)} images checked in {time.perf_counter() - started:.1f} s"
    return Inspected(StreamedPixels(files, settings), tuple(infos), tuple(reasons), report)


def cache_pixels(files: Sequence[Path], settings: DecodeSettings, cache_dir: Path) -> Inspected:
    """Open the cache of these files' contents, or build it; any number of processes may do so at once.

    The cache's name is a hash of the file contents and of everything that decides the pixels, so renamed or moved
    files find it again and changed ones never do. It is built under a temporary name and renamed when complete.

    Raises:
        DataError: The cache cannot be written, or a file changed while it was read.
    """
    started = time.perf_counter()
    hashes = hash_files(files)
    readable = {digest: file for file, digest in zip(files, hashes, strict=True) if digest is not None}
    entry = cache_dir / f"pixels-{_key(sorted(readable), settings)}"
    built = False
    try:
        if not (entry / "index.json").is_file():
            (cache_dir / "locks").mkdir(parents=True, exist_ok=True)
            with FileLock(cache_dir / "locks" / f"{entry.name}.lock"):
                if not (entry / "index.json").is_file():
                    _build(entry, readable, settings)
                    built = True
        return _open(entry, hashes, settings, built, time.perf_counter() - started)
    except OSError as error:
        raise DataError(
            f"data.cache_dir={cache_dir}: the pixel cache cannot be used ({error.strerror or error}). "
            "Give another folder with data.cache_dir=PATH, or decode at every epoch with data.cache=false."
        ) from error


def _key(hashes: Sequence[str], settings: DecodeSettings) -> str:
    parts = [DECODER_VERSION, PIL.__version__, settings.image_size, settings.max_pixels, hashes]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _build(entry: Path, readable: dict[str, Path], settings: DecodeSettings) -> None:
    temporary = entry.with_name(f".{entry.name}-{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    index: dict[str, dict[str, Any]] = {}
    planes = 0
    try:
        with (temporary / "planes.u8").open("wb") as file:
            outcomes = _in_threads(lambda path: _try_decode(path, settings), list(readable.values()), "decoding images")
            for (digest, path), outcome in zip(readable.items(), outcomes, strict=True):
                if isinstance(outcome, str):
                    index[digest] = {"error": outcome}
                    continue
                pixels, info = outcome
                if info.sha256 != digest:
                    raise DataError(f"{path}: changed while it was read. Start again when nothing writes to it.")
                file.write(pixels.tobytes())
                index[digest] = {"first": planes, "channels": pixels.shape[0], "info": asdict(info)}
                planes += pixels.shape[0]
            file.flush()
            os.fsync(file.fileno())
        (temporary / "index.json").write_text(json.dumps(index))
        if entry.exists():  # an incomplete one, from a version that wrote otherwise
            shutil.rmtree(entry)
        temporary.rename(entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open(
    entry: Path, hashes: Sequence[str | None], settings: DecodeSettings, built: bool, seconds: float
) -> Inspected:
    index: dict[str, dict[str, Any]] = json.loads((entry / "index.json").read_text())
    found: list[dict[str, Any]] = [
        index[digest] if digest is not None else {"error": "cannot be read"} for digest in hashes
    ]
    total = sum(item.get("channels", 0) for item in index.values())
    shape = (total, *settings.size)
    file = entry / "planes.u8"
    if file.stat().st_size != int(np.prod(shape)):
        raise DataError(
            f"{file}: {file.stat().st_size} bytes, expected {int(np.prod(shape))}. Delete {entry} and start again."
        )
    planes = np.memmap(file, dtype=np.uint8, mode="r", shape=shape) if total else np.zeros(shape, dtype=np.uint8)
    source = CachedPixels(
        planes,
        np.array([item.get("first", -1) for item in found], dtype=np.int64),
        np.array([item.get("channels", 0) for item in found], dtype=np.int64),
    )
    infos = tuple(ImageInfo(**item["info"]) if "info" in item else None for item in found)
    megabytes = planes.nbytes / 1e6
    report = f"pixel cache {entry}: {megabytes:.1f} MB, {'built' if built else 're-used'} in {seconds:.1f} s"
    return Inspected(source, infos, tuple(item.get("error") for item in found), report)


def hash_files(files: Sequence[Path]) -> list[str | None]:
    """SHA-256 of each file's content, as hexadecimal digits; None where it cannot be read."""
    return list(_in_threads(_hash_file, files, "reading files"))


def _hash_file(file: Path) -> str | None:
    try:
        digest = hashlib.sha256()
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    except OSError:
        return None


def _try_decode(file: Path, settings: DecodeSettings) -> tuple[Pixels, ImageInfo] | str:
    try:
        return decode_image(file, settings.size, settings.max_pixels)
    except UnreadableImageError as error:
        return str(error)


def is_readable(file: Path, settings: DecodeSettings) -> bool:
    """Whether the file is an image that can be decoded."""
    return not isinstance(_try_decode(file, settings), str)


def _in_threads(work: Callable[[Item], Result], items: Sequence[Item], title: str) -> Iterator[Result]:
    """Results in order; a bounded number of them waits at a time. Decoders and hashes release Python's lock."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool, progress_bar(title, len(items)) as advance:
        for chunk in _chunks(items):
            for result in pool.map(work, chunk):
                advance()
                yield result


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
