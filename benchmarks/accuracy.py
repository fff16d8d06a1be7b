"""Whether speed costs accuracy: the article's own loop against train.py with all that makes it fast, over seeds.

    python benchmarks/accuracy.py --seeds 10 --output benchmarks/results/accuracy-MACHINE.json    (five minutes)
    python benchmarks/accuracy.py --data PATH --image-size 224 --device gpu --epochs 50

plain  the tutorial's loop: PIL rotates and zooms image by image, plain Adam, the usual memory layout
fast   train.py with its defaults: batches augmented on the device, channels_last, huge pages, fused optimiser, images
       kept on the device (on GPUs also TF32)

Both train the same network from scratch on the same split of each seed for as many epochs, and keep the epoch with the
lowest test loss, as the article does. Their random numbers differ, so single runs do; over seeds, the mean of ``fast``
is asked to lie within the 95 % interval of the mean of ``plain`` (t distribution). Without --data: phantoms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Train both ways, seed by seed; print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--phantoms", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--device", default="cpu", choices=("cpu", "gpu"))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="covidnet-benchmark-") as folder:
        data = arguments.data or draw(arguments, Path(folder))
        fast = train_fast(arguments, data, Path(folder))
        plain = [train_plain(arguments, data, seed) for seed in range(arguments.seeds)]
    report(arguments, plain, fast)
    return 0


def draw(arguments: argparse.Namespace, folder: Path) -> Path:
    from covidnet.data.phantoms import PhantomSpec, write_phantoms

    return write_phantoms(folder / "phantoms", PhantomSpec(count=arguments.phantoms, seed=0))


def train_fast(arguments: argparse.Namespace, data: Path, folder: Path) -> list[float]:
    """Test accuracy of each seed's run of one sweep."""
    command = [
        sys.executable, "train.py", "-m", f"random_state=range(0,{arguments.seeds})", f"data.root={data}",
        f"output_dir={folder / 'runs'}", f"data.cache_dir={folder / 'cache'}", "compute.resident=true",
        f"trainer={arguments.device}", f"trainer.max_epochs={arguments.epochs}", f"backbone={arguments.backbone}",
        f"data.image_size={arguments.image_size}", f"data.batch_size={arguments.batch_size}",
        "weights=none", "saliency=off", "audit=off",
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    found = [json.loads(path.read_text()) for path in (folder / "runs").rglob("metrics.json")]
    return [metrics["accuracy"]["value"] for metrics in found]


def train_plain(arguments: argparse.Namespace, data: Path, seed: int) -> float:
    """Test accuracy of the tutorial's loop."""
    import torch
    from sklearn.model_selection import train_test_split
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import ImageFolder
    from torchvision.models import get_model

    torch.manual_seed(seed)
    device = "cuda" if arguments.device == "gpu" else "cpu"
    size = (arguments.image_size, arguments.image_size)
    changes = [transforms.RandomRotation(20), transforms.RandomAffine(0, scale=(0.7, 1.3))]
    ways = [transforms.Compose([transforms.Resize(size), *more, transforms.ToTensor()]) for more in (changes, [])]
    learned, tested = (ImageFolder(str(data), way) for way in ways)
    rows = range(len(learned.targets))
    train, test = train_test_split(rows, test_size=0.2, random_state=seed, stratify=learned.targets)
    loaders = [
        DataLoader(Subset(learned, train), arguments.batch_size, shuffle=True),
        DataLoader(Subset(tested, test), arguments.batch_size),
    ]
    network = get_model(arguments.backbone, num_classes=len(learned.classes)).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001, weight_decay=0.0005)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=10, eps=1e-6)
    best = (float("inf"), 0.0)
    for _ in range(arguments.epochs):
        loss = train_epoch(network, optimizer, loaders[0], device)
        schedule.step(loss)
        tested_loss, accuracy = score(network, loaders[1], device)
        best = min(best, (tested_loss, -accuracy))
    return -best[1]


def train_epoch(network: Any, optimizer: Any, loader: Any, device: str) -> float:
    """Mean training loss of one epoch."""
    import torch

    network.train()
    total = 0.0
    for pixels, labels in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(pixels.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    return total / len(loader.dataset)


def score(network: Any, loader: Any, device: str) -> tuple[float, float]:
    """Mean loss and accuracy on the test images."""
    import torch

    network.eval()
    loss, correct = 0.0, 0
    with torch.inference_mode():
        for pixels, labels in loader:
            logits = network(pixels.to(device)).cpu()
            loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
            correct += int((logits.argmax(1) == labels).sum())
    return loss / len(loader.dataset), correct / len(loader.dataset)


def report(arguments: argparse.Namespace, plain: list[float], fast: list[float]) -> None:
    from scipy.stats import t

    from covidnet.runs.environment import describe_environment

    middle = statistics.mean(plain)
    reach = float(t.ppf(0.975, len(plain) - 1)) * statistics.stdev(plain) / len(plain) ** 0.5
    inside = abs(statistics.mean(fast) - middle) <= reach
    print(f"plain  mean accuracy {middle:.3f} [{middle - reach:.3f}, {middle + reach:.3f}] over {len(plain)} seeds")
    print(f"fast   mean accuracy {statistics.mean(fast):.3f}, {'within' if inside else 'OUTSIDE'} that interval")
    if arguments.output is not None:
        settings = {name: str(value) for name, value in vars(arguments).items() if name not in {"output", "data"}}
        environment = describe_environment(arguments.device, {"folder": arguments.data.name if arguments.data else ""})
        environment.pop("command")
        content = {
            "settings": settings, "plain": plain, "fast": fast, "interval": [middle - reach, middle + reach],
            "within": inside, "environment": environment,
        }  # fmt: skip
        arguments.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
