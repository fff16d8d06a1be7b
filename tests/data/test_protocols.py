import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold
from toy import toy_settings

from covidnet.data.protocols import count_folds, sources_of, split_records
from covidnet.data.records import Record
from covidnet.errors import ConfigError, CovidnetError, DataError


def keys(*overrides):
    return toy_settings(*overrides)


def make(patients, labels, sources=None):
    sources = sources or [""] * len(labels)
    return [
        Record(f"{number:04d}.png", label, patient, source)
        for number, (patient, label, source) in enumerate(zip(patients, labels, sources, strict=True))
    ]


def adversarial(kind, seed):
    """Groupings that split badly: one huge patient, twins in both classes, many singles, all patients in pairs."""
    rng = np.random.default_rng(seed)
    if kind == "one huge":
        patients = ["big"] * 40 + [f"p{i}" for i in range(60)]
        labels = ["u"] * 40 + ["u", "v"] * 30
    elif kind == "both classes":
        patients = [f"p{i % 20}" for i in range(100)]
        labels = ["u" if i < 50 else "v" for i in range(100)]
    elif kind == "heavy tail":
        patients = [f"p{int(one)}" for one in rng.zipf(1.5, 120) % 40]
        labels = ["uvw"[int(one)] for one in rng.integers(0, 3, 120)]
    elif kind == "some unknown":
        patients = [f"p{i // 3}" if i % 2 else "" for i in range(90)]
        labels = ["uv"[i % 2] for i in range(90)]
    elif kind == "odd names":
        names = ["", " ", "0", "None", "\u202e", "a/b", "0000.png", "a\nb"]
        patients = [names[i % 8] + (str(i // 4) if names[i % 8] else "") for i in range(96)]
        labels = ["uv"[i // 8 % 2] for i in range(96)]
    else:
        patients = [f"p{i // 2}" for i in range(80)]
        labels = ["uv"[i // 2 % 2] for i in range(80)]
    order = rng.permutation(len(labels))
    return make([patients[i] for i in order], [labels[i] for i in order], ["abc"[i % 3] for i in range(len(labels))])


@pytest.mark.parametrize("kind", ["one huge", "both classes", "heavy tail", "some unknown", "odd names", "pairs"])
@pytest.mark.parametrize("protocol", ["holdout", "patient", "kfold", "source"])
def test_no_patient_is_on_two_sides(kind, protocol):
    made = 0
    for seed in range(8):
        records = adversarial(kind, seed)
        folds = range(3) if protocol in {"kfold", "source"} else [None]
        for fold in folds:
            more = [] if fold is None else [f"fold={fold}"]
            asked = keys(f"protocol={protocol}", "folds=3", f"random_state={seed}", *more)
            try:
                split = split_records(asked, records)
            except DataError:
                continue  # refused in words; what matters is that nothing torn comes out
            made += 1
            sides = {}
            for part, positions in split.parts.items():
                for position in positions:
                    if records[position].patient and part != "unused":
                        sides.setdefault(records[position].patient, set()).add(part)
            assert all(len(parts) == 1 for parts in sides.values())
            every = np.sort(np.concatenate(list(split.parts.values())))
            assert every.tolist() == list(range(len(records)))
            assert {records[i].label for i in split.parts["train"]} == {record.label for record in records}
    # Where every patient is in all sources, leaving one out leaves nothing.
    assert made or (protocol == "source" and kind in {"both classes", "one huge", "heavy tail"})


def test_shares_are_kept_as_near_as_groups_allow():
    records = adversarial("pairs", 0)
    split = split_records(keys("protocol=patient"), records)
    sizes = {name: len(part) for name, part in split.parts.items()}
    assert sizes == {"train": 48, "val": 16, "test": 16}
    for part in split.parts.values():
        assert sum(records[i].label == "u" for i in part) == len(part) / 2


def test_the_random_state_decides():
    records = adversarial("pairs", 0)
    tests = {
        tuple(split_records(keys("protocol=patient", f"random_state={state}"), records).parts["test"])
        for state in (1, 2, 3, 1)
    }
    assert len(tests) == 3


def test_a_k_fold_tests_each_image_once_and_is_scikit_learns():
    records = make([""] * 30, ["u"] * 12 + ["v"] * 18)
    labels = [record.label for record in records]
    expected = StratifiedKFold(5, shuffle=True, random_state=7).split(np.zeros(30), labels)
    tested = []
    for fold, (_, test) in enumerate(expected):
        split = split_records(keys("protocol=kfold", "random_state=7", f"fold={fold}"), records)
        assert split.parts["test"].tolist() == test.tolist()
        assert len(split.parts["val"]) == 6  # a fifth of all images
        tested += split.parts["test"].tolist()
    assert sorted(tested) == list(range(30))


def test_repetitions_are_other_folds():
    records = make([""] * 40, ["u", "v"] * 20)
    asked = [f"fold={fold}" for fold in range(6)]
    splits = [split_records(keys("protocol=kfold", "folds=2", "repeats=3", one), records) for one in asked]
    for repeat in range(3):
        tested = [i for split in splits[2 * repeat : 2 * repeat + 2] for i in split.parts["test"]]
        assert sorted(tested) == list(range(40))
    assert len({tuple(split.parts["test"]) for split in splits}) == 6


def test_leaving_a_source_out_also_leaves_out_its_patients_elsewhere():
    sources = ["a"] * 20 + ["b"] * 20 + ["c"] * 20
    patients = [f"p{i // 2}" for i in range(60)]
    patients[0] = patients[1] = patients[59]  # one patient in a and c
    records = make(patients, [["u", "v"][i // 2 % 2] for i in range(60)], sources)
    records[0] = Record("0000.png", records[59].label, patients[59], "a")
    records[1] = Record("0001.png", records[59].label, patients[59], "a")
    split = split_records(keys("protocol=source", "fold=2"), records)
    assert split.parts["external"].tolist() == list(range(40, 60))
    assert split.parts["unused"].tolist() == [0, 1]
    assert len(split.parts["test"]) == pytest.approx(0.2 * 38, abs=1)


def test_the_number_of_folds():
    records = make([""] * 6, ["u", "v"] * 3, ["x", "y", "z"] * 2)
    assert sources_of(records) == ["x", "y", "z"]
    assert count_folds(keys("protocol=source"), records) == 3
    assert count_folds(keys("protocol=kfold", "folds=4", "repeats=2"), records) == 8
    assert count_folds(keys("protocol=holdout"), records) is None


def given(splits):
    return [Record(f"{i}.png", "uv"[i % 2], f"p{i}", split=split) for i, split in enumerate(splits)]


def test_the_tables_own_split_is_taken():
    split = split_records(keys("protocol=given"), given(["train"] * 4 + ["val"] * 2 + ["test"] * 2))
    assert {name: part.tolist() for name, part in split.parts.items()} == {
        "train": [0, 1, 2, 3], "val": [4, 5], "test": [6, 7],
    }  # fmt: skip
    assert split_records(keys("protocol=given"), given(["train"] * 4 + ["test"] * 2)).validation == "test"


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (given(["train"] * 4 + ["holdout"]), r"1 images have no part of the split, such as 4.png \(holdout\)"),
        (given(["train"] * 4), "puts no image into test"),
        (given(["train", "test", "train", "test"]), "no training image shows v"),
        (
            [Record(f"{i}.png", "uv"[i % 2], "p", split=["train", "test"][i // 2]) for i in range(4)],
            "1 patients are in more",
        ),
    ],
)
def test_a_split_that_cannot_be_used_is_refused(records, message):
    with pytest.raises(DataError, match=message):
        split_records(keys("protocol=given"), records)


@pytest.mark.parametrize(
    ("overrides", "records", "message"),
    [
        (["protocol=patient"], make([""] * 8, ["u", "v"] * 4), "no image's patient is known.*data.patients=names"),
        (["protocol=source"], make([""] * 8, ["u", "v"] * 4), "found 0 sources and 8 images without one"),
        (["protocol=source"], make([""] * 8, ["u", "v"] * 4, ["a", "b"] * 4), "only the source a has images of u"),
        (
            ["protocol=source", "fold=2"],
            make([""] * 8, ["u", "v"] * 4, ["a", "a", "b", "b"] * 2),
            "the sources are 0 a, 1 b",
        ),
        (["protocol=kfold"], make([""] * 8, ["u", "v"] * 4), "class u, v has fewer images than folds"),
        (["protocol=kfold"], make(["p", "q"] * 20, ["u", "v"] * 20), "fewer patients than folds"),
        (["protocol=patient"], make(["p", "q"] * 20, ["u", "v"] * 20), "cannot divide 40 images of 2 patients"),
        (["protocol=kfold", "folds=2", "data.val_size=0.6"], make([""] * 8, ["u", "v"] * 4), "leaves nothing to train"),
    ],
)
def test_what_cannot_be_split_is_told(overrides, records, message):
    with pytest.raises(CovidnetError, match=message):
        split_records(keys(*overrides), records)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["fold=1"], "protocol=article has no folds"),
        (["protocol=kfold", "fold=5"], "make the folds 0 to 4"),
        (["protocol=source", "data.external=/x"], "is the external test set already"),
        (["protocol=kfold", "sweep.prune=median"], "cannot be pruned"),
        (["protocol=patient", "data.test_size=0.5", "data.val_size=0.5"], "leave nothing to train on"),
    ],
)
def test_keys_that_do_not_fit_each_other_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        keys(*overrides)


def test_many_patients_are_divided_as_evenly_as_few():
    patients = [f"p{i // 2}" for i in range(6000)]
    records = make(patients, ["uvw"[i // 2 % 3] for i in range(6000)])
    splits = [split_records(keys("protocol=kfold", f"fold={fold}"), records) for fold in range(5)]
    tested = [i for split in splits for i in split.parts["test"].tolist()]
    assert sorted(tested) == list(range(6000))
    for split in splits:
        assert len(split.parts["test"]) == 1200
        assert sum(records[i].label == "u" for i in split.parts["test"]) == 400
        sides = [{patients[i] for i in part} for part in split.parts.values()]
        assert sum(map(len, sides)) == 3000
