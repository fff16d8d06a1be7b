"""Splitting by patient: all images of a group go to one side, with the class shares as near as can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from covidnet.data.records import Record
from covidnet.data.split import listed_counts
from covidnet.errors import DataError

CANDIDATES = 400
"""Random splits of the groups among which the most even one is taken."""

MANY_GROUPS = 2000

Positions = NDArray[np.int64]


def patient_groups(records: Sequence[Record]) -> Positions | None:
    """A number per image that images of one patient share; None where no patient is known.

    An image without a patient is a group of its own.
    """
    if not any(record.patient for record in records):
        return None
    names = [record.patient or f"\0{record.path}" for record in records]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)


def split_groups(
    positions: Positions,
    labels: NDArray[np.str_],
    groups: Positions,
    share: float,
    random_state: int,
    setting: str,
) -> tuple[Positions, Positions]:
    """Divide images so that no group is on both sides and each class is on both.

    Of `CANDIDATES` random divisions of the groups the one is taken whose shares of each class are nearest to
    ``share``; the size of groups and their classes decide how near that is.

    Args:
        positions: The images to divide.
        labels: Class of each image of the dataset, shape (N,).
        groups: Group of each image of the dataset, shape (N,).
        share: Of the images, to be taken.
        random_state: Decides the division.
        setting: What the user chose, for messages.

    Returns:
        The positions that stay and those taken.

    Raises:
        DataError: No division has every class on both sides.
    """
    from sklearn.model_selection import ShuffleSplit

    classes, class_of = np.unique(labels[positions], return_inverse=True)
    present, group_of = np.unique(groups[positions], return_inverse=True)
    counts = np.zeros((len(present), len(classes)), dtype=np.int64)
    np.add.at(counts, (group_of, class_of), 1)
    best: tuple[float, NDArray[np.int64]] | None = None
    if len(present) > 1:
        total = counts.sum(axis=0)
        shuffles = ShuffleSplit(CANDIDATES, test_size=share, random_state=random_state)
        for _, taken in shuffles.split(np.zeros(len(present))):
            sums = counts[taken].sum(axis=0)
            if (sums == 0).any() or (sums == total).any():
                continue
            unevenness = float(np.abs(sums / total - share).max())
            if best is None or unevenness < best[0]:
                best = unevenness, taken
    if best is None:
        raise DataError(_cannot_divide(labels[positions], groups[positions], setting))
    go = np.isin(group_of, best[1])
    return positions[~go], positions[go]


def k_folds(
    labels: NDArray[np.str_], groups: Positions | None, folds: int, random_state: int
) -> list[tuple[Positions, Positions]]:
    """The positions outside and inside each fold of a shuffled, stratified k-fold.

    scikit-learn's StratifiedKFold, or StratifiedGroupKFold where there are groups. The latter weighs every group
    against every fold one by one; beyond `MANY_GROUPS`, where chance alone balances well, the groups themselves are
    divided by StratifiedKFold, each by its most frequent class.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    each = np.zeros(len(labels))
    single = StratifiedKFold(folds, shuffle=True, random_state=random_state)
    if groups is None:
        return list(single.split(each, labels))
    present, group_of = np.unique(groups, return_inverse=True)
    if len(present) <= MANY_GROUPS:
        grouped = StratifiedGroupKFold(folds, shuffle=True, random_state=random_state)
        return list(grouped.split(each, labels, groups))
    classes, class_of = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(present), len(classes)), dtype=np.int64)
    np.add.at(counts, (group_of, class_of), 1)
    divided = single.split(np.zeros(len(present)), counts.argmax(axis=1))
    inside = [np.isin(group_of, taken) for _, taken in divided]
    return [(np.flatnonzero(~one), np.flatnonzero(one)) for one in inside]


def _cannot_divide(labels: NDArray[np.str_], groups: Positions, setting: str) -> str:
    pairs = {(str(label), int(group)) for label, group in zip(labels, groups, strict=True)}
    patients = Counter(label for label, _ in pairs)
    return (
        f"{setting} cannot divide {len(labels)} images of {len(np.unique(groups))} patients so that each class is on "
        f"both sides and no patient is on two (patients of each class: {listed_counts(patients)}). Choose another "
        "share, or add patients."
    )
