"""The LightningModule: loss, metrics, optimiser and schedule around any network that gives logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as functional
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from covidnet.data.batches import Batch
from covidnet.models.optim import Schedule

BuildOptimizer = Callable[[Any], torch.optim.Optimizer]
BuildSchedule = Callable[[torch.optim.Optimizer, int, int], "Schedule | None"]

SCHEDULE_KEY = "covidnet_schedule"
DESCRIPTION_KEY = "covidnet"


class XrayClassifier(LightningModule):
    """Cross-entropy classification of X-rays.

    Args:
        network: Maps images (B, 3, H, W) to logits (B, C).
        num_classes: Number of classes C.
        build_optimizer: Given the parameters, makes the optimiser.
        build_schedule: Given the optimiser, the epochs and the optimiser steps, makes the schedule.
        seed: Fixes what is random inside the network (dropout), epoch by epoch.
        description: Plain values that checkpoints carry, enough to build the network again.
    """

    def __init__(
        self,
        network: nn.Module,
        num_classes: int,
        build_optimizer: BuildOptimizer,
        build_schedule: BuildSchedule,
        seed: int,
        description: dict[str, Any],
    ) -> None:
        super().__init__()
        self.net = network
        self.description = description
        self.seed = seed
        self.build_optimizer = build_optimizer
        self.build_schedule = build_schedule
        self.schedule: Schedule | None = None
        self.epoch_values: dict[str, float] = {}
        self._schedule_state: dict[str, Any] | None = None
        self.metrics = nn.ModuleDict(
            {
                "train_loss": MeanMetric(),
                "train_acc": MulticlassAccuracy(num_classes, average="micro"),
                "val_loss": MeanMetric(),
                "val_acc": MulticlassAccuracy(num_classes, average="micro"),
            }
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W)."""
        logits: Tensor = self.net(images)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        return self._step("train", batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch towards the validation metrics."""
        self._step("val", batch)

    def _step(self, part: str, batch: Batch) -> Tensor:
        logits = self(batch.images)
        loss = functional.cross_entropy(logits, batch.labels)
        self.metrics[f"{part}_loss"].update(loss.detach(), weight=len(batch.labels))
        self.metrics[f"{part}_acc"].update(logits.detach(), batch.labels)
        return loss

    def on_train_epoch_start(self) -> None:
        """Make what is random in the network depend on the epoch alone, so that a resumed run repeats it."""
        torch.manual_seed((self.seed * 1_000_003 + self.current_epoch) % 2**63)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Step a schedule that goes by optimiser steps."""
        if self.schedule is not None and self.schedule.per_step and self._stepped:
            self.schedule.end_step()

    @property
    def _stepped(self) -> bool:
        """Whether the last batch ended with an optimiser step (gradients may be accumulated over several)."""
        return not self.trainer.fit_loop._should_accumulate()

    def on_validation_epoch_end(self) -> None:
        """Make the validation loss known to callbacks such as early stopping."""
        self._close("val")
        self.log("val_loss", self.epoch_values["val_loss"], logger=False)

    def on_train_epoch_end(self) -> None:
        """Close the epoch: its metrics first, then the schedule that may watch them."""
        self._close("train")
        self.epoch_values["lr"] = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        if self.schedule is not None:
            self.schedule.end_epoch(self.epoch_values)

    def _close(self, part: str) -> None:
        for name in (f"{part}_loss", f"{part}_acc"):
            self.epoch_values[name] = float(self.metrics[name].compute())
            self.metrics[name].reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser; the schedule beside it is stepped here, see `Schedule`."""
        optimizer = self.build_optimizer(self.net.parameters())
        epochs = self.trainer.max_epochs or 1
        self.schedule = self.build_schedule(optimizer, epochs, int(self.trainer.estimated_stepping_batches))
        return optimizer

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
