import pytest

from covidnet.report.words import counted, folder_name, interval, listed, number, probability, score_name, with_interval


@pytest.mark.parametrize(
    ("value", "text", "short"),
    [
        (0.5, "0.50", "0.50"), (0.99, "0.99", "0.99"), (0.0013, "0.0013", "0.0013"), (0.0, "0", "0"), (1.0, "1", "1"),
        (0.99983, "0.99983", "0.99983"), (1 - 2.3e-8, "1 − 2.3e-08", "> 0.99999"),
    ],
)  # fmt: skip
def test_the_distance_of_a_probability_from_0_and_1_can_be_read(value, text, short):
    assert (probability(value), probability(value, short=True)) == (text, short)


def test_what_is_undefined_is_a_dash():
    assert number(None) == number(True) == "–"
    assert with_interval(None) == "–"
    assert interval({"low": None, "high": 1.0}) == ""
    assert with_interval({"value": 0.7, "low": 0.35, "high": 0.934}) == "0.70 [0.35, 0.93]"


def test_lists_and_counts():
    assert listed(["a"]) == "a" and listed(["a", "b"]) == "a and b" and listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefgh")) == "a, b, c, d, e and 3 more"
    assert counted(1, "image") == "1 image" and counted(1234, "image") == "1,234 images"


def test_the_name_of_a_folder_from_any_system():
    assert folder_name("/data/my_xrays/") == folder_name("C:\\data\\my_xrays") == "my_xrays"
    assert folder_name(None) == ""


def test_scores_are_called_as_readers_know_them():
    assert [score_name(name) for name in ("auroc", "balanced_accuracy")] == ["AUROC", "balanced accuracy"]
