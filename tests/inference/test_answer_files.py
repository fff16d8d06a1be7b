import csv
import json

import pytest

from covidnet.errors import DataError
from covidnet.inference.answer import Answer
from covidnet.inference.calibration import Calibration
from covidnet.inference.predictor import Model
from covidnet.inference.tables import write_answers
from covidnet.runs.layout import RunLayout

NOTICE = "For research only; never a diagnosis."


class Fake:
    classes = ("=cmd", "normal")
    unchecked = ()

    def __init__(self, run):
        self.models = [Model(RunLayout(run), None, Calibration(1.5, ""), None)]
        self.unchecked = []


ANSWERS = [
    Answer("a.png", "normal", (0.1, 0.9), (), {"features": 0.5, "picture": 0.25}, "x/1.png"),
    Answer("=1+1.png", "=cmd", (0.75, 0.25), ("in colour: much",), {"features": 0.5}),
    Answer('x;=1,"y"\n-2.png', None, None, ("blank: yes", "odd shape: no"), {"features": float("inf")}),
    Answer("caf\udce9.png", None, None, ("unreadable: empty file",)),
]


@pytest.fixture
def predictor(tmp_path):
    return Fake(tmp_path / "run")


def test_csv(tmp_path, predictor):
    write_answers(tmp_path / "out.csv", "csv", iter(ANSWERS), predictor)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "predicted", "prob_=cmd", "prob_normal", "abstained", "reason", "distance_features",
                      "distance_picture", "saliency", "notice"]  # fmt: skip
    assert rows == [
        ["a.png", "normal", "0.1", "0.9", "0", "", "0.5", "0.25", "x/1.png", NOTICE],
        ["./=1+1.png", "'=cmd", "0.75", "0.25", "0", "in colour: much", "0.5", "", "", NOTICE],
        ['x;=1,"y"\n-2.png', "", "", "", "1", "blank: yes; odd shape: no", "inf", "", "", NOTICE],
        ["caf\udce9.png", "", "", "", "1", "unreadable: empty file", "", "", "", NOTICE],
    ]
    # whatever the separator, no cell begins within a name
    assert (tmp_path / "out.csv").read_bytes().splitlines()[2].startswith(b'"./=1+1.png","\'=cmd","')


def test_json(tmp_path, predictor):
    write_answers(tmp_path / "out.json", "json", iter(ANSWERS), predictor)
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["notice"] == NOTICE and content["classes"] == ["=cmd", "normal"]
    assert content["models"] == [{"run": str(tmp_path / "run"), "temperature": 1.5}]
    assert [image["path"] for image in content["images"]] == [answer.path for answer in ANSWERS]
    assert content["images"][0] == {
        "path": "a.png", "predicted": "normal", "probabilities": {"=cmd": 0.1, "normal": 0.9}, "abstained": False,
        "reasons": [], "distance_features": 0.5, "distance_picture": 0.25, "saliency": "x/1.png",
    }  # fmt: skip
    assert content["images"][2]["probabilities"] is None and content["images"][2]["distance_features"] is None


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_table_is_written_whole_or_not_at_all(tmp_path, predictor, kind):
    def broken():
        yield ANSWERS[0]
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_answers(tmp_path / f"out.{kind}", kind, broken(), predictor)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_no_images_make_an_empty_table(tmp_path, predictor, kind):
    write_answers(tmp_path / "out", kind, [], predictor)
    text = (tmp_path / "out").read_text()
    assert json.loads(text)["images"] == [] if kind == "json" else len(text.splitlines()) == 1


def test_where_nothing_can_be_written_is_said(tmp_path, predictor):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"output=.*file/out\.csv: cannot be written \(.+\)\. Give another file"):
        write_answers(tmp_path / "file" / "out.csv", "csv", ANSWERS, predictor)
