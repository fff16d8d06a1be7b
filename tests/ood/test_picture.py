import numpy as np
import pytest

from covidnet.ood.picture import picture_vectors


def test_the_view_has_the_mean_grey_values_of_its_cells():
    images = np.zeros((2, 1, 32, 32), dtype=np.uint8)
    images[1, 0, :16] = 255
    view = picture_vectors(images)[:, :256].reshape(2, 16, 16)
    assert np.all(view[0] == 0) and np.all(view[1, :8] == 1) and np.all(view[1, 8:] == 0)


def test_colours_count_by_their_mean():
    rng = np.random.default_rng(0)
    coloured = rng.integers(0, 256, (2, 3, 48, 48), dtype=np.uint8)
    assert picture_vectors(coloured).shape[1] == picture_vectors(coloured[:, :1]).shape[1]
    assert np.allclose(picture_vectors(coloured)[:, :256].mean(), coloured.mean() / 255)


def test_each_band_rises_with_waves_of_its_frequency():
    size = 128
    across = np.arange(size)
    waves = [np.tile(127 + 100 * np.sin(2 * np.pi * periods * across / size), (size, 1)) for periods in (1, 5, 40)]
    powers = picture_vectors(np.stack(waves)[:, None].astype(np.uint8))[:, 256:]
    strongest = powers.argmax(axis=1)
    assert strongest[0] == 0 and strongest[0] < strongest[1] < strongest[2]


@pytest.mark.parametrize("size", [16, 17, 32, 224])
def test_every_size_gives_numbers(size):
    blank = np.full((1, 1, size, size), 7, dtype=np.uint8)
    found = picture_vectors(blank)
    assert np.isfinite(found).all() and 256 < found.shape[1] <= 268
    assert found.shape == picture_vectors(np.repeat(blank, 3, axis=1)).shape
