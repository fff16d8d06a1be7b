"""Optimisers and learning-rate schedules by their configured names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, ReduceLROnPlateau

from covidnet.config.schema import (
    AdamConfig,
    CosineConfig,
    InverseTimeConfig,
    NoSchedulerConfig,
    OneCycleConfig,
    PlateauConfig,
    SGDConfig,
)

FUSED_ON = frozenset({"cpu", "cuda"})
"""Kinds of devices on which torch updates all parameters in one kernel."""


def build_optimizer(
    config: AdamConfig | SGDConfig, parameters: Iterable[torch.nn.Parameter], fused: bool = False
) -> torch.optim.Optimizer:
    """The configured optimiser over those parameters that learn.

    Args:
        config: Its name and arguments.
        parameters: Of the network.
        fused: Update all parameters in one kernel where the device has one; the same formula, rounded otherwise.
    """
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    fused = fused and all(one.device.type in FUSED_ON and one.is_floating_point() for one in learning)
    more: dict[str, Any] = {"weight_decay": config.weight_decay, "fused": fused or None}
    if isinstance(config, SGDConfig):
        return torch.optim.SGD(learning, config.lr, config.momentum, nesterov=config.nesterov, **more)
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(learning, config.lr, (config.betas[0], config.betas[1]), config.eps, **more)


@dataclass
class Schedule:
    """A learning-rate schedule that is stepped once per epoch, or once per optimiser step.

    The model steps it, rather than Lightning, because Lightning steps epoch-wise schedules only after its checkpoints
    are written: a run resumed from such a checkpoint would be one step behind one that was never stopped.
    """

    scheduler: Any
    per_step: bool = False
    monitor: str | None = None

    def end_step(self) -> None:
        """To be called after each optimiser step."""
        if self.per_step:
            self.scheduler.step()

    def end_epoch(self, losses: dict[str, float]) -> None:
        """To be called after each epoch with its ``train_loss`` and ``val_loss``."""
        if self.monitor is not None:
            self.scheduler.step(losses[self.monitor])
        elif not self.per_step:
            self.scheduler.step()


def build_schedule(
    config: PlateauConfig | CosineConfig | OneCycleConfig | InverseTimeConfig | NoSchedulerConfig,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    total_steps: int,
) -> Schedule | None:
    """The configured schedule over ``epochs`` epochs or ``total_steps`` optimiser steps; None for a constant rate."""
    if isinstance(config, PlateauConfig):
        plateau = ReduceLROnPlateau(
            optimizer,
            factor=config.factor,
            patience=config.patience,
            threshold=config.threshold,
            min_lr=config.min_lr,
            eps=config.eps,
        )
        return Schedule(plateau, monitor=config.monitor)
    if isinstance(config, CosineConfig):
        return Schedule(CosineAnnealingLR(optimizer, T_max=epochs, eta_min=config.min_lr))
    if isinstance(config, OneCycleConfig):
        peak = optimizer.param_groups[0]["lr"]
        # One more than there are optimiser steps, because the schedule is stepped after the last one too.
        return Schedule(OneCycleLR(optimizer, peak, total_steps + 1, pct_start=config.warmup), per_step=True)
    if isinstance(config, InverseTimeConfig):
        decay = config.decay if config.decay is not None else optimizer.param_groups[0]["lr"] / epochs
        return Schedule(LambdaLR(optimizer, lambda step: 1.0 / (1.0 + decay * step)), per_step=True)
    return None
