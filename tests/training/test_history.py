import math
import random

import pytest

from covidnet.errors import RunError
from covidnet.training.history import COLUMNS, best_row, is_better, read_history, write_history

NAN = math.nan


def rows(*pairs):
    rest = {"train_loss": 1.0, "train_acc": 0.5, "lr": 1e-3, "seconds": 0.1}
    return [
        {"epoch": i + 1.0, "val_loss": loss, "val_acc": accuracy} | rest for i, (loss, accuracy) in enumerate(pairs)
    ]


HISTORIES = {
    "the lowest loss": ([(0.5, 0.9), (0.3, 0.1), (0.4, 1.0)], 2),
    "among equal losses the highest accuracy": ([(0.3, 0.5), (0.3, 0.7), (0.3, 0.6)], 2),
    "among equal epochs the earliest": ([(0.4, 0.9), (0.3, 0.7), (0.3, 0.7)], 2),
    "a lower accuracy does not matter to a lower loss": ([(0.3, 1.0), (0.2999999, 0.0)], 2),
    "not a number never wins": ([(NAN, 1.0), (0.9, 0.1), (NAN, 1.0)], 2),
    "infinity loses to any number": ([(math.inf, 1.0), (1e30, 0.0)], 2),
    "infinity is better than nothing": ([(NAN, 1.0), (math.inf, 0.0)], 2),
    "the only one": ([(7.0, 0.0)], 1),
    "zero": ([(0.0, 1.0), (0.0, 1.0), (-0.0, 1.0)], 1),
    "none": ([(NAN, 1.0), (NAN, 0.0)], None),
    "nothing": ([], None),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_the_kept_epoch(name):
    pairs, epoch = HISTORIES[name]
    best = best_row(rows(*pairs))
    assert (None if best is None else best["epoch"]) == epoch


def test_the_rule_on_many_random_histories():
    rng = random.Random(0)
    for _ in range(300):
        made = rows(*[(rng.choice([0.1, 0.2, 0.3, NAN]), rng.choice([0.5, 0.6])) for _ in range(rng.randint(1, 8))])
        valid = [row for row in made if not math.isnan(row["val_loss"])]
        expected = min(valid, key=lambda row: (row["val_loss"], -row["val_acc"], row["epoch"]), default=None)
        assert best_row(made) is expected


def test_nothing_is_better_than_itself():
    (row,) = rows((0.3, 0.5))
    assert is_better(row, None)
    assert not is_better(row, row)


def test_history_keeps_every_bit(tmp_path):
    made = rows((0.1 + 0.2, 1 / 3), (NAN, 0.5), (math.inf, 5e-324))
    write_history(tmp_path / "history.csv", made)
    text = (tmp_path / "history.csv").read_text()
    assert text.splitlines()[0] == "epoch,train_loss,train_acc,val_loss,val_acc,lr,seconds" == ",".join(COLUMNS)
    assert text.splitlines()[1].startswith("1,1.0,0.5,0.30000000000000004,0.3333333333333333,0.001,")
    expected = [{name: row[name] for name in COLUMNS} for row in made]
    assert repr(read_history(tmp_path / "history.csv")) == repr(expected)


def test_no_file_is_no_history(tmp_path):
    assert read_history(tmp_path / "history.csv") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epoch,train_loss\n1,2\n", r": found the columns epoch, train_loss; expected epoch"),
        (",".join(COLUMNS) + "\n1,2,3\n", r", line 2: 3 values, expected 7"),
        (",".join(COLUMNS) + "\n1,a,3,4,5,6,7\n", r", line 2: not a row of epoch, train_loss"),
    ],
)
def test_a_damaged_history_names_its_line(tmp_path, text, told):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(RunError, match=rf"history\.csv{told}"):
        read_history(tmp_path / "history.csv")
