import io
import subprocess
import sys

import pytest
from rich.console import Console

from covidnet import console as console_module
from covidnet.console import progress_bar, report_error, say, showable, silent
from covidnet.errors import ConfigError, DataError, MissingExtraError, RunError, WeightsError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 2),
        (DataError("x"), 1),
        (WeightsError("x"), 1),
        (RunError("x"), 1),
        (MissingExtraError("x", "timm"), 1),
        (ValueError("x"), 1),
    ],
)
def test_the_exit_status_tells_configuration_from_the_rest(error, status, capsys):
    assert report_error(error) == status
    captured = capsys.readouterr()
    assert captured.err.startswith("error: x")
    assert captured.out == ""


def test_every_line_of_an_error_is_marked_and_none_is_lost_or_wrapped(capsys):
    report_error(DataError("first [bold]line[/bold]\n" + "  second " + "x" * 500))
    assert capsys.readouterr().err.splitlines() == ["error: first [bold]line[/bold]", "error:   second " + "x" * 500]


def test_an_error_without_words_is_named(capsys):
    report_error(DataError())
    assert capsys.readouterr().err == "error: DataError\n"


def test_a_missing_extra_says_how_to_install_it():
    assert str(MissingExtraError("backbone=timm/x", "timm")) == (
        "backbone=timm/x needs an optional package: pip install 'covidnet[timm]'"
    )


def test_texts_are_printed_as_they_are(capsys):
    say("augment.scale=[0.7,1.3] [red]not red[/red] :warning: " + "x" * 300)
    captured = capsys.readouterr()
    assert captured.out == "augment.scale=[0.7,1.3] [red]not red[/red] :warning: " + "x" * 300 + "\n"
    assert captured.err == ""


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("plain [text]\nand\ttabs", "utf-8", "plain [text]\nand\ttabs"),
        ("\N{LUNGS} é", "utf-8", "\N{LUNGS} é"),
        ("\N{LUNGS} é", "ascii", "\\U0001fac1 \\xe9"),
        ("\udcff", "utf-8", "\\udcff"),
        ("\x1b[31mred\x1b]0;title\x07", "utf-8", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("over\rwritten", "utf-8", "over\\rwritten"),
        ("right\u202eleft", "utf-8", "right\\u202eleft"),
    ],
)
def test_what_a_terminal_cannot_show_is_escaped(text, encoding, shown):
    assert showable(text, encoding) == shown


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_any_file_name_can_be_printed_on_any_terminal(encoding):
    code = (
        "from covidnet.console import say, report_error; from covidnet.errors import DataError; "
        "name = 'covid/\\udcff \\x1b[31m \\u202e \\U0001fac1 é.png'; say(name); report_error(DataError(name))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        env={"PYTHONIOENCODING": f"{encoding}:strict", "NO_COLOR": "1"},
    )
    for stream in (done.stdout, done.stderr):
        assert stream.count(b"\n") == 1
        assert b"\\udcff \\x1b[31m \\u202e" in stream


def test_a_bar_shows_on_a_terminal_only(monkeypatch):
    for terminal in (True, False):
        written = io.StringIO()
        monkeypatch.setattr(console_module, "console", Console(file=written, force_terminal=terminal, width=80))
        with progress_bar("decoding images", 3) as advance:
            for _ in range(3):
                advance()
        assert ("decoding images" in written.getvalue()) == terminal
        assert ("3/3" in written.getvalue()) == terminal
        assert terminal or written.getvalue() == ""


def test_what_is_silent_is_not_printed_and_ends_with_its_block(capsys):
    with silent():
        with silent(False):  # within, nothing speaks again
            say("a")
        say("b")
    with silent(False):
        say("c")
    say("d")
    assert capsys.readouterr().out.split() == ["c", "d"]
