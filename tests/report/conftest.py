"""A run directory with everything in it."""

import pytest
from made_up_runs import made_up, make_run


@pytest.fixture
def run(tmp_path):
    """A run with validation and test images of patients."""
    rows = made_up(20, "val", seed=1, patient=True) + made_up(40, "test", seed=2, patient=True)
    return make_run(tmp_path / "run", rows)
