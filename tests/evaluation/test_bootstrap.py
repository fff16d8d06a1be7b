import numpy as np
import pytest

from covidnet.evaluation.bootstrap import Resamples

TRUTH = np.array([0, 0, 0, 0, 1, 1, 1, 0, 1, 2])
PATIENTS = ["a", "a", "b", "b", "c", "c", "d", "e", "e", "f"]


def weights(*arguments, **more):
    return np.concatenate(list(Resamples(*arguments, **more).weights()))


def test_patients_are_drawn_whole_and_within_their_kind():
    drawn = weights(TRUTH, PATIENTS, count=300)
    assert drawn.shape == (300, 10)
    for first, second in ((0, 1), (2, 3), (4, 5), (7, 8)):
        assert (drawn[:, first] == drawn[:, second]).all()
    assert (drawn[:, 0] + drawn[:, 2] == 2).all() and (drawn[:, 4] + drawn[:, 6] == 2).all()
    # Those who are alone in having images of their classes are always there.
    assert (drawn[:, [7, 8, 9]] == 1).all()
    assert drawn[:, 0].mean() == pytest.approx(1, abs=0.1) and set(drawn[:, 0]) == {0, 1, 2}


def test_every_class_stays_in_every_resample():
    drawn = weights(TRUTH, None, count=500)
    for index in (0, 1, 2):
        assert (drawn[:, index == TRUTH].sum(axis=1) == (index == TRUTH).sum()).all()


def test_the_same_table_gives_the_same_resamples():
    assert np.array_equal(weights(TRUTH, PATIENTS, count=50), weights(TRUTH, PATIENTS, count=50))
    assert not np.array_equal(weights(TRUTH, count=50), weights(TRUTH, count=50, seed=1))


def test_blocks_do_not_show_in_the_values(monkeypatch):
    share = {"share": lambda w: w @ (TRUTH == 1) / w.sum(axis=1), "two": lambda w: w[:, :2]}
    whole = Resamples(TRUTH, PATIENTS, 64).values(share)
    monkeypatch.setattr("covidnet.evaluation.bootstrap.AT_ONCE", 60)
    torn = Resamples(TRUTH, PATIENTS, 64).values(share)
    assert whole["share"].shape == torn["share"].shape == (64,) and torn["two"].shape == (64, 2)


def test_no_images():
    resamples = Resamples(np.zeros(0, dtype=int), None, 10)
    assert resamples.patients == 0 and resamples.values({}) == {}
    assert resamples.method == "bootstrap by image, 10 resamples"


def test_the_spread_is_that_of_a_mean():
    random = np.random.default_rng(3)
    values = random.normal(size=400)
    found = Resamples(np.zeros(400, dtype=int)).values({"mean": lambda w: w @ values / w.sum(axis=1)})["mean"]
    assert found.std() == pytest.approx(values.std() / 20, rel=0.06)
