"""The statistics of a sweep on runs made up by hand: the scores and predictions are known, so are the results."""

import json
from itertools import product

import pytest

from covidnet.errors import ConfigError
from covidnet.predictions import Prediction, Predictions, write_predictions
from covidnet.runs.directories import job_name
from covidnet.sweeps.collect import collect
from covidnet.sweeps.compare import compare_all, configurations, sentence, summarize
from covidnet.sweeps.layout import SweepLayout, SweepRecord, write_record

IMAGES = [f"{'covid' if number % 2 else 'normal'}/{number}.png" for number in range(4)]


def finished_run(folder, right):
    """A finished run on 16 training and 4 test images, of which those in ``right`` are classified rightly."""
    folder.mkdir(parents=True)
    rows = []
    for number, path in enumerate(IMAGES):
        label = path.partition("/")[0]
        sure = 0.9 if number in right else 0.1
        rows.append(Prediction(path, "test", label, (sure, 1 - sure) if label == "covid" else (1 - sure, sure)))
    write_predictions(Predictions(("covid", "normal"), tuple(rows)), folder / "predictions.csv")
    parts = [
        "path,label,split,sha256",
        *(f"{path},x,test,{'0' * 64}" for path in IMAGES),
        *(f"{i},x,train,{'0' * 64}" for i in range(16)),
    ]
    (folder / "split.csv").write_text("\n".join(parts) + "\n")
    metrics = {
        "accuracy": {"value": len(right) / 4, "low": 0.0, "high": 1.0, "n": 4},
        "auroc": 0.5,
        "protocol": {"warning": "optimistic"},
        "total_seconds": 1.0,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))


def made_up(directory, keys, runs):
    """A sweep over ``keys`` with a run for each entry of ``runs``: values of the keys, and the images got right."""
    jobs = {}
    for values, right in runs.items():
        overrides = [f"{key}={value}" for key, value in zip(keys, values, strict=True)]
        name = job_name(overrides)
        jobs[name] = dict(zip(keys, map(str, values), strict=True))
        if right is not None:
            finished_run(directory / name, right)
    write_record(SweepLayout(directory), SweepRecord(tuple(keys), (), jobs))
    return collect(directory)


@pytest.fixture
def zoom(tmp_path):
    """Zoom gets one image more in each of three splits, but for the last, where it gets one less."""
    runs = {
        (1, "zoom"): {0, 1, 2}, (1, "none"): {0, 1},
        (2, "zoom"): {0, 1, 2, 3}, (2, "none"): {0, 1, 2},
        (3, "zoom"): {0}, (3, "none"): {0, 3},
    }  # fmt: skip
    return made_up(tmp_path, ["random_state", "augment.scale"], runs)


def test_configurations_are_the_swept_keys_but_the_seeds(zoom):
    groups = configurations(zoom)
    assert [group.label for group in groups] == ["augment.scale=zoom", "augment.scale=none"]
    assert [len(group.runs) for group in groups] == [3, 3]


def test_the_mean_over_splits(zoom):
    one = summarize(configurations(zoom)[0], "accuracy")
    assert (one.n, one.minimum, one.maximum) == (3, 0.25, 1.0)
    assert one.over_splits.mean == pytest.approx(2 / 3)
    assert "Nadeau" in one.over_splits.method


def test_the_paired_difference_by_hand(zoom):
    (found,) = compare_all(zoom, configurations(zoom), "accuracy")
    assert found.difference.mean == pytest.approx((0.25 + 0.25 - 0.25) / 3)
    sd = 0.28867513459481287  # of 0.25, 0.25, -0.25
    t = found.difference.mean / (sd * (1 / 3 + 4 / 16) ** 0.5)
    assert found.difference.p_value == pytest.approx(1 - t / (2 + t * t) ** 0.5)
    assert (found.only_first, found.only_second, found.images) == (2, 1, 12)
    assert found.p_mcnemar == pytest.approx(1.0)  # two-sided binomial test of 1 in 3
    assert found.p_adjusted == found.difference.p_value
    assert sentence(found).startswith("augment.scale=zoom against none changes accuracy by +0.083 [")
    assert sentence(found).endswith("over 3 splits (p = 0.74): no evidence that it helps or harms")


def test_a_clear_effect_is_called_one(tmp_path):
    runs = {(seed, "a"): {0, 1, 2, 3} for seed in range(8)} | {(seed, "b"): {seed % 2} for seed in range(8)}
    runs[(7, "b")] = {0, 1}
    sweep = made_up(tmp_path, ["random_state", "backbone"], runs)
    (found,) = compare_all(sweep, configurations(sweep), "accuracy")
    assert sentence(found).endswith(": it helps")
    (back,) = compare_all(sweep, configurations(sweep)[::-1], "accuracy")
    assert sentence(back).endswith(": it harms")
    assert found.p_mcnemar == pytest.approx(2 / 2 ** (3 * 7 + 2))


def test_lower_is_better_for_the_log_loss(tmp_path):
    runs = {(seed, backbone): {0} for seed in range(6) for backbone in "ab"}
    sweep = made_up(tmp_path, ["random_state", "backbone"], runs)
    for run in sweep.runs:
        file = run.layout.metrics
        loss = 0.1 + 0.001 * int(run.values["random_state"]) if run.values["backbone"] == "a" else 0.9
        file.write_text(json.dumps(json.loads(file.read_text()) | {"log_loss": loss}))
    sweep = collect(tmp_path)
    (found,) = compare_all(sweep, configurations(sweep), "log_loss")
    assert found.difference.mean < 0
    assert sentence(found).endswith(": it helps")


def test_more_than_two_are_corrected_by_holm(tmp_path):
    right = {
        "a": [{0, 1, 2, 3}, {0, 1, 2}, {0, 1, 2, 3}, {0, 1, 2, 3}],
        "b": [{0}, {1}, {0, 1}, {2}],
        "c": [{0, 1}, {1}, {3}, {0}],
    }
    runs = {(seed, name): options[seed] for name, options in right.items() for seed in range(4)}
    sweep = made_up(tmp_path, ["random_state", "backbone"], runs)
    found = compare_all(sweep, configurations(sweep), "accuracy")
    assert len(found) == 3
    smallest = min(found, key=lambda one: one.difference.p_value)
    assert smallest.p_adjusted == pytest.approx(3 * smallest.difference.p_value)
    assert ", Holm)" in sentence(smallest)


def test_runs_on_one_split_are_averaged_before_they_count(tmp_path):
    """Two backbones on each of two splits: by scale there are two independent differences, not four."""
    keys = ["random_state", "augment.scale", "backbone"]
    right = {"zoom": [{0, 1}, {0, 1, 2}], "none": [{0}, {0, 1}]}
    runs = {
        (split, scale, backbone): right[scale][split]
        for split, scale, backbone in product(range(2), right, ["resnet18", "resnet34"])
    }
    sweep = made_up(tmp_path, keys, runs)
    (found,) = compare_all(sweep, configurations(sweep, ["augment.scale"]), "accuracy")
    assert (found.pairs, found.difference.n) == (4, 2)


def test_seeds_on_one_split_are_no_splits(tmp_path):
    runs = {(seed, name): {0, 1} if name == "a" else {seed} for seed in range(3) for name in "ab"}
    sweep = made_up(tmp_path, ["seed", "backbone"], runs)
    (found,) = compare_all(sweep, configurations(sweep), "accuracy")
    assert found.over == "seeds" and found.difference.method == "t"


def test_equal_scores_are_no_certainty(tmp_path):
    runs = {(seed, name): {0, 1} for seed in range(3) for name in "ab"}
    sweep = made_up(tmp_path, ["random_state", "backbone"], runs)
    (found,) = compare_all(sweep, configurations(sweep), "accuracy")
    assert found.difference.low is None
    assert sentence(found) == (
        "backbone=a against b: the same accuracy in each of 3 splits: no evidence of any difference"
    )


def test_only_pairs_count(tmp_path):
    runs = {(1, "a"): {0}, (1, "b"): {1}, (2, "a"): {0}, (2, "b"): None, (3, "b"): {0}}
    sweep = made_up(tmp_path, ["random_state", "backbone"], runs)
    (found,) = compare_all(sweep, configurations(sweep), "accuracy")
    assert found.pairs == 1
    assert "says nothing about chance" in sentence(found)


def test_nothing_in_common_is_no_comparison(tmp_path):
    sweep = made_up(tmp_path, ["random_state", "backbone"], {(1, "a"): {0}, (2, "b"): {1}})
    assert compare_all(sweep, configurations(sweep), "accuracy") == []


def test_an_unswept_key_is_named_with_its_neighbour(zoom):
    with pytest.raises(ConfigError, match=r"--by augment\.scal.*Did you mean augment\.scale\?"):
        configurations(zoom, ["augment.scal"])
