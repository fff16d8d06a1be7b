"""train.py from the command line to the files it leaves: one run in a process of its own, the others in this one."""

import json
import re
import shutil

import pytest
import torch
from PIL import Image
from support import BACKBONE, COUNT, ROOT, SIZE, Run, as_typed, only_run, runs_in
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from covidnet.evaluation.intervals import exact_interval
from covidnet.evaluation.metrics import compute_metrics
from covidnet.predictions import read_predictions
from covidnet.training.history import best_row, read_history

EPOCHS = 3
TYPED = [
    "data=phantoms", f"data.count={COUNT}", f"data.image_size={SIZE}", "data.batch_size=4", f"backbone={BACKBONE}",
    "weights=none", "trainer.accelerator=cpu", f"trainer.max_epochs={EPOCHS}", "augment.scale=[0.7,1.3]",
]  # fmt: skip


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """``python train.py ...`` in a folder of its own: what it printed, and its run."""
    folder = tmp_path_factory.mktemp("typed")
    outcome = as_typed("train", *TYPED, cwd=folder, XDG_CACHE_HOME=str(folder / "cache"))
    assert outcome.status == 0, outcome.err
    return outcome, only_run(folder / "outputs")


def test_the_run_directory_holds_what_it_promises(typed):
    _, run = typed
    files = {path.relative_to(run.directory).as_posix() for path in run.directory.rglob("*") if path.is_file()}
    events = {file for file in files if file.startswith("tensorboard/events.out.tfevents.")}
    assert events
    assert files - events - {".lock"} == {
        ".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml", "checkpoints/best.ckpt",
        "checkpoints/last.ckpt", "split.csv", "history.csv", "predictions.csv", "metrics.json",
        "classification_report.txt", "dataset.png", "dataset.md", "dataset.json", "batch.png", "curves.png",
        "confusion_matrix.png", "test_images.png", "environment.json", "train.log", "tensorboard/hparams.yaml",
        "calibration.json", "calibration.png", "roc.png", "audit.json", "audit.md",
        "audit_shortcuts.png", "audit_views.png", "audit_after_training.png",
        "tensorboard/projector_config.pbtxt", "tensorboard/projector/tensors.tsv", "tensorboard/projector/metadata.tsv",
        "tensorboard/projector/sprite.png",
        "report.html", "model_card.md", "checklist.md", "thumbnails.npz",
        "test_saliency.png", "saliency.csv", "saliency.json", "saliency/maps.npz", "features.npz",
        *(f"saliency/{number:04d}_gradcam.png" for number in range(1, 5)),
    }  # fmt: skip
    for name in ("dataset", "batch", "curves", "confusion_matrix", "test_images", "calibration", "roc"):
        with Image.open(run.directory / f"{name}.png") as image:
            image.verify()


def test_its_name_is_short_and_plain(typed):
    name = typed[1].directory.name
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[A-Za-z0-9._-]{1,60}", name)
    assert "data-phantoms_count-20_image_size-32" in name


def test_a_line_per_epoch_and_the_number_with_its_interval_at_the_end(typed):
    outcome, run = typed
    lines = outcome.out.splitlines()
    epochs = [line for line in lines if line.startswith("epoch")]
    assert len(epochs) == EPOCHS
    for line, row in zip(epochs, run.rows, strict=True):
        expected = (
            f"epoch {row['epoch']}/{EPOCHS}  train loss {float(row['train_loss']):.4f} "
            f"accuracy {float(row['train_acc']):.3f}  "
            f"test loss {float(row['val_loss']):.4f} accuracy {float(row['val_acc']):.3f}  lr 0.001  "
        )
        assert line.startswith(expected)
    accuracy = run.metrics["accuracy"]
    interval = exact_interval(accuracy["correct"], 4)
    said = f"test accuracy {interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}], 4 images"
    end = lines[lines.index(said) :]
    assert end[1] == "  the epoch was chosen on these same images: optimistic"
    assert end[2].startswith("  covid: sensitivity ") and end[2].count("[") == 2
    assert f"  epoch {run.metrics['epoch_kept']} of {EPOCHS} kept; training " in "\n".join(end)
    notice = end.index("For research only; never a diagnosis.")
    assert end[notice + 1].startswith("results: ") and end[notice + 1].endswith(run.directory.name)
    assert end[notice + 2].startswith("saliency, Grad-CAM of ")
    assert end[notice + 3] == f"page: {end[notice + 1].removeprefix('results: ')}/report.html"
    assert end[notice + 4].startswith("╭─ audit: what the number is worth") and end[-1].endswith("─╯")
    assert outcome.err == ""


def test_history_has_a_row_per_epoch(typed):
    rows = typed[1].rows
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert list(rows[0]) == ["epoch", "train_loss", "train_acc", "val_loss", "val_acc", "lr", "seconds"]
    assert all(float(row["seconds"]) > 0 and row["lr"] == "0.001" for row in rows)


def test_the_kept_epoch_is_the_rules(typed):
    run = typed[1]
    best = best_row(read_history(run.directory / "history.csv"))
    assert run.metrics["epoch_kept"] == best["epoch"]
    # The kept weights are those of that epoch: their loss on the test images is the one that chose them.
    assert run.metrics["log_loss"] == pytest.approx(best["val_loss"], rel=1e-5)
    assert run.metrics["accuracy"]["value"] == pytest.approx(best["val_acc"])


def test_metrics_come_from_predictions(typed):
    run = typed[1]
    table = read_predictions(run.directory / "predictions.csv")
    again = json.loads(json.dumps(compute_metrics(table.of_split("test"))))
    assert {key: run.metrics[key] for key in again} == again
    assert run.metrics["epochs"] == EPOCHS
    assert 0 < run.metrics["training_seconds"] < run.metrics["total_seconds"]
    assert run.metrics["training_seconds"] == pytest.approx(sum(float(row["seconds"]) for row in run.rows))
    header = run.predictions.splitlines()[0]
    assert header == "path,split,label,prob_covid,prob_normal,predicted,correct"


def test_predictions_are_of_the_test_images_of_the_split(typed):
    run = typed[1]
    assert sorted(run.split.values()).count("test") == 4 and len(run.split) == COUNT
    told = [row.path for row in read_predictions(run.directory / "predictions.csv").rows]
    assert told == sorted(path for path, part in run.split.items() if part == "test")


def test_the_split_is_scikit_learns(typed):
    from sklearn.model_selection import train_test_split

    split = typed[1].split
    paths = sorted(split)
    _, test = train_test_split(paths, test_size=0.2, random_state=50, stratify=[path.split("/")[0] for path in paths])
    assert {path for path, part in split.items() if part == "test"} == set(test)


def test_the_environment_says_what_the_run_was_made_with(typed):
    import hashlib

    run = typed[1]
    told = json.loads((run.directory / "environment.json").read_text())
    assert told["command"][1:] == [str(ROOT / "train.py"), *TYPED]
    assert told["device"] == "cpu" and told["packages"]["torch"]
    rows = [line.split(",") for line in (run.directory / "split.csv").read_text().splitlines()[1:]]
    text = "".join(f"{path}\0{label}\0{digest}\n" for path, label, _, digest in sorted(rows))
    assert told["data"] == {
        "root": str(run.directory.parent / "phantoms" / "20-images-seed-0"),
        "images": COUNT,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def test_checkpoints_load_with_weights_only(typed):
    run = typed[1]
    for name in ("best", "last"):
        content = torch.load(run.directory / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert content["covidnet"] == {
            "format": 1, "backbone": BACKBONE, "classes": ["covid", "normal"], "image_size": SIZE, "normalize": "none",
        }  # fmt: skip


@pytest.fixture(scope="module")
def board(typed):
    events = EventAccumulator(
        str(typed[1].directory / "tensorboard"), size_guidance={"scalars": 0, "images": 0, "tensors": 0}
    )
    return events.Reload()


def test_tensorboard_has_the_scalars_of_the_history(typed, board):
    columns = {
        "loss/train": "train_loss", "loss/test": "val_loss", "accuracy/train": "train_acc", "accuracy/test": "val_acc",
        "lr": "lr", "seconds/epoch": "seconds",
    }  # fmt: skip
    for tag, column in columns.items():
        told = board.Scalars(tag)
        assert [event.step for event in told] == [1, 2, 3]
        assert [event.value for event in told] == pytest.approx([float(row[column]) for row in typed[1].rows], rel=1e-6)


def test_tensorboard_has_the_figures_and_the_study(typed, board):
    assert set(board.Tags()["images"]) == {
        "data/dataset", "data/batch", "results/confusion_matrix", "results/test_images", "results/curves",
        "results/calibration", "results/roc", "saliency/kept_epoch",
    }  # fmt: skip
    for tag in board.Tags()["images"]:
        (event,) = board.Images(tag)
        assert event.step == (0 if tag.startswith("data/") else typed[1].metrics["epoch_kept"])
        name = "test_saliency" if tag == "saliency/kept_epoch" else tag.rpartition("/")[2]
        with Image.open(typed[1].directory / f"{name}.png") as image:
            assert (event.width, event.height) == image.size
    (tensor,) = board.Tensors("dataset/text_summary")
    text = tensor.tensor_proto.string_val[0].decode()
    assert text == (typed[1].directory / "dataset.md").read_text()


def test_tensorboard_has_the_final_metrics_beside_the_hyperparameters(typed, board):
    from tensorboard.plugins.hparams import plugin_data_pb2

    metrics = typed[1].metrics
    final = {tag: board.Scalars(tag)[-1].value for tag in board.Tags()["scalars"] if tag.startswith("final/")}
    assert final == pytest.approx(
        {
            "final/accuracy": metrics["accuracy"]["value"], "final/auroc": metrics["auroc"],
            "final/balanced_accuracy": metrics["balanced_accuracy"], "final/log_loss": metrics["log_loss"],
            "final/sensitivity": metrics["sensitivity"]["value"], "final/epoch_kept": metrics["epoch_kept"],
            "final/specificity": metrics["specificity"]["value"], "final/training_seconds": metrics["training_seconds"],
        }, rel=1e-6,
    )  # fmt: skip
    contents = board.PluginTagToContent("hparams")
    read = {tag: plugin_data_pb2.HParamsPluginData.FromString(content) for tag, content in contents.items()}
    given = read["_hparams_/session_start_info"].session_start_info.hparams
    shown = {key: value.string_value or value.number_value for key, value in given.items()}
    assert shown["backbone"] == BACKBONE and shown["seed"] == 50 and shown["augment.scale"] == "[0.7, 1.3]"
    assert shown["data.count"] == 20  # whatever was given is shown


def rerun(command, small, output_dir, *more):
    outcome = command("train", *small(output_dir, f"trainer.max_epochs={EPOCHS}", *more))
    assert outcome.status == 0, outcome.err
    return only_run(output_dir)


def test_the_same_command_gives_the_same_numbers_bit_for_bit(typed, command, small, tmp_path):
    """Another process, folder, day and cache; the same images and settings."""
    again = rerun(command, small, tmp_path)
    first = typed[1]
    assert again.history == first.history
    assert again.predictions == first.predictions
    assert again.scores == first.scores


def test_streamed_images_give_the_same_numbers(typed, command, small, tmp_path):
    again = rerun(command, small, tmp_path, "data.cache=false", "data.num_workers=1", "logger=none")
    assert again.history == typed[1].history and again.predictions == typed[1].predictions
    assert not (again.directory / "tensorboard").exists()


def test_seed_zero_is_a_seed_and_the_seed_leaves_the_split_alone(typed, command, small, tmp_path):
    zero, one = (rerun(command, small, tmp_path / str(i), f"seed={i}", "logger=none") for i in (0, 1))
    assert zero.split == one.split == typed[1].split
    assert len({str(run.history) for run in (zero, one, typed[1])}) == 3


def test_random_state_changes_the_split(typed, command, small, tmp_path):
    run = rerun(command, small, tmp_path, "random_state=1", "trainer.max_epochs=1", "logger=none")
    assert run.split != typed[1].split and sorted(run.split) == sorted(typed[1].split)


def test_a_validation_split_chooses_the_epoch(command, small, tmp_path):
    outcome = command("train", *small(tmp_path, "protocol=holdout", "logger=none"))
    run = only_run(tmp_path)
    assert "val loss" in outcome.out and "optimistic" not in outcome.out
    assert run.metrics["protocol"] == {"name": "holdout", "chosen_on": "val", "warning": None}
    assert {row.split for row in read_predictions(run.directory / "predictions.csv").rows} == {"val", "test"}
    assert run.metrics["n"] == 4


def test_three_classes_a_last_batch_of_one_and_odd_file_names(command, small, tmp_path):
    rng = torch.Generator().manual_seed(0)
    names = ["a b.png", "c,d.jpg", 'e"f.PNG', "g[h]=i.png", "é漢.png", "j'k$.jpeg", "l.m.png"]
    for label in ("covid", "normal", "other pneumonia"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for name in names:
            pixels = torch.randint(0, 256, (40, 30), generator=rng, dtype=torch.uint8).numpy()
            Image.fromarray(pixels).save(tmp_path / "data" / label / name)
    # 21 images, of which 16 are trained on, in batches of 5, 5 and 6.
    outcome = command("train", *small(tmp_path / "out", "data.batch_size=5", root=tmp_path / "data"))
    assert outcome.status == 0, outcome.err
    run = only_run(tmp_path / "out")
    assert run.metrics["classes"] == ["covid", "normal", "other pneumonia"] and run.metrics["n"] == 5
    assert len(run.metrics["confusion_matrix"]) == 3 and set(run.metrics["per_class"]) == set(run.metrics["classes"])
    assert {path.rpartition("/")[2] for path in run.split} == set(names)
    assert command("evaluate", f"run={run.directory}").out.count("equal to the last bit") == 1


def test_a_diverging_training_ends_with_advice(command, small, tmp_path):
    outcome = command("train", *small(tmp_path, "optimizer=sgd", "optimizer.lr=1e30", "trainer.max_epochs=9"))
    assert outcome.status == 1
    (line,) = outcome.lines
    assert re.match(r"error: epoch \d: the training loss is (nan|inf)\. Try a lower optimizer\.lr", line)
    run = only_run(tmp_path)
    assert len(run.rows) < 9 and not (run.directory / "metrics.json").exists()


def test_early_stopping_ends_the_run(command, small, tmp_path):
    early = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1", "callbacks.early_stopping.min_delta=9",
             "callbacks.progress=none"]  # fmt: skip
    outcome = command("train", *small(tmp_path, *early, "trainer.max_epochs=9", "logger=none"))
    assert outcome.status == 0
    run = only_run(tmp_path)
    assert len(run.rows) == run.metrics["epochs"] == 2
    assert "epoch 1/" not in outcome.out and "test accuracy" in outcome.out  # no lines were asked for


def test_a_bar_and_its_lines(command, small, tmp_path):
    barred = command("train", *small(tmp_path, "callbacks.progress=bar", "trainer.max_epochs=1", "logger=none"))
    assert barred.status == 0 and "Epoch 0/0" in barred.out and "epoch 1/1" in barred.out


def test_two_jobs_of_a_sweep(command, small, tmp_path):
    outcome = command(
        "train",
        "-m",
        *small(tmp_path, "logger=none", "trainer.max_epochs=1", "random_state=1,2", "augment.scale=[0.7,1.3]"),
    )
    assert outcome.status == 0, outcome.err
    (sweep,) = runs_in(tmp_path)
    jobs = [Run(path) for path in sorted(sweep.directory.iterdir()) if path.is_dir()]
    assert len(jobs) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", job.directory.name) for job in jobs)
    assert jobs[0].split != jobs[1].split
    assert [job.metrics["n"] for job in jobs] == [4, 4]


def test_what_is_left_out_is_told(command, small, images, tmp_path):
    root = shutil.copytree(images, tmp_path / "data")
    (root / "covid" / "bad.png").write_text("no image")
    (root / "covid" / "notes.txt").write_text("no image at all")
    (root / ".hidden.png").write_text("")
    shutil.copy(next((root / "normal").glob("*.png")), root / "stray.png")
    (root / "covid" / "loop").symlink_to(root, target_is_directory=True)
    skip = ["data.on_bad_image=skip", "trainer.max_epochs=1", "logger=none"]
    outcome = command("train", *small(tmp_path / "out", *skip, root=root))
    assert outcome.status == 0, outcome.err
    run = only_run(tmp_path / "out")
    assert len(run.split) == COUNT
    shown = outcome.out.splitlines()
    assert "  left out, unreadable: 1 (listed in dataset.md)" in shown
    assert f"  left out, in no class folder: 1 images directly in {root}" in shown
    assert "  ignored: 1 file that is no image, 1 hidden" in shown  # the phantoms' own list is not told
    assert any(line.startswith("  links not followed") and line.endswith(": covid/loop") for line in shown)
    study = (run.directory / "dataset.md").read_text()
    assert "covid/bad.png" in study and "covid/loop" in study


def test_without_one_defined_validation_loss_no_epoch_is_kept(command, small, tmp_path, monkeypatch):
    from covidnet.models.module import XrayClassifier

    monkeypatch.setattr(
        XrayClassifier, "validation_step", lambda self, batch, _: self.val_loss.update(torch.tensor(float("nan")), 1)
    )
    outcome = command("train", *small(tmp_path, "logger=none"))
    assert outcome.status == 1
    (line,) = outcome.lines
    assert line.endswith("history.csv: no epoch has a validation loss that is a number. Try a lower optimizer.lr.")
    assert [row["val_loss"] for row in only_run(tmp_path).rows] == ["nan", "nan"]
