"""A folder of DICOM files through the commands: patients stay together, and none of their names is written anywhere."""

import csv
import json

import numpy as np
import pytest
from dicom_files import dicom
from support import only_run

NAMES = (b"Doe", b"Jane", b"HOSP-")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """24 films of 12 patients, some of several kinds; classes differ in brightness."""
    root = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    for number in range(24):
        label, patient = ("covid", "normal")[number % 2], number // 4 * 2 + number % 2
        values = rng.integers(100, 1500 + 1000 * (number % 2), (40, 36)).astype(np.uint16)
        mode = "MONOCHROME1" if number % 3 else "MONOCHROME2"
        more = {"WindowCenter": 2048, "WindowWidth": 4096} if number % 4 else {}
        name = ("IM{:04d}", "film-{}.dcm", "1.2.840.{}")[number % 3].format(number)
        (root / label).mkdir(exist_ok=True)
        (root / label / name).write_bytes(
            dicom(values, bits=12, PatientID=f"HOSP-{patient}", PhotometricInterpretation=mode, **more)
        )
    return root


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_training_keeps_patients_together_and_writes_no_name(small, films, tmp_path, command):
    arguments = small(tmp_path, "protocol=holdout", "audit=fast", "trainer.max_epochs=1", root=films)
    outcome = command("train", *arguments)
    assert outcome.status == 0, outcome.err
    run = only_run(tmp_path)
    split = rows(run.directory / "split.csv")
    assert len(split) == 24
    parts = {}
    for row in split:
        parts.setdefault(row["patient"], set()).add(row["split"])
    assert len(parts) == 12 and all(len(found) == 1 and len(name) == 16 for name, found in parts.items())
    study = json.loads((run.directory / "dataset.json").read_text())
    assert all(one["formats"] == {"DICOM": 12} for one in study["classes"])
    assert {mode for one in study["classes"] for mode in one["modes"]} == {"MONOCHROME1", "MONOCHROME2"}
    findings = json.loads((run.directory / "audit.json").read_text())
    (films_of_patients,) = [one for one in findings["findings"] if one["id"] == "patients.several_films"]
    assert "24 images are of 12 patients" in films_of_patients["evidence"]
    for path in run.directory.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(name in content for name in NAMES), path
    assert not any(name.decode() in outcome.out + outcome.err for name in NAMES)


def test_bad_files_among_them_are_listed_by_name(small, films, tmp_path, command):
    root = tmp_path / "films"
    for path in films.rglob("*"):
        if path.is_file():
            (root / path.parent.name).mkdir(parents=True, exist_ok=True)
            (root / path.parent.name / path.name).symlink_to(path)
    stack = np.zeros((8, 16), dtype=np.uint8)
    (root / "covid" / "stack.dcm").write_bytes(dicom(stack, Rows=4, NumberOfFrames=2))
    (root / "normal" / "report").write_bytes(dicom(stack, without=["PixelData"]))
    outcome = command("train", *small(tmp_path / "out", root=root))
    assert outcome.status == 1
    assert "  covid/stack.dcm: multi-frame DICOM with 2 frames; expected one image per file\n" in outcome.err
    assert "  normal/report: DICOM (Digital X-Ray Image Storage - For Presentation) without pixel data" in outcome.err
    assert "Traceback" not in outcome.err


def test_without_the_extra_the_run_says_what_to_install(small, films, tmp_path, command, monkeypatch):
    monkeypatch.setattr("covidnet.data.dicom_header.util.find_spec", lambda name: None)
    outcome = command("train", *small(tmp_path, "data.on_bad_image=skip", root=films))
    assert outcome.status == 1
    assert "needs an optional package: pip install 'covidnet[dicom]'" in outcome.err
    assert "film-" in outcome.err and "Traceback" not in outcome.err
