import pytest

from covidnet.data.patients import name_patients, patient_in_name
from covidnet.data.records import Record
from covidnet.errors import ConfigError

RECORDS = [Record("north/covid/person12_virus_7.png", "covid"), Record("south/normal/scan.png", "normal")]


@pytest.mark.parametrize(
    ("path", "patient"),
    [
        ("covid/person12_virus_50.jpeg", "person12"),
        ("covid/lancet-case2a.jpg", "lancet-case2"),
        ("00000013_005.png", "00000013"),
        ("p10000032/covid/view1.png", "p10000032"),
        ("case12/x.png", ""),  # the folder of a class
        ("covid/scan.png", ""),
    ],
)
def test_names_that_tell_a_patient(path, patient):
    assert patient_in_name(path) == patient


def test_patients_and_sources_are_read_off_paths():
    named = name_patients(RECORDS, "names", "^([^/]+)/")
    assert [(record.patient, record.source) for record in named] == [("person12", "north"), ("", "south")]
    named = name_patients(RECORDS, r"(\w+)\.png$", None)
    assert [record.patient for record in named] == ["person12_virus_7", "scan"]
    assert name_patients(RECORDS, None, None) == RECORDS


@pytest.mark.parametrize(
    ("patients", "sources", "message"),
    [
        ("(", None, r"data.patients=\(: not a regular expression"),
        ("person", None, "has no group"),
        (None, "^(x+)/", "data.sources=.*fits none of the 2 paths"),
    ],
)
def test_expressions_that_do_not_work_are_told(patients, sources, message):
    with pytest.raises(ConfigError, match=message):
        name_patients(RECORDS, patients, sources)


def test_names_that_tell_nobody_are_told():
    with pytest.raises(ConfigError, match="no image's name tells its patient"):
        name_patients(RECORDS[1:], "names", None)
