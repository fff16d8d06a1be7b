"""What an exported file says of itself: enough to prepare an image, and to know what its numbers mean."""

from __future__ import annotations

import json
from importlib import metadata

from covidnet.config.schema import TrainConfig
from covidnet.console import RESEARCH_ONLY
from covidnet.data.batches import IMAGENET_MEAN, IMAGENET_STD
from covidnet.export.graph import INPUT, OUTPUTS
from covidnet.inference.predictor import Predictor
from covidnet.ood.files import file_sha256

NORMALISATION = {
    "none": "none",
    "imagenet": f"inside the graph: subtract {list(IMAGENET_MEAN)}, divide by {list(IMAGENET_STD)}, by channel",
}


def describe(predictor: Predictor) -> dict[str, str]:
    """The metadata of an exported file, names to texts, for a predictor of one model."""
    (model,) = predictor.models
    settings: TrainConfig = predictor.settings
    size = settings.data.image_size
    return {
        "notice": RESEARCH_ONLY,
        "classes": json.dumps(predictor.classes),
        "input": f"{INPUT}: float32 [batch, 3, {size}, {size}], RGB, values in [0, 1]",
        "outputs": f"{OUTPUTS[0]}: float32 [batch, classes]; {OUTPUTS[1]}: softmax(logits / temperature)",
        "image_size": str(size),
        "colour": "RGB; grey repeated to three channels; transparency dropped; turned upright by its EXIF orientation",
        "depth": "8 bits per channel; deeper images are brought to 8 bits first (docs/formats.md)",
        "resize": f"to {size}x{size} at 8 bits, antialiased bilinear as Pillow's resize, aspect ratio not kept",
        "scaling": "divide by 255",
        "normalisation": NORMALISATION[settings.data.normalize],
        "temperature": repr(model.calibration.temperature or 1.0),
        "calibration": model.calibration.note,
        "abstention": "none: images unlike the training images are not refused, as predict.py would",
        "backbone": settings.backbone,
        "run": model.layout.directory.resolve().name,
        "checkpoint_sha256": file_sha256(model.layout.best),
        "covidnet_version": _version("covidnet"),
        "torch_version": _version("torch"),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
