from dataclasses import replace

import numpy as np
import pytest
from dicom_files import dicom

from covidnet.config.schema import FaultsConfig, FolderData, PhantomData
from covidnet.data.dataset import content_hash, open_dataset
from covidnet.data.records import Record
from covidnet.data.split import SplitRow, stratified_split
from covidnet.errors import DataError, MissingExtraError

SHARED = {
    "image_size": 16,
    "test_size": 0.25,
    "val_size": 0.25,
    "normalize": "none",
    "positive_class": None,
    "max_pixels": 1000,
    "batch_size": 4,
    "num_workers": 0,
}


@pytest.fixture
def config(tmp_path, make_folder):
    """A function that gives the settings of a folder with four images of each class."""
    make_folder(tmp_path / "images")

    def make(**changed):
        values = SHARED | {"source": "folder", "root": str(tmp_path / "images"), "on_bad_image": "error"}
        return FolderData(**(values | {"cache": True, "cache_dir": str(tmp_path / "cache")} | changed))

    return make


@pytest.fixture
def spoiled(tmp_path, make_image):
    """Files among the images that are none, by path."""
    root = tmp_path / "images"
    (root / "covid" / "empty.png").touch()
    (root / "normal" / "005.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing else")
    make_image(root / "covid" / "000 large.png", size=(100, 50))
    (root / "covid" / "lost.png").symlink_to("nowhere")
    return ["covid/000 large.png", "covid/empty.png", "covid/lost.png", "normal/005.jpg"]


WAYS = pytest.mark.parametrize("cache", [True, False])


@WAYS
def test_a_position_means_the_same_image_everywhere(config, cache):
    data = open_dataset(config(cache=cache))
    assert [record.path for record in data.records] == sorted(record.path for record in data.records)
    assert data.records[0] == Record("covid/000.png", "covid")
    assert data.classes == ["covid", "normal"]
    assert data.class_indices.tolist() == [0] * 4 + [1] * 4
    assert data.class_indices.dtype == np.int64
    assert [info.width for info in data.infos] == [20, 21, 22, 23] * 2
    assert data.pixels.fetch(range(8)).shape == (8, 3, 16, 16)
    assert data.pixels.decoded is cache
    assert data.unreadable == ()
    assert data.pixel_report.startswith("pixel cache" if cache else "no pixel cache")


def test_both_ways_give_the_same_dataset(config):
    cached, streamed = open_dataset(config()), open_dataset(config(cache=False))
    assert cached.records == streamed.records and cached.infos == streamed.infos
    assert np.array_equal(cached.pixels.fetch(range(8)), streamed.pixels.fetch(range(8)))


@WAYS
def test_all_bad_images_are_listed_in_one_error(config, spoiled, cache):
    with pytest.raises(DataError) as error:
        open_dataset(config(cache=cache))
    lines = str(error.value).splitlines()
    assert lines[0].endswith("images: 4 of 12 images cannot be read:")
    assert [line.split(": ")[0].strip() for line in lines[1:-1]] == spoiled
    assert "100x50 pixels, more than data.max_pixels=1000" in lines[1]
    assert "empty file" in lines[2]
    assert "No such file" in lines[3]
    assert lines[4].split(": ", 1)[1]
    assert lines[-1] == "Mend or remove them; train.py leaves them out with data.on_bad_image=skip."


@WAYS
def test_bad_images_are_left_out_and_listed_where_that_is_asked(config, spoiled, cache, tmp_path):
    data = open_dataset(config(cache=cache, on_bad_image="skip"))
    assert [line.split(": ")[0] for line in data.unreadable] == spoiled
    assert len(data.records) == len(data.infos) == 8
    for path in spoiled:
        (tmp_path / "images" / path).unlink()
    clean = open_dataset(config(cache=cache))
    assert data.records == clean.records and data.infos == clean.infos
    assert np.array_equal(data.pixels.fetch(range(8)), clean.pixels.fetch(range(8)))


def test_a_class_of_bad_images_only_is_no_class(config, tmp_path):
    (tmp_path / "images" / "other").mkdir()
    (tmp_path / "images" / "other" / "1.png").touch()
    data = open_dataset(config(on_bad_image="skip"))
    assert data.classes == ["covid", "normal"]
    assert data.scan.classes == ["covid", "normal", "other"]


@WAYS
def test_no_image_that_can_be_read(tmp_path, config, cache):
    (tmp_path / "bad" / "a").mkdir(parents=True)
    (tmp_path / "bad" / "a" / "1.png").touch()
    with pytest.raises(DataError, match=r"bad: none of its 1 images can be read"):
        open_dataset(config(root=str(tmp_path / "bad"), on_bad_image="skip", cache=cache))


def test_a_missing_root(config, tmp_path):
    with pytest.raises(DataError, match=r"data\.root=.*absent: no such folder"):
        open_dataset(config(root=str(tmp_path / "absent")))


def test_home_folders_are_found_or_refused(config, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(open_dataset(config(root="~/images", cache_dir="~/own cache")).records) == 8
    assert (tmp_path / "own cache").is_dir()
    with pytest.raises(DataError, match=r"data\.root=~nobody-of-that-name/x: no such home folder\. Write the path"):
        open_dataset(config(root="~nobody-of-that-name/x"))
    with pytest.raises(DataError, match=r"data\.cache_dir=~nobody-of-that-name/x: no such home folder"):
        open_dataset(config(cache_dir="~nobody-of-that-name/x"))


def test_another_place_can_be_named(config, tmp_path):
    (tmp_path / "images").rename(tmp_path / "moved")
    data = open_dataset(config(), root=tmp_path / "moved")
    assert data.root == tmp_path / "moved"
    assert len(data.records) == 8


def test_phantoms_are_drawn_and_found_again(tmp_path):
    values = SHARED | {"source": "phantoms", "root": str(tmp_path / "phantoms"), "on_bad_image": "error"}
    values |= {"cache": True, "cache_dir": str(tmp_path / "cache"), "count": 10, "phantom_seed": 2, "max_pixels": 10**7}
    values["faults"] = dict.fromkeys(FaultsConfig.model_fields, 0.0)
    first, second = (open_dataset(PhantomData(**values)) for _ in range(2))
    assert first.classes == ["covid", "normal"]
    assert len(first.records) == 10
    assert first.infos == second.infos
    assert "built" in first.pixel_report and "re-used" in second.pixel_report
    other = open_dataset(PhantomData(**values), root=first.root)
    assert other.records == first.records
    with pytest.raises(DataError, match="no such folder"):  # a folder that was named is never drawn into
        open_dataset(PhantomData(**values), root=tmp_path / "absent")


def rows_of(data, random_state=0):
    split = stratified_split([record.label for record in data.records], random_state, 0.25)
    return data.rows(split)


def test_rows_say_where_each_image_is(config):
    data = open_dataset(config())
    rows = rows_of(data)
    split = stratified_split([record.label for record in data.records], 0, 0.25)
    assert [row.path for row in rows] == [record.path for record in data.records]
    assert [row.label for row in rows] == [record.label for record in data.records]
    assert [row.sha256 for row in rows] == [info.sha256 for info in data.infos]
    assert [position for position, row in enumerate(rows) if row.split == "test"] == split.parts["test"].tolist()


def test_the_hash_depends_on_neither_place_nor_split(config, tmp_path):
    rows = rows_of(open_dataset(config()))
    value = content_hash(rows)
    assert len(value) == 64
    assert content_hash(rows[::-1]) == value
    assert content_hash(rows_of(open_dataset(config()), random_state=5)) == value
    (tmp_path / "images").rename(tmp_path / "moved")
    assert content_hash(rows_of(open_dataset(config(root=str(tmp_path / "moved"), cache=False)))) == value


def test_the_hash_depends_on_content_name_label_and_number(config, tmp_path, make_image):
    root = tmp_path / "images"
    values = [content_hash(rows_of(open_dataset(config())))]

    def again():
        values.append(content_hash(rows_of(open_dataset(config()))))

    make_image(root / "covid" / "000.png", seed=99)
    again()
    (root / "covid" / "001.png").rename(root / "covid" / "other.png")
    again()
    (root / "normal").rename(root / "healthy")
    again()
    (root / "healthy" / "000.png").unlink()
    again()
    assert len(set(values)) == 5


def test_the_hash_cannot_be_fooled_by_odd_names():
    row = SplitRow("a/b.png", "a", "train", "0" * 64)
    odd = [
        [row],
        [replace(row, path="a/b.pnga", label="")],
        [replace(row, path="a/\udcff.png")],
        [replace(row, path="a/\udcfe.png")],
        [row, replace(row, path="c/d.png")],
        [replace(row, path=f"a/b.pnga{'0' * 64}\nc/d.png")],
    ]
    assert len({content_hash(rows) for rows in odd}) == len(odd)


@WAYS
def test_the_patient_in_a_dicom_header_groups_images_that_no_table_names(config, cache, tmp_path):
    values = np.zeros((16, 16), dtype=np.uint8)
    for name, patient in (("covid/a.dcm", "7"), ("covid/b", "7"), ("normal/c.dcm", "8"), ("normal/d.dcm", "anonymous")):
        (tmp_path / "images" / name).write_bytes(dicom(values + len(name), PatientID=patient))
    records = {record.path: record for record in open_dataset(config(cache=cache)).records}
    assert records["covid/a.dcm"].patient == records["covid/b"].patient != records["normal/c.dcm"].patient
    assert len(records["covid/a.dcm"].patient) == 16 and records["normal/d.dcm"].patient == ""
    named = {record.path: record for record in open_dataset(config(cache=cache, patients=r"/(.)")).records}
    assert named["covid/a.dcm"].patient == "a"


def test_missing_packages_are_told_before_anything_is_read(config, tmp_path, monkeypatch):
    (tmp_path / "images" / "covid" / "x.DCM").write_bytes(b"never read")
    monkeypatch.setattr("covidnet.data.dicom_header.util.find_spec", lambda name: None)
    for cache in (True, False):
        with pytest.raises(
            MissingExtraError, match=r"covid/x\.DCM needs an optional package: pip install 'covidnet\[dicom"
        ):
            open_dataset(config(cache=cache, on_bad_image="skip"))
    assert not (tmp_path / "cache").exists()
