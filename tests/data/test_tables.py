import pytest

from covidnet.data.columns import choose_columns
from covidnet.data.tables import listed, read_table
from covidnet.errors import DataError


def write(tmp_path, content, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_out(tmp_path, separator):
    lines = ["path", "label", "note"], ["a.png", "covid", "x, y; z"], ["b.png", "normal", ""]
    text = "\n".join(separator.join(f'"{cell}"' if "," in cell else cell for cell in row) for row in lines)
    table = read_table(write(tmp_path, text))
    assert table.header == ("path", "label", "note")
    assert table.rows == ((2, ("a.png", "covid", "x, y; z")), (3, ("b.png", "normal", "")))


def test_commas_inside_one_column_do_not_beat_semicolons(tmp_path):
    table = read_table(write(tmp_path, "path;findings;age\na.png;x, y, z;1\nb.png;x;2\n"))
    assert table.header == ("path", "findings", "age")


def test_a_table_of_one_column_is_read(tmp_path):
    assert read_table(write(tmp_path, "path\na.png\n")).column("path") == ["a.png"]


@pytest.mark.parametrize(
    "content",
    [
        "path,label\nä.png,é\n".encode("utf-8-sig"),
        "path,label\nä.png,é\n".encode(),
        "path,label\nä.png,é\n".encode("cp1252"),
        "path,label\nä.png,é\n".encode("utf-16"),
    ],
)
def test_the_encoding_is_found_out(tmp_path, content):
    assert read_table(write(tmp_path, content)).rows == ((2, ("ä.png", "é")),)


def test_an_encoding_can_be_named(tmp_path):
    path = write(tmp_path, "path,label\nж.png,covid\n".encode("cp1251"))
    assert read_table(path, encoding="cp1251").rows[0][1][0] == "ж.png"
    with pytest.raises(DataError, match=r"data.encoding=nonsense: unknown"):
        read_table(path, encoding="nonsense")
    with pytest.raises(DataError, match=r"line 2: not valid ascii"):
        read_table(path, encoding="ascii")


def test_mixed_encodings_are_refused_with_the_line(tmp_path):
    content = "path,label\nä.png,a\n".encode() + b"plain.png,b\n" + "ö.png,c\n".encode("cp1252")
    with pytest.raises(DataError, match=r"t.csv, line 4: not UTF-8.*mixes.*data.encoding=cp1252"):
        read_table(write(tmp_path, content))


def test_rows_keep_the_line_they_begin_on(tmp_path):
    table = read_table(write(tmp_path, 'path,note\n\na.png,"one\ntwo"\nb.png,x\n'))
    assert [line for line, _ in table.rows] == [3, 5]
    assert table.place(1).endswith("t.csv, line 5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; expected a table"),
        ("path,label,path\n", "line 1: the column path stands there twice"),
        ("path,label\na,b\na\nb\n", r"line 3: 1 values, expected 2 as in the header \(2 such lines\)"),
        ("path,label\na,b\0\n", "line 2: holds a NUL"),
        ('path,label\na,"b\n', "line 2: not a row of a table"),
        ("path,label\na," + "x" * (2 << 20) + "\n", "line 2: not a row of a table"),
    ],
)
def test_faults_name_the_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, text))


def test_a_missing_table_and_a_folder_are_told(tmp_path):
    with pytest.raises(DataError, match="no such table"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path)


def test_columns_are_found_by_their_well_known_names(tmp_path):
    header = ("Image Index", "Finding Labels", "Patient ID", "View Position", "note")
    asked = dict.fromkeys(("path", "label", "patient", "view", "weight"), "auto")
    assert choose_columns(tmp_path, header, asked) == {
        "path": "Image Index", "label": "Finding Labels", "patient": "Patient ID", "view": "View Position",
    }  # fmt: skip
    assert "patient" not in choose_columns(tmp_path, header, {**asked, "patient": None})
    assert choose_columns(tmp_path, header, {**asked, "patient": "note"})["patient"] == "note"


def test_columns_that_are_not_there_are_told(tmp_path):
    with pytest.raises(DataError, match=r"no column pathh \(data.columns.path\). Did you mean path\?"):
        choose_columns(tmp_path, ("path", "label"), {"path": "pathh", "label": "auto"})
    with pytest.raises(DataError, match=r"none of its columns \(a, b\) is known to hold the path"):
        choose_columns(tmp_path, ("a", "b"), {"path": "auto", "label": "a"})


def test_long_lists_of_faults_are_cut():
    assert listed(["a", "b"]).splitlines() == ["  a", "  b"]
    assert listed(list("abcdef"), shown=2).splitlines() == ["  a", "  b", "  and 4 more"]
