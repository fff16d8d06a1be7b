"""Files to answers, with a network that is not one: what it gives is known."""

import threading
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from covidnet.data.pixels import DecodeSettings
from covidnet.errors import MissingExtraError
from covidnet.inference import stream
from covidnet.inference.answer import Tally
from covidnet.inference.predictor import Judged
from covidnet.inference.stream import answers, decode_ahead, decode_file
from covidnet.ood.pixels import PixelLimits

SIZE = 16
SETTINGS = DecodeSettings(SIZE, 10_000)


class Data:
    image_size, max_pixels = SIZE, 10_000


class Settings:
    data = Data


class Fake:
    """Gives the mean grey value as the probability of "bright"; what is nearly white is far."""

    classes = ("dark", "bright")
    settings = Settings
    pixel_limits = PixelLimits()

    def __init__(self):
        self.batches = []

    def judge(self, images):
        self.batches.append(len(images))
        means = images.mean(axis=(1, 2, 3)) / 255
        values = [float("nan") if 0.49 < mean < 0.51 else float(mean) for mean in means]
        return [Judged((1 - value, value), {"features": 2.0 if mean > 0.9 else 0.5}) for value, mean in
                zip(values, means, strict=True)]  # fmt: skip


def film(path, mean, size=(20, 20), colour=False):
    rng = np.random.default_rng(0)
    values = np.clip(mean + rng.choice([-20, 20], (size[1], size[0])), 0, 255).astype(np.uint8)
    image = Image.fromarray(values)
    (Image.merge("RGB", (image, image, Image.new("L", size))) if colour else image).save(path)


@pytest.fixture
def folder(tmp_path):
    for number in range(7):
        film(tmp_path / f"{number}.png", 40 + 20 * number)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_answers_come_in_order_whatever_the_batches(folder):
    expected = list(answers(Fake(), folder, names(folder), 100))
    for size in (1, 2, 3, 7):
        predictor = Fake()
        assert list(answers(predictor, folder, names(folder), size)) == expected
        assert max(predictor.batches) == size
    assert [answer.path for answer in expected] == names(folder)
    assert [answer.predicted for answer in expected] == ["dark"] * 5 + ["bright"] * 2


def test_a_file_that_fails_has_its_reason_and_the_others_their_answers(folder):
    (folder / "1.png").write_bytes(b"")
    (folder / "3.png").unlink()
    film(folder / "5.png", 100, size=(200, 200))
    found = list(answers(Fake(), folder, [f"{number}.png" for number in range(7)], 2))
    reasons = {answer.path: answer.reasons for answer in found if answer.reasons}
    assert reasons == {
        "1.png": ("unreadable: empty file",),
        "3.png": ("unreadable: cannot be read: No such file or directory",),
        "5.png": ("unreadable: 200x200 pixels, more than data.max_pixels=10000",),
    }
    assert [answer.abstained for answer in found] == [False, True, False, True, False, True, False]


def test_an_image_with_a_reason_against_it_gets_no_prediction_unless_asked(folder):
    film(folder / "0.png", 40, colour=True)
    film(folder / "1.png", 240)
    for abstain in (True, False):
        first, second, third, *_ = answers(Fake(), folder, names(folder), 4, abstain=abstain)
        assert first.reasons[0].startswith("in colour: ") and first.abstained is abstain
        assert second.reasons == ("far from the training images: features at 2 times the limit",)
        assert second.abstained is abstain and (second.probabilities is None) is abstain
        assert third.reasons == () and third.predicted == "dark" and third.distances == {"features": 0.5}


def test_a_network_that_gives_no_number_says_nothing(tmp_path):
    Image.fromarray(np.tile([[107, 147], [147, 107]], (10, 10)).astype(np.uint8)).save(tmp_path / "x.png")
    for abstain in (True, False):
        (answer,) = answers(Fake(), tmp_path, ["x.png"], 1, abstain=abstain)
        assert answer.abstained and answer.reasons[-1] == "not a number: the network's output"


def test_only_a_few_files_are_decoded_ahead(folder, monkeypatch):
    started, lock = [], threading.Lock()
    real = stream.decode_file

    def counted(path, file, settings):
        with lock:
            started.append(path)
        return real(path, file, settings)

    monkeypatch.setattr(stream, "decode_file", counted)
    many = (f"{number % 7}.png" for number in range(500))
    decoded = decode_ahead(folder, many, SETTINGS, 6)
    assert [next(decoded).path for _ in range(10)] == [f"{number % 7}.png" for number in range(10)]
    decoded.close()
    assert len(started) <= 16


def test_a_file_too_large_to_be_an_image_is_not_read(tmp_path):
    with (tmp_path / "x.png").open("wb") as file:
        file.truncate(10**9)
    reason = decode_file("x.png", tmp_path / "x.png", SETTINGS).reason
    assert reason.startswith("1,000,000,000 bytes, more than") and "data.max_pixels" in reason


def test_an_image_that_needs_an_extra_is_one_that_cannot_be_read(folder, monkeypatch):
    def needs(*_):
        raise MissingExtraError("DICOM", "dicom")

    monkeypatch.setattr(stream, "decode_image", needs)
    decoded = decode_file("0.png", folder / "0.png", SETTINGS)
    assert decoded.pixels is None and "pip install 'covidnet[dicom]'" in decoded.reason


def test_answers_are_counted_while_they_pass(folder):
    (folder / "1.png").write_bytes(b"")
    tally = Tally()
    found = list(tally.counting(answers(Fake(), folder, names(folder), 3)))
    assert tally.total == len(found) == 7
    assert tally.predicted == Counter(answer.predicted for answer in found if not answer.abstained)
    assert tally.abstained["unreadable"] == 1
