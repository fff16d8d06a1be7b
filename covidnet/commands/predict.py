"""What predict.py does: the classes of new images by a finished run, or why it does not say."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from covidnet.compute import prepare_process
from covidnet.config.check import check
from covidnet.config.schema import PredictConfig, TrainConfig
from covidnet.console import RESEARCH_ONLY, progress_bar, say
from covidnet.data.records import image_files
from covidnet.errors import ConfigError, DataError
from covidnet.naming import on_one_line
from covidnet.runs.layout import RunLayout, open_run

if TYPE_CHECKING:
    from covidnet.inference.answer import Answer, Tally
    from covidnet.inference.predictor import Predictor
    from covidnet.inference.saliency import OverlayFolder

FOLDER = "predictions"
"""In the run directory, where nothing else was asked for."""


def predict(config: DictConfig) -> None:
    """Write a table of the images of a file or a folder; nothing else in the run directory changes.

    Raises:
        CovidnetError: Anything a user can mend. An image that cannot be used is none: the table says why.
    """
    asked = check(config, PredictConfig)
    layout, stored = open_run(asked.run)
    settings = check(stored, TrainConfig)
    root, paths = find_input(asked.input)
    target = _target(asked, layout)
    prepare_process(settings.compute)
    _predict(asked, settings, layout, root, paths, target)


def find_input(given: str) -> tuple[Path, list[str]]:
    """A folder and the image files in it, relative to it; of a file, its own folder and its name.

    Raises:
        DataError: There is nothing, or no image in the folder.
    """
    path = Path(given).expanduser()
    if path.is_file():
        return path.parent, [path.name]
    if not path.is_dir():
        raise DataError(f"input={given}: no such file or folder. Give an image or a folder of images.")
    paths = image_files(path)
    if not paths:
        raise DataError(f"input={given}: no image in this folder or below it.")
    return path, paths


def _target(asked: PredictConfig, layout: RunLayout) -> Path:
    """The file to write; never one that is there."""
    if asked.output is None:
        name = time.strftime("%Y-%m-%d_%H-%M-%S")
        candidates = (f"{name}{suffix}.{asked.format}" for suffix in ["", *(f"_{number}" for number in range(2, 1000))])
        return next(path for text in candidates if not (path := layout.directory / FOLDER / text).exists())
    target = Path(asked.output).expanduser()
    for path in [target, overlay_folder(target)] if asked.overlays else [target]:
        if path.exists():
            raise ConfigError(f"output={asked.output}: {path} is there already. Give another file, or take it away.")
    return target


def overlay_folder(target: Path) -> Path:
    """Where overlays go, beside the table."""
    return target.with_name(f"{target.stem}_saliency")


def _predict(
    asked: PredictConfig, settings: TrainConfig, layout: RunLayout, root: Path, paths: Sequence[str], target: Path
) -> None:
    """The part that needs torch."""
    import torch

    from covidnet.inference.answer import UNREADABLE, Tally
    from covidnet.inference.predictor import load_predictor
    from covidnet.inference.stream import answers
    from covidnet.inference.tables import write_answers
    from covidnet.models.device import usable_device

    started = time.perf_counter()
    if settings.compute.num_threads is not None:
        torch.set_num_threads(settings.compute.num_threads)
    predictor = load_predictor(layout, settings, asked.calibrate, usable_device(asked.device))
    overlays = _overlays(predictor, target) if asked.overlays else None
    batch_size = asked.batch_size or settings.data.batch_size
    found = answers(predictor, root, paths, batch_size, abstain=asked.abstain, overlays=overlays)
    tally, kept = Tally(), []
    with progress_bar("predicting", len(paths)) as advance:

        def shown() -> Iterator[Answer]:
            for answer in tally.counting(found):
                advance()
                if len(paths) == 1:
                    kept.append(answer)
                yield answer

        write_answers(target, asked.format, shown(), predictor)
    for line in [*describe_models(predictor), *(_describe(kept[0], predictor) if kept else _summarize(tally))]:
        say(line)
    say(f"predictions: {target} ({time.perf_counter() - started:.1f} s)")
    say(RESEARCH_ONLY)
    if tally.abstained[UNREADABLE] == tally.total:
        raise DataError(f"input={asked.input}: {'not one' if tally.total > 1 else 'it is no'} image that can be read.")


def _overlays(predictor: Predictor, target: Path) -> OverlayFolder:
    from covidnet.inference.saliency import OverlayFolder, Overlays

    return OverlayFolder(overlay_folder(target), Overlays(predictor))


def describe_models(predictor: Predictor) -> list[str]:
    """Lines on whose probabilities these are, and on what was not checked."""
    lines = [f"mean of {len(predictor.models)} models, one per fold"] if len(predictor.models) > 1 else []
    lines += dict.fromkeys(f"probabilities {model.calibration.note}" for model in predictor.models)
    return lines + [f"not compared with the training images: {reason}" for reason in predictor.unchecked]


def _describe(answer: Answer, predictor: Predictor) -> list[str]:
    """One image in a few lines."""
    if answer.probabilities is None:
        first = f"{on_one_line(answer.path)}: no prediction"
    else:
        pairs = sorted(zip(answer.probabilities, predictor.classes, strict=True), reverse=True)
        first = f"{on_one_line(answer.path)}: " + ", ".join(f"{name} {probability:.3f}" for probability, name in pairs)
    return [first, *(f"  {reason}" for reason in answer.reasons)]


def _summarize(tally: Tally) -> list[str]:
    """All images in a line or two."""
    lines = [f"{tally.total} images: {_counts(tally.predicted) or 'no prediction for any'}"]
    if tally.abstained:
        lines.append(f"  no prediction for {tally.abstained.total()}: {_counts(tally.abstained)}")
    return lines


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items(), key=lambda item: (-item[1], item[0])))
