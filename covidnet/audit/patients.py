"""Who is on the images: patient ids from a table or from the names, and series that may be of one patient."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from covidnet.audit.table import Column
from covidnet.data.patients import patient_in_name
from covidnet.data.records import Record

SERIES_PATTERNS = (
    re.compile(r"^(.*?)[-_. ]?day[-_. ]?\d+()$", re.IGNORECASE),
    re.compile(r"^(.*IM-\d+)-\d+(?:-\d+)?()$"),
    re.compile(r"^(.*\d)[a-h]()$"),
    re.compile(r"^(.*)[-_.][a-h]()$"),
    re.compile(r"^(.*)-[a-h](-.*)$"),
)
"""Names of a series, such as fig5-day0 and fig5-day4, or fig1a and fig1b: often, not always, one patient."""


@dataclass(frozen=True)
class Identities:
    """Who is on each image.

    Attributes:
        origin: Where the ids come from, in words, or None where there are none.
        ids: A value per image; empty where nothing is known.
    """

    origin: str | None
    ids: tuple[str, ...]

    @property
    def known(self) -> int:
        """How many images have an id."""
        return sum(bool(one) for one in self.ids)

    def shared(self) -> dict[str, list[int]]:
        """Positions of each id that more than one image has."""
        counts = Counter(self.ids)
        members: dict[str, list[int]] = {}
        for position, one in enumerate(self.ids):
            if one and counts[one] > 1:
                members.setdefault(one, []).append(position)
        return members


def find_patients(records: Sequence[Record], column: Column | None) -> Identities:
    """Patient ids from the table's column where there is one, else from the names."""
    if column is not None:
        return Identities(f"the column {column.name}", column.values)
    ids = tuple(patient_in_name(record.path) for record in records)
    return Identities("the names" if any(ids) else None, ids)


def find_series(records: Sequence[Record]) -> Identities:
    """Images whose names differ only in a letter, a day or a number within one study."""
    ids = []
    for record in records:
        path = PurePosixPath(record.path)
        matches = (pattern.match(path.stem) for pattern in SERIES_PATTERNS)
        found = next((match for match in matches if match and match.group(1)), None)
        ids.append(f"{found.group(1)}*{found.group(2)}" if found else "")
    return Identities("names of one series" if any(ids) else None, tuple(ids))
