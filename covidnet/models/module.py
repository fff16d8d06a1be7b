"""The LightningModule: loss, metrics, optimiser and schedule around any network that gives logits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as functional
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from covidnet.data.batches import Batch
from covidnet.models.headed import run_network
from covidnet.models.loss import TrainingLoss
from covidnet.models.network import hold_still
from covidnet.models.optim import Schedule
from covidnet.models.running import RunningMean

BuildOptimizer = Callable[[Any], torch.optim.Optimizer]
BuildSchedule = Callable[[torch.optim.Optimizer, int, int], "Schedule | None"]

SCHEDULE_KEY = "covidnet_schedule"
DESCRIPTION_KEY = "covidnet"


class XrayClassifier(LightningModule):
    """Classification of X-rays: minimises a `TrainingLoss`, and validates by plain cross-entropy.

    The validation loss, which chooses the epoch, is the same for every training loss: losses of runs can be compared,
    and that of the kept epoch is the log loss of its predictions.

    Args:
        network: Maps images (B, 3, H, W) to logits (B, C), and positions where it takes them; see `run_network`.
        num_classes: Number of classes C.
        build_optimizer: Given the parameters, makes the optimiser.
        build_schedule: Given the optimiser, the epochs and the optimiser steps, makes the schedule.
        seed: Fixes what is random inside the network (dropout), epoch by epoch.
        description: Plain values that checkpoints carry, enough to build the network again.
        loss: Of training; None is plain cross-entropy.
        frozen: Names of parts of the network that stay as they are; see `freeze_backbone`.
    """

    def __init__(
        self,
        network: nn.Module,
        num_classes: int,
        build_optimizer: BuildOptimizer,
        build_schedule: BuildSchedule,
        seed: int,
        description: dict[str, Any],
        loss: TrainingLoss | None = None,
        frozen: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.net = network
        self.loss = loss or TrainingLoss()
        self.frozen = list(frozen)
        self.description = description
        self.seed = seed
        self.build_optimizer = build_optimizer
        self.build_schedule = build_schedule
        self.schedule: Schedule | None = None
        self.epoch_values: dict[str, float] = {}
        self._schedule_state: dict[str, Any] | None = None
        self._steps_seen = 0
        self._rate = math.nan
        # As attributes, torchmetrics move to the device with the network and accumulate there.
        self.train_loss, self.val_loss = RunningMean(), RunningMean()
        # Checking the arguments would wait for the device at every step.
        self.train_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.val_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.train()

    def train(self, mode: bool = True) -> XrayClassifier:
        """Set the training mode, of all but the frozen parts."""
        super().train(mode)
        hold_still(self.net, self.frozen)
        return self

    def forward(self, images: Tensor, positions: Tensor | None = None) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W), which take the precision of the weights, and positions (B, 2)."""
        return run_network(self.net, images.to(self.dtype), positions)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        logits = self(batch.images, batch.positions)
        loss: Tensor = self.loss(logits, batch.labels, batch.weights)
        self._count(logits, loss, batch, self.train_loss, self.train_acc)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch towards the validation metrics."""
        logits = self(batch.images, batch.positions)
        loss = functional.cross_entropy(logits, batch.labels)
        self._count(logits, loss, batch, self.val_loss, self.val_acc)

    @staticmethod
    def _count(
        logits: Tensor, loss: Tensor, batch: Batch, mean_loss: RunningMean, accuracy: MulticlassAccuracy
    ) -> None:
        mean_loss.update(loss.detach(), weight=len(batch.labels))
        accuracy.update(logits.detach(), batch.labels)

    def on_train_start(self) -> None:
        """Count optimiser steps from here; a resumed run has made some already."""
        self._steps_seen = self.trainer.global_step

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed what is random in the network, and remember the rate, which the schedule may change after the step.

        With the first batch, not with the epoch: between the two Lightning makes an iterator, which draws a random
        number, in every epoch but the first of a process. A resumed run would not repeat it.
        """
        if batch_idx == 0:
            torch.manual_seed((self.seed * 1_000_003 + self.current_epoch) % 2**63)
        self._rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Step a schedule that goes by optimiser steps, of which there are fewer when gradients accumulate."""
        if self.schedule is not None and self.trainer.global_step > self._steps_seen:
            self.schedule.end_step()
        self._steps_seen = self.trainer.global_step

    def on_validation_epoch_end(self) -> None:
        """Make the validation loss known to callbacks such as early stopping."""
        self._close("val", self.val_loss, self.val_acc)
        self.log("val_loss", self.epoch_values["val_loss"], logger=False, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Close the epoch: its metrics first, then the schedule that may watch them."""
        self._close("train", self.train_loss, self.train_acc)
        self.epoch_values["lr"] = self._rate
        if self.schedule is not None:
            self.schedule.end_epoch(self.epoch_values)

    def _close(self, part: str, mean_loss: RunningMean, accuracy: MulticlassAccuracy) -> None:
        self.epoch_values[f"{part}_loss"] = float(mean_loss.compute())
        self.epoch_values[f"{part}_acc"] = float(accuracy.compute())
        mean_loss.reset()
        accuracy.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser; the schedule beside it is stepped here, see `Schedule`."""
        optimizer = self.build_optimizer(self.net.parameters())
        epochs = self.trainer.max_epochs or 1
        self.schedule = self.build_schedule(optimizer, epochs, epochs * self._steps_per_epoch())
        return optimizer

    def _steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch.

        Not from Lightning's ``estimated_stepping_batches``: that starts the loader's processes, which fetch ahead in
        the first epoch's order, before a resumed run knows which epoch is its first.
        """
        batches = len(self.trainer.datamodule.train_dataloader())  # type: ignore[attr-defined]
        limit = self.trainer.limit_train_batches
        used = min(limit, batches) if isinstance(limit, int) else int(limit * batches)
        return max(1, math.ceil(used / self.trainer.accumulate_grad_batches))

    def on_fit_start(self) -> None:
        """Give the schedule the state it had when the checkpoint was written."""
        if self.schedule is not None and self._schedule_state is not None:
            self.schedule.scheduler.load_state_dict(self._schedule_state)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the schedule and the description; plain values only, so that weights_only loads them."""
        checkpoint[DESCRIPTION_KEY] = self.description
        if self.schedule is not None:
            checkpoint[SCHEDULE_KEY] = self.schedule.scheduler.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the schedule's state until there is an optimiser."""
        self._schedule_state = checkpoint.get(SCHEDULE_KEY)
