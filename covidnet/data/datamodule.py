"""Lightning's view of the data: loaders for each part, and augmentation on the device after the transfer."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader

from covidnet.data.attributes import NO_ATTRIBUTES, Attributes
from covidnet.data.augment import Augmentation, epoch_draws, epoch_noise_seeds
from covidnet.data.batches import Batch, PartDataset, finish_images, make_loader, to_float
from covidnet.data.pixels import PixelSource
from covidnet.data.resident import ResidentImages, ResidentLoader, can_stay, shall_stay
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
        resident: Whether training and validation images stay in the device's memory, see `shall_stay`; the batches
            are the same.
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
        resident: bool | Literal["auto"] = False,
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
        self.resident = resident
        self._resident: ResidentImages | None = None
        self._drawn: tuple[int, torch.device, Tensor, NDArray[np.int64]] | None = None

    def part(self, name: str) -> PartDataset:
        """The dataset of ``train``, ``val``, ``test`` or ``all``."""
        return PartDataset(self.pixels, self.split.positions(name), self.labels, self.attributes)

    def part_loader(self, name: str) -> DataLoader[Batch]:
        """All images of a part, in order, on this process."""
        return make_loader(self.part(name), self.batch_size, None, self.num_workers)

    def train_dataloader(self) -> DataLoader[Batch] | ResidentLoader:
        """Training images, shuffled anew each epoch, shared among the processes."""
        loader = self._distributed("train", self.seed)
        if self.trainer is not None:
            # Loader processes fetch ahead before Lightning tells the epoch, which for a resumed run is not the first.
            progress: Any = self.trainer.fit_loop.epoch_progress.current  # current_epoch lags by one here
            sampler: Any = loader.batch_sampler.sampler  # type: ignore[union-attr]
            sampler.set_epoch(progress.processed)
        return loader

    def val_dataloader(self) -> DataLoader[Batch] | ResidentLoader:
        """The images that choose the epoch, in order."""
        return self._distributed("val", None)

    def teardown(self, stage: str) -> None:
        """Give the device's memory back."""
        self._resident = self._drawn = None

    def _distributed(self, name: str, shuffle_seed: int | None) -> DataLoader[Batch] | ResidentLoader:
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        loader = make_loader(
            self.part(name), self.batch_size, shuffle_seed, self.num_workers, rank, world_size, self.sampling
        )
        resident = self._on_device()
        if resident is None:
            return loader
        assert isinstance(loader.batch_sampler, BatchSampler)
        return ResidentLoader(resident, self.split.positions(name), loader.batch_sampler)

    def stays_on(self, device: torch.device) -> bool:
        """Whether training on ``device`` keeps the images in its memory."""
        return can_stay(self.pixels) and shall_stay(self.resident, self.pixels, device)

    def _on_device(self) -> ResidentImages | None:
        """The images on the device that the trainer trains on, where they are to stay there."""
        if self._resident is None and self.trainer is not None and can_stay(self.pixels):
            device = self.trainer.strategy.root_device
            if self.stays_on(device):
                self._resident = ResidentImages.upload(self.pixels, self.labels, self.attributes, device)
        return self._resident

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
        rows = batch.rows if batch.slots is None else batch.slots
        draws, noise_seeds = self._random_numbers(epoch, batch.images.device)
        # Reading rows back would hold up a device that works on its own: only noise, drawn image by image, needs it.
        own_seeds = noise_seeds[rows.cpu().numpy()].tolist() if self.augmentation.noise else ()
        return self.augmentation(to_float(batch.images), draws[rows.to(draws.device)], own_seeds)

    def _random_numbers(self, epoch: int, device: torch.device) -> tuple[Tensor, NDArray[np.int64]]:
        if self._drawn is None or self._drawn[:2] != (epoch, device):
            count = len(self.split.positions("train"))
            if self.sampling == "balanced" and self.trainer is not None:
                count += self.trainer.world_size - 1  # the draws that make the processes' shares even
            draws = torch.from_numpy(epoch_draws(self.seed, epoch, count)).to(device)
            self._drawn = (epoch, device, draws, epoch_noise_seeds(self.seed, epoch, count))
        return self._drawn[2:]
