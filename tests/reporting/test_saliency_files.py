"""The files of a saliency, made from maps without any network."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from covidnet.audit.views import lung_field
from covidnet.data.records import Record
from covidnet.errors import RunError
from covidnet.explain.compute import Chosen, Explained
from covidnet.explain.layers import Grid, SpatialLayer
from covidnet.explain.lungs import LungFields
from covidnet.explain.sanity import Likeness, SanityCheck, SanityStep
from covidnet.explain.table import read_entries, read_maps
from covidnet.predictions import Prediction, Predictions, write_predictions
from covidnet.reporting.saliency import clear_stale, save_saliency
from covidnet.reporting.saliency_summary import describe_saliency

SIZE, COUNT = 64, 12
CLASSES = ("covid", "normal")


def predictions():
    """Twelve images, all taken for covid but the last; the evens are right."""
    rows = [
        Prediction(f"{CLASSES[i % 2]}/<i>{i}.png", "test", CLASSES[i % 2], (0.2, 0.8) if i == COUNT - 1 else (0.9, 0.1))
        for i in range(COUNT)
    ]
    return Predictions(CLASSES, tuple(rows))


def picture(path):
    return np.full((1, SIZE, SIZE), 90, dtype=np.uint8)


@pytest.fixture
def save(tmp_path):
    """``save(explained, ...)`` into a directory with predictions.csv."""
    table = predictions()
    write_predictions(table, tmp_path / "predictions.csv")
    records = [Record(row.path, row.label) for row in table.rows]
    fields = LungFields(SimpleNamespace(root=tmp_path, records=records, scan=SimpleNamespace(masks=[])), SIZE, 10**6)

    def run(explained, shown=tuple(range(COUNT)), counted=tuple(range(COUNT)), pairs=None, sanity=None):
        chosen = Chosen(shown, counted)
        pairs = pairs or [(row, int(table.predicted[row])) for row in chosen.rows]
        save_saliency(
            tmp_path, table, chosen, pairs, explained, sanity or {}, fields, picture, {"method": "gradcam", "steps": 32}
        )
        return tmp_path

    return run


def gradcam(maps):
    return Explained(
        {"gradcam": maps.astype(np.float32)}, SpatialLayer("layer4", Grid(maps.shape[1], "channels_first"))
    )


def table_of(directory):
    with (directory / "saliency.csv").open() as file:
        return list(csv.DictReader(file))


def inside_out(count=COUNT):
    """Maps of the image's size: all evidence in the lung field, but for the last image none of it."""
    maps = np.repeat(lung_field(SIZE, SIZE)[None].astype(np.float32), count, axis=0)
    maps[-1] = 1 - maps[-1]
    return maps


def test_shares_of_evidence(save):
    directory = save(gradcam(7.5 * inside_out()))
    rows = table_of(directory)
    assert [float(row["inside_lungs"]) for row in rows] == [1.0] * 11 + [0.0]
    area = lung_field(SIZE, SIZE).mean()
    assert {float(row["lung_area"]) for row in rows} == {area} and {row["lung_field"] for row in rows} == {"simple"}
    assert [row["explained"] for row in rows] == ["covid"] * 11 + ["normal"]
    assert [row["path"] for row in rows] == [row.path for row in predictions().rows]
    told = json.loads((directory / "saliency.json").read_text())
    found = told["methods"]["gradcam"]
    assert found["layer"] == {"name": "layer4", "cells": SIZE}
    covid = found["by_class"]["covid"]
    assert covid["inside_lungs"]["value"] == 1 and covid["inside_lungs"]["n"] == 11
    assert covid["excess"]["low"] == pytest.approx(1 - area) and covid["verdict"] == "more"
    assert found["by_class"]["normal"]["inside_lungs"] == {
        "value": 0.0, "low": None, "high": None, "n": 1, "level": 0.95, "method": "percentile bootstrap of the median",
    }  # fmt: skip
    assert told["images"] == {"of": 12, "counted": 12, "shown": 12}
    assert told["lung_field"] == {"simple": 12, "mask": 0}
    (line,) = describe_saliency(directory)
    assert line == (
        "saliency, Grad-CAM of layer4 (64x64 cells): share of the evidence inside the lung field: covid 1.00 "
        "[1.00, 1.00] (more than the field's 0.60 of the area), normal 0.00 (not clearly other than the field's 0.60 "
        "of the area)"
    )


def test_maps_come_back_scaled(save):
    maps = np.random.default_rng(0).random((COUNT, 7, 7)) * 1e-7
    maps[3] = 0
    directory = save(gradcam(maps))
    found = read_maps(directory)["gradcam"]
    assert found.shape == (COUNT, 7, 7) and not found[3].any()
    np.testing.assert_allclose(found[0], maps[0] / maps[0].max(), atol=1e-3)
    rows = table_of(directory)
    assert rows[3]["inside_lungs"] == "" and [int(row["map"]) for row in rows] == list(range(COUNT))
    summary = json.loads((directory / "saliency.json").read_text())["methods"]["gradcam"]["overall"]
    assert summary["images_without_evidence"] == 1 and summary["inside_lungs"]["n"] == COUNT - 1


def test_overlays_are_small_pngs_of_what_is_shown(save):
    directory = save(gradcam(inside_out(7)), shown=(5, 1, 3), counted=(0, 2, 4, 6))
    rows = table_of(directory)
    assert len(rows) == 7
    names = {int(row["path"].partition("<i>")[2].removesuffix(".png")): row["overlay"] for row in rows}
    assert names == {
        5: "saliency/0001_gradcam.png", 1: "saliency/0002_gradcam.png", 3: "saliency/0003_gradcam.png",
        **dict.fromkeys((0, 2, 4, 6), ""),
    }  # fmt: skip
    with Image.open(directory / names[5]) as image:
        assert image.mode == "P" and image.size == (SIZE, SIZE)
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    assert (pixels[32, 32] - 90).max() > 50 and abs(pixels[0, 0] - 90).max() <= 4  # lit inside, grey outside
    assert [row["counted"] for row in rows] == ["1", "0", "1", "0", "1", "0", "1"]
    told = json.loads((directory / "saliency.json").read_text())
    assert told["methods"]["gradcam"]["overall"]["inside_lungs"]["n"] == 4


def test_every_class_and_both_methods(save):
    pairs = [(row, index) for row in range(COUNT) for index in (0, 1)]
    maps = inside_out(len(pairs)).astype(np.float32)
    explained = gradcam(maps)
    explained.maps["integrated_gradients"] = 1 - maps
    explained.gaps = np.linspace(0, 0.1, len(pairs))
    directory = save(explained, pairs=pairs)
    rows = table_of(directory)
    assert len(rows) == 4 * COUNT and sum(bool(row["overlay"]) for row in rows) == 2 * COUNT
    methods = json.loads((directory / "saliency.json").read_text())["methods"]
    assert methods["integrated_gradients"]["completeness_gap"] == {"median": pytest.approx(0.05), "max": 0.1}
    assert methods["gradcam"]["not_predicted"]["normal"]["inside_lungs"]["n"] == COUNT - 1
    assert methods["integrated_gradients"]["by_class"]["covid"]["verdict"] == "less"
    assert len(describe_saliency(directory)) == 2
    explained.gaps = explained.gaps + 1
    assert describe_saliency(save(explained, pairs=pairs))[2].startswith(
        "  rough maps: the integrals miss 105% of their sum"
    )


def test_the_sanity_check_is_told(save):
    maps = np.ones((2, 7, 7), dtype=np.float32)
    for left, verdict in ((0.1, "passed"), (0.9, "FAILED")):
        steps = (SanityStep("fc", 0.1, Likeness(0.9, 0.9, 0.9)), SanityStep("conv1", 1.0, Likeness(-left, left, 0.2)))
        check = SanityCheck(steps, 2, Likeness(0.3, 0.3, 0.3), maps)
        directory = save(gradcam(inside_out()), sanity={"gradcam": check})
        told = json.loads((directory / "saliency.json").read_text())["methods"]["gradcam"]["sanity_check"]
        assert told["passed"] == (verdict == "passed") and told["steps"][0]["down_to"] == "fc"
        assert told["inside_lungs_when_random"]["value"] == pytest.approx(0.59, abs=0.01)
        line = describe_saliency(directory)[1]
        assert verdict in line and f"{left:.2f}" in line


def test_files_of_an_earlier_saliency_go(save):
    directory = save(gradcam(inside_out()))
    before = {path.name for path in (directory / "saliency").iterdir()}
    assert len(before) == COUNT + 1
    save(gradcam(inside_out(1)), shown=(2,), counted=(2,))
    assert {path.name for path in (directory / "saliency").iterdir()} == {"0001_gradcam.png", "maps.npz"}


def test_files_stay_while_the_predictions_do(save):
    directory = save(gradcam(inside_out()))
    clear_stale(directory)
    assert (directory / "saliency.json").is_file()
    (directory / "predictions.csv").write_text("others")
    clear_stale(directory)
    assert not {"saliency.json", "saliency.csv", "test_saliency.png"} & {path.name for path in directory.iterdir()}
    assert describe_saliency(directory) == []
    clear_stale(directory)


def test_the_same_maps_give_the_same_bytes(save):
    files = ("saliency.csv", "saliency.json", "test_saliency.png", "saliency/maps.npz", "saliency/0003_gradcam.png")
    maps = np.random.default_rng(0).random((COUNT, 7, 7))
    first, second = ([(save(gradcam(maps)) / name).read_bytes() for name in files] for _ in range(2))
    assert first == second


def test_a_damaged_table_is_refused(save, tmp_path):
    with pytest.raises(RunError, match="saliency=default"):
        read_entries(tmp_path)
    directory = save(gradcam(inside_out()))
    file = directory / "saliency.csv"
    whole = file.read_text()
    assert len(read_entries(directory)) == COUNT
    file.write_text(whole.replace("simple,1,3,", "simple,1,x,"))
    with pytest.raises(RunError, match=r"saliency\.csv, line 5: not a row of saliency\.csv"):
        read_entries(directory)
    file.write_text(whole.replace("lung_area", "area"))
    with pytest.raises(RunError, match="found the columns path, split"):
        read_entries(directory)


def test_damaged_maps_are_refused(save, tmp_path):
    with pytest.raises(RunError, match="saliency=default"):
        read_maps(tmp_path)
    directory = save(gradcam(inside_out()))
    np.save(directory / "saliency" / "maps.npz", np.array([{}], dtype=object), allow_pickle=True)
    (directory / "saliency" / "maps.npz.npy").replace(directory / "saliency" / "maps.npz")
    with pytest.raises(RunError, match="not the maps"):
        read_maps(directory)
