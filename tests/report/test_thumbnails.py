import numpy as np
import pytest
from made_up_runs import made_up

from covidnet.errors import RunError
from covidnet.predictions import Prediction, Predictions
from covidnet.report.thumbnails import FILE, SIDE, chosen, read_thumbnails, save_thumbnails

CLASSES = ("covid", "normal")


def row(path, label, sure, split="test"):
    return Prediction(path, split, label, (sure, 1 - sure))


def test_half_of_the_pictures_are_external_where_there_are_so_many():
    own, other = Predictions(CLASSES, tuple(made_up(30, "test"))), Predictions(CLASSES, tuple(made_up(9, "external")))
    parts = [one.split for one in chosen(own, other, 10)]
    assert parts == ["test"] * 5 + ["external"] * 5
    assert [one.split for one in chosen(own, Predictions(CLASSES, ()), 10)] == ["test"] * 10
    few = Predictions(CLASSES, other.rows[:2])
    assert [one.split for one in chosen(own, few, 10)] == ["test"] * 8 + ["external"] * 2
    assert chosen(own, other, 0) == []


def test_pictures_are_small_and_come_back_under_any_name(tmp_path):
    names = ["covid/<b>.png", "covid/line\nbreak.png", "covid/\udcff.png", "covid/missing.png"]
    grey = np.arange(300 * 200, dtype=np.uint64).reshape(1, 300, 200).astype(np.uint8)
    colour = np.zeros((3, 20, 20), dtype=np.uint8)
    colour[0] = 255
    found = {names[0]: grey, names[1]: np.repeat(grey, 3, axis=0), names[2]: colour}
    save_thumbnails(tmp_path, [row(name, "covid", 0.9) for name in names], lambda one: found.get(one.path))
    stored = read_thumbnails(tmp_path)
    assert [path for _, path in stored] == names[:3]
    assert stored["test", names[0]].shape == (SIDE, round(SIDE * 200 / 300))
    assert stored["test", names[1]].ndim == 2  # grey in three channels is stored once
    assert stored["test", names[2]].shape == (20, 20, 3)


def test_a_damaged_file_is_told_and_an_absent_one_is_nothing(tmp_path):
    assert read_thumbnails(tmp_path) == {}
    (tmp_path / FILE).write_bytes(b"not a zip")
    with pytest.raises(RunError, match=FILE):
        read_thumbnails(tmp_path)


def test_what_is_no_small_picture_is_not_shown(tmp_path):
    names = np.frombuffer(b'[["test","a"],["test","b"],["test","c"]]', dtype=np.uint8)
    arrays = {"0": np.zeros((4000, 4000), dtype=np.uint8), "1": np.zeros((8, 8)), "2": np.zeros((8, 8), dtype=np.uint8)}
    with (tmp_path / FILE).open("wb") as file:
        np.savez(file, names=names, **arrays)
    assert list(read_thumbnails(tmp_path)) == [("test", "c")]
