"""Exit statuses, and what a user sees of an error."""

import logging
import os
import sys

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from covidnet.commands.entry import run_command, run_job
from covidnet.config.compose import CONFIG_DIR
from covidnet.errors import ConfigError, DataError, Stopped


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in ("HYDRA_FULL_ERROR", "COVIDNET_SHOWS_ERRORS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["train.py"])


def raising(error):
    def command(*_):
        raise error

    return command


def run(command):
    return run_command(command, CONFIG_DIR, "train")


def test_success_is_zero():
    assert run(lambda: None) == 0


@pytest.mark.parametrize(("error", "status"), [(ConfigError("a\nb [x]"), 2), (DataError("a\nb [x]"), 1)])
def test_a_users_mistake_is_plain_lines_and_a_status(capsys, error, status):
    assert run(raising(error)) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: a\nerror: b [x]\n"


@pytest.mark.parametrize(("stop", "said"), [(KeyboardInterrupt(), "stopped\n"), (Stopped(), "")])
def test_ctrl_c_is_told_once(capsys, stop, said):
    assert run(raising(stop)) == 130
    assert capsys.readouterr() == (said, "")


def test_ctrl_c_that_a_library_made_an_error_of(capsys):
    def command():
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("of a library, as it closes")

    assert run(command) == 130
    assert capsys.readouterr() == ("stopped\n", "")


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError()))


def test_hydras_error_is_a_line(capsys, monkeypatch):
    from hydra.errors import ConfigCompositionException

    monkeypatch.setattr(sys, "argv", ["train.py", "qqq=1", "data.root=/x"])
    assert run(raising(ConfigCompositionException("Could not override 'qqq'."))) == 2
    assert capsys.readouterr().err.startswith("error: qqq: no such key. Allowed at the top:")


def test_who_asks_for_tracebacks_gets_them(monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(DataError):
        run(raising(DataError("x")))
    with pytest.raises(DataError):
        run_job(raising(DataError("x")), OmegaConf.create())


def test_processes_started_by_a_command_know_that_the_user_did_not_ask(monkeypatch):
    run(lambda: None)
    assert os.environ["HYDRA_FULL_ERROR"] == "1"
    assert run(raising(DataError("x"))) == 1  # as in such a process, which inherits the variables


@pytest.fixture
def mode(monkeypatch):
    def choose(name):
        monkeypatch.setattr(HydraConfig, "get", staticmethod(lambda: OmegaConf.create({"mode": name})))

    return choose


def test_a_single_run_ends_and_a_sweep_goes_on(capsys, mode):
    from hydra.types import RunMode

    mode(RunMode.RUN)
    with pytest.raises(SystemExit) as stop:
        run_job(raising(ConfigError("x")), OmegaConf.create())
    assert stop.value.code == 2 and capsys.readouterr().err == "error: x\n"
    mode(RunMode.MULTIRUN)
    with pytest.raises(ConfigError):
        run_job(raising(ConfigError("x")), OmegaConf.create())
    assert run_job(lambda config: 3, OmegaConf.create()) == 3


def test_nothing_is_logged_on_the_way(caplog):
    with caplog.at_level(logging.DEBUG):
        run(raising(DataError("x")))
    assert not caplog.records
