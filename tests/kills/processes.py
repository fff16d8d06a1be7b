"""Commands in processes that can be killed: forked from this one, which has imported all that is heavy, or started."""

import importlib
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kills.phases import Watch
from support import ROOT, environment

LIMIT = 240.0
"""Seconds after which a process counts as hanging."""
PATIENCE = 30.0
"""Seconds within which a process has to end after Ctrl-C."""
STOPPED = 130
"""The status of a process that Ctrl-C ended."""


@dataclass(frozen=True)
class Ended:
    """How a process ended, what it said, and where it was when it was killed."""

    status: int
    seconds: float
    said: str
    phase: str = ""
    file: str = ""

    @property
    def was_killed(self):
        # The last is that of Ctrl-C before Python has come to the command, or after its end.
        return self.status in (-signal.SIGKILL, STOPPED, -signal.SIGINT)


def forked(arguments, said, kill_after=None, sent=signal.SIGKILL):
    """Run ``train.py ARGUMENTS`` in a fork of this process; ``sent`` to it after so many seconds, if it still runs."""
    watch = Watch()
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        _become(arguments, said, watch)
    return _wait(child, started, kill_after, sent, said, watch)


def _become(arguments, said, watch):
    """The forked process: never returns."""
    status = 70
    try:
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = open(1, "w", buffering=1, closefd=False), open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        watch.install()
        sys.argv = ["train.py", *map(str, arguments)]
        import train
        from covidnet.commands.entry import run_command

        status = run_command(train.main, train.CONFIG_DIR, "train")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command has ended
        sys.stdout.flush()
        os._exit(status)


def _wait(child, started, kill_after, sent, said, watch):
    moment = started + (LIMIT if kill_after is None else kill_after)
    place, raw = None, None
    while raw is None:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            raw = status
        elif time.perf_counter() < moment:
            time.sleep(0.001)
        else:
            sent = signal.SIGKILL if place else sent
            place = place or watch.read()
            os.kill(child, sent)
            moment = time.perf_counter() + PATIENCE
    status = os.waitstatus_to_exitcode(raw)
    return Ended(
        status, time.perf_counter() - started, Path(said).read_text(errors="replace"), *(place or watch.read())
    )


def started(arguments, said, kill_after=None, sent=signal.SIGKILL):
    """The same as ``python train.py ARGUMENTS`` in a process of its own, whose phase is not known."""
    begun = time.perf_counter()
    with Path(said).open("w") as out:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *map(str, arguments)],
            stdout=out, stderr=subprocess.STDOUT, env=environment(), cwd=ROOT,
        )  # fmt: skip
        for signals, seconds in ((sent, LIMIT if kill_after is None else kill_after), (signal.SIGKILL, PATIENCE)):
            try:
                process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signals)
        process.wait()
    return Ended(
        process.returncode, time.perf_counter() - begun, Path(said).read_text(errors="replace"), "a process of its own"
    )


def import_all(names):
    """Import these modules, so that forked processes need not."""
    for name in names:
        if name.partition(".")[0] not in {"__main__", "kills", "hydra_plugins"}:
            with suppress(Exception):  # parts of libraries that cannot be imported alone
                importlib.import_module(name)
