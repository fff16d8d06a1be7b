import pytest

from covidnet.spreadsheet import safe_path, safe_text


@pytest.mark.parametrize("name", ["=1+1.png", "+1.png", "-1.png", "@SUM(A1).png", " =1.png", "\t=1.png", "＝1.png"])
def test_no_name_begins_a_formula(name):
    assert safe_path(name) == f"./{name}"
    assert safe_text(name) == f"'{name}"


@pytest.mark.parametrize("name", ["covid", "a=1.png", "person-1.png", "", "'x", "./=1.png", "folder/=1.png"])
def test_others_stay_as_they_are(name):
    assert safe_path(name) == safe_text(name) == name
