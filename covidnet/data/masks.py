"""Files that mark the lungs of an image: which they are, and whose.

Two forms are known: ``NAME_mask.EXT`` beside the image ``NAME.EXT``, and any file below a folder called ``masks``
whose place and name, without that folder and without ``_mask``, are an image's:

    covid/a.png    covid/a_mask.png    covid/masks/a.png    masks/covid/a.png    masks/a.png

The last form needs a name that only one image has. With images in ``covid/images`` the folder ``covid/masks`` is
theirs too. Everything below a folder called ``masks`` is a mask and never an image, whether or not its image is there;
``NAME_mask.EXT`` without an image ``NAME.EXT`` beside it is an image like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

FOLDER = "masks"
SUFFIX = "_mask"


def part_masks(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """The images and the masks among paths of image files, relative to the data root; both sorted."""
    files = sorted(paths)
    plain = {_key(PurePosixPath(path)) for path in files}
    images: list[str] = []
    masks: list[str] = []
    for path in files:
        (masks if _is_mask(PurePosixPath(path), plain) else images).append(path)
    return images, masks


def masks_of(images: Iterable[str], masks: Iterable[str]) -> Mapping[str, str]:
    """The mask of each image that has one; of several the first in the order of the names."""
    places: dict[PurePosixPath, str] = {}
    for mask in sorted(masks, reverse=True):
        places[_place(PurePosixPath(mask))] = mask
    by_name: dict[str, list[str]] = {}
    keys = {image: _key(PurePosixPath(image)) for image in images}
    for image, key in keys.items():
        by_name.setdefault(key.name, []).append(image)
    found: dict[str, str] = {}
    for image, key in keys.items():
        candidates = [key]
        if key.parent.name == "images":
            candidates.append(key.parent.parent / key.name)
        if len(by_name[key.name]) == 1:
            candidates.append(PurePosixPath(key.name))
        at = next((place for place in candidates if place in places), None)
        if at is not None:
            found[image] = places[at]
    return found


def _is_mask(path: PurePosixPath, plain: set[PurePosixPath]) -> bool:
    if _folder_at(path) is not None:
        return True
    return path.stem.endswith(SUFFIX) and path.with_name(path.stem.removesuffix(SUFFIX)) in plain


def _folder_at(path: PurePosixPath) -> int | None:
    """Where among the folders of ``path`` the first called ``masks`` is."""
    return next((at for at, part in enumerate(path.parts[:-1]) if part.lower() == FOLDER), None)


def _key(path: PurePosixPath) -> PurePosixPath:
    """A path without its suffix; ``with_suffix("")`` would refuse names that end in a dot."""
    return path.parent / path.stem


def _place(mask: PurePosixPath) -> PurePosixPath:
    """Where the image of a mask would be, without its suffix."""
    at = _folder_at(mask)
    parts = [part for number, part in enumerate(mask.parts[:-1]) if number != at]
    return PurePosixPath(*parts, mask.stem.removesuffix(SUFFIX))
