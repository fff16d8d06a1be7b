"""A few hundred hostile files and tables; python -m tests.hostile tries ten thousand."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covidnet.config.stored import read_config
from covidnet.console import console, showable
from covidnet.data.tables import read_table
from covidnet.errors import CovidnetError, DataError
from covidnet.files import read_csv, write_csv
from covidnet.predictions import Prediction, Predictions, read_predictions, write_predictions
from covidnet.spreadsheet import STARTS

from .cases import fault_of_message
from .folders import judge_changes, judge_folder
from .tables import judge_tables


@pytest.fixture(autouse=True)
def _console_as_before(monkeypatch):
    """The judges silence it, each in a process of its own but here."""
    monkeypatch.setattr(console, "quiet", console.quiet)


QUICK = settings(
    max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SEPARATORS = (",", ";", "\t")


def texts():
    """Any text, with whatever looks like a formula or ends a cell more often than by chance."""
    odd = st.sampled_from(
        ["=1", "'=1", "''-x", "+", "-1", "@a", " =1", "\r", "\n", '"', ";=1", "\t=1", "a,b", "\x1b[31m"]
    )
    plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
    return st.one_of(odd, plain, st.builds(str.__add__, odd, plain))


def test_files_are_read_rightly_or_left_out_with_a_reason(tmp_path):
    tally = judge_folder(1, range(250), tmp_path)
    assert not tally.failures
    assert tally.counts["read"] > 60 and tally.counts["skipped"] > 60


def test_files_that_change_while_they_are_read(tmp_path):
    assert not judge_changes(2, range(20), tmp_path, seconds=0.4).failures


def test_tables_are_read_or_refused_in_clear_lines(tmp_path):
    tally = judge_tables(3, range(150), tmp_path)
    assert not tally.failures
    assert tally.counts["read"] > 15 and tally.counts["refused"] > 30


@QUICK
@given(content=st.binary(max_size=300))
def test_any_bytes_are_a_table_or_refused(tmp_path, content):
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    try:
        read_table(file)
    except DataError as error:
        assert fault_of_message(str(error)) is None


@QUICK
@given(
    text=texts(),
    encoding=st.sampled_from(["idna", "punycode", "rot13", "zlib", "utf-7", "undefined", "unicode_escape", "x"]),
)
def test_any_encoding_is_refused_in_words(tmp_path, text, encoding):
    file = tmp_path / "x.csv"
    file.write_bytes(text.encode())
    try:
        read_table(file, "comma", encoding)
    except DataError as error:
        assert fault_of_message(str(error)) is None


@QUICK
@given(rows=st.lists(st.tuples(texts(), texts()), max_size=5))
def test_tables_are_read_back_as_written_and_hold_no_formula(tmp_path, rows):
    file = tmp_path / "x.csv"
    write_csv(file, ["a", "b"], rows)
    _, lines = read_csv(file, "")
    assert [tuple(values) for _, values in lines] == rows
    text = file.read_bytes().decode()
    for separator in SEPARATORS:  # whichever the spreadsheet takes
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            for cell in row:
                assert not cell.lstrip().startswith(STARTS) or is_number(cell)


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


@QUICK
@given(
    names=st.lists(texts().filter(bool), min_size=2, max_size=2, unique=True),
    path=texts().filter(bool),
    patient=texts(),
)
def test_predictions_of_any_names_are_read_back(tmp_path, names, path, patient):
    table = Predictions(tuple(names), (Prediction(path, "test", names[0], (0.25, 0.75), patient),))
    write_predictions(table, tmp_path / "predictions.csv")
    assert read_predictions(tmp_path / "predictions.csv") == table


@QUICK
@given(text=st.text(max_size=200))
def test_no_text_moves_the_terminal(text):
    shown = showable(text, "utf-8")
    assert all(char.isprintable() or char in "\n\t" for char in shown)


@QUICK
@given(text=st.one_of(st.text(max_size=100), st.text("a:${}[]-&*!? \n'\"\t|>%@`", max_size=40)))
def test_any_yaml_is_a_configuration_or_refused(tmp_path, text):
    file = tmp_path / "config.yaml"
    file.write_text(text, errors="surrogatepass")
    try:
        read_config(file)
    except CovidnetError as error:
        assert fault_of_message(str(error)) is None


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run with everything but checkpoints."""
    from made_up_runs import add_saliency, made_up, make_run

    rows = made_up(8, "val") + made_up(12, "test")
    directory = make_run(tmp_path_factory.mktemp("base"), rows)
    add_saliency(directory, rows[8:10])
    return directory


def test_run_directories_with_any_file_mutated(tmp_path, base):
    from .runs import judge_runs

    assert not judge_runs(4, range(9), tmp_path, base, ["report", "saliency", "sweep"]).failures
