"""data=cohen: the metadata.csv of the public covid-chestxray-dataset, as it is.

J. P. Cohen, P. Morrison, L. Dao, K. Roth, T. Q. Duong, M. Ghassemi: "COVID-19 Image Data Collection: Prospective
Predictions Are the Future", 2020, arXiv 2006.11988; https://github.com/ieee8023/covid-chestxray-dataset. One row per
image; findings form a hierarchy such as Pneumonia/Viral/COVID-19 (the first releases wrote COVID-19, ARDS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from covidnet.data.classes import Classes, as_lists
from covidnet.data.records import IMAGE_SUFFIXES, Record, Scan
from covidnet.data.table_checks import refuse_faults
from covidnet.data.tables import Table, read_table
from covidnet.errors import DataError
from covidnet.naming import did_you_mean

METADATA = "metadata.csv"
FINDINGS: Classes = {"covid": "Pneumonia/Viral/COVID-19", "pneumonia": "Pneumonia"}
"""What is taken unless data.findings says otherwise."""
NEEDED = ("patientid", "finding", "view", "modality", "folder", "filename")


@dataclass(frozen=True)
class Choice:
    """Which images to take.

    Attributes:
        findings: By class, the findings that belong to it; each stands for all below it in the hierarchy, and may be
            given from any level on: Pneumonia/Viral, or COVID-19 alone.
        views: Projections, such as PA, AP, AP Supine, L; empty takes all.
        modality: X-ray or CT.
        source_column: The column that says where an image comes from, or None.
        many_labels: Whether a patient may have images of several classes.
    """

    findings: Classes
    views: Sequence[str]
    modality: str
    source_column: str | None
    many_labels: bool = False


def scan_cohen(root: Path, choice: Choice, *, missing: str = "error") -> Scan:
    """The images of the chosen findings, views and modality.

    Raises:
        DataError: The table or a column is missing, a finding or view is unknown, an image belongs to two classes, a
            file is not there, or a patient has two classes; the first ten faults are listed with their lines.
    """
    table = _read(root, choice)
    _check_choice(table, choice)
    column = {name: table.header.index(name) for name in table.header}
    scan = Scan(root)
    kept: list[int] = []
    faults: list[str] = []
    for row, (_, values) in enumerate(table.rows):
        reason = _reason_to_leave_out(values, column, choice)
        if reason is not None:
            scan.excluded[reason] += 1
            continue
        finding = values[column["finding"]]
        names = _classes_of(finding, choice.findings)
        if not names:
            scan.excluded[f"finding {finding or '(empty)'}"] += 1
            continue
        if len(names) > 1:
            faults.append(f"{table.place(row)}: the finding {finding} belongs to {' and '.join(names)}")
        path = PurePosixPath(values[column["folder"]] or "images") / values[column["filename"]]
        scan.records.append(_record(path, names[0], values, column, choice))
        kept.append(row)
    refuse_faults(table, scan, kept, faults, many_labels=choice.many_labels, missing=missing)
    if not scan.records:
        raise DataError(
            f"{table.path}: no image is left by data.findings, data.views and data.modality={choice.modality}. "
            f"Left out: {', '.join(f'{reason} ({count})' for reason, count in scan.excluded.most_common(5))}."
        )
    scan.records.sort(key=lambda record: record.path)
    return scan


def _read(root: Path, choice: Choice) -> Table:
    path = root / METADATA
    if not path.is_file():
        raise DataError(
            f"data.root={root}: {METADATA} is not there. Give the folder of a copy of covid-chestxray-dataset."
        )
    table = read_table(path)
    wanted = [*NEEDED, *([choice.source_column] if choice.source_column else [])]
    lacking = [name for name in wanted if name not in table.header]
    if lacking:
        raise DataError(
            f"{path}: the columns {', '.join(lacking)} are missing; found {', '.join(table.header)}. Is it the "
            "metadata.csv of covid-chestxray-dataset? For other tables use data=csv."
        )
    return table


def _check_choice(table: Table, choice: Choice) -> None:
    findings = sorted(set(table.column("finding")))
    for name, asked in as_lists(choice.findings).items():
        for one in asked:
            if not any(_depth(part, one) for finding in findings for part in _parts(finding)):
                levels = sorted({*findings, *(level for finding in findings for level in finding.split("/"))} - {""})
                raise DataError(
                    f"data.findings.{name}: no image has the finding {one}.{did_you_mean(one, levels)} "
                    f"Found: {', '.join(findings)}."
                )
    for key, asked_values, column in (("views", choice.views, "view"), ("modality", [choice.modality], "modality")):
        present = sorted(set(table.column(column)))
        for value in asked_values:
            if value not in present:
                raise DataError(
                    f"data.{key}: no image has the {column} {value}.{did_you_mean(value, present)} "
                    f"Found: {', '.join(present)}."
                )


def _reason_to_leave_out(values: Sequence[str], column: dict[str, int], choice: Choice) -> str | None:
    if values[column["modality"]] != choice.modality:
        return f"modality {values[column['modality']] or '(empty)'}"
    if choice.views and values[column["view"]] not in choice.views:
        return f"view {values[column['view']] or '(empty)'}"
    if PurePosixPath(values[column["filename"]]).suffix.lower() not in IMAGE_SUFFIXES:
        return "not an image file (a volume)"
    return None


def _parts(finding: str) -> list[str]:
    """The single findings of a row: the first releases list them with commas."""
    return [part.strip() for part in finding.split(",")]


def _depth(finding: str, asked: str) -> int:
    """At which level of the hierarchy ``finding`` is ``asked`` or lies below it; 0 where it does not."""
    levels, wanted = finding.split("/"), asked.split("/")
    for start in range(len(levels) - len(wanted) + 1):
        if levels[start : start + len(wanted)] == wanted:
            return start + len(wanted)
    return 0


def _classes_of(finding: str, findings: Classes) -> list[str]:
    """The classes whose finding fits at the deepest level; more than one where two fit equally."""
    depths = {
        name: max(_depth(part, one) for one in asked for part in _parts(finding))
        for name, asked in as_lists(findings).items()
    }
    deepest = max(depths.values())
    return [name for name, depth in depths.items() if depth == deepest > 0]


def _record(path: PurePosixPath, label: str, values: Sequence[str], column: dict[str, int], choice: Choice) -> Record:
    def text(name: str | None) -> str:
        return values[column[name]] if name is not None and name in column else ""

    return Record(
        path=str(path),
        label=label,
        patient=text("patientid"),
        source=text(choice.source_column),
        view=text("view"),
        age=text("age"),
        sex=text("sex"),
    )
