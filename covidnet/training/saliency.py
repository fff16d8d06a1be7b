"""Saliency of a trained network, at the end of a run and in an evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from covidnet.config.schema import SaliencyConfig, TrainConfig
from covidnet.console import say
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.dataset import XrayDataset
from covidnet.errors import ConfigError, CovidnetError, ExplainError
from covidnet.explain.compute import Chosen, Explainer, Method, choose_images
from covidnet.explain.layers import find_layer
from covidnet.explain.lungs import LungFields
from covidnet.explain.maps import Maps, ready
from covidnet.explain.sanity import SanityCheck, check_sanity
from covidnet.models.network import build_network
from covidnet.models.weights import first_line
from covidnet.predictions import Predictions
from covidnet.reporting.saliency_summary import describe_saliency

__all__ = ["check_layer", "describe_saliency", "explain_run", "explain_training"]

MOST_SHOWN = 64
NO_POSITIONS = "a network that is told where a patch lies (head=location) cannot be explained by its image alone"
CHECKED, CHECKED_STEPS = 8, 16
"""Images, and points on each path of integrated gradients, of the sanity check, which makes every map seven times."""


def check_layer(asked: SaliencyConfig, network: nn.Module, image_size: int) -> None:
    """Refuse a ``saliency.layer`` that does not exist or has no map before any time is spent.

    Raises:
        ConfigError: It is such a layer.
    """
    if asked.every is not None and getattr(network, "takes_positions", False):
        raise ConfigError(f"saliency.every={asked.every}: {NO_POSITIONS}; give saliency=off")
    if asked.layer is not None and asked.method in ("gradcam", "both"):
        copied = ready(network)
        weight = next(copied.parameters())
        find_layer(copied, torch.zeros(2, 3, image_size, image_size, device=weight.device), asked.layer)


def explain_training(
    settings: TrainConfig,
    directory: Path,
    dataset: XrayDataset,
    data: XrayDataModule,
    network: nn.Module,
    predictions: Predictions,
) -> list[Path]:
    """`explain_run` at the end of a training, which never fails for it: the reason is said instead."""
    try:
        return explain_run(settings.saliency, settings, directory, dataset, data, network, predictions)
    except (CovidnetError, RuntimeError) as error:  # an odd architecture or too little memory
        say(f"no saliency: {first_line(error)}")
        return []


def explain_run(
    asked: SaliencyConfig,
    settings: TrainConfig,
    directory: Path,
    dataset: XrayDataset,
    data: XrayDataModule,
    network: nn.Module,
    predictions: Predictions,
) -> list[Path]:
    """Explain predictions and write the files; see `covidnet.reporting.saliency`.

    Args:
        asked: What to explain and how.
        settings: Of the run.
        directory: Of the run or evaluation, with its predictions.csv.
        dataset: All images.
        data: The data module that the network was trained with.
        network: Gives logits; it stays as it is.
        predictions: Of this network, for the images to explain.

    Returns:
        The figure's file; none with saliency=off.

    Raises:
        ConfigError: ``saliency.layer`` is no layer with a map.
        ExplainError: captum is missing, or Grad-CAM finds no layer with a map.
    """
    from covidnet.reporting.saliency import clear_stale, save_saliency

    method = Method.configured(asked.method, asked.layer, asked.steps)
    if not method.names or not predictions.rows:
        clear_stale(directory)
        return []
    if getattr(network, "takes_positions", False):
        raise ExplainError(f"{NO_POSITIONS}; give saliency=off")
    explainer = Explainer(network, data, method)
    chosen = choose_images(predictions, asked.images, MOST_SHOWN)
    pairs = _pairs(predictions, chosen, asked.classes)
    positions = {record.path: position for position, record in enumerate(dataset.records)}
    of_rows = [positions[row.path] for row in predictions.rows]
    explained = explainer.explain([of_rows[row] for row, _ in pairs], [index for _, index in pairs])
    sanity = _sanity(explainer, settings, predictions, chosen, of_rows) if asked.sanity_check else {}
    fields = LungFields(dataset, settings.data.image_size, settings.data.max_pixels)

    def picture(path: str) -> NDArray[np.uint8]:
        return np.asarray(dataset.pixels.fetch([positions[path]])[0])

    shown = asked.model_dump(exclude={"every"})
    return [
        save_saliency(directory, predictions, chosen, pairs, explained, sanity, fields, picture, shown)
    ]  # fmt: skip


def _pairs(predictions: Predictions, chosen: Chosen, classes: str) -> list[tuple[int, int]]:
    """Rows with the class indices to explain."""
    if classes == "all":
        return [(row, index) for row in chosen.rows for index in range(len(predictions.classes))]
    predicted = predictions.predicted
    return [(row, int(predicted[row])) for row in chosen.rows]


def _sanity(
    explainer: Explainer, settings: TrainConfig, predictions: Predictions, chosen: Chosen, positions: list[int]
) -> dict[str, SanityCheck]:
    """The sanity check on some of the counted images, for the classes that the trained network predicts."""
    rows = chosen.counted[:: max(1, len(chosen.counted) // CHECKED)][:CHECKED]
    places = [positions[row] for row in rows]
    targets = [int(predictions.predicted[row]) for row in rows]
    method = replace(explainer.method, steps=min(explainer.method.steps, CHECKED_STEPS))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + 1)
        size = settings.data.image_size
        untrained = build_network(settings.backbone, len(predictions.classes), "none", settings.head, size)
    untrained = ready(untrained).to(explainer.device)

    def explain(network: nn.Module) -> dict[str, Maps]:
        return explainer.explain(places, targets, network, method, signed=True).maps

    return check_sanity(explainer.network, untrained, explain, explainer.images(places[:1]))
