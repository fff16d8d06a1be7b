"""What training minimises: cross-entropy, perhaps weighted by class or image, perhaps with spectral decoupling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn

from covidnet.config.schema import LossConfig
from covidnet.errors import ConfigError, DataError
from covidnet.naming import did_you_mean


class TrainingLoss(nn.Module):
    """The mean over a batch of weight * cross-entropy, plus lambda / 2 * the mean of the squared logits.

    The mean divides by the number of images, not by the sum of their weights, so that a batch of one class still weighs
    as much as it should, and processes that share a batch count alike.

    Args:
        class_weights: Shape (C,), float: factor of each image by its class; None weighs all alike.
        spectral_decoupling: lambda, at least 0. It keeps the logits small, so that features which are learnt late still
            get a gradient (Pezeshki et al. 2021, "Gradient starvation: a learning proclivity in neural networks",
            NeurIPS; for medical images Pohjonen et al. 2022, "Spectral decoupling for training transferable neural
            networks in medical imaging", iScience).
        label_smoothing: Share of the target spread evenly over all classes, in [0, 1).
    """

    class_weights: Tensor | None

    def __init__(
        self,
        class_weights: Tensor | None = None,
        spectral_decoupling: float = 0.0,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        # Not in checkpoints: they are made again from the configuration and the training images.
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.spectral_decoupling = spectral_decoupling
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            logits: Shape (B, C).
            labels: Shape (B,), int64.
            weights: Shape (B,), of each image; None weighs all alike.
        """
        factors = self._factors(labels, weights)
        if factors is None:
            loss = functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        else:
            each = functional.cross_entropy(logits, labels, reduction="none", label_smoothing=self.label_smoothing)
            loss = (each * factors.to(each.dtype)).mean()
        if self.spectral_decoupling:
            loss = loss + 0.5 * self.spectral_decoupling * logits.square().mean()
        return loss

    def _factors(self, labels: Tensor, weights: Tensor | None) -> Tensor | None:
        if self.class_weights is None:
            return weights
        by_class = self.class_weights[labels]
        return by_class if weights is None else by_class * weights


def build_loss(
    config: LossConfig,
    classes: Sequence[str],
    labels: NDArray[np.int64],
    image_weights: NDArray[np.float32] | None = None,
) -> TrainingLoss:
    """The configured loss for these training images.

    Class and image weights are relative: the factors are scaled so that their product has mean 1 over the training
    images, and the learning rate keeps its meaning. ``balanced`` gives each class the same sum of weights, n / (C n_c)
    for an image of a class with n_c of n images, as in scikit-learn.

    Args:
        config: The section ``loss``.
        classes: Names, in the order of the indices.
        labels: Class index of each training image, shape (N,).
        image_weights: Weight of each training image, shape (N,); None where the data source gives none.

    Raises:
        ConfigError: A weight is given to a class that does not exist, or none is left above 0.
        DataError: The data source gives no training image a weight above 0.
    """
    given = np.ones(len(labels)) if image_weights is None else image_weights.astype(np.float64)
    if not given.sum() > 0:
        raise DataError("the weights of all training images are 0; expected some above 0 in the weight column")
    weights = None
    if isinstance(config.class_weights, dict):
        weights = _by_name(config.class_weights, classes)
    elif config.class_weights == "balanced":
        sums = np.bincount(labels, given, minlength=len(classes))
        weights = np.divide(1.0, sums, out=np.zeros(len(classes)), where=sums > 0)
    elif image_weights is not None:
        weights = np.ones(len(classes))
    if weights is not None:
        mean = float((weights[labels] * given).mean())
        if not mean > 0:
            raise ConfigError("loss.class_weights: every training image has the weight 0; give a class more than 0")
        weights = weights / mean
    factors = None if weights is None else torch.tensor(weights, dtype=torch.float32)
    return TrainingLoss(factors, config.spectral_decoupling, config.label_smoothing)


def _by_name(weights: dict[str, float], classes: Sequence[str]) -> NDArray[np.float64]:
    unknown = [name for name in weights if name not in classes]
    if unknown:
        hint = did_you_mean(unknown[0], classes)
        raise ConfigError(f"loss.class_weights.{unknown[0]}: expected one of the classes {', '.join(classes)}.{hint}")
    return np.array([weights.get(name, 1.0) for name in classes], dtype=np.float64)
