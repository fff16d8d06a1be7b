"""Sources and protocols through the commands a user types, on tiny data."""

import csv

import pytest
from cohen import write_cohen
from support import Run, as_typed, only_run

FINDINGS = "data.findings={covid: Pneumonia/Viral/COVID-19, normal: No Finding}"


@pytest.fixture(scope="module")
def collection(images, tmp_path_factory):
    """A folder like the public collection, with patients and two hospitals."""
    return write_cohen(images, tmp_path_factory.mktemp("collection") / "d")


@pytest.fixture(scope="module")
def table(images, tmp_path_factory):
    """A semicolon table with patients, hospitals and its own split, beside no image."""
    files = sorted(path for path in images.rglob("*") if path.parent.name in {"covid", "normal"})
    path = tmp_path_factory.mktemp("table") / "Images.csv"
    with path.open("w", newline="", encoding="cp1252") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["File", "Diagnosis", "Patient ID", "Hospital", "Split", "Remark"])
        for number, one in enumerate(files):
            part = ("train", "train", "val", "test")[number // 2 % 4]
            writer.writerow([one.relative_to(images), one.parent.name, number // 2, "xy"[number % 2], part, "très net"])
    return path


def test_a_table_with_its_own_split_trains_and_is_scored_again(command, small, images, table, tmp_path):
    done = command("train", *small(tmp_path, "data=csv", f"data.table={table}", "protocol=given", root=images))
    assert done.status == 0, done.err
    run = only_run(tmp_path)
    with table.open(encoding="cp1252") as file:
        asked = {row["File"]: row["Split"] for row in csv.DictReader(file, delimiter=";")}
    assert run.split == asked
    assert run.metrics["protocol"] == {"name": "given", "chosen_on": "val", "warning": None}
    assert "patient" in run.predictions.splitlines()[0]
    again = command("evaluate", f"run={run.directory}")
    assert again.status == 0, again.err
    assert "equal to the last bit" in again.out


def test_the_public_collection_is_read_as_it_is(command, small, collection, tmp_path):
    done = command("train", *small(tmp_path, "data=cohen", FINDINGS, "protocol=patient", root=collection))
    assert done.status == 0, done.err
    assert "not chosen: 5 rows" in done.out
    run = only_run(tmp_path)
    patients = {}
    with (run.directory / "split.csv").open() as file:
        for row in csv.DictReader(file):
            patients.setdefault(row["patient"], set()).add(row["split"])
    assert len(patients) == 10
    assert all(len(parts) == 1 for parts in patients.values())


def test_an_external_set_stands_beside_the_internal_one(command, small, images, table, tmp_path):
    done = command("train", *small(tmp_path, "protocol=holdout", f"data.external={table}"))
    # its paths are relative to the images' folder, not to the table's
    assert done.status == 1
    assert "data.external: " in done.err and "no such file" in done.err
    assert not any(path.is_dir() for path in tmp_path.iterdir())

    done = command("train", *small(tmp_path, "protocol=holdout", f"data.external={images}", "report.figures=true"))
    assert done.status == 0, done.err
    assert "20 of them are files that the run has itself" in done.out
    run = only_run(tmp_path)
    assert run.metrics["external"]["n"] == 20
    assert run.metrics["n"] == 4
    assert (run.directory / "confusion_matrix_external.png").is_file()
    assert "external accuracy" in done.out and "drop from internal to external" in done.out
    again = command("evaluate", f"run={run.directory}")
    assert "24 images, probabilities equal to the last bit" in again.out  # 4 of the test split, 20 external ones
    assert "external accuracy" in again.out


def test_a_finished_run_is_scored_on_images_from_elsewhere(command, small, images, tmp_path):
    command("train", *small(tmp_path, "protocol=holdout"))
    run = only_run(tmp_path)
    assert "external" not in run.metrics
    done = command("evaluate", f"run={run.directory}", f"external={images}")
    assert done.status == 0, done.err
    scored = Run(run.directory / "evaluation" / "test")
    assert scored.metrics["external"]["n"] == 20
    wrong = command("evaluate", f"run={run.directory}", f"external={images}", "external_classes={x: [covid]}")
    assert wrong.status == 1
    assert "x is none of the classes covid, normal" in wrong.err


def test_a_whole_k_fold_is_one_command_that_can_be_stopped_and_resumed(small, images, tmp_path):
    arguments = small(tmp_path, "protocol=kfold", "folds=2", "trainer.max_epochs=1")
    done = as_typed("train", *arguments)
    assert done.status == 0, done.err
    run = only_run(tmp_path)
    folds = [Run(run.directory / f"fold={fold}") for fold in range(2)]
    tested = [path for fold in folds for path, part in fold.split.items() if part == "test"]
    assert len(tested) == len(set(tested)) == 20
    assert run.metrics["n"] == 20
    assert run.metrics["folds"]["count"] == 2
    correct = sum(fold.metrics["accuracy"]["correct"] for fold in folds)
    assert run.metrics["accuracy"]["correct"] == correct
    assert f"out-of-fold (2 folds) accuracy {correct / 20:.2f}" in done.out

    whole = run.predictions
    for name in ("metrics.json", "predictions.csv", "fold=1/metrics.json"):
        (run.directory / name).unlink()
    again = as_typed("train", f"resume={run.directory}")
    assert again.status == 0, again.err
    assert run.predictions == whole
    scored = as_typed("evaluate", f"run={run.directory}")
    assert scored.status == 0, scored.err
    assert "20 images, probabilities equal to the last bit" in scored.out
    finished = as_typed("train", f"resume={run.directory}")
    assert finished.status == 1
    assert "all 2 folds of this run are finished" in finished.err


def test_one_fold_is_the_fold_of_the_whole(command, small, tmp_path):
    arguments = ("protocol=kfold", "folds=2", "trainer.max_epochs=1")
    command("train", *small(tmp_path / "all", *arguments))
    command("train", *small(tmp_path / "one", *arguments, "fold=1"))
    assert only_run(tmp_path / "one").predictions == Run(only_run(tmp_path / "all").directory / "fold=1").predictions


def test_leaving_each_source_out_tells_the_drop(command, small, images, tmp_path):
    def one_image_each(rows):
        return [{**row, "patientid": number} for number, row in enumerate(rows)]

    collection = write_cohen(images, tmp_path / "d", one_image_each)
    more = ("data=cohen", FINDINGS, "protocol=source", "trainer.max_epochs=1")
    done = command("train", *small(tmp_path / "out", *more, root=collection))
    assert done.status == 0, done.err
    run = only_run(tmp_path / "out")
    assert "source Hospital A, Italy left out" in done.out
    assert "drop from internal to unseen sources" in done.out
    assert [one["sources"] for one in run.metrics["folds"]["external"]] == [
        ["Hospital A, Italy"],
        ["Hospital B, Spain"],
    ]
    assert run.metrics["external"]["n"] == 20
    with (run.directory / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["source"] for row in rows if row["split"] == "external"} == {"Hospital A, Italy", "Hospital B, Spain"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=csv"], "data.table: missing; give the table that lists the images"),
        (["data=csv", "data.table=/nowhere.csv"], "/nowhere.csv: no such table"),
        (["protocol=kfolds"], "Did you mean kfold?"),
        (["protocol=patient"], "no image's patient is known"),
        (["protocol=source"], "found 0 sources"),
        (["data.external=/nowhere"], "data.external=/nowhere: no such folder or table"),
    ],
)
def test_mistakes_leave_a_line_and_no_directory(command, small, tmp_path, overrides, message):
    done = command("train", *small(tmp_path, *overrides))
    assert done.status in {1, 2}
    assert message in done.err
    assert "Traceback" not in done.err
    assert not tmp_path.exists() or not any(path.is_dir() for path in tmp_path.iterdir())
