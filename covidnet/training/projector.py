"""Files of TensorBoard's PROJECTOR tab: what the network makes of test and training images, as points in space.

Written as TensorBoard documents them and not with torch's ``add_embedding``, which takes file names as they are, writes
every number with 20 digits and replaces no file of a run that was gone on with.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidnet.config.schema import NoLoggerConfig, TensorBoardConfig
from covidnet.console import say
from covidnet.data.dataset import XrayDataset
from covidnet.errors import CovidnetError
from covidnet.files import write_text, write_with
from covidnet.models.weights import first_line
from covidnet.predictions import Predictions
from covidnet.report.thumbnails import shrunk
from covidnet.training.penultimate import PenultimateFeatures

CONFIG = "projector_config.pbtxt"
"""Looked for by TensorBoard beside the event files; it names the others."""

TENSORS, METADATA, SPRITE = "projector/tensors.tsv", "projector/metadata.tsv", "projector/sprite.png"
COLUMNS = ("class", "predicted", "outcome", "part", "path")
MOST_DIRECTIONS = 128
"""Numbers kept of an image. The page itself takes 200 random mixtures of more before it looks for directions."""

TILE, MOST_SIDE = 64, 8192
"""Pixels of a picture's side, and of the side of all of them together, which is what graphics cards take."""


def show_projector(
    asked: TensorBoardConfig | NoLoggerConfig,
    directory: Path,
    dataset: XrayDataset,
    known: PenultimateFeatures,
    predictions: Predictions,
) -> None:
    """Write the files; where the features cannot be had of a network, say so and go on.

    Args:
        asked: ``projector`` images at most; with 0 files of an earlier time are removed.
        directory: Of the event files.
        dataset: All images.
        known: Of the run's network.
        predictions: What it predicts for the test images.
    """
    if not isinstance(asked, TensorBoardConfig) or asked.projector == 0:
        (directory / CONFIG).unlink(missing_ok=True)
        return
    labels = np.asarray(known.data.labels)
    chosen = choose(labels, known.data.split.positions("test"), known.data.split.positions("train"), asked.projector)
    positions = np.concatenate(list(chosen.values()))
    try:
        points = coordinates(known.features(positions))
        told = _metadata(dataset, chosen, known, predictions)
    except (CovidnetError, RuntimeError) as error:  # an odd architecture, or too little memory
        say(f"no projector in TensorBoard: {first_line(error)}")
        return
    side = min(TILE, MOST_SIDE // math.ceil(math.sqrt(len(positions))))
    pictures = [shrunk(np.asarray(known.data.pixels.fetch([position])[0]), side) for position in positions.tolist()]
    write_with(directory / TENSORS, lambda path: np.savetxt(path, points, fmt="%.5g", delimiter="\t"))
    write_text(directory / METADATA, told)
    write_with(directory / SPRITE, lambda path: sprite(pictures).save(path))
    height, width = pictures[0].shape[:2]
    write_text(directory / CONFIG, _config(points.shape, (width, height)))


def choose(
    labels: NDArray[np.integer], test: NDArray[np.int64], train: NDArray[np.int64], most: int
) -> dict[str, NDArray[np.int64]]:
    """Positions of at most ``most`` images, by part; half are test images where both parts have that many.

    Of a part that is not taken whole, each class keeps its share.

    Args:
        labels: Class indices of all images, shape (N,).
        test: Positions of the test images.
        train: Positions of the training images.
        most: At least 1.
    """
    room = min(len(test), max((most + 1) // 2, most - len(train)))
    sizes = {"test": (test, room), "train": (train, min(len(train), most - room))}
    return {part: _stratified(labels, positions, count) for part, (positions, count) in sizes.items()}


def _stratified(labels: NDArray[np.integer], positions: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """``count`` of the positions, at even steps through those of one class after another."""
    by_class = positions[np.argsort(labels[positions], kind="stable")]
    steps = (np.arange(count) + 0.5) * len(positions) / max(count, 1)
    return np.sort(by_class[steps.astype(np.int64)])


def coordinates(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features (N, F) along the directions that hold most of them, shape (N, D) with 3 <= D <= `MOST_DIRECTIONS`.

    Lengths, distances and angles stay, up to what is left out. Nothing is subtracted before, as angles would change.
    """
    from sklearn.decomposition import TruncatedSVD

    if features.shape[1] > MOST_DIRECTIONS:
        count = min(MOST_DIRECTIONS, len(features))
        features = TruncatedSVD(count, random_state=0).fit_transform(features)
    short = 3 - features.shape[1]
    return np.pad(features, ((0, 0), (0, short))) if short > 0 else features


def _metadata(
    dataset: XrayDataset, chosen: dict[str, NDArray[np.int64]], known: PenultimateFeatures, predictions: Predictions
) -> str:
    """A header and a line for each point; a test image's prediction is that of predictions.csv."""
    tested = predictions.of_split("test")
    scored = dict(zip((row.path for row in tested.rows), tested.predicted.tolist(), strict=True))
    lines = ["\t".join(COLUMNS)]
    for part, positions in chosen.items():
        learnt = [] if part == "test" else known.predicted(positions).tolist()
        for number, position in enumerate(positions.tolist()):
            record = dataset.records[position]
            predicted = predictions.classes[scored[record.path] if part == "test" else learnt[number]]
            outcome = "right" if predicted == record.label else "wrong"
            values = (record.label, predicted, outcome, part, record.path)
            lines.append("\t".join(one_field(value) for value in values))
    return "\n".join(lines) + "\n"


def one_field(text: str) -> str:
    """``text`` as one field of a table: what would end it, or cannot be written, is escaped as in Python."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def sprite(pictures: list[NDArray[np.uint8]]) -> Image.Image:
    """Pictures of one size, (H, W) or (H, W, 3), row by row on a square of as many columns as rows."""
    height, width = pictures[0].shape[:2]
    columns = math.ceil(math.sqrt(len(pictures)))
    grey = all(picture.ndim == 2 for picture in pictures)
    sheet = Image.new("L" if grey else "RGB", (columns * width, columns * height))
    for number, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (number % columns * width, number // columns * height))
    return sheet


def _config(shape: tuple[int, ...], tile: tuple[int, int]) -> str:
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    config = ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "penultimate features"
    embedding.tensor_shape.extend(shape)
    embedding.tensor_path, embedding.metadata_path = TENSORS, METADATA
    embedding.sprite.image_path = SPRITE
    embedding.sprite.single_image_dim.extend(tile)
    return str(text_format.MessageToString(config))
