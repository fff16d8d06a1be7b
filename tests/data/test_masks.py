"""Masks of lungs are told from images, and found for them."""

import pytest

from covidnet.data.masks import masks_of, part_masks
from covidnet.data.records import scan_folder
from covidnet.errors import DataError


@pytest.mark.parametrize(
    ("files", "mask"),
    [
        (["covid/a.jpg", "covid/a_mask.png"], "covid/a_mask.png"),
        (["covid/a.jpg", "covid/masks/a.png"], "covid/masks/a.png"),
        (["covid/a.jpg", "covid/masks/a_mask.png"], "covid/masks/a_mask.png"),
        (["covid/a.jpg", "masks/covid/a.png"], "masks/covid/a.png"),
        (["covid/a.jpg", "normal/b.jpg", "masks/a.png"], "masks/a.png"),
        (["set/covid/a.jpg", "set/Masks/covid/a.png"], "set/Masks/covid/a.png"),
        (["covid/images/a.jpg", "covid/masks/a.png"], "covid/masks/a.png"),
        (["covid/a.b.jpg", "covid/a.b_mask.png"], "covid/a.b_mask.png"),
    ],
)
def test_each_form(files, mask):
    images, masks = part_masks(files)
    assert masks == [mask]
    assert masks_of(images, masks) == {files[0]: mask}


def test_a_name_without_its_image_is_an_image():
    assert part_masks(["covid/a_mask.png", "normal/a.png"]) == (["covid/a_mask.png", "normal/a.png"], [])


def test_a_mask_without_its_image_is_still_no_image():
    images, masks = part_masks(["covid/a.png", "covid/masks/b.png"])
    assert (images, masks) == (["covid/a.png"], ["covid/masks/b.png"])
    assert masks_of(images, masks) == {}


def test_a_bare_name_must_be_the_only_one():
    files = ["covid/a.png", "normal/a.png", "masks/a.png"]
    assert masks_of(*part_masks(files)) == {}


def test_the_classes_own_mask_comes_before_a_bare_name():
    files = ["covid/a.png", "covid/a_mask.png", "masks/a.png"]
    assert masks_of(*part_masks(files)) == {"covid/a.png": "covid/a_mask.png"}


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_a_scan_counts_masks_apart(tmp_path):
    touch(tmp_path, "covid/a.png", "covid/a_mask.png", "normal/b.png", "masks/normal/b.png", "normal/masks/c.png")
    scan = scan_folder(tmp_path)
    assert [record.path for record in scan.records] == ["covid/a.png", "normal/b.png"]
    assert scan.classes == ["covid", "normal"]
    assert scan.masks == ["covid/a_mask.png", "masks/normal/b.png", "normal/masks/c.png"]


def test_a_folder_of_nothing_but_masks_says_so(tmp_path):
    touch(tmp_path, "masks/covid/a.png")
    with pytest.raises(DataError, match=r"counts as masks of lungs: 1, such as masks/covid/a\.png"):
        scan_folder(tmp_path)
