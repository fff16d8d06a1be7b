"""Settings of the process that must be made before torch is imported."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys
import warnings

from covidnet.config.schema import ComputeConfig

HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Read once by torch's CPU allocator: large buffers ask the kernel for huge pages."""

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt: what is trimmed when freed; how many buffers come from the system one by one."""

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
    """Set how memory is had, and silence what libraries say about intended things; call before importing torch."""
    if config.keep_memory:
        keep_memory()
    if config.huge_pages and sys.platform == "linux":
        os.environ.setdefault(HUGE_PAGES, "1")
    quiet_libraries()


def keep_memory() -> bool:
    """Let freed memory stay with this process, to be used again; False where the C library is not glibc.

    By default glibc gives every large buffer back to the system when it is freed, and a training step frees and asks
    for gigabytes of activations: each page is then mapped and cleared anew. See mallopt(3).
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    # The return values are 1 for success.
    library = ctypes.CDLL(None)
    return bool(library.mallopt(M_MMAP_MAX, 0)) and bool(library.mallopt(M_TRIM_THRESHOLD, -1))


def give_memory_back() -> None:
    """Return what is free to the system after all, as between the runs of a sweep."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def prepare_torch(config: ComputeConfig) -> None:
    """Set what torch does in this process from now on: threads, and how exact products on GPUs are."""
    import torch

    if config.num_threads is not None:
        torch.set_num_threads(config.num_threads)
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high" if config.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = config.tf32


def describe_compute(config: ComputeConfig, device: str, resident: bool) -> str:
    """What is done for speed, in one line that names the keys which switch it off.

    Args:
        config: What was asked for.
        device: Kind of the device that the network trains on: cpu, cuda, mps.
        resident: Whether the images stay in the device's memory.
    """
    import torch

    used = {
        "keep_memory": device == "cpu" and config.keep_memory and sys.platform == "linux",
        "huge_pages": device == "cpu" and os.environ.get(HUGE_PAGES) == "1",
        "channels_last": config.channels_last,
        "fused_optimizer": config.fused_optimizer and device in {"cpu", "cuda"},
        "resident": resident,
        "tf32": config.tf32 and device == "cuda",
        "compile": config.compile != "none",
    }
    names = ", ".join(name for name, on in used.items() if on) or "nothing"
    threads = torch.get_num_threads()
    where = f"{threads} thread{'' if threads == 1 else 's'}" if device == "cpu" else device
    return f"compute: {where}; for speed: {names} (compute.NAME=false is without)"


def quiet_libraries() -> None:
    """Keep Lightning's remarks off the terminal; real warnings stay. A log that cannot be written stops nothing."""
    logging.raiseExceptions = False
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in NOISE:
        warnings.filterwarnings("ignore", message=message)
