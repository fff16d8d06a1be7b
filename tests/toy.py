"""A training so small that it takes no time: random images, a linear network, Lightning itself."""

from functools import cache, partial

import numpy as np
import pytorch_lightning as lightning
import torch

from covidnet.config.compose import compose_train
from covidnet.data.augment import Augmentation
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.split import Split
from covidnet.models.module import XrayClassifier
from covidnet.models.optim import build_optimizer, build_schedule

TRAIN, VAL = 10, 7


@cache
def toy_settings(*overrides):
    return compose_train(["data.root=/x", *overrides])


class Pixels:
    """Images in memory, as a pixel source."""

    decoded = True

    def __init__(self, images):
        self.images = images

    def fetch(self, positions):
        return self.images[np.asarray(positions)]


def toy_data(batch_size=4, classes=2, train=TRAIN, val=VAL, seed=0):
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (train + val, 1, 6, 6), dtype=np.uint8)
    labels = np.arange(train + val) % classes
    split = Split({"train": np.arange(train), "test": np.arange(train, train + val)})
    return XrayDataModule(Pixels(images), labels, split, Augmentation(), seed=seed, batch_size=batch_size)


def toy_module(*overrides, classes=2, network=None, seed=0):
    settings = toy_settings(*overrides)
    torch.manual_seed(seed)
    network = network or torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(3 * 36, 8),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(8, classes),
    )
    return XrayClassifier(
        network,
        classes,
        partial(build_optimizer, settings.optimizer),
        partial(build_schedule, settings.scheduler),
        seed,
        {"format": 1, "backbone": "toy", "classes": ["a", "b", "c"][:classes]},
    )


def toy_trainer(directory, *callbacks, epochs=3, **arguments):
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        default_root_dir=directory,
        callbacks=list(callbacks),
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **arguments,
    )
