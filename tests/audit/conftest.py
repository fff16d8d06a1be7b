"""Material for audits, without files."""

from pathlib import Path

import numpy as np
import pytest

from covidnet.audit.examine import Material
from covidnet.audit.properties import FileProperties
from covidnet.audit.table import Table
from covidnet.audit.views import SIDE, Views
from covidnet.data.records import Record


@pytest.fixture
def make_material():
    """Material of plain noise, in which nothing tells the label; any field can be given."""

    def make(count=40, labels=("covid", "normal"), **given):
        rng = np.random.default_rng(0)
        records = given.get("records") or tuple(
            Record(f"{labels[i % len(labels)]}/{i:03d}.png", labels[i % len(labels)]) for i in range(count)
        )
        values = {
            "root": Path("images"),
            "records": records,
            "sha256": tuple(f"{i:064d}" for i in range(len(records))),
            "files": tuple(FileProperties("L", "PNG", 100, 100, 8, 1.0, "none") for _ in records),
            "views": Views(
                rng.integers(0, 256, (len(records), SIDE, SIDE), dtype=np.uint8),
                rng.dirichlet(np.ones(32), len(records)).astype(np.float32),
            ),
            "table": Table(),
            "parts": tuple("test" if i % 5 < 1 else "train" for i in range(len(records))),
            "split": "random_state=50",
            "synthetic": False,
        }
        return Material(**{**values, **given})

    return make
