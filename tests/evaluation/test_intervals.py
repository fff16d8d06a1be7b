import json

import pytest

from covidnet.evaluation.intervals import exact_interval, format_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(10, 10, 0.6915, 1.0), (5, 5, 0.4782, 1.0), (4, 5, 0.2836, 0.9949), (0, 10, 0.0, 0.3085)],
)
def test_published_limits(successes, n, low, high):
    interval = exact_interval(successes, n)
    assert interval.value == successes / n
    assert interval.low == pytest.approx(low, abs=1e-4)
    assert interval.high == pytest.approx(high, abs=1e-4)


def test_ten_of_ten_is_the_closed_form():
    # With no failure the lower limit is (alpha / 2) to the power 1 / n.
    assert exact_interval(10, 10).low == pytest.approx(0.025 ** (1 / 10))
    assert exact_interval(10, 10, level=0.9).low == pytest.approx(0.05 ** (1 / 10))


def test_no_images_tell_nothing():
    interval = exact_interval(0, 0)
    assert (interval.value, interval.low, interval.high) == (None, 0.0, 1.0)
    assert format_interval(interval) == "– [0.00, 1.00], 0 images"


def test_text_and_json():
    assert str(exact_interval(10, 10)) == "1.00 [0.69, 1.00], 10 images"
    assert format_interval(exact_interval(1, 1), "patients") == "1.00 [0.03, 1.00], 1 patient"
    written = json.loads(json.dumps(exact_interval(4, 5).to_json(), allow_nan=False))
    assert list(written) == ["value", "low", "high", "successes", "n", "level", "method"]
    assert written["method"] == "Clopper-Pearson"


@pytest.mark.parametrize(("successes", "n", "level"), [(6, 5, 0.95), (-1, 5, 0.95), (1, 5, 95), (1, 5, 0.0)])
def test_impossible_counts_are_refused(successes, n, level):
    with pytest.raises(ValueError, match="expected"):
        exact_interval(successes, n, level)
