"""An external test set: images from elsewhere, of the same classes, that no part of training has seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from covidnet.config.schema import AnyData, CohenData, CsvData, TableColumns
from covidnet.data.classes import Classes, class_of_each_label
from covidnet.data.csv_source import TableSettings, scan_table
from covidnet.data.dataset import XrayDataset, open_scan
from covidnet.data.records import Record, Scan, scan_folder
from covidnet.data.sources import expanded, scan_source
from covidnet.data.tables import AUTO
from covidnet.errors import DataError
from covidnet.naming import did_you_mean

KEY = "data.external"
PART = "external"
"""Name of the part in predictions.csv."""


def open_external(config: AnyData, classes: list[str], key: str = KEY) -> XrayDataset | None:
    """The external test set of a data section, or None where it names none.

    A folder holds a sub-folder per class (or, with data=cohen, its metadata.csv); a file is a table, read with the
    columns of data=csv where that is the source.

    Args:
        config: The data section; sizes, limits and the cache hold for both sets.
        classes: Those of the training data.
        key: The command's name for the set, which errors name.

    Raises:
        DataError: It cannot be used, or its labels are not among ``classes``; the message names ``key``.
    """
    if config.external is None:
        return None
    path = expanded(key, Path(config.external))
    scan = _scan(config, path, key)
    named = None if isinstance(config, CohenData) else config.external_classes
    scan.records = _with_classes(scan, named, classes, f"{key}={path}", f"{key}_classes")
    return open_scan(scan, config)


def _scan(config: AnyData, path: Path, key: str) -> Scan:
    if not path.exists():
        raise DataError(f"{key}={path}: no such folder or table.")
    try:
        if path.is_file():
            return scan_table(path, path.parent, _table_settings(config), missing=config.on_bad_image)
        if isinstance(config, CohenData):
            return scan_source(config, path)
        return scan_folder(path)
    except DataError as error:
        raise DataError(f"{key}: {str(error).replace('data.root=', '')}") from error


def _table_settings(config: AnyData) -> TableSettings:
    many = not isinstance(config, (CsvData, CohenData)) or config.patient_labels == "many"
    if isinstance(config, CsvData):
        return TableSettings(config.columns.model_dump(), None, config.separator, config.encoding, many_labels=many)
    return TableSettings(dict.fromkeys(TableColumns.model_fields, AUTO), many_labels=many)


def _with_classes(scan: Scan, named: Classes | None, classes: list[str], given: str, key: str) -> list[Record]:
    """The records with the class names of the training data; those of other labels are left out where that is meant."""
    labels = [record.label for record in scan.records]
    if named is None:
        unknown = sorted(set(labels) - set(classes))
        if unknown:
            raise DataError(
                f"{given}: its label {', '.join(unknown)} is none of the classes {', '.join(classes)}."
                f"{did_you_mean(unknown[0], classes)} Say which class it is, "
                f"{key}={{{classes[0]}: [LABEL]}}; labels that stand nowhere there are left out."
            )
        return scan.records
    wrong = sorted(set(named) - set(classes))
    if wrong:
        raise DataError(
            f"{key}: {wrong[0]} is none of the classes {', '.join(classes)}.{did_you_mean(wrong[0], classes)}"
        )
    by_label = class_of_each_label(named, labels, key)
    kept = [replace(record, label=by_label[record.label]) for record in scan.records if record.label in by_label]
    scan.excluded.update(f"label {label}" for label in labels if label not in by_label)
    return kept
