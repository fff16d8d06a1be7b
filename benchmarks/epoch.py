"""How long one epoch takes: the article's loop, a plain Lightning template, covidnet, and the bare step, side by side.

    python benchmarks/epoch.py --data PATH
    python benchmarks/epoch.py --phantoms 500 --image-size 64 --output benchmarks/results/epoch-500-MACHINE.json

article    PIL augmentation of every image in a DataLoader with two worker processes, then the training step
lightning  the same pictures through Lightning's Trainer, LightningModule and DataLoader as common templates have them
covidnet   what train.py runs between the start and the end of an epoch's training: loader, transfer, augmentation, step
floor      the training step alone, on one batch of ready images that never leave memory

Each round measures the four in turn, so that a change of the machine's speed meets all alike; the ratios are formed
round by round and their median is reported. covidnet and the floor run with what train.py sets by default (freed memory
is kept, channels_last, all weights updated in one kernel); the article's and the template's loops are left as their
readers would run them. Memory is each process's peak, its loader's workers not counted (Linux only). With --output, a
figure of the same name is drawn beside the JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PARTS = ("article", "lightning", "covidnet", "floor")
RATIOS = (
    ("covidnet / floor (asked: at most 1.05)", "covidnet", "floor"),
    ("article / covidnet (asked: at least 3)", "article", "covidnet"),
    ("lightning / covidnet", "lightning", "covidnet"),
)


def main() -> int:
    """Measure each part in a process of its own, in turn, and report medians and ratios."""
    arguments = parse_arguments()
    if arguments.part is not None:
        from epoch_parts import serve

        serve(arguments)
        return 0
    with tempfile.TemporaryDirectory(prefix="covidnet-benchmark-") as folder:
        data = draw_phantoms(arguments, Path(folder)) if arguments.data is None else arguments.data
        rounds, memory = measure(arguments, data)
    report(arguments, rounds, memory)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder with one sub-folder per class")
    source.add_argument("--phantoms", type=int, help="draw so many phantoms instead")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the four, after one that is not counted")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--output", type=Path, help="write the measurements to this JSON file")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def draw_phantoms(arguments: argparse.Namespace, folder: Path) -> Path:
    from covidnet.data.phantoms import PhantomSpec, write_phantoms

    return write_phantoms(folder / "phantoms", PhantomSpec(count=arguments.phantoms, seed=0))


def measure(arguments: argparse.Namespace, data: Path) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Seconds of one epoch of each part, round by round, and each part's peak memory in MB."""
    workers = {part: start_worker(part, arguments, data) for part in PARTS}
    rounds = []
    for number in range(arguments.rounds + 1):
        seconds = {part: ask(worker) for part, worker in workers.items()}
        shown = "  ".join(f"{part} {value:.2f} s" for part, value in seconds.items())
        print(f"round {number}{' (warm-up)' if number == 0 else ''}: {shown}", flush=True)
        if number:
            rounds.append(seconds)
    memory = {part: peak_memory(worker.pid) for part, worker in workers.items()}
    for worker in workers.values():
        worker.communicate("stop\n")
    return rounds, memory


def start_worker(part: str, arguments: argparse.Namespace, data: Path) -> subprocess.Popen[str]:
    """A process that trains one epoch whenever it is told to; it rests otherwise."""
    environment = dict(os.environ)
    environment.pop("THP_MEM_ALLOC_ENABLE", None)
    command = [sys.executable, __file__, "--part", part, "--data", str(data)]
    for name in ("rounds", "backbone", "image_size", "batch_size", "device"):
        command += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    expect(worker, "ready")
    return worker


def ask(worker: subprocess.Popen[str]) -> float:
    assert worker.stdin is not None
    worker.stdin.write("epoch\n")
    worker.stdin.flush()
    return float(expect(worker, "seconds"))


def expect(worker: subprocess.Popen[str], word: str) -> str:
    """The rest of the next line that starts with ``word``; what else the worker prints is passed by."""
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.startswith(f"{word}:"):
            return line.partition(":")[2].strip()
    raise SystemExit(f"the measuring process ended early (exit status {worker.wait()})")


def peak_memory(pid: int) -> float:
    """Of a running process, in MB; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        return 0.0
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024


def report(arguments: argparse.Namespace, rounds: list[dict[str, float]], memory: dict[str, float]) -> None:
    ratios = {name: [row[above] / row[below] for row in rounds] for name, above, below in RATIOS}
    print(f"\n{'one epoch of training':44s} {'median':>8s} {'min':>8s} {'max':>8s}")
    for part in PARTS:
        print(f"{line(f'{part}, seconds', [row[part] for row in rounds])}   {memory[part]:6.0f} MB")
    for name, values in ratios.items():
        print(line(name, values))
    if arguments.output is None:
        return
    from covidnet.runs.environment import describe_environment

    skipped = {"part", "output", "data", "phantoms"}
    described = {"phantoms": arguments.phantoms} if arguments.data is None else {"folder": arguments.data.name}
    content: dict[str, Any] = {
        "settings": {name: str(value) for name, value in vars(arguments).items() if name not in skipped},
        "seconds": {part: [row[part] for row in rounds] for part in PARTS},
        "memory_mb": memory,
        "ratios": {name: {"median": statistics.median(values), "values": values} for name, values in ratios.items()},
        "environment": describe_environment(arguments.device, described),
    }
    content["environment"].pop("command")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(content, indent=2) + "\n")
    draw(content, arguments.output.with_suffix(".png"))


def line(name: str, values: list[float]) -> str:
    return f"{name:44s} {statistics.median(values):8.2f} {min(values):8.2f} {max(values):8.2f}"


def draw(content: dict[str, Any], file: Path) -> None:
    """Seconds of each part: the median as a bar, each round as a point."""
    from matplotlib.figure import Figure

    from covidnet.figures.style import CLASS_COLORS, INK, house_style, save_figure

    with house_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        axes = figure.subplots()
        for position, part in enumerate(reversed(PARTS)):
            values = content["seconds"][part]
            axes.barh(position, statistics.median(values), color=CLASS_COLORS[0 if part == "covidnet" else 4])
            axes.plot(values, [position] * len(values), ".", color=INK, markersize=4)
        axes.set_yticks(range(len(PARTS)), list(reversed(PARTS)))
        axes.set_xlabel("seconds of one epoch (median of the rounds; a point per round)")
        settings = content["settings"]
        threads = content["environment"]["threads"]
        axes.set_title(
            f"{settings['backbone']}, {settings['image_size']} pixels, {settings['device']}, {threads} threads"
        )
    save_figure(figure, file)


if __name__ == "__main__":
    sys.exit(main())
