"""How long a whole command takes, from its start to its end: the article's script, covidnet, and the bare steps.

    python benchmarks/command.py --output benchmarks/results/command-MACHINE.json
    python benchmarks/command.py --data PATH --epochs 50 --image-size 224 --device cuda

article   a script as the tutorial's: imports, PIL augmentation in a DataLoader, a test after each epoch, a report
bare      train.py with the same work: no audit, no saliency, no page, no TensorBoard
covidnet  train.py as it is: with all of these
floor     imports, and as many training steps on ready images, nothing else

Each is a process of its own, in turn. Seconds of wall clock; peak memory of the largest process (Linux).
covidnet's cache of decoded pixels is there already, as in every run but the first; --cold removes it before each round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("article", "bare", "covidnet", "floor")
RATIOS = (
    ("article / bare", "article", "bare"),
    ("article / covidnet", "article", "covidnet"),
    ("bare / floor", "bare", "floor"),
)


def main() -> int:
    """Measure, print and write; or, in a process of its own, be one of the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with one sub-folder per class; default: phantoms")
    parser.add_argument("--phantoms", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--part", choices=("article", "floor"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part is not None:
        (run_article if arguments.part == "article" else run_floor)(arguments)
        return 0
    with tempfile.TemporaryDirectory(prefix="covidnet-benchmark-") as folder:
        if arguments.data is None:
            arguments.data = draw(arguments, Path(folder))
        rounds = [measure(arguments, Path(folder)) for _ in range(arguments.rounds + 1)]
    report(arguments, rounds[1:])
    return 0


def draw(arguments: argparse.Namespace, folder: Path) -> Path:
    from covidnet.data.phantoms import PhantomSpec, write_phantoms

    return write_phantoms(folder / "phantoms", PhantomSpec(count=arguments.phantoms, seed=0))


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """Seconds and peak memory in MB of each part."""
    own = [
        f"--{name}={getattr(arguments, name.replace('-', '_'))}" for name in ("data", "epochs", "backbone", "device")
    ]
    own += [f"--image-size={arguments.image_size}", f"--batch-size={arguments.batch_size}"]
    train = [
        sys.executable, "train.py", f"data.root={arguments.data}", f"output_dir={folder / 'runs'}", "weights=none",
        f"data.cache_dir={folder / 'cache'}", f"trainer.max_epochs={arguments.epochs}",
        f"backbone={arguments.backbone}", f"data.image_size={arguments.image_size}",
        f"data.batch_size={arguments.batch_size}", f"trainer={'cpu' if arguments.device == 'cpu' else 'gpu'}",
    ]  # fmt: skip
    commands = {
        "article": [sys.executable, __file__, "--part", "article", *own],
        "bare": [*train, "audit=off", "saliency=off", "report.enabled=false", "logger=none"],
        "covidnet": train,
        "floor": [sys.executable, __file__, "--part", "floor", *own],
    }
    found = {}
    for name, command in commands.items():
        if arguments.cold:
            shutil.rmtree(folder / "cache", ignore_errors=True)
        found[name] = run(command, name)
        if name in {"bare", "covidnet"}:
            newest = max((folder / "runs").rglob("metrics.json"), key=lambda path: path.stat().st_mtime)
            found[name]["training_seconds"] = json.loads(newest.read_text())["training_seconds"]
    print("  ".join(f"{name} {one['seconds']:.1f} s" for name, one in found.items()), flush=True)
    return found


def run(command: list[str], name: str) -> dict[str, float]:
    """Wall seconds of a command and the peak memory of its process.

    Raises:
        SystemExit: It failed.
    """
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if status:
            output.seek(0)
            raise SystemExit(f"{' '.join(command)}\n{output.read()}")
    return {"seconds": seconds, "memory_mb": usage.ru_maxrss / 1024}


def run_article(arguments: argparse.Namespace) -> None:
    """The tutorial's work, written down plainly."""
    import torch
    from epoch_parts import make_article_loader, make_model, train_positions
    from sklearn.metrics import classification_report
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    network, optimizer = make_model(arguments, tuned=False)
    loader = make_article_loader(arguments)
    size = (arguments.image_size, arguments.image_size)
    tested = ImageFolder(str(arguments.data), transforms.Compose([transforms.Resize(size), transforms.ToTensor()]))
    train = set(train_positions(tested.targets))
    rest = [row for row in range(len(tested)) if row not in train]
    tests = DataLoader(Subset(tested, rest), arguments.batch_size, num_workers=2)
    predicted: list[int] = []
    for _ in range(arguments.epochs):
        network.train()
        for pixels, labels in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(pixels.to(arguments.device)), labels.to(arguments.device))
            loss.backward()
            optimizer.step()
            loss.item()
        network.eval()
        with torch.inference_mode():
            predicted = [int(one) for pixels, _ in tests for one in network(pixels.to(arguments.device)).argmax(1)]
    torch.save(network.state_dict(), Path(tempfile.mkdtemp(prefix="covidnet-benchmark-")) / "model.pt")
    print(classification_report([tested.targets[row] for row in rest], predicted, zero_division=0))


def run_floor(arguments: argparse.Namespace) -> None:
    """Training steps on ready images."""
    import torch
    from epoch_parts import make_model, train_positions
    from torchvision.datasets import ImageFolder

    from covidnet.compute import keep_memory

    keep_memory()
    network, optimizer = make_model(arguments, tuned=True)
    count = len(train_positions(ImageFolder(str(arguments.data)).targets))
    size = min(arguments.batch_size, count)
    images = torch.rand(size, 3, arguments.image_size, arguments.image_size, device=arguments.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 2, (size,), device=arguments.device)
    for _ in range(arguments.epochs * -(-count // size)):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    if arguments.device == "cuda":
        torch.cuda.synchronize()


def report(arguments: argparse.Namespace, rounds: list[dict[str, dict[str, float]]]) -> None:
    print(f"\n{'':24s} {'median':>8s} {'min':>8s} {'max':>8s}")
    for part in PARTS:
        memory = max(row[part]["memory_mb"] for row in rounds)
        print(f"{line(f'{part}, seconds', [row[part]['seconds'] for row in rounds])}   {memory:6.0f} MB")
    for part in ("bare", "covidnet"):
        print(line(f"{part}, of it training", [row[part]["training_seconds"] for row in rounds]))
    for name, above, below in RATIOS:
        print(line(name, [row[above]["seconds"] / row[below]["seconds"] for row in rounds]))
    if arguments.output is not None:
        from covidnet.runs.environment import describe_environment

        settings = {
            name: str(value) for name, value in vars(arguments).items() if name not in {"output", "part", "data"}
        }
        environment = describe_environment(arguments.device, {"folder": arguments.data.name})
        environment.pop("command")
        content = {"settings": settings, "rounds": rounds, "environment": environment}
        arguments.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def line(name: str, values: list[float]) -> str:
    return f"{name:24s} {statistics.median(values):8.2f} {min(values):8.2f} {max(values):8.2f}"


if __name__ == "__main__":
    sys.exit(main())
