import csv
import json

import numpy as np
import pytest
from PIL import Image

from covidnet.audit.table import find_table
from covidnet.config.compose import compose_train
from covidnet.data.dataset import open_dataset
from covidnet.data.phantom_patches import (
    APART,
    CLASSES,
    PatchSpec,
    cut_patches,
    plan_patients,
    write_patches,
)
from covidnet.data.phantoms import draw_phantom, lung_field, opacity_field
from covidnet.errors import DataError

SPEC = PatchSpec(patients=6, patches=4, seed=3)


@pytest.fixture(scope="module")
def patients():
    return list(plan_patients(SPEC))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_patches(tmp_path_factory.mktemp("patches") / "demo", SPEC)


@pytest.fixture(scope="module")
def rows(written):
    with (written / "metadata.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_third_of_the_patients_has_each_class(patients):
    assert [patient.label for patient in patients] == list(CLASSES) * 2
    assert len({patient.name for patient in patients}) == 6
    assert all((patient.opacity is None) == (patient.label == "normal") for patient in patients)


def test_a_patient_is_the_same_however_many_there_are(patients):
    assert list(plan_patients(PatchSpec(patients=3, patches=4, seed=3))) == patients[:3]
    assert next(iter(plan_patients(PatchSpec(patients=3, patches=4, seed=4)))) != patients[0]


def test_patches_are_cut_out_where_the_table_says(patients):
    for patient in patients:
        film = draw_phantom(patient.anatomy, patient.acquisition, patient.opacity)
        lungs = lung_field(patient.anatomy, patient.acquisition)
        rows, columns = (np.flatnonzero(lungs.any(axis=axis)) for axis in (1, 0))
        for picture, (x, y) in cut_patches(patient):
            side = len(picture)
            assert picture.shape == (side, side) and 0 <= x <= 1 and 0 <= y <= 1
            if not (0 < x < 1 and 0 < y < 1):
                continue  # its centre is outside the box, and the position on its edge
            top = round(rows[0] + y * (rows[-1] + 1 - rows[0]) - side / 2)
            left = round(columns[0] + x * (columns[-1] + 1 - columns[0]) - side / 2)
            assert np.array_equal(film[top : top + side, left : left + side], picture)


def test_patches_of_the_ill_show_opacities_and_all_lie_apart(patients):
    for patient in patients:
        lungs = lung_field(patient.anatomy, patient.acquisition)
        box = [np.flatnonzero(lungs.any(axis=axis)) for axis in (0, 1)]
        size = np.array([found[-1] + 1 - found[0] for found in box])
        cut = cut_patches(patient)
        centres = np.array([position for _, position in cut]) * size + [found[0] for found in box]
        distances = np.linalg.norm(centres[:, None] - centres[None], axis=2) + 1e9 * np.eye(len(cut))
        moved = len(cut[0][0]) / 2  # those at the edge of the film were moved into it
        assert distances.min() > APART * len(cut[0][0]) - moved
        if patient.opacity is not None:
            dense = opacity_field(patient.anatomy, patient.acquisition, patient.opacity)
            middle = [dense[int(y) - 5 : int(y) + 5, int(x) - 5 : int(x) + 5].mean() for x, y in centres]
            assert np.mean(middle) > 1.5 * dense[lungs].mean()


def test_covid_lies_nearer_to_the_edge_than_influenza():
    distances = {label: [] for label in CLASSES}
    for patient in plan_patients(PatchSpec(patients=30, patches=6, seed=0)):
        distances[patient.label] += [2 * min(x, 1 - x, y, 1 - y) for _, (x, y) in cut_patches(patient)]
    means = {label: np.mean(values) for label, values in distances.items()}
    assert means["covid"] + 0.1 < means["influenza"]
    spread = {label: np.percentile(values, [10, 90]) for label, values in distances.items()}
    assert spread["covid"][1] > spread["influenza"][0]  # a single patch does not tell them apart


def test_the_folder_holds_patches_and_their_table(written, rows):
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    assert len(rows) == 24 and {row["label"] for row in rows} == set(CLASSES)
    assert all(row["path"].startswith(f"{row['label']}/{row['patient']}-patch-") for row in rows)
    for row in rows:
        with Image.open(written / row["path"]) as image:
            assert image.mode == "L" and image.size == (96, 96)
    manifest = json.loads((written / "phantoms.json").read_text())
    assert manifest == {
        "generator_version": 1, "kind": "patches", "spec": {"patients": 6, "patches": 4, "seed": 3},
    }  # fmt: skip


def test_it_is_the_same_to_the_last_byte(written, tmp_path):
    again = write_patches(tmp_path / "again", SPEC)
    files = sorted(path.relative_to(written) for path in written.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((written / file).read_bytes() == (again / file).read_bytes() for file in files)


def test_a_folder_of_other_phantoms_is_refused(written):
    with pytest.raises(DataError, match=r"demo: found phantoms of .*expected .*Delete"):
        write_patches(written, PatchSpec(patients=6, patches=4, seed=4))


@pytest.mark.parametrize("values", [{"patients": 2}, {"patches": 0}, {"seed": -1}])
def test_impossible_specs_are_refused(values):
    with pytest.raises(DataError, match=next(iter(values))):
        PatchSpec(**values)


def test_they_are_a_data_source_with_patients_and_positions(written, rows, tmp_path):
    settings = compose_train(["data=phantom_patches", f"data.root={written}", "data.patients=6", "data.patches=4",
                              "data.phantom_seed=3", f"data.cache_dir={tmp_path}"])  # fmt: skip
    for dataset in (open_dataset(settings.data), open_dataset(settings.data, written)):
        told = {record.path: (record.label, record.patient, record.position) for record in dataset.records}
        expected = {row["path"]: (row["label"], row["patient"], (float(row["x"]), float(row["y"]))) for row in rows}
        assert told == expected
        assert dataset.classes == list(CLASSES)
    table = find_table(written, None, dataset.records)  # what an audit makes of it
    assert table.patient is not None and set(table.patient.values) == {row["patient"] for row in rows}
