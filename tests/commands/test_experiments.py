"""The systems that others published, as commands that a user types, made small."""

import csv
import shutil

import pytest
import torch
from support import Run, only_run

from covidnet.evaluation.aggregate import aggregate
from covidnet.evaluation.metrics import compute_metrics
from covidnet.predictions import read_predictions

TINY = ["trainer.accelerator=cpu", "logger=none", "audit=off", "weights=none"]
PATCHES = ["experiment=xu2020", "data.patients=15", "data.patches=3", "data.image_size=32", "data.batch_size=8",
           "trainer.max_epochs=2", "backbone=mobilenet_v3_small"]  # fmt: skip


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    """The run of experiment=xu2020 on a few patches."""
    from support import call

    folder = tmp_path_factory.mktemp("xu2020")
    outcome = call("train", *PATCHES, *TINY, f"output_dir={folder}", f"data.cache_dir={folder / 'cache'}")
    assert outcome.status == 0, outcome.err
    (run,) = (Run(path) for path in folder.iterdir() if path.name.startswith("20"))
    return outcome, run


@pytest.fixture(scope="module")
def tutorial(images, cache, tmp_path_factory):
    """The run of experiment=rosebrock on a small backbone and small images."""
    from support import call

    folder = tmp_path_factory.mktemp("rosebrock")
    outcome = call(
        "train", "experiment=rosebrock", f"data.root={images}", f"data.cache_dir={cache}", *TINY, "backbone=vgg11",
        "data.image_size=64", "head.pool=2", "trainer.max_epochs=2", f"output_dir={folder}",
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    return outcome, only_run(folder)


def test_the_tutorials_recipe_is_the_experiment():
    from covidnet.config.compose import compose_train

    settings = compose_train(["experiment=rosebrock", "data.root=/x"])
    assert (settings.backbone, settings.weights, settings.freeze) == ("vgg16", "imagenet", "backbone")
    assert settings.head.model_dump() == {"name": "pooled_mlp", "pool": 4, "hidden": 64, "dropout": 0.5}
    assert (settings.random_state, settings.protocol, settings.trainer.max_epochs) == (42, "article", 25)
    data, augment, optimizer = settings.data, settings.augment, settings.optimizer
    assert (data.image_size, data.batch_size, data.test_size, data.normalize) == (224, 8, 0.2, "none")
    assert (augment.rotation, augment.fill, augment.scale, augment.translation) == (15, "edge", [1, 1], [0, 0])
    assert (optimizer.name, optimizer.lr, optimizer.weight_decay, optimizer.eps) == ("adam", 0.001, 0.0, 1e-7)
    assert settings.scheduler.model_dump() == {"name": "inverse_time", "decay": None}


def test_the_tutorials_head_learns_and_its_rate_falls(tutorial):
    outcome, run = tutorial
    assert "model: vgg11 with frozen backbone and head pooled_mlp, weights none" in outcome.out
    assert "WARNING: freeze=backbone with weights=none" in outcome.err and len(outcome.lines) == 1
    rates = [float(row["lr"]) for row in run.rows]
    assert rates == pytest.approx([0.001 / (1 + 5e-4 * step) for step in (1, 3)])  # 16 images, two steps an epoch
    best = torch.load(run.directory / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["covidnet"]["head"] == {"name": "pooled_mlp", "pool": 2, "hidden": 64, "dropout": 0.5}
    last = torch.load(run.directory / "checkpoints" / "last.ckpt", weights_only=True)
    assert len(last["optimizer_states"][0]["state"]) == 4  # two layers, weights and biases: nothing of the backbone
    assert not any(name.startswith("loss") for name in last["state_dict"])


def test_the_frozen_backbone_is_the_one_it_began_with(tutorial, command, images, cache, tmp_path):
    """One epoch more or less leaves no trace in it."""
    again = command(
        "train", "experiment=rosebrock", f"data.root={images}", f"data.cache_dir={cache}", *TINY, "backbone=vgg11",
        "data.image_size=64", "head.pool=2", "trainer.max_epochs=1", f"output_dir={tmp_path}",
    )  # fmt: skip
    assert again.status == 0, again.err
    states = [
        torch.load(run.directory / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in (tutorial[1], only_run(tmp_path))
    ]
    body = [name for name in states[0] if name.startswith("net.backbone.")]
    assert body and all(torch.equal(states[0][name], states[1][name]) for name in body)
    assert not torch.equal(states[0]["net.head.hidden.weight"], states[1]["net.head.hidden.weight"])


@pytest.mark.parametrize("which", ["tutorial", "patches"])
def test_evaluate_reproduces_to_the_last_bit(which, request, command):
    run = request.getfixturevalue(which)[1]
    outcome = command("evaluate", f"run={run.directory}")
    assert outcome.status == 0, outcome.err
    assert "probabilities equal to the last bit" in outcome.out
    scored = Run(run.directory / "evaluation" / "test")
    assert scored.predictions == run.predictions or which == "patches"  # those hold the validation images too
    assert scored.metrics.get("patients") == run.metrics.get("patients")


def test_patients_are_scored_by_noisy_or(patches):
    outcome, run = patches
    rows = read_predictions(run.directory / "predictions.csv")
    assert {len(row.patient) > 0 for row in rows.rows} == {True}
    patients = read_predictions(run.directory / "patients.csv")
    assert patients == aggregate(rows, "noisy_or")
    told = run.metrics["patients"]
    assert told["aggregate"] == "noisy_or" and told["n"] == 3  # a fifth of fifteen
    assert {"aggregate": "noisy_or", **compute_metrics(patients.of_split("test"))} == told
    accuracy = told["accuracy"]
    assert (
        f"  patients by noisy-OR of their images: accuracy {accuracy['value']:.2f} "
        f"[{accuracy['low']:.2f}, {accuracy['high']:.2f}], 3 patients"
    ) in outcome.out.splitlines()
    assert run.metrics["n"] == 9 and run.metrics["classes"] == ["covid", "influenza", "normal"]


def test_no_patient_is_on_two_sides(patches):
    with (patches[1].directory / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    parts = {}
    for row in rows:
        parts.setdefault(row["patient"], set()).add(row["split"])
    assert len(parts) == 15 and all(len(found) == 1 for found in parts.values())


@pytest.mark.slow
def test_a_resumed_run_ends_like_one_that_was_never_stopped(patches, command, tmp_path):
    """Positions, head, balanced draws and the falling rate."""
    more = ["data.sampling=balanced", "loss.spectral_decoupling=0.01", "scheduler=inverse_time", "scheduler.decay=0.1",
            "freeze=backbone", f"data.root={patches[1].directory.parent / 'phantoms' / '15-patients-3-patches-seed-0'}",
            f"data.cache_dir={tmp_path / 'cache'}"]  # fmt: skip
    whole, stopped = (tmp_path / name for name in ("whole", "stopped"))
    for folder, epochs in ((whole, 3), (stopped, 1)):
        outcome = command("train", *PATCHES, *TINY, *more, f"output_dir={folder}", f"trainer.max_epochs={epochs}")
        assert outcome.status == 0, outcome.err
    run = only_run(stopped)
    outcome = command("train", f"resume={run.directory}", "trainer.max_epochs=3")
    assert outcome.status == 0, outcome.err
    expected = only_run(whole)
    assert run.history == expected.history and run.predictions == expected.predictions


def test_the_decay_that_goes_by_epochs_cannot_be_stretched(tutorial, command):
    outcome = command("train", f"resume={tutorial[1].directory}", "trainer.max_epochs=3")
    assert outcome.status == 2 and "scheduler=inverse_time was planned over 2 epochs" in outcome.err


@pytest.fixture
def table(patches, tmp_path):
    """The same patches as a user would have them: a table with names of its own."""
    root = patches[1].directory.parent / "phantoms" / "15-patients-3-patches-seed-0"
    shutil.copytree(root, tmp_path / "mine")
    with (root / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "mine" / "patches.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["file", "diagnosis", "case", "across", "down"])
        writer.writerows([row[name] for name in ("path", "label", "patient", "x", "y")] for row in rows)
    return tmp_path / "mine" / "patches.csv"


COLUMNS = ["data.columns.patient=case", "data.columns.x=across", "data.columns.y=down"]


def test_on_a_table_with_patients_and_positions(patches, table, command, tmp_path):
    mine = [text for text in PATCHES if not text.startswith(("data.patients", "data.patches"))]
    outcome = command("train", *mine, *TINY, "data=csv", f"data.table={table}", *COLUMNS, f"output_dir={tmp_path}/out",
                      f"data.cache_dir={tmp_path / 'cache'}")  # fmt: skip
    assert outcome.status == 0, outcome.err
    run = only_run(tmp_path / "out")
    assert run.predictions == patches[1].predictions  # the same images, patients and positions
    assert run.metrics["patients"] == patches[1].metrics["patients"]


@pytest.mark.parametrize(("missing", "told"), [
    (COLUMNS[1:], r"error: aggregate=noisy_or: no image's patient is known"),
    (COLUMNS[:2], r"positions of 0 of 45 images are known. head=location needs the position of every patch"),
])  # fmt: skip
def test_what_a_table_lacks_is_told_before_training(table, command, tmp_path, missing, told):
    mine = [text for text in PATCHES if not text.startswith(("data.patients", "data.patches"))]
    outcome = command("train", *mine, *TINY, "data=csv", f"data.table={table}", *missing, f"output_dir={tmp_path}/out",
                      f"data.cache_dir={tmp_path / 'cache'}")  # fmt: skip
    assert outcome.status == 1 and told in outcome.err and "data.columns." in outcome.err
    assert len(outcome.lines) == 1 and not list((tmp_path / "out").glob("20*"))


def test_moving_patches_is_refused_where_positions_count(command, tmp_path):
    outcome = command("train", *PATCHES, *TINY, "augment.translation=[0.1,0.1]", f"output_dir={tmp_path}")
    assert outcome.status == 2 and "augment.translation=[0.1, 0.1]: moves what a patch shows" in outcome.err
