"""How commands are found in a page."""

import pytest
import written


@pytest.fixture
def commands_of(tmp_path, monkeypatch):
    def read(text):
        page = tmp_path / "page.md"
        page.write_text(text)
        monkeypatch.setattr(written, "ROOT", tmp_path)
        return [(command.line, command.text) for command in written.commands(page)]

    return read


def test_code_blocks_fences_and_inline_code(commands_of):
    indented = "Text\n\n    python a.py x=1    # a remark\n    result 1\n\n"
    text = indented + "```bash\nmake test\n```\n\nor `python b.py`, `b.py`.\n"
    assert commands_of(text) == [(3, "python a.py x=1"), (7, "make test"), (10, "python b.py")]


def test_a_backslash_goes_on_and_quoted_spaces_stay(commands_of):
    assert commands_of("\n    python a.py \\\n        'x={a:  b}'   words\n") == [(2, "python a.py 'x={a:  b}'")]


def test_text_is_no_command(commands_of):
    assert commands_of("python a.py is a file\n* a list\n    python b.py in its second line\n") == []
