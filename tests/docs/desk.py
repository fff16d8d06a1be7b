"""A folder where every name that the pages use is there: what a reader who types along would have before them."""

import csv
import shutil
from itertools import cycle

import numpy as np
from cohen import write_cohen
from dicom_files import dicom
from PIL import Image

from covidnet.data.phantom_patches import PatchSpec, write_patches
from covidnet.data.phantoms import PhantomSpec, write_phantoms

ELSEWHERE = ("elsewhere", "other_hospital", "FOLDER", "new_films")
RUNS = ("RUN", "SWEEP", "first", "without_zoom", "clean", "zoom", "folds")
"""Directories under outputs/ that the pages name."""

SWEPT = ("random_state=range(0,2)", "augment.scale=[0.7,1.3],[1,1]")
"""Of outputs/SWEEP, which docs/sweeps.md goes on with."""


def lay_out(folder, images):
    """Images, tables and a film under the names that the pages give them, and empty directories for the runs."""
    _name_patients(images, folder / "my_xrays")
    (folder / "PATH").symlink_to("my_xrays")
    drawn = write_phantoms(folder / "elsewhere", PhantomSpec(count=8, seed=1))
    for name in ELSEWHERE[1:]:
        shutil.copytree(drawn, folder / name)
    film = _films(drawn)[0]
    Image.open(film).convert("L").save(folder / "film.png")
    _write_images_table(folder)
    _write_labels_of_others(folder, drawn)
    _write_patches_table(folder)
    write_cohen(images, folder / "covid-chestxray-dataset", _with_a_second_class)
    _write_dicoms(folder)
    shutil.copytree(images, folder / "outputs" / "phantoms" / "50-images-seed-0")
    for name in RUNS:
        (folder / "outputs" / name).mkdir()
    return folder


def _films(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".jpg"))


def _name_patients(images, target):
    """Two films of each patient, told by their names."""
    for number, film in enumerate(_films(images)):
        (target / film.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(film, target / film.parent.name / f"person{number // 2}_{number % 2}{film.suffix}")


def _write_images_table(folder):
    """images.csv: three labels and two films of each patient, in two hospitals; with a column for DICOM files."""
    labels = ("bacterial", "none", "viral")
    splits = ("train", "train", "train", "val", "test")
    rows = []
    for number, film in enumerate(_films(folder / "my_xrays") * 4):
        copy = folder / "more" / f"{number}{film.suffix}"
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(film, copy)
        patient, path = number // 2, copy.relative_to(folder).as_posix()
        source = "AB"[patient // 3 % 2]
        rows.append([path, path, labels[patient % 3], f"p{patient}", source, splits[patient // 3 % 5], 1.0])
    header = ["path", "dicom_file", "label", "patient", "hospital", "split", "weight"]
    with (folder / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def _write_labels_of_others(folder, drawn):
    """who.csv: another data set, whose classes are called otherwise."""
    called = {"covid": "COVID-19", "normal": "No Finding"}
    rows = [[film.relative_to(folder).as_posix(), called[film.parent.name]] for film in _films(drawn)]
    rows[0][1] = "SARS-CoV-2"
    with (folder / "who.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], *rows])


def _write_patches_table(folder):
    """patches.csv, whose paths start from its own folder."""
    write_patches(folder / "patches", PatchSpec(patients=15, patches=2, seed=0))
    table = (folder / "patches" / "metadata.csv").read_text().splitlines()
    rows = [f"patches/{row}" for row in table[1:]]
    (folder / "patches.csv").write_text("\n".join([table[0], *rows, ""]))


def _with_a_second_class(rows):
    """What docs/data.md calls other."""
    there = [row for row in rows if row["filename"] != "none.png"]
    others = (row for row in there if row["finding"] == "No Finding")
    for row, finding in zip(others, cycle(["Pneumonia", "Tuberculosis"])):
        row["finding"] = finding
    return there


def _write_dicoms(folder):
    random = np.random.default_rng(0)
    for label, grey in (("covid", 2000), ("normal", 1000)):
        (folder / "my_dicoms" / label).mkdir(parents=True)
        for number in range(8):
            values = random.integers(grey, grey + 1000, (40, 40), dtype=np.uint16)
            made = dicom(values, bits=12, PatientID=f"{label}-{number}")
            (folder / "my_dicoms" / label / f"{number}.dcm").write_bytes(made)
