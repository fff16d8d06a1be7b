import os
import random
import sys
from typing import ClassVar

import pytest

from covidnet.data.records import IMAGE_SUFFIXES, Record, scan_folder
from covidnet.errors import DataError


def touch(root, *paths):
    """Empty files: a scan looks at names, not into files."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def paths(scan):
    return [record.path for record in scan.records]


def test_the_label_is_the_folder_that_the_image_lies_in(tmp_path):
    touch(tmp_path, "covid/a.png", "train/covid/b.png", "train/normal/deep/er/c.png")
    scan = scan_folder(tmp_path)
    assert scan.records == [
        Record("covid/a.png", "covid"),
        Record("train/covid/b.png", "covid"),
        Record("train/normal/deep/er/c.png", "er"),
    ]
    assert scan.classes == ["covid", "er"]
    assert scan.counts == {"covid": 2, "er": 1}


class Shuffled:
    """os.scandir in another order each time."""

    real = os.scandir
    orders: ClassVar = set()

    def __init__(self, folder):
        with Shuffled.real(folder) as found:
            self.entries = list(found)
        random.shuffle(self.entries)
        Shuffled.orders.add(tuple(entry.name for entry in self.entries))

    def __iter__(self):
        return iter(self.entries)

    def __enter__(self):
        return iter(self.entries)

    def __exit__(self, *_):
        pass


def test_the_order_is_the_same_whatever_the_file_system_says(tmp_path, monkeypatch):
    names = ["b/2.png", "b/10.png", "a/z.png", "a/Z.png", "a-b/1.png", "a/1/1.png", "B/1.png", "k1/x.png"]
    touch(tmp_path, "store/x.png", *(f"root/{name}" for name in names[:-1]))
    for number in (1, 2, 3):
        (tmp_path / "root" / f"k{number}").symlink_to("../store")
    monkeypatch.setattr(os, "scandir", Shuffled)
    for _ in range(10):
        scan = scan_folder(tmp_path / "root")
        assert paths(scan) == sorted(names)
        assert scan.loops == ["k2", "k3"]
    assert len(Shuffled.orders) > 10


def test_suffixes_count_in_any_case_and_nothing_else_does(tmp_path):
    wanted = [f"a/{number}{suffix}" for number, suffix in enumerate(sorted(IMAGE_SUFFIXES))]
    wanted += ["a/upper.PNG", "a/mixed.JpEg", "a/two.dots.Tif"]
    touch(tmp_path, *wanted, "a/notes.txt", "a/png", "a/x.png.gz", "b/metadata.csv", "c/image.nii")
    scan = scan_folder(tmp_path)
    assert paths(scan) == sorted(wanted)
    assert scan.other_files == 5
    assert scan.classes == ["a"]
    assert {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"} <= IMAGE_SUFFIXES


def test_dicom_files_without_a_suffix_are_found_by_their_content(tmp_path):
    mark = b"\0" * 128 + b"DICM"
    names = {"a/IM000001": mark, "a/1.2.840.113619.2.5": mark, "a/scan.IMA": b"", "b/x.dicom": b""}
    others = {"a/notes": b"text", "a/empty": b"", "a/DICOMDIR": mark, "a/image.bak": mark, "b/7.5": b"\0" * 200}
    for name, content in {**names, **others}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    scan = scan_folder(tmp_path)
    assert paths(scan) == sorted(names)
    assert scan.other_files == len(others)


def test_hidden_files_and_folders_are_counted_and_not_read(tmp_path):
    touch(tmp_path, "a/1.png", "a/.2.png", "a/._1.png", ".git/a/3.png", "a/.DS_Store")
    scan = scan_folder(tmp_path)
    assert paths(scan) == ["a/1.png"]
    assert scan.hidden == 4
    assert scan.other_files == 0


def test_a_folder_named_like_an_image_is_a_folder_and_a_pipe_is_no_image(tmp_path):
    touch(tmp_path, "covid.png/1.png")
    os.mkfifo(tmp_path / "covid.png" / "pipe.png")
    (tmp_path / "covid.png" / "linked.png").symlink_to("pipe.png")  # reading it would never end
    scan = scan_folder(tmp_path)
    assert scan.records == [Record("covid.png/1.png", "covid.png")]
    assert scan.other_files == 2


def test_images_outside_class_folders_are_listed_apart(tmp_path):
    touch(tmp_path, "z.png", "b.png", "a/1.png")
    scan = scan_folder(tmp_path)
    assert paths(scan) == ["a/1.png"]
    assert scan.outside_classes == ["b.png", "z.png"]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("a/self", "self"),
        ("a/self", "."),
        ("a/parent", ".."),
        ("a/deep/root", "../.."),
        ("a/above_the_root", "../.."),
        ("a/far_above", "../../.."),
        ("above", ".."),
    ],
)
def test_links_back_are_survived_and_listed(tmp_path, name, target):
    root = tmp_path / "root"
    touch(tmp_path, "neighbour/not_mine.png", "root/a/1.png", "root/b/2.png")
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).symlink_to(target)
    scan = scan_folder(root)
    assert paths(scan) == ["a/1.png", "b/2.png"]
    assert scan.loops == [name]


def test_siblings_that_link_to_each_other_keep_their_own_images(tmp_path):
    touch(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "to_b").symlink_to("../b")
    (tmp_path / "b" / "to_a").symlink_to("../a")
    scan = scan_folder(tmp_path)
    assert scan.records == [Record("a/1.png", "a"), Record("b/2.png", "b")]
    assert scan.loops == ["a/to_b", "b/to_a"]


def test_many_links_among_folders_take_no_more_than_one_visit_each(tmp_path):
    count = 12  # 12! ways lead through them
    for one in range(count):
        touch(tmp_path, f"{one}/x.png")
        for other in range(count):
            (tmp_path / str(one) / f"to{other}").symlink_to(f"../{other}")
    scan = scan_folder(tmp_path)
    assert len(scan.records) == count
    assert len(scan.loops) == count * count


def test_links_to_folders_elsewhere_are_followed_once(tmp_path):
    root = tmp_path / "root"
    touch(tmp_path, "store/x/1.png", "store/y/2.png")
    root.mkdir()
    (root / "covid").symlink_to("../store/x")
    (root / "normal").symlink_to(tmp_path / "store" / "y")
    (root / "same_again").symlink_to("../store/y")
    scan = scan_folder(root)
    assert scan.records == [Record("covid/1.png", "covid"), Record("normal/2.png", "normal")]
    assert scan.loops == ["same_again"]


def test_a_link_to_the_root_is_as_good_as_the_root(tmp_path):
    touch(tmp_path, "real/a/1.png", "real/b/2.png")
    (tmp_path / "linked").symlink_to("real")
    assert scan_folder(tmp_path / "linked").records == scan_folder(tmp_path / "real").records


def test_a_broken_link_with_an_images_name_is_a_record(tmp_path):
    """The image was there once (git-annex leaves such links): to lose it silently would change the experiment."""
    touch(tmp_path, "a/1.png")
    (tmp_path / "a" / "lost.png").symlink_to("../gone/lost.png")
    (tmp_path / "a" / "round.png").symlink_to("round.png")
    (tmp_path / "a" / "lost.txt").symlink_to("gone.txt")
    scan = scan_folder(tmp_path)
    assert paths(scan) == ["a/1.png", "a/lost.png", "a/round.png"]
    assert scan.other_files == 1


@pytest.mark.skipif(sys.platform != "linux", reason="file names may hold any byte on Linux only")
def test_odd_names_are_taken_as_they_are(tmp_path):
    odd = [
        "with spaces ",
        "two\nlines",
        "a\rb",
        "latin\udce9",
        "\N{LUNGS}",
        "comma,\"quote'",
        "-rf",
        "$(x)",
        "[1]",
        "*",
    ]
    touch(tmp_path, *(f"{name}/{name}.png" for name in odd))
    scan = scan_folder(tmp_path)
    assert scan.records == sorted(Record(f"{name}/{name}.png", name) for name in odd)
    assert all((tmp_path / record.path).is_file() for record in scan.records)


@pytest.mark.parametrize("name", ["absent", "absent/deeper", "dangling"])
def test_a_missing_root(tmp_path, name):
    (tmp_path / "dangling").symlink_to("nothing")
    with pytest.raises(DataError, match=rf"data\.root=.*{name}: no such folder\. Give the folder that holds one"):
        scan_folder(tmp_path / name)


def test_a_root_that_is_a_file(tmp_path):
    touch(tmp_path, "1.png")
    with pytest.raises(DataError, match=r"data\.root=.*1\.png: a file, not a folder\. Give the folder"):
        scan_folder(tmp_path / "1.png")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("x" * 300, "File name too long"), ("round", "Too many levels of symbolic links"), ("1.png/x", "Not a directory")],
)
def test_a_root_that_the_system_refuses(tmp_path, name, reason):
    touch(tmp_path, "1.png")
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(DataError, match=rf"data\.root=.*: cannot be read \({reason}\)\. Give the folder"):
        scan_folder(tmp_path / name)


def test_an_empty_root(tmp_path):
    with pytest.raises(DataError) as error:
        scan_folder(tmp_path)
    assert f"data.root={tmp_path}: no image in any class folder" in str(error.value)
    assert f"Expected {tmp_path}/CLASS/IMAGE" in str(error.value)
    assert all(suffix in str(error.value) for suffix in IMAGE_SUFFIXES)


def test_a_root_without_class_folders_says_what_lies_there(tmp_path):
    touch(tmp_path, "1.png", "2.png", "notes.txt")
    with pytest.raises(DataError, match="2 images lie directly in it, outside any class folder"):
        scan_folder(tmp_path)


def test_a_root_without_images_says_what_lies_there(tmp_path):
    touch(tmp_path, "covid/1.nii", "normal/2.nii", "normal/3.nii")
    with pytest.raises(DataError, match="3 files there are not images"):
        scan_folder(tmp_path)


def test_folders_that_may_not_be_read_are_errors(open_folder, no_superuser):
    root = open_folder / "root"
    touch(open_folder, "root/a/1.png", "closed/2.png", "closed/deeper/3.png")
    (root / "a" / "image.png").symlink_to(open_folder / "closed" / "2.png")
    (root / "b").symlink_to(open_folder / "closed" / "deeper")
    closed = open_folder / "closed"
    try:
        closed.chmod(0)
        with pytest.raises(DataError, match=r"/root/b: the folder cannot be read \(Permission denied\)\. Check its"):
            scan_folder(root)
        (root / "b").unlink()
        assert paths(scan_folder(root)) == ["a/1.png", "a/image.png"]  # the decoder will say what is wrong with it
        with pytest.raises(DataError, match=r"/closed: the folder cannot be read \(Permission denied\)"):
            scan_folder(closed)
        with pytest.raises(DataError, match=r"/closed: the folder cannot be read \(Permission denied\)"):
            scan_folder(open_folder)
        with pytest.raises(DataError, match=r"data\.root=.*/deeper: cannot be read \(Permission denied\)\. Give"):
            scan_folder(closed / "deeper")
    finally:
        closed.chmod(0o755)
