import numpy as np
import pytest

from covidnet.errors import RunError
from covidnet.predictions import Prediction, Predictions, read_predictions, write_predictions

CLASSES = ("covid", "normal")


def row(path="a.png", split="test", label="covid", probabilities=(0.5, 0.5)):
    return Prediction(path, split, label, tuple(probabilities))


def round_trip(predictions, folder):
    write_predictions(predictions, folder / "predictions.csv")
    return read_predictions(folder / "predictions.csv")


def test_every_bit_of_every_probability_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.random(500), 10.0 ** -rng.uniform(0, 320, 500), [0.0, 1.0, 5e-324, 1 - 2**-53]])
    table = Predictions(CLASSES, tuple(row(f"{i}.png", probabilities=(p, 1 - p)) for i, p in enumerate(values)))
    again = round_trip(table, tmp_path)
    assert again == table
    assert again.probabilities.tobytes() == table.probabilities.tobytes()


def test_float32_probabilities_come_back_as_the_same_numbers(tmp_path):
    value = np.float32(0.1)
    assert round_trip(Predictions(CLASSES, (row(probabilities=(value, 1 - value)),)), tmp_path).probabilities[0, 0] == (
        float(value)
    )


@pytest.mark.parametrize(
    "name", ["two\nlines", "a\rb", 'comma," quote', "\udcff", "\N{LUNGS}", "prob_", "=cmd", " ", "path", "predicted"]
)
def test_hostile_names_come_back(tmp_path, name):
    classes = ("covid", name)
    table = Predictions(classes, (row(f"{name}/{name}.png", label=name), row(f"{name}.png", label="covid")))
    assert round_trip(table, tmp_path) == table


def test_the_columns_and_what_follows_from_the_probabilities(tmp_path):
    table = Predictions(CLASSES, (row("a", "val", "covid", (0.25, 0.75)), row("b", "test", "normal", (0.5, 0.5))))
    write_predictions(table, tmp_path / "predictions.csv")
    assert (tmp_path / "predictions.csv").read_text().splitlines() == [
        "path,split,label,prob_covid,prob_normal,predicted,correct",
        "a,val,covid,0.25,0.75,normal,0",
        "b,test,normal,0.5,0.5,covid,0",  # the first among equals
    ]
    assert table.truth.tolist() == [0, 1]
    assert table.predicted.tolist() == [1, 0]
    assert table.probabilities.shape == (2, 2)
    assert len(table) == 2


def test_one_split_only():
    table = Predictions(CLASSES, (row("a", "val"), row("b", "test"), row("c", "val")))
    assert [one.path for one in table.of_split("val").rows] == ["a", "c"]
    assert table.of_split("val").classes == CLASSES
    assert len(table.of_split("train")) == 0


def test_no_rows(tmp_path):
    table = round_trip(Predictions(CLASSES, ()), tmp_path)
    assert table == Predictions(CLASSES, ())
    assert table.probabilities.shape == (0, 2)
    assert table.predicted.shape == table.truth.shape == (0,)


def test_columns_that_others_added_do_no_harm(tmp_path):
    (tmp_path / "predictions.csv").write_text("reader,prob_b,prob_a,label,path,split\nx,0.25,0.75,a,1.png,test\n")
    assert read_predictions(tmp_path / "predictions.csv") == Predictions(
        ("b", "a"), (row("1.png", "test", "a", (0.25, 0.75)),)
    )


HEADER = "path,split,label,prob_covid,prob_normal,predicted,correct\n"
GOOD = "a.png,test,covid,0.75,0.25,covid,1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found the columns none; expected path, split, label, prob_CLASS"),
        ("path,split,label\n", "found the columns path, split, label; expected"),
        ("path,split,prob_a\n", "found the columns path, split, prob_a; expected"),
        ("path,split,label,prob_a,prob_a\n", "each once"),
        (HEADER + GOOD + "b.png,test,covid,0.75\n", "line 3: 4 values, expected 7"),
        (HEADER + "b.png,test,covid,0.75,0.25,covid,1,x\n", "line 2: 8 values, expected 7"),
        (HEADER + GOOD + GOOD + "b.png,test,covid,high,0.25,covid,1\n", "line 4: a probability is not a number"),
        (HEADER + "b.png,test,covid,,0.25,covid,1\n", "line 2: a probability is not a number"),
        (HEADER + GOOD + "b.png,test,covid,nan,0.25,covid,1\n", r"line 3: probabilities .* not all in \[0, 1\]"),
        (HEADER + "b.png,test,covid,inf,0.25,covid,1\n", "line 2: probabilities"),
        (HEADER + "b.png,test,covid,1.5,0.25,covid,1\n", "line 2: probabilities"),
        (HEADER + "b.png,test,covid,-0.5,0.25,covid,1\n", "line 2: probabilities"),
        (HEADER + GOOD + '"two\nlines",test,corona,0.5,0.5,covid,1\n', "line 4: label 'corona' is none of covid, norm"),
        (HEADER + '"b.png,test,covid,0.5,0.5,covid,1\n', "line 2: not a CSV table"),
    ],
)
def test_malformed_tables_are_refused_with_the_line(tmp_path, text, message):
    (tmp_path / "predictions.csv").write_text(text)
    with pytest.raises(RunError, match=rf"predictions\.csv.*{message}"):
        read_predictions(tmp_path / "predictions.csv")


def test_a_missing_table(tmp_path):
    with pytest.raises(RunError, match=r"predictions\.csv: missing\. .*evaluate\.py run=RUN_DIR"):
        read_predictions(tmp_path / "predictions.csv")


def test_patients_and_sources_are_columns_where_any_is_known(tmp_path):
    rows = (Prediction("a", "test", "x", (0.5, 0.5), "p1", "here"), Prediction("b", "test", "y", (0.25, 0.75)))
    predictions = Predictions(("x", "y"), rows)
    write_predictions(predictions, tmp_path / "predictions.csv")
    assert read_predictions(tmp_path / "predictions.csv") == predictions
    assert predictions.patients == ("p1", "\0b")
    unknown = Predictions(("x", "y"), rows[1:])
    write_predictions(unknown, tmp_path / "unknown.csv")
    assert "patient" not in (tmp_path / "unknown.csv").read_text()
    assert unknown.patients is None
