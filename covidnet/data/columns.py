"""What the columns of a table mean: well-known names, and the choice that a configuration makes among them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from covidnet.data.tables import AUTO
from covidnet.errors import DataError
from covidnet.naming import did_you_mean, listed_names

ROLES: Mapping[str, tuple[str, ...]] = {
    "path": (
        "path", "file", "filename", "filepath", "image", "imageid", "imagepath", "imagename", "imageindex", "name",
    ),
    "label": ("label", "class", "finding", "diagnosis", "target", "category", "findinglabels"),
    "patient": ("patient", "patientid", "patientnumber", "subject", "subjectid", "participant", "participantid"),
    "source": (
        "source", "dataset", "datasetname", "device", "deviceid", "scanner", "manufacturer", "manufacturermodelname",
        "machine", "hospital", "site", "institution", "institutionname", "center", "centre", "origin",
    ),
    "split": ("split", "part", "subset", "fold", "partition"),
    "view": ("view", "viewposition", "projection", "position"),
    "age": ("age", "patientage", "ageyears"),
    "sex": ("sex", "gender", "patientsex", "patientgender"),
    "weight": ("weight", "weights", "sampleweight"),
    "x": ("x", "patchx", "centerx", "centrex"),
    "y": ("y", "patchy", "centery", "centrey"),
}  # fmt: skip
"""Column names, in small letters without spaces and punctuation, by what they mean."""

REQUIRED = ("path", "label")


def plain_name(name: str) -> str:
    """A column's name in small letters, without spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name).lower()


def choose_columns(path: Path, header: Sequence[str], asked: Mapping[str, str | None]) -> dict[str, str]:
    """The column of each role that the table has and the configuration wants.

    Args:
        path: The table, for messages.
        header: Its columns.
        asked: By role, ``auto`` (the first column with a well-known name, if any), None (not to be used), or the
            name of a column.

    Raises:
        DataError: A column is not there, or none says where the images are or what they show.
    """
    chosen = {}
    for role, name in asked.items():
        if name == AUTO:
            found = [column for known in ROLES[role] for column in header if plain_name(column) == known]
            if found:
                chosen[role] = found[0]
        elif name is not None:
            if name not in header:
                raise DataError(
                    f"{path}: no column {name} (data.columns.{role}).{did_you_mean(name, header)} "
                    f"Its columns: {listed_names(header)}."
                )
            chosen[role] = name
    for role in REQUIRED:
        if role in asked and role not in chosen:
            raise DataError(
                f"{path}: none of its columns ({listed_names(header)}) is known to hold the {role}. "
                f"Name it, data.columns.{role}=COLUMN."
            )
    return chosen
