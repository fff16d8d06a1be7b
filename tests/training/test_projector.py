"""The files of TensorBoard's PROJECTOR tab, from what goes in to what stands in them."""

import numpy as np
import pytest

from covidnet.config.schema import TensorBoardConfig
from covidnet.training.projector import CONFIG, MOST_DIRECTIONS, choose, coordinates, one_field, show_projector, sprite

LABELS = np.repeat([0, 1], [80, 20])  # images 0 to 79 are of the first class
TEST = np.arange(0, 100, 2)
TRAIN = np.arange(1, 100, 2)


@pytest.mark.parametrize(
    ("most", "test", "train"), [(1000, 50, 50), (20, 10, 10), (90, 45, 45), (1, 1, 0), (21, 11, 10)]
)
def test_no_more_than_asked_for_half_of_them_test_images(most, test, train):
    chosen = choose(LABELS, TEST, TRAIN, most)
    assert list(chosen) == ["test", "train"]
    assert (len(chosen["test"]), len(chosen["train"])) == (test, train)
    assert set(chosen["test"]) <= set(TEST) and set(chosen["train"]) <= set(TRAIN)
    assert len(set(chosen["test"])) == test


def test_room_that_one_part_leaves_is_the_others():
    assert [len(one) for one in choose(LABELS, TEST[:4], TRAIN, 40).values()] == [4, 36]
    assert [len(one) for one in choose(LABELS, TEST, TRAIN[:4], 40).values()] == [36, 4]


def test_each_class_keeps_its_share():
    for positions in choose(LABELS, TEST, TRAIN, 20).values():
        assert np.bincount(LABELS[positions]).tolist() == [8, 2]
    shuffled = np.random.default_rng(0).permutation(LABELS)
    for part, positions in choose(shuffled, TEST, TRAIN, 50).items():
        whole = np.bincount(shuffled[TEST if part == "test" else TRAIN], minlength=2)
        assert np.bincount(shuffled[positions], minlength=2) == pytest.approx(whole / 2, abs=1)


def test_many_features_are_turned_and_keep_their_angles_and_lengths():
    features = np.random.default_rng(1).random((40, 600))
    points = coordinates(features)
    assert points.shape == (40, 40)
    assert points @ points.T == pytest.approx(features @ features.T)
    assert coordinates(np.random.default_rng(1).random((200, 600))).shape == (200, MOST_DIRECTIONS)


def test_few_features_stay_as_they_are_and_fill_a_space():
    features = np.random.default_rng(2).random((40, MOST_DIRECTIONS))
    assert coordinates(features) is features
    assert coordinates(features[:, :2]).tolist() == [[*row, 0.0] for row in features[:, :2].tolist()]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("a b/ü_β.png", "a b/ü_β.png"), ("a\tb.png", "a\\tb.png"), ("a\r\nb", "a\\r\\nb"), ("a\u2028b", "a\\u2028b"),
        ("a\udcffb", "a\\udcffb"), ("\x1b[31m", "\\x1b[31m"),
    ],
)  # fmt: skip
def test_a_path_is_one_field(name, field):
    assert one_field(name) == field
    assert field.encode("utf-8")


def test_pictures_stand_row_by_row_on_a_square():
    sheet = sprite([np.full((4, 4), value, dtype=np.uint8) for value in (10, 20, 30, 40, 50)])
    assert sheet.mode == "L" and sheet.size == (12, 12)
    assert [sheet.getpixel((4 * (n % 3) + 1, 4 * (n // 3) + 1)) for n in range(6)] == [10, 20, 30, 40, 50, 0]
    coloured = sprite([np.full((4, 4), 10, dtype=np.uint8), np.full((4, 4, 3), (1, 2, 3), dtype=np.uint8)])
    assert (
        coloured.mode == "RGB" and coloured.getpixel((1, 1)) == (10, 10, 10) and coloured.getpixel((5, 1)) == (1, 2, 3)
    )


class Odd:
    """Of a network that has no features."""

    class data:  # noqa: N801
        labels = LABELS

        class split:  # noqa: N801
            @staticmethod
            def positions(part):
                return {"test": TEST, "train": TRAIN}[part]

    @staticmethod
    def features(positions):
        raise RuntimeError("shapes do not fit\nmore words")


def test_a_network_that_cannot_tell_its_features_ends_no_run(tmp_path, capsys):
    show_projector(TensorBoardConfig(name="tensorboard"), tmp_path, None, Odd, None)
    assert "no projector in TensorBoard: shapes do not fit\n" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_off_computes_nothing_and_shows_nothing_of_an_earlier_time(tmp_path, capsys):
    (tmp_path / CONFIG).write_text("embeddings {}")
    show_projector(TensorBoardConfig(name="tensorboard", projector=0), tmp_path, None, Odd, None)
    assert not list(tmp_path.iterdir()) and capsys.readouterr().out == ""
