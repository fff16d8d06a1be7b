import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from covidnet.figures import style
from covidnet.figures.svg import to_plot


def drawn(text="label"):
    with style.house_style():
        figure = Figure(figsize=(4, 3))
        axes = figure.add_axes((0.2, 0.2, 0.7, 0.6))
        axes.plot([0, 1], [0, 1], color=style.CLASS_COLORS[0], marker="o", label=text)
        axes.text(0.5, 0.5, text, color=style.MUTED)
        axes.set_xlim(0, 2)
        axes.set_ylim(0, 2)
        axes.legend()
    return figure


def test_nothing_is_left_that_a_strict_policy_refuses():
    svg = to_plot(drawn(), "one", "a line").svg
    assert "style=" not in svg and "<style" not in svg and "<script" not in svg and "metadata" not in svg
    assert not re.findall(r'(?:href|src)="(?!#)', svg)


def test_colours_of_our_figures_are_classes_that_a_theme_can_set():
    root = ElementTree.fromstring(to_plot(drawn(), "one", "a line").svg)
    classes = {name for element in root.iter() for name in element.get("class", "").split()}
    assert {"f-ink", "s-c0", "f-c0", "f-muted"} <= classes
    assert root.get("role") == "img" and root.get("aria-label") == "a line" and root.get("width") is None


def test_two_figures_on_one_page_share_no_identifier():
    found = [set(re.findall(r' id="([^"]+)"', to_plot(drawn(), name, "").svg)) for name in ("one", "two")]
    assert found[0] and not found[0] & found[1]
    svg = to_plot(drawn(), "one", "").svg
    assert set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg)) <= found[0]


def test_the_same_figure_gives_the_same_text():
    assert to_plot(drawn(), "one", "").svg == to_plot(drawn(), "one", "").svg


def test_names_stay_text():
    svg = to_plot(drawn('<script>alert("1")</script> $x$ & more'), "one", '"><img src=x>').svg
    texts = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]
    assert '<script>alert("1")</script> $x$ & more' in texts
    assert "<script>" not in svg and "<img" not in svg


def test_points_can_be_placed_by_the_data_range():
    plot = to_plot(drawn(), "one", "")
    width, height = 4 * 72, 3 * 72
    assert plot.left == pytest.approx(0.2 * width) and plot.right == pytest.approx(0.55 * width)  # limits are 0 to 2
    assert plot.bottom == pytest.approx(0.8 * height) and plot.top == pytest.approx(0.5 * height)
