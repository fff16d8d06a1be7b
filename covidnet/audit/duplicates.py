"""Pictures that are there more than once: the same file, or the same film stored again, cropped, mirrored or adjusted.

Candidates come from perceptual hashes (imagehash's DCT hash) of each picture and of its mirror image and central crops.
Hashes alone cannot decide: on 50 clean films of different patients the smallest distance was 8 of 64 bits, and copies
that lost a tenth on each side reached 16. So each candidate is laid over the other and compared in detail
(`covidnet.audit.registration`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidnet.audit.registration import Picture, match_pictures

SAME = 0.90
"""Least similarity of the fine structure of two copies.

Measured on 50 public films and on phantoms: copies re-encoded at quality 40, halved in size, mirrored, cropped by up to
a tenth on each side or changed in exposure reached 0.93 or more; different films at most 0.80 (the same patient on
successive days) and 0.78 (phantoms).
"""
NEIGHBOURS = 3
"""Nearest pictures by hash that are looked at in detail, for each picture."""
FARTHEST = 20
"""Hash distance in bits beyond which nothing is looked at."""
CROPS = (0.0, 0.03, 0.06)
"""Parts left out on each side before a picture is hashed."""
BLOCK = 512

Kind = Literal["identical file", "copy", "mirrored copy", "cropped copy", "mirrored and cropped copy"]


@dataclass(frozen=True)
class Pair:
    """Two positions, first < second, that show one picture."""

    first: int
    second: int
    kind: Kind
    similarity: float


def find_duplicates(thumbnails: NDArray[np.uint8], sha256: Sequence[str]) -> list[Pair]:
    """All pairs of one picture, in order.

    Args:
        thumbnails: Grey, shape (N, 128, 128).
        sha256: Content hash of each file.
    """
    exact = identical_files(sha256)
    known = {(pair.first, pair.second) for pair in exact}
    candidates = [pair for pair in candidate_pairs(hash_pictures(thumbnails)) if pair not in known]
    return sorted([*exact, *_verified(thumbnails, candidates)], key=lambda pair: (pair.first, pair.second))


def identical_files(sha256: Sequence[str]) -> list[Pair]:
    """Pairs of files with the same bytes; of three equal files, the first with each of the others."""
    members: dict[str, list[int]] = defaultdict(list)
    for position, digest in enumerate(sha256):
        members[digest].append(position)
    return [
        Pair(group[0], other, "identical file", 1.0)
        for group in members.values()
        if len(group) > 1
        for other in group[1:]
    ]


def hash_pictures(thumbnails: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Perceptual hashes, shape (V, N, 64): of the pictures as they are first, then of their variants."""
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(_hash_variants, thumbnails))
    return np.array(rows, dtype=bool).reshape(len(thumbnails), -1, 64).transpose(1, 0, 2)


def _hash_variants(grey: NDArray[np.uint8]) -> list[NDArray[np.bool_]]:
    picture = Image.fromarray(grey)
    height, width = grey.shape
    hashes = []
    for mirrored in (picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
        for part in CROPS:
            across, down = round(part * width), round(part * height)
            cropped = mirrored.crop((across, down, width - across, height - down))
            hashes.append(np.asarray(imagehash.phash(cropped).hash, dtype=bool).ravel())
    return hashes


def candidate_pairs(hashes: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pairs worth a closer look: for each picture its nearest ones by the smallest distance over all variants.

    The work is N x N, but in matrix products of single bits: a second for 5,000 pictures.
    """
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    bits, count = signs.shape[2], signs.shape[1]
    pairs: set[tuple[int, int]] = set()
    for start in range(0, count, BLOCK):
        rows = np.arange(start, min(count, start + BLOCK))
        agreement = np.full((len(rows), count), -np.inf, dtype=np.float32)
        for variant in signs:
            np.maximum(agreement, signs[0][rows] @ variant.T, out=agreement)
        agreement[np.arange(len(rows)), rows] = -np.inf
        pairs.update(_nearest(agreement, rows, bits - 2 * FARTHEST))
    return sorted(pairs)


def _nearest(agreement: NDArray[np.float32], rows: NDArray[np.int64], least: int) -> Iterator[tuple[int, int]]:
    kept = min(NEIGHBOURS, agreement.shape[1])
    columns = np.argpartition(-agreement, kept - 1, axis=1)[:, :kept]
    for row, nearest, values in zip(rows, columns, np.take_along_axis(agreement, columns, axis=1), strict=True):
        for column, value in zip(nearest.tolist(), values.tolist(), strict=True):
            if value >= least:
                yield min(int(row), column), max(int(row), column)


def _verified(thumbnails: NDArray[np.uint8], candidates: Sequence[tuple[int, int]]) -> list[Pair]:
    pictures = {position: Picture(thumbnails[position]) for position in {one for pair in candidates for one in pair}}

    def verify(pair: tuple[int, int]) -> Pair | None:
        match = match_pictures(pictures[pair[0]], pictures[pair[1]])
        if match.similarity < SAME:
            return None
        return Pair(*pair, _kind(match.mirrored, match.cropped), match.similarity)

    with ThreadPoolExecutor() as pool:
        return [pair for pair in pool.map(verify, candidates) if pair is not None]


def _kind(mirrored: bool, cropped: bool) -> Kind:
    if mirrored:
        return "mirrored and cropped copy" if cropped else "mirrored copy"
    return "cropped copy" if cropped else "copy"


def groups(pairs: Sequence[Pair]) -> list[list[int]]:
    """Positions that show one picture, directly or through others; each group sorted, the groups by their first."""
    parent: dict[int, int] = {}

    def root(position: int) -> int:
        while parent.setdefault(position, position) != position:
            position = parent[position]
        return position

    for pair in pairs:
        first, second = sorted((root(pair.first), root(pair.second)))
        parent[second] = first
    members: dict[int, list[int]] = defaultdict(list)
    for position in sorted(parent):
        members[root(position)].append(position)
    return list(members.values())
