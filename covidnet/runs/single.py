"""Several runs in one process, each as if it were alone: what a run is called by, and what it leaves behind."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import read_write

from covidnet.compute import give_memory_back
from covidnet.runs.layout import RunLayout

LAUNCH_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE")
"""Lightning sets these for a run of several processes and leaves them; the next run would take itself for a part."""


def is_further_process() -> bool:
    """Whether this is not the first process of a distributed run, started by Lightning, torchrun or srun."""
    return any(int(os.environ.get(name, "0")) > 0 for name in ("LOCAL_RANK", "RANK", "SLURM_PROCID"))


@contextmanager
def as_single_run(run: RunLayout, overrides: Sequence[str], resumed: bool) -> Iterator[None]:
    """Make this process look like ``python train.py`` of this run alone, and undo what the run leaves behind.

    Lightning starts the further processes of a distributed run with this process's own arguments and Hydra's run
    directory; those of a sweep, or of a run over several folds, would start all of it again in every one of them.

    Args:
        run: The run's own directory.
        overrides: What makes the run, as on the command line.
        resumed: Whether it goes on from its last checkpoint.
    """
    arguments, variables = sys.argv, {name: os.environ.get(name) for name in LAUNCH_VARIABLES}
    own = [f"resume={run.directory}"] if resumed else list(overrides)
    sys.argv = [arguments[0], *own]
    hydra: Any = HydraConfig.get()
    before = hydra.run.dir
    with read_write(hydra):
        hydra.run.dir = str(run.directory)
    try:
        yield
    finally:
        with read_write(hydra):
            hydra.run.dir = before
        sys.argv = arguments
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def free_memory() -> None:
    """Give back what the job held: its objects, its process group, and the memory that is kept, here and on the GPU."""
    gc.collect()
    give_memory_back()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
