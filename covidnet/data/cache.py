"""The pixel cache: every image decoded once, into one memory-mapped file that all runs share."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from filelock import FileLock
from numpy.typing import NDArray

from covidnet.data.dicom import decoder_versions
from covidnet.data.images import (
    DECODER_VERSION,
    ImageInfo,
    Pixels,
    UnreadableImageError,
    decode_content,
    read_content,
)
from covidnet.data.pixels import CachedPixels, DecodeSettings, Inspected, in_threads
from covidnet.errors import DataError

INDEX, PLANES = "index.json", "planes.u8"
"""The two files of a cache; the index is written last."""


def cache_pixels(files: Sequence[Path], settings: DecodeSettings, cache_dir: Path) -> Inspected:
    """Open the cache of these files' contents, or build it; any number of processes may do so at once.

    The cache's name is a hash of the file contents and of everything that decides the pixels, so renamed or moved
    files find it again and changed ones never do. It is built under a temporary name and renamed when complete.

    Raises:
        DataError: The cache cannot be written or is damaged, or a file changed while it was read.
    """
    started = time.perf_counter()
    hashes = list(in_threads(lambda file: _hash_file(file, settings.max_pixels), files, "reading files"))
    readable = {digest: file for file, digest in zip(files, hashes, strict=True) if isinstance(digest, str)}
    entry = cache_dir / f"pixels-{_key(sorted(readable), settings)}"
    built = False
    try:
        if not (entry / INDEX).is_file():
            (cache_dir / "locks").mkdir(parents=True, exist_ok=True)
            with FileLock(cache_dir / "locks" / f"{entry.name}.lock"):
                if not (entry / INDEX).is_file():
                    _build(entry, readable, settings)
                    built = True
        index, planes = _open(entry, readable, settings)
    except (OSError, NotImplementedError) as error:  # the latter where a file system has no locks
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"data.cache_dir={cache_dir}: the pixel cache cannot be used ({reason}). "
            "Give another folder with data.cache_dir=PATH, or decode at every epoch with data.cache=false."
        ) from error
    found: list[dict[str, Any]] = [
        index[digest] if isinstance(digest, str) else {"error": str(digest)} for digest in hashes
    ]
    source = CachedPixels(
        planes,
        np.array([item.get("first", -1) for item in found], dtype=np.int64),
        np.array([item.get("channels", 0) for item in found], dtype=np.int64),
    )
    infos = _infos(entry, found)
    seconds = time.perf_counter() - started
    report = f"pixel cache {entry}: {planes.nbytes / 1e6:.1f} MB, {'built' if built else 're-used'} in {seconds:.1f} s"
    return Inspected(source, infos, tuple(item.get("error") for item in found), report)


def _infos(entry: Path, found: Sequence[dict[str, Any]]) -> tuple[ImageInfo | None, ...]:
    try:
        return tuple(ImageInfo(**item["info"]) if "info" in item else None for item in found)
    except TypeError as error:
        raise DataError(f"{entry}: damaged ({error}). Delete it and start again.") from error


def _key(hashes: Sequence[str], settings: DecodeSettings) -> str:
    parts = [DECODER_VERSION, PIL.__version__, decoder_versions(), settings.image_size, settings.max_pixels, hashes]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _build(entry: Path, readable: dict[str, Path], settings: DecodeSettings) -> None:
    """Write the cache ``entry``; the caller holds its lock."""
    for left in entry.parent.glob(f".{entry.name}-*"):  # by a process that was killed: only the lock's holder writes
        shutil.rmtree(left, ignore_errors=True)
    temporary = entry.with_name(f".{entry.name}-{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    index: dict[str, dict[str, Any]] = {}
    written = 0
    try:
        with (temporary / PLANES).open("wb") as file:
            items = list(readable.items())
            outcomes = in_threads(lambda item: _decode_hashed(*item, settings), items, "decoding images")
            for digest, outcome in zip(readable, outcomes, strict=True):
                if isinstance(outcome, str):
                    index[digest] = {"error": outcome}
                    continue
                pixels, info = outcome
                file.write(pixels.tobytes())
                index[digest] = {"first": written, "channels": pixels.shape[0], "info": asdict(info)}
                written += pixels.shape[0]
            file.flush()
            os.fsync(file.fileno())
        (temporary / INDEX).write_text(json.dumps(index))
        if entry.exists():  # without an index: not written by this function
            shutil.rmtree(entry)
        temporary.rename(entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _decode_hashed(digest: str, file: Path, settings: DecodeSettings) -> tuple[Pixels, ImageInfo] | str:
    """Pixels of the very bytes that were hashed, or why these bytes are no image.

    Raises:
        DataError: The file has other bytes now, or none.
    """
    changed = DataError(f"{file}: changed while it was read. Start again when nothing writes to it.")
    try:
        content = read_content(file, settings.max_pixels)
    except UnreadableImageError:
        raise changed from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise changed
    try:
        return decode_content(content, settings.size, settings.max_pixels)
    except UnreadableImageError as error:
        return str(error)


def _open(
    entry: Path, readable: Iterable[str], settings: DecodeSettings
) -> tuple[dict[str, dict[str, Any]], NDArray[np.uint8]]:
    """The index of a cache, and its planes of shape (P, H, W) mapped into memory."""
    try:
        index: dict[str, dict[str, Any]] = json.loads((entry / INDEX).read_text())
        total = sum(index[digest].get("channels", 0) for digest in readable)
        shape = (total, *settings.size)
        found, expected = (entry / PLANES).stat().st_size, int(np.prod(shape))
    except (ValueError, KeyError, TypeError, AttributeError, FileNotFoundError) as error:
        raise DataError(f"{entry}: damaged ({type(error).__name__}: {error}). Delete it and start again.") from error
    if found != expected:
        raise DataError(f"{entry}: damaged ({found} bytes, expected {expected}). Delete it and start again.")
    if not total:  # no byte to map
        return index, np.zeros(shape, dtype=np.uint8)
    return index, np.memmap(entry / PLANES, dtype=np.uint8, mode="r", shape=shape)


def _hash_file(file: Path, max_pixels: int) -> str | UnreadableImageError:
    try:
        return hashlib.sha256(read_content(file, max_pixels)).hexdigest()
    except UnreadableImageError as error:
        return error
