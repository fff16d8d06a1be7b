import pytest

from covidnet.spreadsheet import guarded, safe_path, safe_text, unguarded


@pytest.mark.parametrize("name", ["=1+1.png", "+1.png", "-1.png", "@SUM(A1).png", " =1.png", "\t=1.png", "＝1.png"])
def test_no_name_begins_a_formula(name):
    assert safe_path(name) == f"./{name}"
    assert safe_text(name) == f"'{name}"


@pytest.mark.parametrize("name", ["covid", "a=1.png", "person-1.png", "", "'x", "./=1.png", "folder/=1.png"])
def test_others_stay_as_they_are(name):
    assert safe_path(name) == safe_text(name) == name


@pytest.mark.parametrize("text", ["=1", "'=1", "''=1", "+x", "-x", "@x", "\u3000=1", "＝1", "'-1", "' =1"])
def test_a_guarded_text_is_read_back(text):
    assert guarded(text).startswith("'") and unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["\t=1", "a;=1", "a;;\t-x", "a;'=1", "\r\n=1", "'\t=1", ";\t=1;+;''@"])
def test_no_cell_begins_in_the_middle_of_a_text(text):
    shown = guarded(text)
    assert unguarded(shown) == text
    assert not any(
        one.lstrip().startswith(("=", "+", "-", "@")) for part in shown.split(";") for one in part.split("\t")
    )


def test_even_a_number_may_begin_a_formula_where_the_whole_row_is_a_cell():
    assert guarded("-1", first=True) == "'-1" and unguarded("'-1") == "-1"
    assert guarded("1", first=True) == "1"


@pytest.mark.parametrize("value", ["", "x", "'x", "-1", "+1.5e-3", "-inf", "a=1", 3, -2.5, None, " '=1"])
def test_numbers_and_plain_texts_are_not_guarded(value):
    assert guarded(value) == value
    assert not isinstance(value, str) or unguarded(value) == value
