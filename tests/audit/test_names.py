import pytest

from covidnet.audit.hints import find_hints, judge_hints
from covidnet.audit.patients import find_patients, find_series
from covidnet.audit.table import Column
from covidnet.data.records import Record


def records(*paths):
    return [Record(path, path.split("/")[-2]) for path in paths]


def test_diseases_in_the_names_of_the_healthy():
    found = records(
        "normal/person1_bacteria_2.jpeg",
        "normal/person378_virus_761.jpeg",
        "normal/NORMAL2-IM-0315-0001.jpeg",
        "covid/2020_Vietnam_coronavirus.jpeg",
        "covid/ViralPneumonia12.png",
        "covid/a_bacterial.png",
        "covid/1.png",
    )
    hints = find_hints(found)
    assert {found[hint.position].path for hint in hints if hint.contradicts} == {found[i].path for i in (0, 1, 5)}
    findings = judge_hints(found, hints)
    assert [one.clause for one in findings if one.id == "labels.contradicted"] == [
        "1 of 4 files under covid are named as pneumonia",
        "2 of 3 files under normal are named as pneumonia",
    ]
    assert [one.severity for one in findings] == ["blocker", "blocker", "note"]


@pytest.mark.parametrize(
    "path",
    ["normal/abnormality.png", "normal/tbx11k-9.png", "cat/bacteria.png", "normal/viruses-free.png", "normal/x.png"],
)
def test_other_words_and_other_labels_say_nothing(path):
    assert find_hints(records(path)) == []


def test_a_single_contradiction_is_a_warning():
    found = records("normal/x_bacteria.png", *(f"normal/{i}.png" for i in range(20)))
    (finding,) = judge_hints(found, find_hints(found))
    assert finding.severity == "warning" and finding.files == ("normal/x_bacteria.png",)


def test_folders_above_the_class_speak_too():
    (hint,) = find_hints(records("covid-set/normal/1.png"))
    assert hint.contradicts and hint.word == "covid"


@pytest.mark.parametrize(
    ("path", "patient"),
    [
        ("normal/person12_bacteria_3.jpeg", "person12"),
        ("covid/lancet-case2b.jpg", "lancet-case2"),
        ("a/00000013_005.png", "00000013"),
        ("train/patient00001/study1/view1.jpg", "patient00001"),
        ("p10000032/s50414267/x.jpg", "p10000032"),
        ("sub-S03044/ses-E1/mod.png", "sub-s03044"),
        ("covid/phantom-0046.png", ""),
        ("case12/1.png", ""),  # the class's own folder
        ("covid/showcase12.png", ""),
    ],
)
def test_patient_numbers_in_names(path, patient):
    assert find_patients(records(path), None).ids == (patient,)


def test_the_table_goes_before_the_names():
    found = find_patients(records("a/person1.png", "a/person2.png"), Column("pid", ("x", "x")))
    assert found.shared() == {"x": [0, 1]} and found.origin == "the column pid"


def test_series():
    found = find_series(
        records(
            "c/fig5-day0.jpg", "c/fig5-day4.jpg", "c/nejm_f1a.jpg", "c/nejm_f1b.jpg", "c/gr2-a.jpg", "c/IM-1-0001.jpg"
        )
    )
    assert found.shared() == {"fig5*": [0, 1], "nejm_f1*": [2, 3]}
    plain = find_series(records("c/phantom-0001.png", "c/phantom-0002.png", "c/b.png", "c/a.png"))
    assert plain.shared() == {}
