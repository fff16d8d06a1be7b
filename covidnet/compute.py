"""Settings of the process that must be made before torch is imported."""

from __future__ import annotations

import logging
import os
import sys
import warnings

from covidnet.config.schema import ComputeConfig

HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Read once by torch's CPU allocator: large buffers ask the kernel for huge pages."""

NOISE = (
    r".*does not have many workers.*",  # the cached pixels need none
    r".*is smaller than the logging interval.*",
    r".*Checkpoint directory .* exists and is not empty.*",  # a resumed run's
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*",
    r".*ckpt_path.*weights_only.*",
    r".*in eval mode at the start of training.*",  # frozen ones
)
"""Warnings of libraries on things that are as they are meant to be here."""


def prepare_process(config: ComputeConfig) -> None:
    """Ask for huge pages, and silence what libraries say about intended things; call before importing torch."""
    if config.huge_pages and sys.platform == "linux":
        os.environ.setdefault(HUGE_PAGES, "1")
    quiet_libraries()


def quiet_libraries() -> None:
    """Keep Lightning's remarks off the terminal; real warnings stay. A log that cannot be written stops nothing."""
    logging.raiseExceptions = False
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in NOISE:
        warnings.filterwarnings("ignore", message=message)
