"""A trained network from its checkpoint, and its probabilities for the images of a part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from covidnet.data.datamodule import XrayDataModule
from covidnet.data.records import Record
from covidnet.errors import CovidnetError, WeightsError
from covidnet.models.headed import run_network
from covidnet.models.module import DESCRIPTION_KEY
from covidnet.models.network import build_network, described_head
from covidnet.models.weights import first_line
from covidnet.predictions import Prediction, Predictions
from covidnet.untrusted import refuse_packed

PREFIX = "net."
"""Where the network's weights are in a checkpoint of `XrayClassifier`."""


def load_network(checkpoint: Path) -> tuple[nn.Module, list[str]]:
    """The network of a checkpoint, in evaluation mode on the CPU, and its class names.

    Raises:
        WeightsError: The file is missing, is no checkpoint of this project, or does not fit its own description.
    """
    if not checkpoint.is_file():
        raise WeightsError(f"{checkpoint}: missing. Did the run stop before its first epoch ended? Go on with resume=.")
    try:
        refuse_packed(checkpoint)
        content: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
        description = content[DESCRIPTION_KEY]
        state = {
            name.removeprefix(PREFIX): value for name, value in content["state_dict"].items() if name.startswith(PREFIX)
        }
        classes = [str(name) for name in description["classes"]]
        head = described_head(description)
        # Checkpoints from before there were other heads need no image size either.
        network = build_network(
            str(description["backbone"]), len(classes), "none", head, int(description.get("image_size", 224))
        )
        network.load_state_dict(state)
    except CovidnetError:
        raise
    except Exception as error:  # of a damaged file torch's unpickler makes nearly any error
        raise WeightsError(f"{checkpoint}: not a checkpoint that train.py wrote ({first_line(error)}).") from error
    return network.eval(), classes


@torch.inference_mode()
def predict(
    network: nn.Module,
    data: XrayDataModule,
    parts: Sequence[str],
    classes: Sequence[str],
    records: Sequence[Record],
    device: torch.device | str = "cpu",
) -> Predictions:
    """Class probabilities of every image of the parts, without augmentation, in the records' order."""
    layout = torch.channels_last if data.channels_last else torch.contiguous_format
    network = network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    rows: list[Prediction] = []
    for part in parts:
        positions = data.split.positions(part)
        for batch in data.part_loader(part):
            prepared = data.prepare(batch._replace(images=batch.images.to(device)), epoch=None)
            probabilities = run_network(network, prepared.images, batch.positions).cpu().double().softmax(dim=1)
            for row, values in zip(batch.rows.tolist(), probabilities.tolist(), strict=True):
                record = records[positions[row]]
                rows.append(Prediction(record.path, part, record.label, tuple(values), record.patient, record.source))
    return Predictions(tuple(classes), tuple(rows))
