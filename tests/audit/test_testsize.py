import pytest

from covidnet.audit.testsize import images_needed, judge_auroc, judge_test_size
from covidnet.evaluation.intervals import exact_interval


@pytest.mark.parametrize("accuracy", [0.5, 0.8, 0.9])
def test_so_many_images_suffice_and_one_fewer_does_not(accuracy):
    needed = images_needed(accuracy)
    width = [exact_interval(round(accuracy * n), n) for n in (needed, needed - 1)]
    assert width[0].high - width[0].low <= 0.1 < width[1].high - width[1].low


def test_half_needs_about_four_hundred():
    assert 380 <= images_needed(0.5) <= 420
    assert images_needed(1.0) == images_needed(0.95) < images_needed(0.9)


def test_ten_of_ten():
    finding = judge_test_size(10, 10)
    assert finding.severity == "note" and "1.00 means 0.69 to 1.00" in finding.evidence
    assert "an accuracy of 0.90" in judge_test_size(10, None).evidence


def test_auroc():
    assert judge_auroc(None, synthetic=False) == judge_auroc(0.949, synthetic=False) == []
    assert judge_auroc(0.95, synthetic=False)[0].severity == "warning"
    assert judge_auroc(1.0, synthetic=True)[0].severity == "note"
