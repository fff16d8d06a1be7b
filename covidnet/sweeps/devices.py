"""Jobs of one sweep share out the GPUs of a machine: each takes the one with the fewest jobs, until it ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def claim_device(locks: Path, devices: int) -> Iterator[int]:
    """Give the index of a device, below ``devices``, that no more jobs hold than any other device.

    A claim is a file lock, which the system takes back when a process dies, however it dies. Slot 0 of every device
    is taken before slot 1 of any, so as many jobs as there are devices always run on different ones.

    Args:
        locks: A folder for the locks, the same for all jobs of the sweep; machines that share it do not disturb
            each other.
        devices: Number of devices, at least 1.
    """
    folder = locks / socket.gethostname()
    folder.mkdir(parents=True, exist_ok=True)
    for number in count():
        lock = FileLock(folder / f"{number:04d}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield number % devices
        finally:
            lock.release()
        return
