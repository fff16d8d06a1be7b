"""What the test images share with the training images: pictures, patients, series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from covidnet.audit.duplicates import Pair, groups
from covidnet.audit.findings import Finding, counted
from covidnet.audit.patients import Identities
from covidnet.data.records import Record

Parts = Sequence[str]
"""The part of the split of each image (train, val, test); empty for an image that is in none."""

SHOWN_FIGURE = "audit_duplicates.png"


def judge_duplicates(records: Sequence[Record], pairs: Sequence[Pair], parts: Parts | None) -> list[Finding]:
    """Findings on pictures that are there more than once, the gravest kind first."""
    across_labels, across_parts, within = [], [], []
    for group in groups(pairs):
        if len({records[position].label for position in group}) > 1:
            across_labels.append(group)
        elif parts is not None and _crosses(group, parts):
            across_parts.append(group)
        else:
            within.append(group)
    findings = []
    if across_labels:
        findings.append(_across_labels(records, across_labels, pairs))
    if across_parts and parts is not None:
        findings.append(_across_parts(records, across_parts, pairs, parts))
    if within:
        findings.append(_within(records, within, pairs, parts is not None))
    return findings


def _crosses(group: Sequence[int], parts: Parts) -> bool:
    return len({parts[position] for position in group} - {""}) > 1


def _numbers(members: Sequence[Sequence[int]], pairs: Sequence[Pair]) -> dict[str, object]:
    inside = {position for group in members for position in group}
    kinds: dict[str, int] = {}
    for pair in pairs:
        if pair.first in inside:
            kinds[pair.kind] = kinds.get(pair.kind, 0) + 1
    return {"groups": len(members), "images": len(inside), "kinds": kinds}


def _files(records: Sequence[Record], members: Sequence[Sequence[int]]) -> tuple[str, ...]:
    return tuple(records[position].path for group in members for position in group)


def _example(records: Sequence[Record], group: Sequence[int]) -> str:
    return " and ".join(records[position].path for position in group[:2])


def _kinds(numbers: dict[str, object]) -> str:
    kinds = numbers["kinds"]
    assert isinstance(kinds, dict)
    return ", ".join(f"{kind} {count}" for kind, count in kinds.items())


def _across_labels(records: Sequence[Record], members: Sequence[Sequence[int]], pairs: Sequence[Pair]) -> Finding:
    numbers = _numbers(members, pairs)
    return Finding(
        id="duplicates.labels",
        severity="blocker",
        title="one picture under two labels",
        evidence=f"{counted(len(members), 'picture')} stored under different labels ({_kinds(numbers)}), for example "
        f"{_example(records, members[0])}.",
        action="Find out which label is right and remove the other copy.",
        clause=f"{counted(len(members), 'picture')} {'is' if len(members) == 1 else 'are'} stored under two labels",
        files=_files(records, members),
        numbers=numbers,
        figure=SHOWN_FIGURE,
    )


def _across_parts(
    records: Sequence[Record], members: Sequence[Sequence[int]], pairs: Sequence[Pair], parts: Parts
) -> Finding:
    numbers = _numbers(members, pairs)
    tested = sum(parts[position] == "test" for group in members for position in group)
    of = sum(part == "test" for part in parts)
    clause = (
        f"{tested} of {of} test images {'is a copy' if tested == 1 else 'are copies'} of images the model learns from"
        if tested
        else f"{counted(len(members), 'picture')} in both the training and the validation images"
    )
    return Finding(
        id="leakage.duplicates",
        severity="blocker",
        title="the same picture on both sides of the split",
        evidence=f"{clause} ({_kinds(numbers)}), for example {_example(records, members[0])}.",
        action="Remove all but one copy, or keep copies together by splitting by patient.",
        clause=clause,
        files=_files(records, members),
        numbers={**numbers, "test_images": tested, "of_test": of},
        figure=SHOWN_FIGURE,
    )


def _within(records: Sequence[Record], members: Sequence[Sequence[int]], pairs: Sequence[Pair], split: bool) -> Finding:
    numbers = _numbers(members, pairs)
    place = "within one part of the split" if split else "in the folder"
    images = numbers["images"]
    assert isinstance(images, int)
    extra = images - len(members)
    return Finding(
        id="duplicates.within",
        severity="warning",
        title=f"the same picture more than once {place}",
        evidence=f"{counted(extra, 'image')} {'is a copy' if extra == 1 else 'are copies'} of another "
        f"({_kinds(numbers)}), for example {_example(records, members[0])}. "
        "With another random_state they may end up on both sides.",
        action="Remove all but one copy.",
        clause=f"{counted(extra, 'image')} {'is a copy' if extra == 1 else 'are copies'} of another",
        files=_files(records, members),
        numbers=numbers,
        figure=SHOWN_FIGURE,
    )


def judge_patients(
    records: Sequence[Record], patients: Identities, series: Identities, parts: Parts | None
) -> list[Finding]:
    """Findings on patients and series on both sides of the split, and on what could not be checked."""
    findings = []
    if patients.origin is None:
        findings.append(
            Finding(
                id="leakage.unknown_patients",
                severity="note",
                title="no patient ids",
                evidence="Neither a table nor the names say which images are of one patient, so a patient on both "
                "sides of the split would not be noticed.",
                action="Put metadata.csv with the columns path and patient_id into the data root, or give "
                "audit.table=PATH.",
            )
        )
    else:
        findings += _judge_shared(records, patients, parts, certain=True)
    told = {position for members in patients.shared().values() for position in members}
    others = Identities(series.origin, tuple("" if i in told else one for i, one in enumerate(series.ids)))
    return findings + _judge_shared(records, others, parts, certain=False)


def _judge_shared(records: Sequence[Record], who: Identities, parts: Parts | None, *, certain: bool) -> list[Finding]:
    shared = who.shared()
    crossing = {one: group for one, group in shared.items() if parts is not None and _crosses(group, parts)}
    findings = []
    if crossing and parts is not None:
        findings.append(_both_sides(records, who, crossing, parts, certain))
    rest = {one: group for one, group in shared.items() if one not in crossing}
    if rest:
        findings.append(_several_films(records, who, rest, parts is not None, certain))
    return findings


def _both_sides(
    records: Sequence[Record], who: Identities, crossing: dict[str, list[int]], parts: Parts, certain: bool
) -> Finding:
    tested = sum(parts[position] == "test" for group in crossing.values() for position in group)
    of = sum(part == "test" for part in parts)
    one, group = next(iter(crossing.items()))
    names = ", ".join(f"{PurePosixPath(records[p].path).name} ({parts[p]})" for p in group[:3])
    kind = "patient" if certain else "series"
    clause = (
        f"{tested} of {of} test images {'shows' if tested == 1 else 'show'} {'' if certain else 'perhaps '}a patient "
        "the model learns from"
        if tested
        else f"{counted(len(crossing), kind, kind if not certain else None)} in both training and validation images"
    )
    return Finding(
        id="leakage.patients" if certain else "leakage.series",
        severity="blocker" if certain else "warning",
        title="the same patient on both sides of the split"
        if certain
        else "films of one series, perhaps of one patient, on both sides of the split",
        evidence=f"By {who.origin}, {counted(len(crossing), kind, kind if not certain else None)} with images in "
        f"several parts: {clause}, for example {one}: {names}.",
        action="Split by patient, so that a patient's images stay together.",
        clause=clause,
        files=_files(records, list(crossing.values())),
        numbers={"groups": len(crossing), "test_images": tested, "of_test": of},
        figure="audit_patients.png",
    )


def _several_films(
    records: Sequence[Record], who: Identities, rest: dict[str, list[int]], split: bool, certain: bool
) -> Finding:
    images = sum(len(group) for group in rest.values())
    kind = counted(len(rest), "patient") if certain else f"{len(rest)} series"
    labels = sum(len({records[position].label for position in group}) > 1 for group in rest.values())
    mixed = f" {counted(labels, 'of them is', 'of them are')} under more than one label." if labels else ""
    place = "This split keeps each on one side; another random_state may not." if split else "A split may part them."
    return Finding(
        id="patients.several_films" if certain else "patients.series",
        severity="note",
        title="several images of one patient" if certain else "several images of one series, perhaps of one patient",
        evidence=f"By {who.origin}, {images} images are of {kind}.{mixed} {place}",
        action="Split by patient, and count patients rather than images.",
        files=_files(records, list(rest.values())),
        numbers={"groups": len(rest), "images": images, "under_several_labels": labels},
    )
