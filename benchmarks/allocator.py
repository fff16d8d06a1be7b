"""What the memory allocator costs a training step on the CPU (Linux), side by side in one run.

    python benchmarks/allocator.py --phantoms 50 --output benchmarks/results/allocator-MACHINE.json

The bare step of benchmarks/epoch.py (floor), in processes that differ in nothing but how memory is had:

plain     glibc's allocator, as Python has it
kept      glibc keeps what is freed; train.py's compute.keep_memory, which sets the same by mallopt(3)
huge      torch asks for huge pages; train.py's compute.huge_pages
both      the two together
jemalloc  preloaded, with huge pages of its own (Debian: libjemalloc2); left out where it is not installed
"""

from __future__ import annotations

import argparse
import ctypes.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from epoch import ask, draw_phantoms, expect, line
from epoch_parts import PLAIN_MEMORY

HUGE = "THP_MEM_ALLOC_ENABLE"
KEPT = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=18446744073709551615"
JEMALLOC_OPTIONS = "oversize_threshold:1,background_thread:true,metadata_thp:auto,thp:always,dirty_decay_ms:-1"


def main() -> int:
    """Measure each allocator in a process of its own, in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path)
    source.add_argument("--phantoms", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="covidnet-benchmark-") as folder:
        data = arguments.data or draw_phantoms(arguments, Path(folder))
        workers = {name: start(more, arguments, data) for name, more in environments().items()}
        rounds = [{name: ask(worker) for name, worker in workers.items()} for _ in range(arguments.rounds + 1)][1:]
        for worker in workers.values():
            worker.communicate("stop\n")
    report(arguments, rounds)
    return 0


def environments() -> dict[str, dict[str, str]]:
    """What each way adds to the environment."""
    found = {
        "plain": {},
        "kept": {"GLIBC_TUNABLES": KEPT},
        "huge": {HUGE: "1"},
        "both": {"GLIBC_TUNABLES": KEPT, HUGE: "1"},
    }
    library = ctypes.util.find_library("jemalloc")
    if library is not None:
        found["jemalloc"] = {"LD_PRELOAD": library, "MALLOC_CONF": JEMALLOC_OPTIONS}
    return found


def start(more: dict[str, str], arguments: argparse.Namespace, data: Path) -> subprocess.Popen[str]:
    """A process that trains one epoch of bare steps whenever it is told to."""
    environment = {name: value for name, value in os.environ.items() if name != HUGE} | more | {PLAIN_MEMORY: "1"}
    command = [sys.executable, str(Path(__file__).with_name("epoch.py")), "--part", "floor", "--data", str(data)]
    for name in ("rounds", "backbone", "image_size", "batch_size"):
        command += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    expect(worker, "ready")
    return worker


def report(arguments: argparse.Namespace, rounds: list[dict[str, float]]) -> None:
    print(f"{'one epoch of bare steps':44s} {'median':>8s} {'min':>8s} {'max':>8s}")
    for name in rounds[0]:
        print(line(f"{name}, seconds", [row[name] for row in rounds]))
    for name in rounds[0]:
        if name != "plain":
            print(line(f"{name} / plain", [row[name] / row["plain"] for row in rounds]))
    if arguments.output is not None:
        from covidnet.runs.environment import describe_environment

        settings = {name: str(value) for name, value in vars(arguments).items() if name not in {"output", "data"}}
        medians = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
        environment = describe_environment("cpu", {})
        environment.pop("command")
        content = {"settings": settings, "rounds": rounds, "medians": medians, "environment": environment}
        arguments.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
