"""A trained network's predictions for images from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from covidnet.config.schema import TrainConfig
from covidnet.data.dataset import XrayDataset
from covidnet.data.external import PART
from covidnet.data.split import whole
from covidnet.models.predict import predict
from covidnet.predictions import Predictions
from covidnet.training.build import build_datamodule


def predict_external(
    settings: TrainConfig,
    network: nn.Module,
    external: XrayDataset,
    classes: Sequence[str],
    device: torch.device | str = "cpu",
) -> Predictions:
    """Class probabilities of every image of the external test set, as rows of the part ``external``.

    Args:
        settings: Of the run that trained the network: the pixels are prepared as its own were.
        network: In evaluation mode.
        external: Whose labels are among ``classes``.
        classes: Those of the network.
        device: Where to compute.
    """
    data = build_datamodule(settings, external, whole(external.records, PART))
    return predict(network, data, [PART], classes, external.records, device)
