"""What happens around the epochs: the history, early stopping, and what is shown."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping, RichProgressBar

from covidnet.console import say
from covidnet.errors import RunError
from covidnet.models.module import XrayClassifier
from covidnet.training.history import Row, read_history, write_history


class History(Checkpoint):
    """Writes one row per epoch to history.csv and to the logger, and prints it as a line.

    A Checkpoint to Lightning because it calls those last, when the module has closed its epoch.

    Args:
        path: Of history.csv; rows of epochs that a resumed run repeats are replaced.
        validation: What the validating part is called in the printed lines.
        print_lines: Whether to print a line per epoch.
    """

    def __init__(self, path: Path, validation: str, print_lines: bool) -> None:
        self.path = path
        self.validation = validation
        self.print_lines = print_lines
        self.rows: list[Row] = []
        self._started = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take over the rows of the epochs before the one that starts now."""
        self.rows = [row for row in read_history(self.path) if row["epoch"] <= trainer.current_epoch]

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write, log and print the epoch's row."""
        assert isinstance(pl_module, XrayClassifier)
        values = pl_module.epoch_values
        row = {
            "epoch": float(trainer.current_epoch + 1),
            **values,
            "seconds": time.perf_counter() - self._started,
        }
        self.rows.append(row)
        if trainer.is_global_zero:
            write_history(self.path, self.rows)
            for logger in trainer.loggers:
                logger.log_metrics(_named_for_logger(row, self.validation), step=int(row["epoch"]))
            if self.print_lines:
                self._print(row, trainer.max_epochs)
        if not math.isfinite(row["train_loss"]):
            raise RunError(
                f"epoch {row['epoch']:.0f}: the training loss is {row['train_loss']}. Try a lower optimizer.lr, or "
                "trainer.gradient_clip_val=1; trainer.detect_anomaly=true names the operation."
            )

    def _print(self, row: Row, epochs: int | None) -> None:
        width = len(str(epochs))
        say(
            f"epoch {row['epoch']:{width}.0f}/{epochs}  "
            f"train loss {row['train_loss']:.4f} accuracy {row['train_acc']:.3f}  "
            f"{self.validation} loss {row['val_loss']:.4f} accuracy {row['val_acc']:.3f}  "
            f"lr {row['lr']:.2g}  {row['seconds']:.1f} s"
        )


def _named_for_logger(row: Row, validation: str) -> dict[str, float]:
    names = {
        "train_loss": "loss/train",
        "train_acc": "accuracy/train",
        "lr": "lr",
        "seconds": "seconds/epoch",
    }
    names |= {"val_loss": f"loss/{validation}", "val_acc": f"accuracy/{validation}"}
    return {names[key]: value for key, value in row.items() if key in names}


class AfterFirstEpoch(Checkpoint):
    """Does something that need not be done before training, once: when the first epoch of this process is over.

    A Checkpoint to Lightning because it calls those last: the epoch's seconds are counted by then.

    Args:
        work: What is done.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.done = False

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Do it after the first epoch."""
        self.once()

    def once(self) -> None:
        """Do it, unless it is done."""
        if not self.done:
            self.done = True
            self.work()


class Patience(EarlyStopping):
    """Lightning's early stopping on the validation loss; a resumed run that had stopped early stays stopped."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Lightning restores the count of epochs without improvement, but not what followed from it."""
        if self.wait_count >= self.patience or self.stopped_epoch > 0:
            trainer.should_stop = True


def progress_callback(kind: str) -> RichProgressBar | None:
    """Lightning's rich bar, or nothing."""
    return RichProgressBar(leave=False) if kind == "bar" else None
