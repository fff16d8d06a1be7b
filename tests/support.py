"""What tests that run commands share: the commands, in this process or in their own, and run directories."""

import csv
import io
import json
import logging
import os
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

# Before torch is imported: with as many processes as cores, threads within them only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
BACKBONE = "mobilenet_v3_small"  # batch normalisation and dropout, and quick
COUNT, SIZE = 20, 32
HIDDEN = (
    "HYDRA_FULL_ERROR", "COVIDNET_SHOWS_ERRORS", "THP_MEM_ALLOC_ENABLE", "PL_GLOBAL_SEED",
    "MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE",
)  # fmt: skip
"""Variables that the commands set in their own environment."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self):
        return self.err.splitlines()


@dataclass(frozen=True)
class Run:
    """A run directory, read back."""

    directory: Path

    @property
    def rows(self):
        with (self.directory / "history.csv").open() as file:
            return list(csv.DictReader(file))

    @property
    def history(self):
        """history.csv as text without its seconds."""
        return [{key: value for key, value in row.items() if key != "seconds"} for row in self.rows]

    @property
    def predictions(self):
        return (self.directory / "predictions.csv").read_text()

    @property
    def metrics(self):
        return json.loads((self.directory / "metrics.json").read_text())

    @property
    def scores(self):
        """metrics.json without its seconds."""
        return {key: value for key, value in self.metrics.items() if not key.endswith("seconds")}

    @property
    def split(self):
        with (self.directory / "split.csv").open() as file:
            return {row["path"]: row["split"] for row in csv.DictReader(file)}


def runs_in(output_dir):
    """The run directories below ``output_dir``, in the order of their names."""
    if not output_dir.exists():
        return []
    return [Run(path) for path in sorted(output_dir.iterdir()) if path.is_dir() and path.name != "phantoms"]


def only_run(output_dir):
    (run,) = runs_in(output_dir)
    return run


def call(script, *arguments):
    """Run a command in this process and leave the process as it was."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    import evaluate
    import predict
    import train
    from covidnet.audit.__main__ import main as audit
    from covidnet.commands.entry import run_command
    from covidnet.demo.__main__ import main as demo
    from covidnet.export.__main__ import main as export

    mains = {"train": train.main, "evaluate": evaluate.main, "predict": predict.main, "export": export,
             "demo": demo, "audit": audit}  # fmt: skip
    main = mains[script]
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", [f"{script}.py", *map(str, arguments)])
        for name in HIDDEN:
            patch.setenv(name, "")  # so that it is restored
            patch.delenv(name)
        try:
            status = run_command(main, train.CONFIG_DIR, script)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        finally:
            GlobalHydra.instance().clear()
            HydraConfig.instance().cfg = None
            for handler in set(root.handlers) - set(handlers):
                handler.close()
            root.handlers[:], root.level = handlers, level
    return Outcome(status, out.getvalue(), err.getvalue())


def environment():
    """This process's, without what the commands set."""
    return {key: value for key, value in os.environ.items() if key not in HIDDEN}


def as_typed(script, *arguments, cwd=ROOT, **more):
    """Run ``python SCRIPT.py ARGUMENTS`` in a process of its own."""
    typed = [sys.executable, str(ROOT / f"{script}.py"), *map(str, arguments)]
    done = subprocess.run(typed, capture_output=True, text=True, cwd=cwd, env=environment() | more, timeout=300)
    return Outcome(done.returncode, done.stdout, done.stderr)
