import re
import subprocess
import sys
from collections import Counter
from itertools import product

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from covidnet.data.split import SplitRow, read_split, stratified_split, write_split
from covidnet.errors import DataError, RunError

ARTICLE = ["covid"] * 25 + ["normal"] * 25
HASH = "0123456789abcdef" * 4


def labelled(**counts):
    return [name for name, count in counts.items() for _ in range(count)]


@pytest.mark.parametrize(
    ("labels", "random_state", "test_size"),
    [
        (ARTICLE, 50, 0.2),
        (ARTICLE, 0, 0.2),
        (ARTICLE, 2**32 - 1, 0.5),
        (labelled(a=7, b=31, c=12), 3, 0.3),
        (["b", "a", "c"] * 9, 7, 0.25),
    ],
)
def test_equal_to_scikit_learns_own(labels, random_state, test_size):
    split = stratified_split(labels, random_state, test_size)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=test_size, random_state=random_state, stratify=labels
    )
    assert split.parts.keys() == {"train", "test"}
    assert split.parts["train"].tolist() == sorted(train)
    assert split.parts["test"].tolist() == sorted(test)
    assert all(part.dtype == np.int64 for part in split.parts.values())


def test_the_articles_numbers():
    parts = stratified_split(ARTICLE, 50, 0.2).parts
    assert {name: Counter(ARTICLE[i] for i in part) for name, part in parts.items()} == {
        "train": {"covid": 20, "normal": 20},
        "test": {"covid": 5, "normal": 5},
    }


def test_random_state_decides_the_split():
    def test_part(random_state):
        return stratified_split(ARTICLE, random_state, 0.2).parts["test"].tolist()

    assert test_part(0) == test_part(0)
    assert len({tuple(test_part(random_state)) for random_state in range(10)}) == 10


@pytest.mark.parametrize("val_size", [None, 0.1])
def test_the_parts_are_stratified_and_hold_every_image_once(val_size):
    labels = labelled(a=100, b=50, c=20)
    split = stratified_split(labels, 1, 0.2, val_size)
    everything = np.concatenate(list(split.parts.values()))
    assert sorted(everything.tolist()) == list(range(170))
    for part in split.parts.values():
        counts = Counter(labels[position] for position in part)
        for name, count in (("a", 100), ("b", 50), ("c", 20)):
            assert abs(counts[name] - count * len(part) / 170) <= 1
    assert split.positions("all").tolist() == list(range(170))
    assert split.names() == {int(i): name for name, part in split.parts.items() for i in part}


def test_holdout_divides_what_the_test_part_leaves():
    split = stratified_split(ARTICLE, 50, 0.2, 0.2)
    rest, test = train_test_split(np.arange(50), test_size=0.2, random_state=50, stratify=ARTICLE)
    train, val = train_test_split(rest, test_size=0.25, random_state=50, stratify=[ARTICLE[i] for i in rest])
    assert {name: part.tolist() for name, part in split.parts.items()} == {
        "train": sorted(train),
        "val": sorted(val),
        "test": sorted(test),
    }
    assert [len(split.parts[name]) for name in ("train", "val", "test")] == [30, 10, 10]
    assert np.array_equal(split.parts["test"], stratified_split(ARTICLE, 50, 0.2).parts["test"])


def test_without_a_validation_part_the_test_images_validate():
    article, holdout = stratified_split(ARTICLE, 50, 0.2), stratified_split(ARTICLE, 50, 0.2, 0.2)
    assert article.validation == "test"
    assert np.array_equal(article.positions("val"), article.parts["test"])
    assert holdout.validation == "val"
    assert np.array_equal(holdout.positions("val"), holdout.parts["val"])


def test_fewer_than_two_classes():
    with pytest.raises(DataError, match=r"found 1 class \(covid 10\); expected at least two\. Give .* data\.root=PATH"):
        stratified_split(["covid"] * 10, 0, 0.2)


@pytest.mark.parametrize(("count", "val_size", "needed"), [(1, None, 2), (2, 0.2, 3)])
def test_a_class_with_too_few_images(count, val_size, needed):
    with pytest.raises(
        DataError,
        match=rf"class tiny has fewer than {needed} images \(found covid 20, tiny {count}\).*Add images, or take",
    ):
        stratified_split(labelled(covid=20, tiny=count), 0, 0.2, val_size)


@pytest.mark.parametrize(
    ("test_size", "val_size", "message"),
    [
        (0.01, None, "data.test_size=0.01 divides 50 images into 1 and 49; .* a share from 0.04 to 0.96"),
        (0.97, None, "data.test_size=0.97 divides 50 images into 49 and 1; .* a share from 0.04 to 0.96"),
        (0.2, 0.01, "data.val_size=0.01 divides 40 images into 1 and 39; .* share from 0.04 to 0.76"),
        (0.5, 0.49, "data.val_size=0.49 divides 25 images into 25 and 0; .*each of 2 classes on both sides"),
    ],
)
def test_shares_that_leave_a_part_too_small(test_size, val_size, message):
    with pytest.raises(DataError, match=message):
        stratified_split(ARTICLE, 0, test_size, val_size)


@pytest.mark.parametrize(("test_size", "val_size"), [(0.04, None), (0.96, None), (0.2, 0.04), (0.2, 0.76)])
def test_the_shares_that_the_message_offers_are_good(test_size, val_size):
    parts = stratified_split(ARTICLE, 0, test_size, val_size).parts
    assert min(len(part) for part in parts.values()) == 2


def test_no_share_is_offered_where_none_is_good():
    with pytest.raises(DataError, match=r"divides 3 images into 2 and 1; .*both sides\. Add images\."):
        stratified_split(labelled(a=3, b=3), 0, 0.5, 0.3)


def test_a_class_that_would_be_missing_from_a_part_is_an_error():
    with pytest.raises(
        DataError, match=r"data\.test_size=0\.1 leaves one side .* without any image of rare \(found covid 20, rare 2\)"
    ):
        stratified_split(labelled(covid=20, rare=2), 0, 0.1)
    with pytest.raises(DataError, match=r"data\.val_size=0\.2 cannot divide class a, of which one image is left"):
        stratified_split(labelled(a=3, b=5), 0, 0.5, 0.2)


def test_every_combination_gives_all_classes_in_all_parts_or_a_clear_error():
    sizes, shares = (2, 3, 5, 8), (0.05, 0.2, 0.5, 0.8)
    outcomes = Counter()
    for first, second, test_size, val_size in product(sizes, sizes, shares, (None, 0.1, 0.2, 0.3)):
        if test_size + (val_size or 0) >= 1:
            continue
        labels = labelled(a=first, b=second)
        try:
            parts = stratified_split(labels, 0, test_size, val_size).parts
        except DataError as error:
            assert re.search(r"data\.\w+_size=|has fewer than", str(error))
            outcomes["refused"] += 1
        else:
            assert all({labels[position] for position in part} == {"a", "b"} for part in parts.values())
            outcomes["split"] += 1
    assert min(outcomes["refused"], outcomes["split"]) > 30


def test_shares_are_not_refused_for_a_rounding_error():
    # 10 * (1 - 0.8) is 1.9999999999999996 in floating point.
    assert len(stratified_split(labelled(a=5, b=5), 0, 0.8).parts["train"]) == 2


ODD_ROWS = [
    SplitRow('covid/a b,"c".png', "covid", "train", HASH),
    SplitRow("covid/two\nlines.png", "covid", "test", HASH),
    SplitRow("covid/return\r.png", "covid", "test", HASH),
    SplitRow("n\udce9gatif/\udcff.png", "n\udce9gatif", "val", HASH),
    SplitRow("\N{LUNGS}/'=1+1.png", "\N{LUNGS}", "train", HASH),
    SplitRow("-/#.png ", "-", "train", HASH),
]


def test_the_table_comes_back_whatever_the_names(tmp_path):
    write_split(tmp_path / "split.csv", ODD_ROWS)
    assert read_split(tmp_path / "split.csv") == ODD_ROWS
    assert (tmp_path / "split.csv").read_bytes().startswith(b"path,label,split,sha256\n")


def test_a_missing_table(tmp_path):
    with pytest.raises(RunError, match=r"split\.csv: missing\. Expected a run directory"):
        read_split(tmp_path / "split.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"found the columns ; expected path, label, split, sha256"),
        ("path,label\na,b\n", r"found the columns path, label; expected path, label, split, sha256"),
        (f"path,label,split,sha256\na,b,test,{HASH}\na,b,test\n", r"line 3: 3 values, expected 4"),
        (f"path,label,split,sha256\na,b,test,{HASH},x\n", r"line 2: 5 values, expected 4"),
        (f"path,label,split,sha256\na,b,tset,{HASH}\n", r"line 2: split 'tset' is none of train, val, test"),
        ("path,label,split,sha256\na,b,test,abc\n", r"line 2: 'abc' is not a SHA-256"),
        (f'path,label,split,sha256\n"a,b,test,{HASH}\n', r"line 2: not a CSV table"),
    ],
)
def test_malformed_tables_are_refused_with_the_line(tmp_path, text, message):
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(RunError, match=message):
        read_split(tmp_path / "split.csv")


def test_importing_is_light():
    modules = "records, split, images, pixels, dataset, study"
    heavy = "{'torch', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)"
    code = f"import sys; from covidnet.data import {modules}; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True)
