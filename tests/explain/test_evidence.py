"""Shares of evidence inside a field, and their medians."""

import numpy as np
import pytest

from covidnet.audit.views import lung_field
from covidnet.explain.evidence import enlarge, lung_share, median_of, share_inside

FIELD = lung_field(64, 64)


@pytest.mark.parametrize("side", [7, 14, 64])
def test_evidence_spread_evenly_has_the_areas_share(side):
    assert share_inside(np.full((side, side), 0.3), FIELD) == pytest.approx(FIELD.mean())


def test_all_or_nothing():
    assert share_inside(FIELD.astype(np.float32), FIELD) == 1
    assert share_inside((~FIELD).astype(np.float32), FIELD) == 0
    assert share_inside(np.zeros((7, 7)), FIELD) is None
    assert share_inside(np.full((7, 7), np.nan), FIELD) is None


def test_the_scale_does_not_matter():
    map_ = np.random.default_rng(0).random((7, 7))
    assert share_inside(map_, FIELD) == pytest.approx(share_inside(1e-6 * map_, FIELD), rel=1e-5)


def test_cells_are_where_their_part_of_the_image_is():
    cells = np.zeros((4, 4))
    cells[0, 3] = 1
    large = enlarge(cells, 64, 64)
    assert large.shape == (64, 64)
    assert np.unravel_index(large.argmax(), large.shape)[0] < 16
    assert np.unravel_index(large.argmax(), large.shape)[1] >= 48


def test_medians_have_intervals_from_five_images_on():
    assert median_of([]) is None
    few = median_of([0.1, 0.2, 0.9, 0.3])
    assert (few.value, few.low, few.high, few.n) == (0.25, None, None, 4) and str(few) == "0.25"
    values = np.random.default_rng(1).normal(0.6, 0.1, 50)
    many = median_of(values)
    assert many.low < many.value < many.high and many.high - many.low < 0.15
    assert median_of(values) == many  # nothing is random
    assert str(many).startswith(f"{many.value:.2f} [")


def test_more_less_or_unclear():
    area = [0.6] * 20
    rng = np.random.default_rng(0)
    around = lambda centre: list(rng.normal(centre, 0.02, 20))  # noqa: E731
    assert lung_share(around(0.8), area).verdict == "more"
    assert lung_share(around(0.3), area).verdict == "less"
    assert lung_share([0.5, 0.7] * 10, area).verdict == "unclear"
    assert lung_share([0.9, 0.9, 0.9], [0.6] * 3).verdict == "unclear"  # too few images


def test_images_without_evidence_are_counted_apart():
    share = lung_share([0.5, None, 0.7], [0.6, 0.1, 0.6])
    assert share.inside.value == pytest.approx(0.6) and share.inside.n == 2 and share.empty == 1
    assert share.area.value == 0.6 and share.excess.value == pytest.approx(0)
    assert lung_share([None], [0.5]) is None
