"""Who is on an image, and where it comes from, by its name: for data without a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from covidnet.data.records import Record
from covidnet.errors import ConfigError

NAMES = "names"
"""The value of data.patients that looks for the well-known ways of naming a patient."""

_WORD = r"(?:person|patient|pat|subject|subj|sub|case|pid)"
PATIENT_PATTERNS = (
    re.compile(rf"^(?P<before>|.*[^A-Za-z]){_WORD}[-_ ]?(?P<id>[A-Z]?\d+)", re.IGNORECASE),
    re.compile(r"^(?P<before>)(?P<id>\d{8})_\d{3}$"),  # NIH ChestX-ray14: PATIENT_FOLLOWUP
    re.compile(r"^(?P<before>)p(?P<id>\d{8})$"),  # MIMIC-CXR: a folder per patient
)
"""Names that carry a patient's number, tried on the file's stem and on each folder above it."""


def patient_in_name(path: str) -> str:
    """The patient that a path relative to the data root names, such as ``person12`` or ``lancet-case2``; else empty."""
    parts = PurePosixPath(path)
    # The label's folder may be called "case"; it names no patient.
    for part in (parts.stem, *reversed(parts.parts[:-2])):
        for pattern in PATIENT_PATTERNS:
            match = pattern.match(part)
            if match:
                return part[: match.end("id")].lower()
    return ""


def name_patients(records: Sequence[Record], patients: str | None, sources: str | None) -> list[Record]:
    """The records with patients and sources read off their paths.

    Args:
        records: As scanned.
        patients: ``names`` takes `patient_in_name`; else a regular expression whose first group, searched for in the
            path, is the patient; None leaves them as they are.
        sources: Likewise a regular expression for the source.

    Raises:
        ConfigError: An expression is invalid, has no group, or fits no path.
    """
    found = list(records)
    if patients == NAMES:
        found = [replace(record, patient=patient_in_name(record.path)) for record in found]
        if not any(record.patient for record in found):
            raise ConfigError("data.patients=names: no image's name tells its patient. Give a regular expression.")
    elif patients is not None:
        ids = _searched("data.patients", patients, found)
        found = [replace(record, patient=one) for record, one in zip(found, ids, strict=True)]
    if sources is not None:
        ids = _searched("data.sources", sources, found)
        found = [replace(record, source=one) for record, one in zip(found, ids, strict=True)]
    return found


def _searched(key: str, expression: str, records: Sequence[Record]) -> list[str]:
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise ConfigError(f"{key}={expression}: not a regular expression ({error}).") from error
    if compiled.groups < 1:
        raise ConfigError(f"{key}={expression}: has no group. Put what names it into brackets, such as ^([^/]+)/")
    matches = [compiled.search(record.path) for record in records]
    ids = [(match.group(1) or "") if match else "" for match in matches]
    if not any(ids):
        raise ConfigError(f"{key}={expression}: fits none of the {len(ids)} paths, such as {records[0].path}.")
    return ids
