"""One job of a sweep: what its failure leaves, and what of it is shown."""

import json
import logging
from contextlib import nullcontext

import pytest

from covidnet.runs.layout import RunLayout
from covidnet.sweeps.job import SweepJob, run_sweep_job
from covidnet.sweeps.layout import SweepLayout, SweepRecord

STRANGER = "x\x1b]0;title\x07\x9b31m"


@pytest.fixture(autouse=True)
def outside_of_hydra(monkeypatch):
    monkeypatch.setattr("covidnet.sweeps.job.as_single_run", lambda *_: nullcontext())


def failing(directory, error):
    """The outcome of a job that fails so."""
    (directory / "job").mkdir(parents=True)
    record = SweepRecord(("augment.scale",), (), {"job": {"augment.scale": STRANGER}})
    job = SweepJob(
        RunLayout(directory / "job"), SweepLayout(directory), record, (f"augment.scale={STRANGER}",), False, True
    )

    def work(resumed):
        raise error

    return run_sweep_job(job, work)


def test_a_failure_is_written_down_and_raises_nothing(tmp_path):
    assert failing(tmp_path, ValueError("lost")) is None
    stored = json.loads((tmp_path / "job" / "failure.json").read_text())
    assert (stored["error"], stored["type"]) == ("lost", "ValueError") and "Traceback" in stored["traceback"]


def test_ctrl_c_that_a_library_made_an_error_of_stops_the_sweep(tmp_path):
    try:
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("of a library, as it closes")
    except ValueError as error:
        with pytest.raises(KeyboardInterrupt):
            failing(tmp_path, error)
    assert not (tmp_path / "job" / "failure.json").exists()


def test_neither_log_nor_terminal_gets_a_command_of_a_terminal(tmp_path, caplog, capsys):
    with caplog.at_level(logging.INFO):
        failing(tmp_path, ValueError(STRANGER))
    out, _ = capsys.readouterr()
    for text in (out, caplog.text):
        assert "title" in text
        assert not {char for char in text if not char.isprintable()} - {"\n"}
