"""How long one epoch takes: the article's loop, covidnet, and the bare training step, side by side in one process.

    python benchmarks/epoch.py --data PATH
    python benchmarks/epoch.py --data PATH --output benchmarks/results/epoch-MACHINE.json

article   PIL augmentation of every image in a DataLoader with two worker processes, then the training step
covidnet  what train.py runs between the start and the end of an epoch's training: loader, transfer, augmentation, step
floor     the training step alone, on one batch of ready images that never leave memory

Each round measures the three in turn, so that a change of the machine's speed meets all alike; the ratios are formed
round by round and their median is reported. covidnet and the floor run with what train.py sets by default (huge memory
pages, channels_last); the article's loop is left as a reader of the article would run it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = ("article", "covidnet", "floor")


def main() -> int:
    """Measure each part in a process of its own, in turn, and report medians and ratios."""
    arguments = parse_arguments()
    if arguments.part is not None:
        serve(arguments)
        return 0
    rounds = measure(arguments)
    report(arguments, rounds)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="folder with one sub-folder per class")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the three, after one that is not counted")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--output", type=Path, help="write the measurements to this JSON file")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


# --- the process that asks -------------------------------------------------------------------------------------------


def measure(arguments: argparse.Namespace) -> list[dict[str, float]]:
    """Seconds of one epoch of each part, round by round."""
    workers = {part: start_worker(part) for part in PARTS}
    rounds = []
    for number in range(arguments.rounds + 1):
        seconds = {part: ask(worker) for part, worker in workers.items()}
        shown = "  ".join(f"{part} {value:.2f} s" for part, value in seconds.items())
        print(f"round {number}{' (warm-up)' if number == 0 else ''}: {shown}", flush=True)
        if number:
            rounds.append(seconds)
    for worker in workers.values():
        worker.communicate("stop\n")
    return rounds


def start_worker(part: str) -> subprocess.Popen[str]:
    """A process that trains one epoch whenever it is told to; it rests otherwise."""
    environment = dict(os.environ)
    if part == "article":
        environment.pop("THP_MEM_ALLOC_ENABLE", None)
    else:
        environment["THP_MEM_ALLOC_ENABLE"] = "1"  # train.py's compute.huge_pages
    command = [sys.executable, __file__, "--part", part, *sys.argv[1:]]
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


def report(arguments: argparse.Namespace, rounds: list[dict[str, float]]) -> None:
    from covidnet.runs.environment import describe_environment

    ratios = {
        "covidnet / floor (asked: at most 1.15)": [row["covidnet"] / row["floor"] for row in rounds],
        "article / covidnet (asked: at least 2.5)": [row["article"] / row["covidnet"] for row in rounds],
    }
    print(f"\n{'one epoch of training':44s} {'median':>8s} {'min':>8s} {'max':>8s}")
    for part in PARTS:
        print(line(f"{part}, seconds", [row[part] for row in rounds]))
    for name, values in ratios.items():
        print(line(name, values))
    if arguments.output is not None:
        asked = {name: str(value) for name, value in vars(arguments).items() if name not in {"part", "output", "data"}}
        content = {
            "settings": asked,
            "seconds": {part: [row[part] for row in rounds] for part in PARTS},
            "ratios": {
                name: {"median": statistics.median(values), "values": values} for name, values in ratios.items()
            },
            "environment": describe_environment(arguments.device, {"folder": arguments.data.name}),
        }
        content["environment"].pop("command")
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(content, indent=2) + "\n")


def line(name: str, values: list[float]) -> str:
    return f"{name:44s} {statistics.median(values):8.2f} {min(values):8.2f} {max(values):8.2f}"


# --- the processes that are measured ---------------------------------------------------------------------------------


def serve(arguments: argparse.Namespace) -> None:
    """Prepare one part, then train an epoch for every line that comes in."""
    {"article": serve_article, "covidnet": serve_covidnet, "floor": serve_floor}[arguments.part](arguments)


def wait_for_request() -> None:
    """Rest until the next epoch is asked for, or end the process."""
    if sys.stdin.readline().strip() != "epoch":
        os._exit(0)  # nothing is left to save, and a half-trained Lightning run has nothing to tell


def answer(arguments: argparse.Namespace, epoch: Callable[[], None]) -> None:
    """Run ``epoch`` at every request and print its seconds."""
    print("ready:", flush=True)
    while True:
        wait_for_request()
        started = time.perf_counter()
        epoch()
        synchronize(arguments)
        print(f"seconds: {time.perf_counter() - started}", flush=True)


def synchronize(arguments: argparse.Namespace) -> None:
    if arguments.device != "cpu":
        import torch

        torch.cuda.synchronize()


def serve_article(arguments: argparse.Namespace) -> None:
    """The tutorial's loop as one would write it down: decode, resize, rotate and zoom with PIL, image by image."""
    import torch
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    network, optimizer = make_model(arguments, channels_last=False)
    transform = transforms.Compose(
        [
            transforms.Resize((arguments.image_size, arguments.image_size)),
            transforms.RandomRotation(20),
            transforms.RandomAffine(0, scale=(0.7, 1.3)),
            transforms.ToTensor(),
        ]
    )
    images = ImageFolder(str(arguments.data), transform)
    train = Subset(images, train_positions(images.targets))
    loader = DataLoader(train, arguments.batch_size, shuffle=True, num_workers=2)

    def epoch() -> None:
        network.train()
        total = 0.0
        for pixels, labels in loader:
            pixels, labels = pixels.to(arguments.device), labels.to(arguments.device)
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(pixels), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()

    answer(arguments, epoch)


def serve_covidnet(arguments: argparse.Namespace) -> None:
    """The training part of each epoch of train.py's own Lightning run, held at the start of an epoch until asked."""
    import pytorch_lightning as lightning

    from covidnet.compute import quiet_libraries
    from covidnet.config.compose import compose_train
    from covidnet.data.dataset import open_dataset
    from covidnet.data.protocols import split_records
    from covidnet.runs.layout import RunLayout
    from covidnet.training.build import build_datamodule, build_module, build_trainer
    from covidnet.training.callbacks import History

    class Clock(lightning.Callback):
        started: float | None = None
        seconds = 0.0

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if self.started is not None:
                # Told only now, so that validation and checkpoint do not run beside the next part's epoch.
                print(f"seconds: {self.seconds}", flush=True)
            wait_for_request()
            self.started = time.perf_counter()

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            synchronize(arguments)
            assert self.started is not None
            self.seconds = time.perf_counter() - self.started

    quiet_libraries()
    settings = compose_train(
        [
            f"data.root={arguments.data}",
            f"backbone={arguments.backbone}",
            f"data.image_size={arguments.image_size}",
            f"data.batch_size={arguments.batch_size}",
            f"trainer={'cpu' if arguments.device == 'cpu' else 'gpu'}",
            f"trainer.max_epochs={arguments.rounds + 2}",
            "weights=none",
            "logger=none",
            "callbacks.progress=none",
        ]
    )
    layout = RunLayout(Path(tempfile.mkdtemp(prefix="covidnet-benchmark-")))
    dataset = open_dataset(settings.data)
    split = split_records(settings, dataset.records)
    data = build_datamodule(settings, dataset, split)
    module = build_module(settings, dataset, split)
    trainer = build_trainer(settings, layout, History(layout.history, "test", print_lines=False), None)
    trainer.callbacks.insert(0, Clock())
    print("ready:", flush=True)
    trainer.fit(module, data)


def serve_floor(arguments: argparse.Namespace) -> None:
    """Forward, backward and optimiser step on ready images, as many and as large batches as an epoch has."""
    import torch
    from torchvision.datasets import ImageFolder

    network, optimizer = make_model(arguments, channels_last=True)
    count = len(train_positions(ImageFolder(str(arguments.data)).targets))
    sizes = [min(arguments.batch_size, count - start) for start in range(0, count, arguments.batch_size)]
    images = torch.rand(max(sizes), 3, arguments.image_size, arguments.image_size, device=arguments.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 2, (max(sizes),), device=arguments.device)

    def epoch() -> None:
        network.train()
        for size in sizes:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(images[:size]), labels[:size])
            loss.backward()
            optimizer.step()

    answer(arguments, epoch)


def make_model(arguments: argparse.Namespace, channels_last: bool) -> tuple[Any, Any]:
    """The network from scratch with the article's optimiser."""
    import torch
    from torchvision.models import get_model

    torch.manual_seed(0)
    network = get_model(arguments.backbone, num_classes=2).to(arguments.device)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    return network, torch.optim.Adam(network.parameters(), lr=0.001, weight_decay=0.0005)


def train_positions(labels: list[int]) -> list[int]:
    """The article's training images."""
    from sklearn.model_selection import train_test_split

    positions, _ = train_test_split(list(range(len(labels))), test_size=0.2, random_state=50, stratify=labels)
    return list(positions)


if __name__ == "__main__":
    sys.exit(main())
