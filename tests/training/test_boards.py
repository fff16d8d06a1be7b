"""What TensorBoard reads of a run on one fold, beside its scalars and figures."""

import csv
import re
import shutil

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from support import call, only_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from covidnet.predictions import read_predictions
from covidnet.training.boards import hyperparameters

MOST = 8


@pytest.fixture(scope="module")
def run(small, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("boards")
    root = folder / "images"
    shutil.copytree(images, root)
    for file in sorted((root / "covid").iterdir()):
        file.rename(file.with_name(f"{file.stem}\tone\n{file.suffix}"))
    asked = ("protocol=kfold", "folds=2", "fold=1", "trainer.max_epochs=1", f"logger.projector={MOST}")
    outcome = call("train", *small(folder / "outputs", *asked, root=root))
    assert outcome.status == 0, outcome.err
    return only_run(folder / "outputs")


def events(run):
    return EventAccumulator(str(run.directory / "tensorboard"), size_guidance={"tensors": 0, "scalars": 0}).Reload()


def projector(run):
    directory = run.directory / "tensorboard"
    config = text_format.Parse((directory / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    with (directory / embedding.metadata_path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return directory, embedding, rows


def test_curves_of_each_class_are_those_of_the_table(run):
    tested = read_predictions(run.directory / "predictions.csv").of_split("test")
    board = events(run)
    assert set(board.PluginTagToContent("pr_curves")) == {"test/covid", "test/normal"}
    for index, name in enumerate(tested.classes):
        (event,) = board.Tensors(f"test/{name}")
        assert event.step == run.metrics["epoch_kept"]
        shape = [one.size for one in event.tensor_proto.tensor_shape.dim]
        found = np.array(event.tensor_proto.float_val).reshape(shape)
        truth, scores = tested.truth == index, tested.probabilities[:, index]
        thresholds = np.linspace(0, 1, shape[1])
        for column, threshold in enumerate(thresholds):
            above = scores >= threshold
            expected = [
                (truth & above).sum(),
                (~truth & above).sum(),
                (~truth & ~above).sum(),
                (truth & ~above).sum(),
            ]
            assert found[:4, column].tolist() == expected


def test_points_tell_their_class_part_and_prediction(run):
    directory, embedding, rows = projector(run)
    points = np.loadtxt(directory / embedding.tensor_path, delimiter="\t")
    assert list(points.shape) == list(embedding.tensor_shape) and len(points) == len(rows) == MOST
    assert np.isfinite(points).all() and points.std() > 0
    tested = read_predictions(run.directory / "predictions.csv").of_split("test")
    known = {row.path: tested.classes[index] for row, index in zip(tested.rows, tested.predicted, strict=True)}
    parts = {path.replace("\t", "\\t").replace("\n", "\\n"): part for path, part in run.split.items()}
    for row in rows:
        assert row["part"] == parts[row["path"]] and row["class"] == row["path"].partition("/")[0]
        assert row["outcome"] == ("right" if row["predicted"] == row["class"] else "wrong")
        if row["part"] == "test":
            assert row["predicted"] == known[row["path"].encode().decode("unicode_escape")]
    for part in ("test", "train"):
        assert {row["class"] for row in rows if row["part"] == part} == {"covid", "normal"}
    assert sum(row["part"] == "test" for row in rows) == MOST // 2


def test_an_odd_file_name_takes_one_line(run):
    shown = [row["path"] for row in projector(run)[2] if row["class"] == "covid"]
    assert len(shown) == MOST // 2 and all(re.fullmatch(r"covid/phantom-\d+\\tone\\n\.\w+", path) for path in shown)


def test_the_pictures_are_those_of_the_points(run):
    directory, embedding, _ = projector(run)
    width, height = embedding.sprite.single_image_dim
    with Image.open(directory / embedding.sprite.image_path) as sheet:
        assert sheet.size == (3 * width, 3 * height)
        pixels = np.asarray(sheet)
    assert pixels[:height, :width].std() > 0 and not pixels[2 * height :, 2 * width :].any()


def test_no_run_speaks_for_all_in_the_hparams_tab(run):
    contents = events(run).PluginTagToContent("hparams")
    assert set(contents) == {"_hparams_/session_start_info", "_hparams_/session_end_info"}
    read = plugin_data_pb2.HParamsPluginData.FromString(contents["_hparams_/session_start_info"])
    shown = {key: value.string_value or value.number_value for key, value in read.session_start_info.hparams.items()}
    assert shown["fold"] == 1 and shown["folds"] == 2 and shown["protocol"] == "kfold"
    assert "backbone: " in (run.directory / "tensorboard" / "hparams.yaml").read_text()


def test_values_are_numbers_where_they_can_be_and_housekeeping_is_left_out():
    from covidnet.config.compose import compose_train

    typed = [
        "data=phantoms",
        "data.count=40",
        "output_dir=x",
        "optimizer.betas=[0.8,0.9]",
        "fold=null",
        "data.cache=false",
    ]
    shown = hyperparameters(compose_train(typed), typed)
    assert shown["data"] == "phantoms" and shown["data.count"] == 40 and shown["optimizer.betas"] == "[0.8, 0.9]"
    assert shown["fold"] == "null" and shown["data.cache"] is False and "output_dir" not in shown
