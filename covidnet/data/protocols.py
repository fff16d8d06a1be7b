"""Who trains, who chooses the epoch, who is tested: the split of each protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from covidnet.config.schema import ProtocolKeys
from covidnet.data.csv_source import PART_NAMES
from covidnet.data.groups import Positions, k_folds, patient_groups, split_groups
from covidnet.data.records import Record
from covidnet.data.split import Split, check_classes, listed_counts, split_off, stratified_split
from covidnet.errors import ConfigError, DataError

Labels = NDArray[np.str_]


def count_folds(keys: ProtocolKeys, records: Sequence[Record]) -> int | None:
    """How many runs the whole of a protocol takes; None for one that has no folds.

    Raises:
        DataError: The protocol needs what the data source does not know.
    """
    if keys.protocol == "kfold":
        return keys.folds * keys.repeats
    return len(sources_of(records)) if keys.protocol == "source" else None


def sources_of(records: Sequence[Record]) -> list[str]:
    """The sources of the images, sorted; the number of one is its fold.

    Raises:
        DataError: Fewer than two are known, or an image has none.
    """
    counts = Counter(record.source for record in records)
    without = counts.pop("", 0)
    if without or len(counts) < 2:
        found = f"{len(counts)} sources" + (f" and {without} images without one" if without else "")
        raise DataError(
            f"protocol=source: found {found}; expected at least two, and one for each image. A folder names them with "
            "data.sources=REGULAR_EXPRESSION, a table with data.columns.source=COLUMN."
        )
    return sorted(counts)


def split_records(keys: ProtocolKeys, records: Sequence[Record]) -> Split:
    """The split that the protocol asks for; of a protocol with folds, that of ``keys.fold`` (null: the first).

    In all protocols but ``article`` the images of a patient, where patients are known, are in one part only.

    Raises:
        DataError: The data cannot be split so.
        ConfigError: ``keys.fold`` is no fold.
    """
    labels = np.array([record.label for record in records])
    data = keys.data
    groups = None if keys.protocol == "article" else patient_groups(records)
    if keys.protocol == "patient" and groups is None:
        raise DataError(
            "protocol=patient: no image's patient is known. A folder names them with data.patients=names or a regular "
            "expression, a table with data.columns.patient=COLUMN."
        )
    if keys.protocol in {"article", "holdout"} and groups is None:
        val_size = data.val_size if keys.protocol == "holdout" else None
        return stratified_split(list(labels), keys.random_state, data.test_size, val_size)
    if keys.protocol == "given":
        return _given_split(records, labels)
    divide = _Divider(labels, groups)
    every = np.arange(len(records))
    if keys.protocol == "kfold":
        rest, test = _fold(keys, labels, groups)
        # A share of all images, as in the other protocols: of the rest it is more.
        train, val = divide(rest, data.val_size / (1.0 - 1.0 / keys.folds), keys.random_state, _val(keys))
        return _as_split(train=train, val=val, test=test)
    check_classes(labels, 3)
    if keys.protocol == "source":
        inner, external, unused = _left_out(keys, records, labels)
        rest, test = divide(inner, data.test_size, keys.random_state, _test(keys))
        train, val = divide(rest, data.val_size / (1.0 - data.test_size), keys.random_state, _val(keys))
        parts = {"train": train, "val": val, "test": test, "external": external}
        return _as_split(**parts, **({"unused": unused} if len(unused) else {}))
    rest, test = divide(every, data.test_size, keys.random_state, _test(keys))
    train, val = divide(rest, data.val_size / (1.0 - data.test_size), keys.random_state, _val(keys))
    return _as_split(train=train, val=val, test=test)


def _test(keys: ProtocolKeys) -> str:
    return f"data.test_size={keys.data.test_size:g}"


def _val(keys: ProtocolKeys) -> str:
    return f"data.val_size={keys.data.val_size:g}"


def _as_split(**parts: Positions) -> Split:
    return Split({name: np.sort(part).astype(np.int64) for name, part in parts.items()})


class _Divider:
    """Divides positions by class, and by patient where patients are known."""

    def __init__(self, labels: Labels, groups: Positions | None) -> None:
        self.labels = labels
        self.groups = groups

    def __call__(
        self, positions: Positions, share: float, random_state: int, setting: str
    ) -> tuple[Positions, Positions]:
        if share >= 1.0:
            raise ConfigError(f"{setting}: leaves nothing to train on; choose a smaller share")
        if self.groups is None:
            return split_off(positions, self.labels, share, random_state, setting)
        return split_groups(positions, self.labels, self.groups, share, random_state, setting)


def _fold(keys: ProtocolKeys, labels: Labels, groups: Positions | None) -> tuple[Positions, Positions]:
    """The images outside and inside one fold of a stratified k-fold (by patient where they are known)."""
    repeat, fold = divmod(keys.fold or 0, keys.folds)
    _check_folds(keys.folds, labels, groups)
    # The first repetition is what scikit-learn gives for random_state; the further ones must not be those of others.
    state = (
        keys.random_state
        if repeat == 0
        else int(np.random.SeedSequence([keys.random_state, repeat]).generate_state(1)[0])
    )
    rest, test = k_folds(labels, groups, keys.folds, state)[fold]
    if not len(test) or set(labels[rest].tolist()) != set(labels.tolist()):
        raise DataError(
            f"protocol=kfold folds={keys.folds}: fold {fold} takes all images of a class, or none at all, since too "
            "few patients have it. Choose fewer folds."
        )
    return rest, test


def _check_folds(folds: int, labels: Labels, groups: Positions | None) -> None:
    check_classes(labels, 2)
    members = {(str(label), index if groups is None else int(groups[index])) for index, label in enumerate(labels)}
    counts = Counter(label for label, _ in members)
    small = [name for name, count in sorted(counts.items()) if count < folds]
    if small:
        unit = "images" if groups is None else "patients"
        raise DataError(
            f"protocol=kfold folds={folds}: class {', '.join(small)} has fewer {unit} than folds (found "
            f"{listed_counts(counts)}). Choose fewer folds, or add {unit}."
        )


def _left_out(keys: ProtocolKeys, records: Sequence[Record], labels: Labels) -> tuple[Positions, Positions, Positions]:
    """The images of the other sources, those of the one left out, and those of its patients in other sources."""
    names = sources_of(records)
    fold = keys.fold or 0
    if fold >= len(names):
        numbered = ", ".join(f"{number} {name}" for number, name in enumerate(names))
        raise ConfigError(f"fold={fold}: the sources are {numbered}")
    out = np.array([record.source == names[fold] for record in records])
    unseen = {record.patient for record in records if record.source == names[fold] and record.patient}
    shared = np.array([record.patient in unseen for record in records])
    inner = np.flatnonzero(~out & ~shared)
    lacking = sorted(set(labels.tolist()) - set(labels[inner].tolist()))
    if lacking:
        raise DataError(
            f"protocol=source: only the source {names[fold]} has images of {', '.join(lacking)}, so without it nothing "
            "can be learnt of that class: the source alone tells the label. Add images of that class from elsewhere."
        )
    return inner, np.flatnonzero(out), np.flatnonzero(shared & ~out)


def _given_split(records: Sequence[Record], labels: Labels) -> Split:
    """The parts that the table's column says.

    Raises:
        DataError: An image has none or an unknown one, a part is missing, or a patient is in two.
    """
    wrong = [record for record in records if record.split not in PART_NAMES.values()]
    if wrong:
        raise DataError(
            f"protocol=given: {len(wrong)} images have no part of the split, such as {wrong[0].path} "
            f"({wrong[0].split or 'empty'}); expected train, val or test in the column data.columns.split."
        )
    parts = {
        name: np.array([i for i, record in enumerate(records) if record.split == name], dtype=np.int64)
        for name in ("train", "val", "test")
    }
    for name in ("train", "test"):
        if not len(parts[name]):
            raise DataError(f"protocol=given: the table puts no image into {name}.")
    lacking = sorted(set(labels.tolist()) - set(labels[parts["train"]].tolist()))
    if lacking:
        raise DataError(f"protocol=given: no training image shows {', '.join(lacking)}. Mend the table's split.")
    _refuse_shared_patients(records)
    return Split({name: part for name, part in parts.items() if len(part)})


def _refuse_shared_patients(records: Sequence[Record]) -> None:
    parts: dict[str, set[str]] = {}
    for record in records:
        if record.patient:
            parts.setdefault(record.patient, set()).add(record.split)
    torn = sorted(patient for patient, found in parts.items() if len(found) > 1)
    if torn:
        raise DataError(
            f"protocol=given: {len(torn)} patients are in more than one part, such as {torn[0]} "
            f"({', '.join(sorted(parts[torn[0]]))}). Mend the table's split, or let protocol=patient make one."
        )
