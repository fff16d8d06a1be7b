"""The two checkpoints that a run keeps, and when they are written."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch.utils._pytree import tree_map_only

from covidnet.errors import RunError, came_after
from covidnet.models.module import XrayClassifier
from covidnet.models.weights import first_line
from covidnet.training.history import Row, is_better

AUTO: Literal["auto"] = "auto"
SHARE = 0.05
"""Of the time, that saving may take when ``save_every`` is ``auto``."""


class CheckpointFiles(TorchCheckpointIO):
    """Writes checkpoints beside their place.

    Lightning's own makes them in the system's folder for temporary files first, which may be small, may lie on another
    disk, and keeps the torn file of a process that is killed.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write the file.

        Raises:
            RunError: The system refuses to write it.
            KeyboardInterrupt: The user stopped it while it was written.
            SystemExit: The system did.
        """
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                torch.save(checkpoint, file)
        except BaseException as error:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            # Whatever ends the writing, torch fails once more as it closes the file, with an error of its own.
            stopped = came_after(error, (KeyboardInterrupt, SystemExit))
            if stopped is not None:
                raise stopped from None
            reason = came_after(error, OSError)
            if reason is None and not any(text in str(error) for text in TORCH_WRITES):
                raise
            words = first_line(error) if reason is None else reason.strerror
            raise RunError(
                f"{path.parent}: the checkpoint cannot be written ({words}). Make room; what was saved before is "
                f"whole, and the run goes on from it with: python train.py resume={shlex.quote(str(path.parents[1]))}"
            ) from error


TORCH_WRITES = ("PytorchStreamWriter", "inline_container")
"""Parts of messages of torch's writer of files."""


class BestAndLast(Checkpoint):
    """Keeps best.ckpt, chosen by `is_better`, and last.ckpt, from which a stopped run resumes.

    Both are written under a temporary name and renamed, best before last: whatever is interrupted, last.ckpt is whole
    and the best that it remembers is on the disk. Between two writes the best weights wait in memory. With a network on
    a GPU, training goes on while a thread writes.

    Args:
        directory: Where the two files go.
        save_every: Epochs between two writes; ``auto`` writes as often as takes `SHARE` of the time. The last epoch
            of a training is always written.
    """

    def __init__(self, directory: Path, save_every: int | Literal["auto"]) -> None:
        self.directory = directory
        self.save_every = save_every
        self.best: Row | None = None
        self._waiting: dict[str, Any] | None = None
        self._saved_at = 0.0
        self._seconds: float | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save what this epoch changes, if it is time to."""
        assert isinstance(pl_module, XrayClassifier)
        epoch = trainer.current_epoch + 1
        row = {"epoch": float(epoch), **pl_module.epoch_values}
        improved = is_better(row, self.best)
        if improved:
            self.best = row
        if self._is_time(trainer, epoch):
            self._save(trainer, improved)
        elif improved:
            checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=True)
            # The tensors are the network's own, which the next epoch changes.
            self._waiting = tree_map_only(torch.Tensor, torch.clone, checkpoint)

    def _is_time(self, trainer: lightning.Trainer, epoch: int) -> bool:
        if epoch == trainer.max_epochs or trainer.should_stop:
            return True
        if self.save_every != AUTO:
            return epoch % self.save_every == 0
        since = time.perf_counter() - self._saved_at
        due = self._seconds is None or since * SHARE >= self._seconds * (1.0 - SHARE)
        # Every process saves or none does, so the first one's clock decides.
        return bool(trainer.strategy.broadcast(due))

    def _save(self, trainer: lightning.Trainer, improved: bool) -> None:
        started = time.perf_counter()
        self._finish_writing()
        dump = trainer._checkpoint_connector.dump_checkpoint
        best = dump(weights_only=True) if improved else self._waiting
        self._waiting = None
        files = [("best.ckpt", best)] if best is not None else []
        files.append(("last.ckpt", dump(weights_only=False)))
        if _writes_beside(trainer):
            # The network goes on while a thread writes, from copies that it does not change.
            copies = tree_map_only(torch.Tensor, lambda tensor: tensor.to("cpu", copy=True), files)
            self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
            self._writing = self._thread.submit(self._write_all, trainer, copies)
        else:
            self._write_all(trainer, files)
        self._saved_at = time.perf_counter()
        self._seconds = self._saved_at - started

    def _write_all(self, trainer: lightning.Trainer, files: Sequence[tuple[str, dict[str, Any]]]) -> None:
        for name, checkpoint in files:
            self._write(trainer, name, checkpoint)

    def _finish_writing(self) -> None:
        """Wait for the thread that writes, and raise what it raised."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """A training that breaks off leaves whole what it was writing."""
        self._finish_writing()

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """The checkpoints are there when training ends."""
        self._finish_writing()

    def _write(self, trainer: lightning.Trainer, name: str, checkpoint: dict[str, Any]) -> None:
        temporary = self.directory / f".{name}"
        trainer.strategy.save_checkpoint(checkpoint, temporary)
        trainer.strategy.barrier("covidnet")
        if trainer.is_global_zero:
            temporary.replace(self.directory / name)

    def state_dict(self) -> dict[str, Any]:
        """The best epoch so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the best epoch of the run that is resumed."""
        self.best = state_dict["best"]


def _writes_beside(trainer: lightning.Trainer) -> bool:
    """Whether a thread writes while training goes on: where that does not take the processor from the network.

    Several processes have to meet at every file, and some strategies gather their weights while they write.
    """
    return isinstance(trainer.strategy, SingleDeviceStrategy) and trainer.strategy.root_device.type == "cuda"
