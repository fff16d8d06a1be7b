"""predict.py on a finished run: known images, strange images, many images, folds."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from support import SIZE, Run, as_typed, call, only_run

from covidnet.predictions import read_predictions

NOTICE = "For research only; never a diagnosis."


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    """A finished run with enough validation images for what predictions are checked by."""
    folder = tmp_path_factory.mktemp("finished")
    # without batch normalisation, whose statistics so short a training would leave meaningless
    network = ("backbone=squeezenet1_1", "trainer.max_epochs=3")
    arguments = small(folder, "protocol=holdout", "data.val_size=0.3", "logger=none", *network)
    outcome = call("train", *arguments)
    assert outcome.status == 0, outcome.err
    return only_run(folder)


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it, to be spoilt."""
    return Run(shutil.copytree(finished.directory, tmp_path / "run"))


@pytest.fixture
def predict(command):
    return lambda run, given, *arguments: command("predict", f"run={run.directory}", f"input={given}", *arguments)


def table(run):
    (path,) = (run.directory / "predictions").iterdir()
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def files(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def strange(tmp_path, images):
    """A folder of a phantom, and of what no phantom is like."""
    folder = tmp_path / "strange"
    (folder / "deep" / "er").mkdir(parents=True)
    rng = np.random.default_rng(0)
    film = min((images / "covid").iterdir())
    shutil.copy(film, folder / f"=1+1{film.suffix}")
    Image.fromarray(rng.integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(folder / "colour.png")
    Image.fromarray(rng.integers(0, 256, (90, 90), dtype=np.uint8)).save(folder / "noise.png")
    Image.new("L", (90, 90), 120).save(folder / "deep" / "blank.png")
    Image.open(film).convert("L").resize((600, 60)).save(folder / "deep" / "er" / "wide.png")
    (folder / "torn.png").write_bytes(film.read_bytes()[:200])
    (folder / "notes.txt").write_text("no image")
    return folder


def test_known_images_get_the_runs_own_probabilities(run, images, predict):
    before = files(run.directory)
    outcome = predict(run, images, "abstain=false")
    assert outcome.status == 0, outcome.err
    after = files(run.directory)
    assert {path: content for path, content in after.items() if path.parent.name != "predictions"} == before
    rows = table(run)
    assert list(rows) == sorted(run.split) and {row["notice"] for row in rows.values()} == {NOTICE}
    known = read_predictions(run.directory / "predictions.csv")
    for row in known.rows:
        found = [float(rows[row.path][f"prob_{name}"] or -1) for name in known.classes]
        assert rows[row.path]["abstained"] == "0" and np.allclose(found, row.probabilities, atol=1e-6)
    assert outcome.out.splitlines()[-1] == NOTICE
    assert any(line.startswith("20 images: ") for line in outcome.out.splitlines())


def test_what_is_not_like_the_training_images_gets_a_reason(run, strange, predict):
    outcome = predict(run, strange)
    assert outcome.status == 0, outcome.err
    rows = table(run)
    film = next(path for path in rows if path.startswith("./=1+1"))
    assert list(rows) == [film, "colour.png", "deep/blank.png", "deep/er/wide.png", "noise.png", "torn.png"]
    assert rows[film]["abstained"] == "0" and rows[film]["predicted"] in ("covid", "normal")
    begins = {"colour.png": "in colour: ", "deep/blank.png": "blank: ", "deep/er/wide.png": "odd shape: ",
              "noise.png": "far from the training images: ", "torn.png": "unreadable: "}  # fmt: skip
    for path, reason in begins.items():
        assert rows[path]["abstained"] == "1" and rows[path]["reason"].startswith(reason)
        assert rows[path]["predicted"] == rows[path]["prob_covid"] == ""
    assert "6 images: " in outcome.out and "no prediction for 5: " in outcome.out


def test_asked_not_to_abstain_it_gives_both(run, strange, predict):
    assert predict(run, strange, "abstain=false").status == 0
    rows = table(run)
    assert rows["noise.png"]["predicted"] and rows["noise.png"]["reason"].startswith("far from")
    assert rows["torn.png"]["abstained"] == "1"


def test_json_by_the_command_a_user_types(run, strange, tmp_path):
    outcome = as_typed("predict", "run=run", "input=strange", "format=json", "output=answers.json", cwd=tmp_path)
    assert outcome.status == 0 and outcome.err == ""
    content = json.loads((tmp_path / "answers.json").read_text())
    assert content["notice"] == NOTICE and content["classes"] == ["covid", "normal"] and content["unchecked"] == []
    by_path = {image["path"]: image for image in content["images"]}
    assert len(by_path) == 6 and by_path["noise.png"]["abstained"]
    film = next(image for path, image in by_path.items() if path.startswith("=1+1"))
    assert film["predicted"] == max(film["probabilities"], key=film["probabilities"].get)
    assert not (run.directory / "predictions").exists()
    assert outcome.out.splitlines()[-2].startswith("predictions: answers.json (")


def test_one_image_is_also_printed(run, images, predict):
    film = min((images / "normal").iterdir())
    outcome = predict(run, film)
    (row,) = table(run).values()
    shown = next(line for line in outcome.out.splitlines() if line.startswith(film.name))
    assert f"{row['predicted']} {float(row['prob_' + row['predicted']]):.3f}" in shown
    assert row["path"] == film.name and NOTICE in outcome.out


def test_one_strange_image_is_told_with_its_reason(run, strange, predict):
    outcome = predict(run, strange / "torn.png")
    assert outcome.status == 1 and "torn.png: it is no image that can be read" in outcome.err
    at = outcome.out.splitlines().index("torn.png: no prediction")
    assert outcome.out.splitlines()[at + 1].startswith("  unreadable: ")


def test_batches_do_not_matter(run, strange, images, predict):
    shutil.copytree(images, strange / "films")
    assert predict(run, strange, "batch_size=1", f"output={run.directory}/one.csv").status == 0
    assert predict(run, strange, "batch_size=50", f"output={run.directory}/all.csv").status == 0
    one, many = ((run.directory / name).read_text().splitlines() for name in ("one.csv", "all.csv"))
    assert [line.split('","')[:2] for line in one] == [line.split('","')[:2] for line in many]


def test_the_temperature_of_the_run(run, images, predict):
    film = min((images / "normal").iterdir())
    (run.directory / "calibration.json").write_text(json.dumps({"temperature": 2.0, "applied": True}))
    outcome = predict(run, film, f"output={run.directory}/hot.csv")
    assert "probabilities calibrated, temperature 2.00" in outcome.out
    predict(run, film, "calibrate=none", f"output={run.directory}/raw.csv")
    values = {}
    for name in ("hot", "raw"):
        with (run.directory / f"{name}.csv").open() as file:
            (row,) = csv.DictReader(file)
        values[name] = np.log([float(row["prob_covid"]), float(row["prob_normal"])])
    assert np.isclose(np.diff(values["raw"]), 2 * np.diff(values["hot"]), rtol=1e-5)


def test_the_evidence_is_drawn_beside_the_table(run, strange, predict):
    outcome = predict(run, strange, "overlays=true", f"output={run.directory}/answers.csv")
    assert outcome.status == 0, outcome.err
    with (run.directory / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    named = [row["saliency"] for row in rows if row["saliency"]]
    assert len(named) == sum(row["abstained"] == "0" for row in rows) == 1
    assert named[0].startswith("answers_saliency/000001_1-1")
    with Image.open(run.directory / named[0]) as image:
        assert image.size == (SIZE, SIZE) and image.mode == "RGB"
    (line,) = predict(run, strange, "overlays=true", f"output={run.directory}/answers.json").lines
    assert "answers_saliency is there already" in line


def test_a_run_from_before_features_says_what_it_does_not_check(run, strange, predict):
    (run.directory / "features.npz").unlink()
    outcome = predict(run, strange)
    assert f"not compared with the training images: {run.directory} has no features.npz" in outcome.out
    rows = table(run)
    assert rows["noise.png"]["abstained"] == "0" and rows["noise.png"]["distance_features"] == ""
    assert rows["colour.png"]["abstained"] == "1"


def test_a_run_over_folds_gives_the_mean_of_its_models(small, tmp_path, images, command, predict):
    arguments = small(tmp_path, "protocol=kfold", "folds=2", "trainer.max_epochs=1", "logger=none")
    assert call("train", *arguments).status == 0
    (directory,) = (path for path in tmp_path.iterdir() if path.name != "phantoms")
    outcome = predict(Run(directory), images, "abstain=false")
    assert outcome.status == 0, outcome.err
    assert "mean of 2 models, one per fold" in outcome.out
    together = table(Run(directory))
    alone = []
    for fold in ("fold=0", "fold=1"):
        outcome = command("predict", f"run='{directory / fold}'", f"input={images}", "abstain=false")
        assert outcome.status == 0, outcome.err
        alone.append(table(Run(directory / fold)))
    for path, row in together.items():
        mean = np.mean([float(one[path]["prob_covid"]) for one in alone])
        assert np.isclose(float(row["prob_covid"]), mean, atol=1e-6)


def test_mistakes(run, tmp_path, images, command, predict):
    assert command("predict").lines == [
        "error: run: missing; give the directory of a finished run, run=outputs/...",
        "error: input: missing; give an image or a folder of images, input=PATH",
    ]
    (line,) = predict(run, "/nowhere").lines
    assert line == "error: input=/nowhere: no such file or folder. Give an image or a folder of images."
    (tmp_path / "empty").mkdir()
    (line,) = predict(run, tmp_path / "empty").lines
    assert line.endswith("empty: no image in this folder or below it.")
    (line,) = predict(run, images, f"output={run.directory}/predictions.csv").lines
    assert line.endswith("predictions.csv is there already. Give another file, or take it away.")
    (run.directory / "calibration.json").write_text(json.dumps({"temperature": None, "reason": "none fits"}))
    (line,) = predict(run, images, "calibrate=temperature").lines
    assert line.startswith("error: calibrate=temperature: the run has no temperature: none fits")
    (line,) = predict(run, images, "formt=json").lines
    assert line.startswith("error: formt: no such key. Did you mean format?")
    (line,) = predict(run, images, "format=xml").lines
    assert line.startswith("error: format: found 'xml'; expected csv or json.")
    (run.directory / "features.npz").write_bytes(b"torn")
    (line,) = predict(run, images).lines
    assert "features.npz: damaged" in line
    (run.directory / "checkpoints" / "best.ckpt").unlink()
    (line,) = predict(run, images).lines
    assert "best.ckpt: missing" in line
    assert not (run.directory / "predictions").exists()


def test_two_tables_of_one_second_have_two_names(run, images, predict, monkeypatch):
    monkeypatch.setattr("time.strftime", lambda *_: "2020-01-01_00-00-00")
    film = min((images / "normal").iterdir())
    for _ in range(3):
        assert predict(run, film).status == 0
    assert sorted(path.name for path in (run.directory / "predictions").iterdir()) == [
        "2020-01-01_00-00-00.csv", "2020-01-01_00-00-00_2.csv", "2020-01-01_00-00-00_3.csv",
    ]  # fmt: skip
