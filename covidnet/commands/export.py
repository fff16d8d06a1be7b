"""What python -m covidnet.export does: write a run's network for other programs, and check that it is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from covidnet.compute import prepare_process
from covidnet.config.check import check
from covidnet.config.schema import ExportConfig, TrainConfig
from covidnet.console import RESEARCH_ONLY, say
from covidnet.errors import ConfigError
from covidnet.files import replacing, write_json
from covidnet.runs.layout import RunLayout, open_run

if TYPE_CHECKING:
    from covidnet.export.agreement import Agreement, Run
    from covidnet.export.images import RunImages
    from covidnet.inference.predictor import Predictor

FOLDER = "export"
NAMES = {"onnx": "model.onnx", "torch": "model.pt2"}
INT8 = "model.int8.onnx"
CALIBRATED_ON = 200
"""Training images at most whose ranges quantisation goes by."""


def export(config: DictConfig) -> None:
    """Write the file and what is known of it beside it; a file that does not agree with PyTorch is not kept.

    Raises:
        CovidnetError: Anything a user can mend.
    """
    asked = check(config, ExportConfig)
    layout, stored = open_run(asked.run)
    settings = check(stored, TrainConfig)
    if layout.folds:
        raise ConfigError(f"run={asked.run}: a run over folds; export one of them, such as run={layout.folds[0]}")
    if asked.format == "onnx":
        from covidnet.export.onnx_file import require_onnx

        require_onnx()
    prepare_process(settings.compute)
    _export(asked, settings, layout)


def _export(asked: ExportConfig, settings: TrainConfig, layout: RunLayout) -> None:
    """The part that needs torch."""
    import torch

    from covidnet.export.describe import describe
    from covidnet.export.images import images_of
    from covidnet.inference.predictor import load_predictor

    if settings.compute.num_threads is not None:
        torch.set_num_threads(settings.compute.num_threads)
    predictor = load_predictor(layout, settings, asked.calibrate, "cpu")
    parts = {"test": asked.images, **({"train": CALIBRATED_ON} if asked.int8 else {})}
    images = images_of(layout, settings, asked.data_root, parts)
    folder = Path(asked.output).expanduser() if asked.output is not None else layout.directory / FOLDER
    described = describe(predictor)
    path = folder / NAMES[asked.format]
    run = _write(asked.format, path, predictor, images["test"], described)
    if asked.int8:
        _write_int8(path, folder / INT8, images, described, run)
    say(f"what is in it, and how images are prepared for it: {path}.json")
    say(RESEARCH_ONLY)


def _write(kind: str, path: Path, predictor: Predictor, images: RunImages, described: dict[str, str]) -> Run:
    """Write the file and its description, after it was checked."""
    from covidnet.export.agreement import compare, require
    from covidnet.export.graph import Deployable, trace
    from covidnet.export.onnx_file import onnx_runner, write_onnx
    from covidnet.export.torch_file import torch_runner, write_torch

    (model,) = predictor.models
    settings = predictor.settings
    deployable = Deployable(model.network, settings.data.normalize, model.calibration.temperature or 1.0)
    program = trace(deployable, settings.data.image_size)
    with replacing(path) as temporary:
        if kind == "onnx":
            write_onnx(program, temporary, described)
            run = onnx_runner(temporary)
        else:
            write_torch(program, temporary, described)
            run = torch_runner(temporary)
        reference = (predictor.outputs(batch) for batch in images.batches())
        agreement = compare(reference, map(run, images.batches()))
        require(agreement, path.name)
    write_json(path.with_name(f"{path.name}.json"), {"metadata": described, "agreement": agreement.to_json()})
    say(f"exported: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    say(
        f"  agrees with PyTorch on {agreement.images} test images: probabilities differ by at most "
        f"{agreement.probabilities:.1g}, logits by {agreement.logits:.1g} (of up to {agreement.largest_logit:.3g})"
    )
    return run


def _write_int8(
    source: Path, path: Path, images: dict[str, RunImages], described: dict[str, str], float_run: Run
) -> None:
    """Write a quantised file, and what it changes."""
    from covidnet.export.agreement import compare
    from covidnet.export.onnx_file import onnx_runner
    from covidnet.export.quantize import quantize

    tested = images["test"]
    quantised = f"int8, by channel; ranges of {len(images['train'])} training images"
    with replacing(path) as temporary:
        quantize(source, temporary, images["train"].batches(), {**described, "quantisation": quantised})
        run = onnx_runner(temporary)
        agreement = compare(map(float_run, tested.batches()), map(run, tested.batches()))
        scores = {name: _accuracy(one, tested, described) for name, one in (("float", float_run), ("int8", run))}
    content = {"metadata": {**described, "quantisation": quantised}, "against_float": _differences(agreement)}
    write_json(path.with_name(f"{path.name}.json"), {**content, "test_accuracy": scores})
    say(f"int8: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    say(
        f"  test accuracy {_shown(scores['int8'])}, in floating point {_shown(scores['float'])}; "
        f"the same class for {agreement.same_class} of {agreement.images} images"
    )


def _differences(agreement: Agreement) -> dict[str, Any]:
    """How a quantised file differs, which no tolerance is asked of."""
    return {name: value for name, value in agreement.to_json().items() if name != "tolerance"}


def _accuracy(run: Run, images: RunImages, described: dict[str, str]) -> dict[str, Any]:
    """Share of the images that are named right, with its exact interval."""
    import numpy as np

    from covidnet.evaluation.intervals import exact_interval
    from covidnet.evaluation.metrics import LEVEL

    classes = json.loads(described["classes"])
    predicted = np.concatenate([run(batch)[0].argmax(axis=1) for batch in images.batches()])
    right = sum(classes[index] == label for index, label in zip(predicted, images.labels, strict=True))
    return exact_interval(right, len(images), LEVEL).to_json()


def _shown(rate: dict[str, Any]) -> str:
    return f"{rate['value']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}]"
