"""Median pruning: in a sweep, a run that is behind the others ends early."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint

from covidnet.models.module import XrayClassifier
from covidnet.training.history import read_history


class MedianPruning(Checkpoint):
    """Ends a run whose lowest validation loss so far is above the median of the other runs' loss at the same epoch.

    The rule is that of Optuna's MedianPruner (Golovin et al. 2017, "Google Vizier", section 3.2.2). It reads the other
    runs' history.csv, so it works with every sweeper and launcher. To Lightning it is a Checkpoint, whose turn comes
    after the module has closed its epoch.

    Args:
        sweep: The sweep's directory.
        own: Name of this run's folder in it.
        startup: Other runs that must have reached the epoch.
        warmup: Epochs after which the first run may end.
    """

    def __init__(self, sweep: Path, own: str, startup: int, warmup: int) -> None:
        self.sweep = sweep
        self.own = own
        self.startup = startup
        self.warmup = warmup
        self.lowest = float("inf")
        self.reason: str | None = None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compare, and ask the trainer to stop where the run is behind."""
        assert isinstance(pl_module, XrayClassifier)
        epoch = trainer.current_epoch + 1
        self.lowest = min(self.lowest, pl_module.epoch_values["val_loss"])
        if epoch <= self.warmup or epoch == trainer.max_epochs:
            return
        others = self._losses_at(epoch)
        if len(others) >= self.startup and self.lowest > median(others):
            self.reason = (
                f"after epoch {epoch}: lowest validation loss {self.lowest:.4g}, above the median {median(others):.4g} "
                f"of {len(others)} other runs at that epoch"
            )
            trainer.should_stop = True

    def _losses_at(self, epoch: int) -> list[float]:
        histories = (
            read_history(path) for path in sorted(self.sweep.glob("*/history.csv")) if path.parent.name != self.own
        )
        return [row["val_loss"] for history in histories for row in history if row["epoch"] == epoch]

    def state_dict(self) -> dict[str, float]:
        """The lowest loss so far."""
        return {"lowest": self.lowest}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Remember the lowest loss of the run that is resumed."""
        self.lowest = state_dict["lowest"]
