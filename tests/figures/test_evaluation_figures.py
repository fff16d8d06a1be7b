"""calibration.png and roc.png: what they say, and that odd tables are drawn too."""

import warnings

import matplotlib
import pytest
from predicted import binary, drawn

from covidnet import figures
from covidnet.config.schema import EvaluationConfig
from covidnet.evaluation.assessment import assess
from covidnet.evaluation.choice import choose
from covidnet.figures import style
from covidnet.figures.calibration import calibration_figure
from covidnet.figures.roc import roc_figure

ASKED = EvaluationConfig(bootstrap=200, at_sensitivity=0.9)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def draw(scored, validation, positive=None, options=ASKED):
    choice = choose(validation, positive, options)
    metrics = assess(scored, choice)
    name = choice.positive_class
    both = (
        calibration_figure(scored, choice.calibrated(scored), name, options.bins, metrics),
        roc_figure(choice.used(scored), name, options.bootstrap, metrics),
    )
    for figure in both:
        figures.figure_to_array(figure)
    return both, metrics


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_the_numbers_are_said():
    (calibration, roc), metrics = draw(drawn(120, sharpness=2.0), drawn(90, seed=3, sharpness=2.0, split="val"))
    said = " ".join(texts(calibration))
    before, after = metrics["calibration"]["before"], metrics["calibration"]["after"]
    assert f"expected calibration error {before['ece']:.3f}, Brier score {before['brier']:.3f}" in said
    assert (
        f"Temperature {metrics['calibration']['temperature']:.2f} from 90 val images: error {after['ece']:.3f}" in said
    )
    assert "optimistic" not in said and style.DISCLAIMER in said
    assert "as the model gives it" in said and "after temperature scaling" in said
    limits = metrics["auroc_interval"]
    said = " ".join(texts(roc))
    assert f"AUROC {metrics['auroc']:.3f} [{limits['low']:.3f}, {limits['high']:.3f}]" in said
    assert f"probability from {metrics['operating_point']['threshold']:.3g} on" in said
    assert "most probable class" in said and style.DISCLAIMER in said


def test_the_points_of_the_diagram_are_the_bins():
    table = binary([0.95, 0.92, 0.91, 0.15, 0.12], [1, 1, 0, 0, 1])
    (calibration, _), _ = draw(table, table.of_split("val"))
    first = calibration.axes[0]
    points = first.lines[1]
    assert points.get_xdata() == pytest.approx([0.865, (0.95 + 0.92 + 0.91) / 3])
    assert points.get_ydata() == pytest.approx([0.5, 2 / 3])
    counts = [bar.get_height() for bar in calibration.axes[2].patches if bar.get_height()]
    assert counts == [2, 3]


def test_chosen_on_the_same_images_is_said_in_the_picture():
    table = drawn(60, sharpness=2.0)
    (calibration, roc), _ = draw(table, table)
    for figure in (calibration, roc):
        assert "chosen on these same images: optimistic" in " ".join(" ".join(texts(figure)).split())
    _, apart = draw(table, drawn(60, seed=1, split="val"))[0]
    assert "optimistic" not in " ".join(texts(apart))


def test_why_there_is_no_temperature_is_said():
    table = drawn(30)
    (calibration, _), _ = draw(table, table.of_split("val"))
    assert "No temperature: there are no validation images." in texts(calibration)
    assert "after temperature scaling" not in texts(calibration)


@pytest.mark.parametrize(
    "scored",
    [
        binary([], []),
        binary([0.7], [1]),
        binary([0.7, 0.6], [1, 1]),
        binary([1.0] * 5 + [0.0] * 5, [1] * 5 + [0] * 5),
        drawn(40, 4, per_patient=3),
        binary([0.9, 0.8, 0.3, 0.1], [1, 1, 0, 0], patients=["a", "a", "b", "b"]),
    ],
    ids=["none", "one", "one class", "separated", "four classes", "two patients"],
)
def test_odd_tables_are_drawn(scored):
    validation = drawn(40, len(scored.classes), seed=9, split="val")
    (_, roc), metrics = draw(scored, validation)
    assert ("undefined: one class only" in texts(roc)) == (metrics["auroc"] is None)


def test_other_classes_are_thin_lines():
    (_, roc), _ = draw(drawn(60, 3), drawn(60, 3, seed=1, split="val"))
    found = set(texts(roc))
    assert {"covid", "normal", "viral"} <= found
    assert any("means over the classes, each against the rest: AUROC" in text for text in found)


def test_the_same_table_gives_the_same_picture():
    table, validation = drawn(50), drawn(50, seed=2, split="val")
    first, second = draw(table, validation)[0], draw(table, validation)[0]
    for one, other in zip(first, second, strict=True):
        assert (figures.figure_to_array(one) == figures.figure_to_array(other)).all()
