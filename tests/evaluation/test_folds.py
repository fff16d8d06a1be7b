import pytest

from covidnet.evaluation.external import accuracy_drop
from covidnet.evaluation.folds import Fold, pool_folds, summarize_folds
from covidnet.predictions import Prediction, Predictions


def table(*rows):
    return Predictions(("a", "b"), tuple(Prediction(path, part, label, (p, 1 - p)) for path, part, label, p in rows))


def fold(predictions, accuracy, external=None, trained=8):
    metrics = {"accuracy": {"value": accuracy}, "auroc": None, "n": len(predictions.of_split("test"))}
    if external:
        metrics["external"] = {
            "sources": external[0],
            "accuracy": {"value": external[1]},
            "accuracy_drop": {"value": external[2]},
        }
    return Fold(predictions, metrics, trained)


def test_each_image_has_one_pooled_row():
    first = table(("1", "test", "a", 0.75), ("2", "val", "b", 0.5), ("x", "external", "a", 1.0))
    second = table(("2", "test", "b", 0.25), ("1", "val", "a", 0.5), ("x", "external", "a", 0.5))
    pooled = pool_folds([fold(first, 1.0), fold(second, 1.0)])
    assert [(row.path, row.split, row.probabilities[0]) for row in pooled.rows] == [
        ("1", "test", 0.75), ("2", "test", 0.25), ("x", "external", 0.75),
    ]  # fmt: skip


def test_repetitions_are_averaged():
    one, other = table(("1", "test", "a", 0.75)), table(("1", "test", "a", 0.25))
    assert pool_folds([fold(one, 1.0), fold(other, 0.0)]).rows[0].probabilities == (0.5, 0.5)


def test_the_spread_between_folds_allows_for_overlapping_training_sets():
    predictions = table(("1", "test", "a", 0.75), ("2", "test", "a", 0.75))
    summary = summarize_folds([fold(predictions, value) for value in (0.5, 0.75, 1.0)])
    assert summary["accuracy"]["mean"] == 0.75
    assert summary["accuracy_per_fold"] == [0.5, 0.75, 1.0]
    # t(0.975, 2) = 4.3027; sd 0.25; sqrt(1/3 + 2/8) = 0.76376: the limits are cut at 0 and 1
    assert summary["accuracy"]["low"] == pytest.approx(max(0.0, 0.75 - 4.3027 * 0.25 * 0.76376), abs=1e-4)
    assert summary["accuracy"]["high"] == 1.0
    assert "external" not in summary


def test_drops_are_one_per_source():
    predictions = table(("1", "test", "a", 0.75))
    folds = [fold(predictions, 1.0, ([name], 1.0 - drop, drop)) for name, drop in (("x", 0.1), ("y", 0.2), ("z", 0.3))]
    summary = summarize_folds(folds)
    assert summary["accuracy_drop"]["mean"] == pytest.approx(0.2)
    assert summary["accuracy_drop"]["method"] == "t"
    assert [one["sources"] for one in summary["external"]] == [["x"], ["y"], ["z"]]
    same = summarize_folds([fold(predictions, 1.0, ([], 1.0 - drop, drop)) for drop in (0.1, 0.2, 0.3)])
    assert "Nadeau" in same["accuracy_drop"]["method"]
    assert same["accuracy_drop"]["high"] > summary["accuracy_drop"]["high"]


def rows(right, n):
    return table(*((str(i), "test", "a", 0.75 if i < right else 0.25) for i in range(n)))


def test_the_drop_has_newcombes_interval():
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table II, example (a): 56/70 - 48/80, method 10
    drop = accuracy_drop(rows(56, 70), rows(48, 80))
    assert drop["value"] == pytest.approx(0.2)
    assert (drop["low"], drop["high"]) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_no_images_no_drop():
    assert accuracy_drop(rows(0, 0), rows(1, 2))["value"] is None
