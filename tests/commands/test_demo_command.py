"""python -m covidnet.demo up to its page; the page itself is looked at in tests/demo."""

import importlib.util
import socket

import pytest
from support import call, only_run

from covidnet.commands import demo as demo_command


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    assert call("train", *small(folder, "trainer.max_epochs=1", "logger=none")).status == 0
    return only_run(folder).directory


def test_mistakes(run, command, tmp_path):
    assert command("demo").lines == ["error: run: missing; give the directory of a finished run, run=outputs/..."]
    (line,) = command("demo", f"run={tmp_path}").lines
    assert line.startswith(f"error: {tmp_path}: not a run directory")
    (line,) = command("demo", f"run={run}", "prt=80").lines
    assert line.startswith("error: prt: no such key. Did you mean port?")
    (line,) = command("demo", f"run={run}", "port=99999").lines
    assert line.startswith("error: port: found 99999;")


def test_without_gradio_the_extra_is_named(run, command, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        demo_command.importlib.util, "find_spec", lambda name, *more: None if name == "gradio" else real(name, *more)
    )
    (line,) = command("demo", f"run={run}").lines
    assert line == "error: python -m covidnet.demo needs an optional package: pip install 'covidnet[demo]'"


def test_a_taken_port_is_told(run, command, monkeypatch):
    for name in ("GRADIO_ANALYTICS_ENABLED", "GRADIO_TEMP_DIR", "HF_HUB_DISABLE_TELEMETRY", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (line,) = command("demo", f"run={run}", f"port={port}").lines
    assert line == f"error: port={port}: taken, or not allowed. Give another one, or port=null for the first free one."
