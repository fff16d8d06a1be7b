import numpy as np
import pytest

from covidnet.data.records import Record
from covidnet.export.images import RunImages


class Pixels:
    decoded = True

    def __init__(self, channels):
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (40, channels, 4, 4), dtype=np.uint8)

    def fetch(self, positions):
        return self.images[positions]


class Dataset:
    def __init__(self, channels=1):
        self.pixels = Pixels(channels)
        self.records = [Record(f"{number}.png", "ab"[number % 2]) for number in range(40)]


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [1, 1]), (8, [1, 2, 5]), (21, [1, 2, 5, 6, 6, 1])])
def test_the_first_batches_are_of_several_sizes(count, sizes):
    images = RunImages(Dataset(), np.arange(3, 3 + count), 6)
    assert [len(batch) for batch in images.batches()] == sizes
    assert len(images) == count and images.labels[:2] == ["b", "a"][:count]


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_rgb_from_0_to_1(channels):
    dataset = Dataset(channels)
    found = np.concatenate(list(RunImages(dataset, np.array([7, 2, 9]), 2).batches()))
    assert found.shape == (3, 3, 4, 4) and found.dtype == np.float32 and found.flags.writeable
    expected = np.broadcast_to(dataset.pixels.images[[7, 2, 9]] / 255, (3, 3, 4, 4))
    assert np.allclose(found, expected)
