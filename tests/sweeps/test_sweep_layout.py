import pytest

from covidnet.errors import RunError
from covidnet.sweeps.layout import SweepLayout, SweepRecord, grown, read_record, write_record

RECORD = SweepRecord(("random_state",), ("seed=1",), {"a": {"random_state": "1"}})


@pytest.mark.parametrize("record", [RECORD, SweepRecord(("optimizer.lr",), (), None)])
def test_round_trip(tmp_path, record):
    write_record(SweepLayout(tmp_path), record)
    assert read_record(SweepLayout(tmp_path)) == record


def test_a_sweep_that_goes_on_forgets_no_run():
    other = SweepRecord(("random_state",), ("seed=1",), {"b": {"random_state": "2"}})
    assert set(grown(RECORD, other).jobs) == {"a", "b"}


@pytest.mark.parametrize("content", [None, "", "[]", '{"swept": 3}', '{"swept": [], "fixed": [], "jobs": [1]}'])
def test_other_files_are_refused_with_their_name(tmp_path, content):
    if content is not None:
        (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(RunError, match=r"sweep\.json"):
        read_record(SweepLayout(tmp_path))


def test_counts_of_values_are_described():
    jobs = {"a": {"x": "1", "y": "1"}, "b": {"x": "2", "y": "1"}}
    assert SweepRecord(("x", "y"), (), jobs).describe() == "x (2 values), y (1 value)"
