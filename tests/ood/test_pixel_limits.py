import numpy as np
import pytest

from covidnet.ood.pixels import PixelLimits, PixelStatistics, pixel_statistics

USUAL = PixelStatistics(colour=0.0, contrast=0.2, aspect=1.1)


def test_an_image_in_numbers():
    grey = np.zeros((1, 10, 10), dtype=np.uint8)
    grey[:, :5] = 255
    assert pixel_statistics(grey, 1.5) == PixelStatistics(0.0, 0.5, 1.5)
    coloured = np.repeat(grey, 3, axis=0)
    coloured[0, 5:, :4] = 200
    assert pixel_statistics(coloured, 1.0).colour == 0.2


def test_a_tint_is_no_colour():
    tinted = np.stack([np.full((8, 8), value, dtype=np.uint8) for value in (100, 110, 120)])
    assert pixel_statistics(tinted, 1.0).colour == 0.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": 0.4}, "in colour: 40% of its pixels"),
        ({"contrast": 0.001}, "blank: its grey values vary by 0.001"),
        ({"aspect": 4.0}, "odd shape: 4.00 times as wide as high"),
        ({"aspect": 0.2}, "odd shape: 0.20 times as wide as high"),
    ],
)
def test_what_no_film_is_like_is_told(changes, said):
    (reason,) = PixelLimits().reasons(PixelStatistics(**(USUAL.__dict__ | changes)))
    assert reason.startswith(said)
    assert PixelLimits().reasons(USUAL) == []


def test_all_reasons_are_told():
    assert len(PixelLimits().reasons(PixelStatistics(1.0, 0.0, 9.0))) == 3


def test_limits_make_room_for_what_was_trained_on_and_never_less_than_for_any_film():
    assert PixelLimits().widened([USUAL] * 10) == PixelLimits()
    assert PixelLimits().widened([]) == PixelLimits()
    odd = PixelStatistics(colour=0.9, contrast=0.01, aspect=5.0)
    limits = PixelLimits().widened([odd] * 10)
    assert limits.reasons(odd) == [] and limits.colour == 1.0 and limits.narrow == 0.4
    one_of_many = PixelLimits().widened([USUAL] * 999 + [odd])
    assert one_of_many == PixelLimits()
