"""Where the evidence for a prediction lies, drawn over the image: Grad-CAM of every model of a run, together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from covidnet.data.images import Pixels
from covidnet.explain.layers import SpatialLayer, find_layer
from covidnet.explain.maps import Maps, grad_cam, ready, require_captum
from covidnet.figures.saliency import blend, heat_of
from covidnet.files import write_with
from covidnet.inference.predictor import Predictor
from covidnet.naming import slug


class Overlays:
    """Draws evidence for a class over images: the mean map of the models, of which what speaks against it is left out.

    Args:
        predictor: Its networks stay as they are.

    Raises:
        ExplainError: A network has no layer with a map.
    """

    def __init__(self, predictor: Predictor) -> None:
        require_captum()
        self.predictor = predictor
        size = predictor.settings.data.image_size
        noise = np.random.default_rng(0).integers(0, 256, (2, 1, size, size), dtype=np.uint8)
        images = predictor.prepared(noise)
        networks = [ready(model.network) for model in predictor.models]
        self.models: list[tuple[torch.nn.Module, SpatialLayer]] = [(one, find_layer(one, images)) for one in networks]

    def draw(self, images: Pixels, classes: Sequence[int]) -> list[Pixels]:
        """One picture (3, S, S) for each image.

        Args:
            images: Shape (N, C, S, S), uint8.
            classes: The index of the class to explain of each, length N.
        """
        prepared = self.predictor.prepared(images)
        found: list[Maps] = [grad_cam(network, layer, prepared, classes) for network, layer in self.models]
        maps = np.maximum(np.mean(found, axis=0), 0.0)
        size = images.shape[-1]
        return [blend(image, heat_of(evidence, size, size)) for image, evidence in zip(images, maps, strict=True)]


class OverlayFolder:
    """Writes overlays as ``NUMBER_NAME.png`` into a folder, numbered in the order of the images.

    Args:
        directory: Made with the first one.
        overlays: Draws them.
    """

    def __init__(self, directory: Path, overlays: Overlays) -> None:
        self.directory = directory
        self.overlays = overlays
        self._written = 0

    def save(self, paths: Sequence[str], images: Pixels, classes: Sequence[int]) -> list[str]:
        """Draw and write some images.

        Args:
            paths: What the images are called, length N.
            images: Shape (N, C, S, S).
            classes: Indices, length N.

        Returns:
            The files, each as FOLDER/NAME.
        """
        names = []
        for path, picture in zip(paths, self.overlays.draw(images, classes), strict=True):
            self._written += 1
            name = "_".join(part for part in (f"{self._written:06d}", slug(Path(path).stem)) if part)
            image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
            write_with(self.directory / f"{name}.png", image.save)
            names.append(f"{self.directory.name}/{name}.png")
        return names
