"""The figure of the maps, and single overlays."""

import warnings

import matplotlib
import numpy as np
import pytest

from covidnet.audit.views import lung_field
from covidnet.figures import figure_to_array
from covidnet.figures.saliency import MeanMap, Shown, blend, heat_of, overlay, saliency_figure


@pytest.fixture(autouse=True)
def _no_warnings_and_no_global_change():
    before = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert dict(matplotlib.rcParams) == before


def shown(number, methods=("Grad-CAM",), size=32, **given):
    map_ = np.random.default_rng(number).random((7, 7))
    values = {
        "picture": np.full((1 + 2 * (number % 2), size, size), 80, dtype=np.uint8),
        "maps": dict.fromkeys(methods, map_), "field": lung_field(size, size),
        "inside": dict.fromkeys(methods, 0.61), "label": "covid", "predicted": "covid" if number % 3 else "normal",
        "probability": 0.87, "path": f"covid/{number} $x$.png",
    }  # fmt: skip
    return Shown(**{**values, **given})


def mean(number=0):
    field = lung_field(32, 32)
    return MeanMap(f"covid{number}: mean of 3", np.zeros((1, 32, 32), dtype=np.uint8), np.ones((32, 32), np.float32),
                   field, "0.61\n0.59")  # fmt: skip


def texts(figure):
    figure_to_array(figure)
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


@pytest.mark.parametrize("methods", [("Grad-CAM",), ("Grad-CAM", "integrated gradients")])
@pytest.mark.parametrize("count", [1, 5, 64])
def test_every_image_has_a_panel_per_method(count, methods):
    figure = saliency_figure("Title", "note", [mean()], [shown(number, methods) for number in range(count)])
    assert len(figure.axes) == 1 + 1 + count * len(methods)
    found = texts(figure)
    first = "Grad-CAM: 0.61 in the field" if len(methods) > 1 else "0.61 in the lung field"
    assert found.count(first) == count
    assert found.count("0.61 in the lung field") == count
    assert found.count("WRONG") == len(range(0, count, 3))
    assert "true covid" in found and "Research only, not a diagnosis." in found
    assert "0 $x$.png" in found


def test_without_evidence_it_says_so_and_unmeasured_it_says_nothing():
    found = texts(saliency_figure("", "", [], [shown(1, inside={"Grad-CAM": None}), shown(2, inside={})]))
    assert found.count("no evidence") == 1 and not any("lung field" in text for text in found if text[0] == "0")


def test_means_without_images_and_many_classes():
    assert len(saliency_figure("", "", [mean(i) for i in range(9)], []).axes) == 1 + 6


def test_panels_do_not_overlap():
    images = [shown(number, ("Grad-CAM", "integrated gradients")) for number in range(7)]
    figure = saliency_figure("", "", [mean(), mean(1)], images)
    boxes = [axes.get_position() for axes in figure.axes]
    for number, first in enumerate(boxes):
        assert 0 <= first.x0 < first.x1 <= 1 and 0 <= first.y0 < first.y1 <= 1
        for second in boxes[number + 1 :]:
            apart = first.x1 <= second.x0 or second.x1 <= first.x0 or first.y1 <= second.y0 or second.y1 <= first.y0
            assert apart


def test_heat_is_from_0_to_1_where_there_is_any():
    coarse = heat_of(np.eye(4) * 1e-8, 64, 64)
    assert coarse.shape == (64, 64) and coarse.min() == 0 and coarse.max() == 1
    assert not heat_of(np.zeros((4, 4)), 64, 64).any()
    points = np.zeros((64, 64))
    points[10, 10], points[40, 40] = 1000, 1
    fine = heat_of(points, 64, 64)
    assert fine.max() == 1 and 0 < fine[10, 10] <= 1


def test_no_heat_leaves_the_picture_grey():
    picture = np.random.default_rng(0).integers(0, 256, (3, 16, 16), dtype=np.uint8)
    mixed = blend(picture, np.zeros((16, 16), dtype=np.float32))
    assert np.array_equal(mixed[0], mixed[1]) and np.abs(mixed[0].astype(int) - picture.mean(axis=0)).max() <= 0.5
    hot = blend(picture, np.ones((16, 16), dtype=np.float32))
    assert (hot[0].astype(int) - hot[2]).mean() > 50  # yellow


def test_the_field_is_outlined():
    field = lung_field(32, 32)
    drawn = overlay(np.zeros((1, 32, 32), dtype=np.uint8), np.zeros((7, 7)), field)
    lit = drawn.any(axis=0)
    assert lit.any() and not lit[16, 16] and not lit[~field].any()
