import json
import threading

import pytest

from covidnet.errors import RunError
from covidnet.files import read_csv, replacing, write_csv, write_json, write_text, write_with


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def failing_rows():
    yield ["1", "2"]
    raise RuntimeError("out of rows")


def partly(path):
    path.write_text("half")
    raise RuntimeError("out of ink")


FAILING = {
    "json": lambda path: write_json(path, {"value": float("nan")}),
    "json of no plain value": lambda path: write_json(path, {"value": object()}),
    "csv": lambda path: write_csv(path, ["a", "b"], failing_rows()),
    "text": lambda path: write_text(path, "lone surrogate \ud800"),
    "with": lambda path: write_with(path, partly),
    "interrupted": lambda path: write_with(path, interrupted),
}


def interrupted(path):
    path.write_text("half")
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", FAILING)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, kind):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises((ValueError, TypeError, RuntimeError, KeyboardInterrupt)):
        FAILING[kind](path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["table.csv"]
    path.unlink()
    with pytest.raises((ValueError, TypeError, RuntimeError, KeyboardInterrupt)):
        FAILING[kind](path)
    assert names(tmp_path) == []


def test_a_good_write_replaces_the_old_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    write_text(path, "first\n")
    write_text(path, "second\n")
    assert path.read_bytes() == b"second\n"
    assert names(path.parent) == ["file.txt"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file.png"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path  # on the same file system, so that the renaming is atomic
        assert temporary.name.startswith(".") and temporary.suffix == ".png"  # matplotlib goes by the suffix
    assert path.read_text() == "new"


def test_writers_at_once_leave_one_of_their_files_whole(tmp_path):
    path = tmp_path / "file.txt"
    texts = [str(number) * 100_000 for number in range(4)]
    threads = [threading.Thread(target=write_text, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("name", ["x" * 250 + ".txt", "\N{LUNGS}" * 60 + ".txt", "no suffix", "latin\udce9.txt"])
def test_names_at_the_file_systems_limits(tmp_path, name):
    write_text(tmp_path / name, "text")
    assert names(tmp_path) == [name]


def test_json_is_indented_ordered_and_plain_ascii(tmp_path):
    value = {"z": 1, "a": [0.1, None, True], "name": "\N{LUNGS} \udcff"}
    write_json(tmp_path / "file.json", value)
    text = (tmp_path / "file.json").read_text(encoding="ascii")
    assert json.loads(text) == value
    assert text.index('"z"') < text.index('"a"')
    assert text.endswith("}\n") and '\n  "z": 1' in text


def test_text_keeps_undecodable_file_names(tmp_path):
    write_text(tmp_path / "file.txt", "a \udcff b")
    assert (tmp_path / "file.txt").read_bytes() == b"a \xff b"


ODD = [
    "",
    " ",
    "comma,",
    'quote"',
    "two\nlines",
    "a\rb",
    "\r",
    "\r\n",
    "\udcff",
    "\N{LUNGS}",
    "=1+1",
    "'",
    "\ttab",
    "#",
]


def test_csv_returns_every_value(tmp_path):
    rows = [[value, other] for value in ODD for other in ODD]
    write_csv(tmp_path / "table.csv", ["a\r", "b\n"], rows)
    header, lines = read_csv(tmp_path / "table.csv", "")
    assert header == ["a\r", "b\n"]
    assert [row for _, row in lines] == rows


def test_csv_lines_end_plainly_and_numbers_are_written_as_python_does(tmp_path):
    write_csv(tmp_path / "table.csv", ["a", "b"], [(1, 0.1 + 0.2), (True, None)])
    assert (tmp_path / "table.csv").read_bytes() == b"a,b\n1,0.30000000000000004\nTrue,\n"


def test_line_numbers_are_those_of_the_file(tmp_path):
    (tmp_path / "table.csv").write_text('a,b\n1,2\n\n"two\nlines",4\n')
    assert read_csv(tmp_path / "table.csv", "") == (["a", "b"], [(2, ["1", "2"]), (5, ["two\nlines", "4"])])
    (tmp_path / "table.csv").write_text('a,b\n1,2\n\n"two\nlines",4\n5\n')
    with pytest.raises(RunError, match=r"table\.csv, line 6: 1 values, expected 2 as in the header"):
        read_csv(tmp_path / "table.csv", "")


@pytest.mark.parametrize("content", [b'a,b\n1,"2', b'a,b\n1,"2"3\n', b"a,b\n1," + b"2" * 200_000])
def test_what_is_no_csv_is_refused(tmp_path, content):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(RunError, match=r"table\.csv, line 2: not a CSV table"):
        read_csv(tmp_path / "table.csv", "")


def test_bytes_that_are_no_text_do_no_harm(tmp_path):
    (tmp_path / "table.csv").write_bytes(bytes(range(256)))
    with pytest.raises(RunError, match=r"table\.csv, line \d+: "):
        read_csv(tmp_path / "table.csv", "")


def test_an_empty_and_a_missing_file(tmp_path):
    (tmp_path / "table.csv").touch()
    assert read_csv(tmp_path / "table.csv", "") == ([], [])
    with pytest.raises(RunError, match=r"other\.csv: missing\. Do this\."):
        read_csv(tmp_path / "other.csv", "Do this.")
    with pytest.raises(RunError, match=r"missing\. Do this\."):
        read_csv(tmp_path, "Do this.")
