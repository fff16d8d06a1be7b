import subprocess
import sys
import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

from covidnet import figures
from covidnet.data.images import ImageInfo
from covidnet.data.records import Record
from covidnet.figures import style
from covidnet.predictions import Prediction, Predictions


@pytest.fixture(autouse=True)
def _no_warnings_and_no_global_change():
    before = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert dict(matplotlib.rcParams) == before


def texts(figure):
    """Every text in the figure, drawn once so that all of them exist."""
    figures.figure_to_array(figure)
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def made_predictions(n, size, wrong=()):
    classes = tuple(f"class{i}" for i in range(size))
    rows = []
    for i in range(n):
        answer = (i + 1) % size if i in wrong else i % size
        probabilities = np.full(size, 0.2 / max(1, size - 1))
        probabilities[answer] = 0.8
        rows.append(Prediction(f"{classes[i % size]}/{i}.png", "test", classes[i % size], tuple(probabilities)))
    return Predictions(classes, tuple(rows))


def history(n):
    row = {"train_loss": 0.5, "train_acc": 0.7, "val_loss": 0.6, "val_acc": 0.6, "seconds": 0.5}
    return [{"epoch": i, "lr": 1e-3 if i < 5 else 1e-4, **row} for i in range(n)]


def pairs(n, classes):
    sizes = np.random.default_rng(0).integers(200, 900, (n, 2))
    return [
        (
            Record(f"{classes[i % len(classes)]}/{i}.png", classes[i % len(classes)]),
            ImageInfo(int(w), int(h), ("L", "RGB")[i % 2], "PNG", 10, ""),
        )
        for i, (w, h) in enumerate(sizes)
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_dataset_figure(size):
    classes = [f"c{i}" for i in range(size)]
    found = texts(figures.dataset_figure(pairs(20, classes), classes))
    assert any("20 images" in text for text in found)
    assert {"Width (pixels)", "Height (pixels)", "Colour modes", "File types", "4:3", "RGB", "PNG"} <= set(found)


@pytest.mark.parametrize("n", [0, 1])
def test_dataset_figure_with_empty_classes(n):
    assert "no images" in texts(figures.dataset_figure(pairs(n, ["a"]), ["a", "b"]))


@pytest.mark.parametrize("n", [1, 5, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_batch_figure(n, dtype):
    images = np.ones((n, 3, 8, 8), dtype=dtype)
    figure = figures.batch_figure(images, ["a", "b", "c", "d"] * (n // 4) + ["a"] * (n % 4))
    assert len(figure.axes) == min(n, 24)
    assert f"{min(n, 24)} of {n} images" in texts(figure)


def test_draw_image_maps_floats_and_grey():
    figure = figures.batch_figure(np.array([[[[0.0, 0.5], [1.0, 2.0]]]], dtype=np.float32), ["a"])
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (2, 2, 3)
    assert shown[..., 0].tolist() == [[0, 128], [255, 255]]


@pytest.mark.parametrize("n", [1, 2, 30])
def test_curves_figure(n):
    found = texts(figures.curves_figure(history(n), best_epoch=n - 1, val_name="test"))
    assert "test" in found and "training" in found and "validation" not in found
    assert any(f"kept: epoch {n - 1}" in text for text in found)
    assert any(f"{n} epoch" in text and f"{0.5 * n:.1f} s" in text for text in found)


def test_curves_with_gaps_spikes_and_constants():
    rows = history(12)
    rows[3]["val_loss"] = float("nan")
    rows[4]["train_loss"] = float("inf")
    del rows[5]["val_acc"]
    rows[6]["val_loss"] = 400.0
    assert any("log scale" in text and "loss" in text for text in texts(figures.curves_figure(rows)))
    texts(figures.curves_figure([{"epoch": 1, "train_loss": 0.0, "lr": 0.0}], best_epoch=7))
    texts(figures.curves_figure([{"epoch": 1, "train_loss": float("nan")}], best_epoch=1))


@pytest.mark.parametrize("size", [2, 4, 5, 20])
def test_confusion_figure(size):
    found = texts(figures.confusion_figure(made_predictions(40, size, wrong=(0,))))
    assert any("39 of 40 images right (97.5%)" in text for text in found)
    assert style.DISCLAIMER in found
    assert any(text.startswith("class1") for text in found)


def test_confusion_figure_counts_and_row_percentages():
    found = texts(figures.confusion_figure(made_predictions(8, 2, wrong=(0,))))
    assert {"3", "1", "4", "0", "75%", "25%", "100%", "0%"} <= set(found)


def test_confusion_figure_without_images_of_a_class():
    one = made_predictions(8, 2)
    only = Predictions(one.classes, tuple(row for row in one.rows if row.label == "class0"))
    assert "–" in texts(figures.confusion_figure(only))
    texts(figures.confusion_figure(Predictions(("a", "b"), ())))


def test_wrong_images_come_first_and_say_so():
    predictions = made_predictions(10, 2, wrong=(7, 9))
    images = {row.path: np.full((1, 8, 8), 25 * i, dtype=np.uint8) for i, row in enumerate(predictions.rows)}
    figure = figures.test_images_figure(predictions, images)
    marked = ["WRONG" in {text.get_text() for text in axes.texts} for axes in figure.axes]
    assert marked == [True, True] + [False] * 8
    shown = [int(axes.images[0].get_array()[0, 0, 0]) // 25 for axes in figure.axes]
    assert shown == [7, 9, 0, 1, 2, 3, 4, 5, 6, 8]
    found = texts(figure)
    assert style.DISCLAIMER in found and "pred class0 0.80" in found and "9.png" in found
    assert any("2 of 10 wrong, shown first" in text for text in found)


def test_at_most_64_images_and_the_rest_is_counted():
    figure = figures.test_images_figure(made_predictions(70, 3), {})
    assert len(figure.axes) == 64
    found = texts(figure)
    assert any("6 more not shown" in text for text in found)
    assert "image not\navailable" in found


def test_no_predictions_draw_no_images():
    assert style.DISCLAIMER in texts(figures.test_images_figure(Predictions(("a", "b"), ()), {}))


def test_captions_stay_within_their_image():
    label = "WIDE_" * 12
    rows = tuple(Prediction(f"a/{'M' * 90}.jpeg", "test", label, p) for p in ((0.9, 0.1), (0.1, 0.9)))
    figure = figures.test_images_figure(Predictions((label, "W" * 50), rows), {})
    figures.figure_to_array(figure)
    for axes in figure.axes:
        right = axes.get_window_extent().x1 + 0.1 * style.DPI
        assert all(text.get_window_extent().x1 <= right for text in axes.texts)


def test_hostile_names_are_drawn():
    label = "a$b$\udcff\n"
    rows = (Prediction("x/肺$\\frac$.png", "test", label, (0.9, 0.1)),)
    predictions = Predictions((label, "ok"), rows)
    for figure in (figures.test_images_figure(predictions, {}), figures.confusion_figure(predictions)):
        texts(figure)
    texts(figures.dataset_figure(pairs(4, [label]), [label]))


def test_saved_bytes_are_the_same_each_time(tmp_path):
    for name in ("one.png", "two.png"):
        figures.save_figure(figures.curves_figure(history(3)), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["one.png", "two.png"]
    with Image.open(tmp_path / "one.png") as image:
        assert image.size == (1140, 960)
        assert "Software" not in image.info


def test_array_is_the_saved_picture(tmp_path):
    figure = figures.confusion_figure(made_predictions(4, 2))
    figures.save_figure(figure, tmp_path / "a.png")
    array = figures.figure_to_array(figure)
    assert array.dtype == np.uint8 and array.shape[2] == 3 and array.min() < 60
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), array)


def test_shorten_middle():
    assert style.shorten_middle("short.png", 12) == "short.png"
    shortened = style.shorten_middle("1-s2.0-S0929664620300449-gr2_lrg-b.jpg", 15)
    assert shortened == "1-s2.0-…g-b.jpg" and len(shortened) == 15


@pytest.mark.parametrize(("n", "expected"), [(1, (1, 1)), (5, (1, 5)), (10, (2, 5)), (40, (5, 8)), (64, (8, 8))])
def test_grid_shape(n, expected):
    assert style.grid_shape(n, 8) == expected


def test_every_grid_has_room():
    for n in range(1, 65):
        rows, columns = style.grid_shape(n, 8)
        assert rows * columns >= n > (rows - 1) * columns


def test_class_colours_differ():
    for size in (2, 7, 8, 20):
        assert len({style.class_color(i, size) for i in range(size)}) == size


def test_a_users_matplotlibrc_changes_nothing():
    plain = figures.figure_to_array(figures.curves_figure(history(2)))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "lines.linewidth": 9}):
        assert np.array_equal(figures.figure_to_array(figures.curves_figure(history(2))), plain)


def test_the_metrics_and_the_study_do_not_load_matplotlib():
    code = "import sys, covidnet.evaluation.metrics, covidnet.data.study; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
