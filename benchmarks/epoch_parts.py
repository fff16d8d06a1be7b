"""The processes that benchmarks/epoch.py measures: each trains one epoch for every line that it is sent."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PLAIN_MEMORY = "COVIDNET_BENCHMARK_PLAIN_MEMORY"
"""Set by benchmarks/allocator.py, which compares ways of having memory: the floor then leaves it as it is."""


def serve(arguments: argparse.Namespace) -> None:
    """Prepare one part, then train an epoch for every line that comes in."""
    parts = {
        "article": serve_article,
        "lightning": serve_lightning,
        "covidnet": serve_covidnet,
        "floor": serve_floor,
    }
    parts[arguments.part](arguments)


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

    network, optimizer = make_model(arguments, tuned=False)
    loader = make_article_loader(arguments)

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


def make_article_loader(arguments: argparse.Namespace) -> Any:
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

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
    return DataLoader(train, arguments.batch_size, shuffle=True, num_workers=2)


def serve_lightning(arguments: argparse.Namespace) -> None:
    """A LightningModule and a DataLoader as project templates have them, with their logging."""
    import pytorch_lightning as lightning
    import torch
    from torchmetrics.classification import MulticlassAccuracy

    from covidnet.compute import quiet_libraries

    class Template(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.made = make_model(arguments, tuned=False)
            self.accuracy = MulticlassAccuracy(2)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            logits = self.network(batch[0])
            loss = torch.nn.functional.cross_entropy(logits, batch[1])
            self.accuracy(logits, batch[1])
            self.log("train/loss", loss, on_step=True, on_epoch=True)
            self.log("train/accuracy", self.accuracy, on_step=False, on_epoch=True)
            return loss

        def configure_optimizers(self) -> Any:
            return self.made

    quiet_libraries()
    trainer = lightning.Trainer(
        max_epochs=arguments.rounds + 2,
        accelerator="cpu" if arguments.device == "cpu" else "gpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[make_clock(arguments, "on_train_epoch_end")],
    )
    print("ready:", flush=True)
    trainer.fit(Template(), make_article_loader(arguments))


def make_clock(arguments: argparse.Namespace, stop: str) -> Any:
    """A callback that holds each epoch until it is asked for, and tells the seconds until the hook ``stop``."""
    import pytorch_lightning as lightning

    class Clock(lightning.Callback):
        started: float | None = None
        seconds = 0.0

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if self.started is not None:
                # Told only now, so that validation and checkpoint do not run beside the next part's epoch.
                print(f"seconds: {self.seconds}", flush=True)
            wait_for_request()
            self.started = time.perf_counter()

    def stopped(self: Any, trainer: Any, pl_module: Any) -> None:
        synchronize(arguments)
        self.seconds = time.perf_counter() - self.started

    setattr(Clock, stop, stopped)
    return Clock()


def serve_covidnet(arguments: argparse.Namespace) -> None:
    """The training part of each epoch of train.py's own Lightning run, held at the start of an epoch until asked."""
    from covidnet.compute import prepare_process
    from covidnet.config.compose import compose_train
    from covidnet.data.dataset import open_dataset
    from covidnet.data.protocols import split_records
    from covidnet.runs.layout import RunLayout
    from covidnet.training.build import build_datamodule, build_module, build_trainer
    from covidnet.training.callbacks import History

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
    prepare_process(settings.compute)
    layout = RunLayout(Path(tempfile.mkdtemp(prefix="covidnet-benchmark-")))
    dataset = open_dataset(settings.data)
    split = split_records(settings, dataset.records)
    data = build_datamodule(settings, dataset, split)
    module = build_module(settings, dataset, split)
    trainer = build_trainer(settings, layout, History(layout.history, "test", print_lines=False), None)
    trainer.callbacks.insert(0, make_clock(arguments, "on_validation_start"))
    print("ready:", flush=True)
    trainer.fit(module, data)


def serve_floor(arguments: argparse.Namespace) -> None:
    """Forward, backward and optimiser step on ready images, as many and as large batches as an epoch has."""
    import torch
    from torchvision.datasets import ImageFolder

    from covidnet.compute import keep_memory

    if not os.environ.get(PLAIN_MEMORY):
        keep_memory()
    network, optimizer = make_model(arguments, tuned=True)
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


def make_model(arguments: argparse.Namespace, tuned: bool) -> tuple[Any, Any]:
    """The network from scratch with the article's optimiser, as train.py has them by default where ``tuned``."""
    import torch
    from torchvision.models import get_model

    torch.manual_seed(0)
    network = get_model(arguments.backbone, num_classes=2).to(arguments.device)
    if tuned:
        network = network.to(memory_format=torch.channels_last)
    fused = True if tuned else None
    return network, torch.optim.Adam(network.parameters(), lr=0.001, weight_decay=0.0005, fused=fused)


def train_positions(labels: list[int]) -> list[int]:
    """The article's training images."""
    from sklearn.model_selection import train_test_split

    positions, _ = train_test_split(list(range(len(labels))), test_size=0.2, random_state=50, stratify=labels)
    return list(positions)
