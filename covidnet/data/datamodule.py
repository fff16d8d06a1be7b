"""Lightning's view of the data: loaders for each part, and augmentation on the device after the transfer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from covidnet.data.attributes import NO_ATTRIBUTES, Attributes
from covidnet.data.augment import Augmentation, epoch_draws, epoch_noise_seeds
from covidnet.data.batches import Batch, PartDataset, finish_images, make_loader, to_float
from covidnet.data.pixels import PixelSource
from covidnet.data.split import Split


class XrayDataModule(LightningDataModule):
    """Images of a split as batches that are ready for the model.

    Args:
        pixels: Where decoded images come from.
        labels: Class index of each image, shape (N,).
        split: Which image is in which part.
        augmentation: Applied to training images only.
        seed: Fixes shuffling and augmentation.
        sampling: Of training images: ``shuffle``, or ``balanced`` for each class equally often.
    """

    def __init__(
        self,
        pixels: PixelSource,
        labels: NDArray[np.int64],
        split: Split,
        augmentation: Augmentation,
        *,
        seed: int,
        batch_size: int,
        num_workers: int = 0,
        normalize: str = "none",
        channels_last: bool = True,
        attributes: Attributes = NO_ATTRIBUTES,
        sampling: str = "shuffle",
    ) -> None:
        super().__init__()
        self.pixels = pixels
        self.labels = labels
        self.split = split
        self.augmentation = augmentation
        self.seed = seed
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.normalize = normalize
        self.channels_last = channels_last
        self.attributes = attributes
        self.sampling = sampling
        self._drawn: tuple[int, tuple[NDArray[np.float32], NDArray[np.int64]]] | None = None

    def part(self, name: str) -> PartDataset:
        """The dataset of ``train``, ``val``, ``test`` or ``all``."""
        return PartDataset(self.pixels, self.split.positions(name), self.labels, self.attributes)

    def part_loader(self, name: str) -> DataLoader[Batch]:
        """All images of a part, in order, on this process."""
        return make_loader(self.part(name), self.batch_size, None, self.num_workers)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Training images, shuffled anew each epoch, shared among the processes."""
        loader = self._distributed("train", self.seed)
        if self.trainer is not None:
            # Loader processes fetch ahead before Lightning tells the epoch, which for a resumed run is not the first.
            progress: Any = self.trainer.fit_loop.epoch_progress.current  # current_epoch lags by one here
            sampler: Any = loader.batch_sampler.sampler  # type: ignore[union-attr]
            sampler.set_epoch(progress.processed)
        return loader

    def val_dataloader(self) -> DataLoader[Batch]:
        """The images that choose the epoch, in order."""
        return self._distributed("val", None)

    def _distributed(self, name: str, shuffle_seed: int | None) -> DataLoader[Batch]:
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return make_loader(
            self.part(name), self.batch_size, shuffle_seed, self.num_workers, rank, world_size, self.sampling
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Turn pixels into model inputs on the device; training images are augmented on the way."""
        training = self.trainer is not None and self.trainer.training
        return self.prepare(batch, self.trainer.current_epoch if training and self.trainer else None)

    def prepare(self, batch: Batch, epoch: int | None) -> Batch:
        """Model inputs (B, 3, H, W), float; augmented with the draws of ``epoch`` unless that is None."""
        images = to_float(batch.images) if epoch is None else self.augmented(batch, epoch)
        return batch._replace(images=finish_images(images, self.normalize, self.channels_last))

    def augmented(self, batch: Batch, epoch: int) -> Tensor:
        """Training images of a batch as ``epoch`` sees them: shape (B, 1 or 3, H, W), float in [0, 1]."""
        rows = (batch.rows if batch.slots is None else batch.slots).cpu().numpy()
        draws, noise_seeds = self._random_numbers(epoch)
        return self.augmentation(
            to_float(batch.images), torch.from_numpy(draws[rows]).to(batch.images.device), noise_seeds[rows].tolist()
        )

    def _random_numbers(self, epoch: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if self._drawn is None or self._drawn[0] != epoch:
            count = len(self.split.positions("train"))
            if self.sampling == "balanced" and self.trainer is not None:
                count += self.trainer.world_size - 1  # the draws that make the processes' shares even
            drawn = epoch_draws(self.seed, epoch, count), epoch_noise_seeds(self.seed, epoch, count)
            self._drawn = (epoch, drawn)
        return self._drawn[1]
