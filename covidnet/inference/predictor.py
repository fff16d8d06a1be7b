"""The trained network of a run, or those of its folds together, ready for new images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from covidnet.config.schema import TrainConfig
from covidnet.data.batches import finish_images, to_float
from covidnet.data.images import Pixels
from covidnet.errors import RunError
from covidnet.inference.calibration import Calibration, read_calibration
from covidnet.models.penultimate import run_with_features
from covidnet.models.predict import load_network
from covidnet.ood.files import FEATURES, FILE, KINDS, PICTURE, TrainingLook, load_look
from covidnet.ood.picture import picture_vectors
from covidnet.ood.pixels import PixelLimits
from covidnet.ood.reference import scaled_to_one
from covidnet.runs.layout import RunLayout

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """One trained network.

    Attributes:
        layout: The run directory that it comes from.
        network: In evaluation mode.
        calibration: Of its probabilities.
        look: What its training images look like; None where the run did not keep it.
    """

    layout: RunLayout
    network: nn.Module
    calibration: Calibration
    look: TrainingLook | None


@dataclass(frozen=True)
class Judged:
    """One image by all models together.

    Attributes:
        probabilities: One per class; of a network that gave no numbers, not finite.
        distances: By kind, in parts of the limit.
    """

    probabilities: tuple[float, ...]
    distances: dict[str, float]


class Predictor:
    """The models of a run as one.

    Probabilities are the mean over the models, each calibrated by itself; of their distances from the training images
    the median counts, so that an image is far when most models find it so.

    Args:
        models: Of the same classes; at least one.
        classes: Their names.
        settings: Of the run: the pixels are prepared as its own were.
        device: Where to compute.
    """

    def __init__(self, models: Sequence[Model], classes: Sequence[str], settings: TrainConfig, device: str) -> None:
        self.models = tuple(models)
        self.classes = tuple(classes)
        self.settings = settings
        self.device = device
        memory = torch.channels_last if settings.compute.channels_last else torch.contiguous_format
        for model in self.models:
            model.network.to(device=device, memory_format=memory)  # type: ignore[call-overload]

    @property
    def pixel_limits(self) -> PixelLimits:
        """The widest of the models' limits."""
        limits = [model.look.pixels for model in self.models if model.look is not None] or [PixelLimits()]
        return PixelLimits(
            colour=max(one.colour for one in limits),
            contrast=min(one.contrast for one in limits),
            narrow=min(one.narrow for one in limits),
            wide=max(one.wide for one in limits),
        )

    @property
    def unchecked(self) -> list[str]:
        """What images cannot be compared with the training images by, each with the reason; empty where all can be."""
        lacking = [model.layout.directory for model in self.models if model.look is None]
        if lacking:
            return [f"{lacking[0]} has no {FILE} for its checkpoint; runs that are trained now have one"]
        return [
            f"{model.layout.directory}/{FILE} has none for the {name}: too few images, or all with the same"
            for kind, name in KINDS.items()
            for model in self.models
            if model.look is not None and kind not in model.look.references
        ]

    def prepared(self, images: Pixels) -> Tensor:
        """Decoded images (N, 1 or 3, S, S) as the networks take them: shape (N, 3, S, S), on the device."""
        pixels = to_float(torch.from_numpy(images).to(self.device))
        return finish_images(pixels, self.settings.data.normalize, self.settings.compute.channels_last)

    @torch.inference_mode()
    def outputs(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits and probabilities (N, C) of images (N, 3, S, S), RGB in [0, 1], by the only model."""
        (model,) = self.models
        pixels = torch.from_numpy(images).to(self.device)
        data, compute = self.settings.data, self.settings.compute
        logits = model.network(finish_images(pixels, data.normalize, compute.channels_last))
        return logits.cpu().numpy(), _probabilities(logits, model.calibration).astype(np.float32)

    @torch.inference_mode()
    def judge(self, images: Pixels) -> list[Judged]:
        """Probabilities and distances of decoded images.

        Args:
            images: Shape (N, C, S, S), C 1 or 3, of the run's image size.
        """
        prepared = self.prepared(images)
        probabilities: list[Floats] = []
        distances: dict[str, list[Floats]] = {kind: [] for kind in KINDS}
        for model in self.models:
            logits, features = run_with_features(model.network, prepared)
            probabilities.append(_probabilities(logits, model.calibration))
            vectors = {FEATURES: scaled_to_one(features.cpu().double().numpy()), PICTURE: picture_vectors(images)}
            for kind, reference in (model.look.references if model.look is not None else {}).items():
                distances[kind].append(reference.scores(vectors[kind]))
        mean = np.mean(probabilities, axis=0).tolist()
        middle = {kind: np.median(found, axis=0).tolist() for kind, found in distances.items() if found}
        return [
            Judged(tuple(own), {kind: values[row] for kind, values in middle.items()}) for row, own in enumerate(mean)
        ]


def load_predictor(layout: RunLayout, settings: TrainConfig, calibrate: str | None, device: str) -> Predictor:
    """The model of a run, or those of all its folds.

    Args:
        layout: Of a run, a fold or a run over folds.
        settings: Its configuration.
        calibrate: See `covidnet.inference.calibration.read_calibration`.
        device: Where to compute.

    Raises:
        CovidnetError: A checkpoint or a file beside it is missing or damaged, or the folds do not fit each other.
    """
    models, classes = [], None
    for directory in layout.folds or [layout.directory]:
        model, own = _load_model(directory, calibrate)
        if classes is not None and own != classes:
            raise RunError(f"{directory}: has the classes {', '.join(own)}, other folds {', '.join(classes)}.")
        models.append(model)
        classes = own
    assert classes is not None
    return Predictor(models, classes, settings, device)


def _load_model(directory: Path, calibrate: str | None) -> tuple[Model, list[str]]:
    layout = RunLayout(directory)
    network, classes = load_network(layout.best)
    if getattr(network, "takes_positions", False):
        raise RunError(
            f"{directory}: its network takes the place of each patch in its image (head=location), which new images do "
            "not tell. evaluate.py scores the run's own images, and a table as an external set."
        )
    look = load_look(directory / FILE, layout.best)
    return Model(layout, network, read_calibration(directory, calibrate), look), classes


def _probabilities(logits: Tensor, calibration: Calibration) -> Floats:
    """Calibrated probabilities (N, C) of logits (N, C)."""
    return (logits.cpu().double() / (calibration.temperature or 1.0)).softmax(dim=1).numpy()
