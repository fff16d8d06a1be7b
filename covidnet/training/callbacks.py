"""What happens around the epochs: the history, the kept checkpoints, and what is shown."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping, RichProgressBar

from covidnet.console import say
from covidnet.errors import RunError
from covidnet.models.module import XrayClassifier
from covidnet.training.history import Row, is_better, read_history, write_history

# Both are Checkpoints to Lightning because it calls those last, when the module has closed its epoch.


class History(Checkpoint):
    """Writes one row per epoch to history.csv and to the logger, and prints it as a line.

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


class BestAndLast(Checkpoint):
    """Keeps best.ckpt, chosen by `is_better`, and last.ckpt, from which a stopped run resumes.

    Both are written under a temporary name and renamed, best before last: whatever is interrupted, last.ckpt is whole
    and the best that it remembers is on the disk.
    """

    def __init__(self, directory: Path, save_every: int) -> None:
        self.directory = directory
        self.save_every = save_every
        self.best: Row | None = None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save what this epoch changes."""
        assert isinstance(pl_module, XrayClassifier)
        epoch = trainer.current_epoch + 1
        row = {"epoch": float(epoch), **pl_module.epoch_values}
        if is_better(row, self.best):
            self.best = row
            self._save(trainer, "best.ckpt", weights_only=True)
        if epoch % self.save_every == 0 or epoch == trainer.max_epochs or trainer.should_stop:
            self._save(trainer, "last.ckpt", weights_only=False)

    def _save(self, trainer: lightning.Trainer, name: str, weights_only: bool) -> None:
        temporary = self.directory / f".{name}"
        trainer.save_checkpoint(temporary, weights_only=weights_only)
        if trainer.is_global_zero:
            temporary.replace(self.directory / name)

    def state_dict(self) -> dict[str, Any]:
        """The best epoch so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the best epoch of the run that is resumed."""
        self.best = state_dict["best"]


class Patience(EarlyStopping):
    """Lightning's early stopping on the validation loss; a resumed run that had stopped early stays stopped."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Lightning restores the count of epochs without improvement, but not what followed from it."""
        if self.wait_count >= self.patience or self.stopped_epoch > 0:
            trainer.should_stop = True


def progress_callback(kind: str) -> RichProgressBar | None:
    """Lightning's rich bar, or nothing."""
    return RichProgressBar(leave=False) if kind == "bar" else None
