"""Saliency of the same test images while a network trains, in TensorBoard."""

from __future__ import annotations

import numpy as np
import pytorch_lightning as lightning
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy
from torch import nn

from covidnet.config.schema import SaliencyConfig
from covidnet.console import say
from covidnet.data.datamodule import XrayDataModule
from covidnet.errors import CovidnetError
from covidnet.explain.compute import Explainer, Method
from covidnet.explain.table import TITLES
from covidnet.models.module import XrayClassifier
from covidnet.models.weights import first_line

WATCHED = 8


class SaliencyWatch(Checkpoint):
    """Shows in TensorBoard, at each n-th epoch, what speaks for the predicted class of the same few test images.

    It works on a copy of the network and draws no random number, so a run's results are the same with it. To Lightning
    it is a Checkpoint because those are called last: its time is not the epoch's.

    Args:
        asked: With ``every``, the n.
    """

    def __init__(self, asked: SaliencyConfig) -> None:
        self.asked = asked
        self.every = asked.every or 1
        self.failed = False

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Explain and draw, on the first process."""
        epoch = trainer.current_epoch + 1
        logger = trainer.logger
        if epoch % self.every or self.failed or not trainer.is_global_zero or not isinstance(logger, TensorBoardLogger):
            return
        assert isinstance(pl_module, XrayClassifier)
        data = trainer.datamodule  # type: ignore[attr-defined]
        try:
            if not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
                raise RuntimeError(f"strategy={type(trainer.strategy).__name__} keeps no whole network on one process")
            picture = self._draw(pl_module.net, data, list(pl_module.description["classes"]), epoch)
        except (CovidnetError, RuntimeError) as error:
            self.failed = True
            say(f"no saliency while training: {first_line(error)}")
            return
        logger.experiment.add_image("saliency/while_training", picture, global_step=epoch, dataformats="HWC")

    def _draw(self, network: nn.Module, data: XrayDataModule, classes: list[str], epoch: int) -> NDArray[np.uint8]:
        from covidnet.figures.saliency import Shown, saliency_figure
        from covidnet.figures.style import figure_to_array

        method = Method.configured(self.asked.method, self.asked.layer, self.asked.steps)
        explainer = Explainer(network, data, Method(method.names[:1], method.layer, method.steps))
        (name,) = explainer.method.names
        tested = data.split.positions("test")
        # Sorted by class, so evenly spaced ones are of all classes.
        positions = tested[np.linspace(0, len(tested) - 1, min(WATCHED, len(tested))).round().astype(np.int64)].tolist()
        with torch.inference_mode():
            probabilities = explainer.network(explainer.images(positions)).double().softmax(dim=1).cpu().numpy()
        predicted = probabilities.argmax(axis=1)
        maps = explainer.explain(positions, predicted.tolist()).maps[name]
        images = [
            Shown(
                np.asarray(data.pixels.fetch([position])[0]),
                {TITLES[name]: maps[number]},
                np.zeros(data.pixels.fetch([position]).shape[-2:], dtype=np.bool_),
                {},
                classes[int(data.labels[position])],
                classes[int(predicted[number])],
                float(probabilities[number].max()),
                "",
            )
            for number, position in enumerate(positions)
        ]
        title = f"Epoch {epoch}: evidence for the predicted class"
        layer = "" if explainer.layer is None else f" of {explainer.layer.name}"
        return figure_to_array(saliency_figure(title, f"{TITLES[name]}{layer}", [], images))
