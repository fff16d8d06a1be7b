from covidnet.audit.duplicates import Pair
from covidnet.audit.leakage import judge_duplicates, judge_patients
from covidnet.audit.patients import Identities
from covidnet.data.records import Record

RECORDS = [Record(f"{label}/{i}.png", label) for i, label in enumerate(["covid"] * 4 + ["normal"] * 4)]
PARTS = ["train", "train", "test", "test", "train", "train", "train", "test"]


def by_id(findings):
    return {finding.id: finding for finding in findings}


def test_copies_by_what_they_cross():
    pairs = [Pair(0, 2, "copy", 0.99), Pair(1, 5, "mirrored copy", 0.98), Pair(4, 6, "identical file", 1.0)]
    found = by_id(judge_duplicates(RECORDS, pairs, PARTS))
    assert {one: finding.severity for one, finding in found.items()} == {
        "duplicates.labels": "blocker",
        "leakage.duplicates": "blocker",
        "duplicates.within": "warning",
    }
    assert found["leakage.duplicates"].clause == "1 of 3 test images is a copy of images the model learns from"
    assert found["leakage.duplicates"].files == ("covid/0.png", "covid/2.png")
    assert found["duplicates.labels"].files == ("covid/1.png", "normal/5.png")
    assert found["duplicates.within"].numbers["kinds"] == {"identical file": 1}


def test_without_a_split_nothing_crosses_it():
    assert set(by_id(judge_duplicates(RECORDS, [Pair(0, 2, "copy", 0.99)], None))) == {"duplicates.within"}
    assert judge_duplicates(RECORDS, [], PARTS) == []


def test_patients_on_both_sides():
    who = Identities("the names", ("p1", "", "p1", "p2", "", "", "p3", "p3"))
    found = by_id(judge_patients(RECORDS, who, Identities(None, ("",) * 8), PARTS))
    assert found["leakage.patients"].severity == "blocker"
    assert found["leakage.patients"].clause == "2 of 3 test images show a patient the model learns from"
    assert set(found["leakage.patients"].files) == {RECORDS[i].path for i in (0, 2, 6, 7)}


def test_patients_kept_together_are_a_note():
    who = Identities("the names", ("p1", "p1", "", "", "", "", "", ""))
    found = by_id(judge_patients(RECORDS, who, Identities(None, ("",) * 8), PARTS))
    assert {one: finding.severity for one, finding in found.items()} == {"patients.several_films": "note"}


def test_series_are_doubted_less_and_not_told_twice():
    series = Identities("names of one series", ("s", "", "s", "", "t", "", "", "t"))
    found = by_id(judge_patients(RECORDS, Identities(None, ("",) * 8), series, PARTS))
    assert found["leakage.series"].severity == "warning" and found["leakage.unknown_patients"].severity == "note"
    known = Identities("the names", ("p1", "", "p1", "", "p2", "", "", "p2"))
    assert "leakage.series" not in by_id(judge_patients(RECORDS, known, series, PARTS))
