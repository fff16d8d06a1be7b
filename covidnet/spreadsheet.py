"""CSV cells that no spreadsheet takes for a formula, whatever strangers call their files.

A cell that begins with one of ``= + - @`` is computed when the table is opened (OWASP, "CSV injection"). Paths get
``./`` in front, which names the same file to every program, and other texts an apostrophe. All cells are quoted, so
that a spreadsheet whose separator is a semicolon does not begin a cell in the middle of a name.
"""

from __future__ import annotations

import re

STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""The last four are the wide forms, which some spreadsheets read alike."""

_START = r"'*[^\S;\t\r\n]*[=+\-@＝＋－＠]"
_WITHIN = re.compile(rf"([;\t\r\n])(?={_START})")
"""Where a spreadsheet with another separator would begin a cell, and a formula, in the middle of a text."""
_GUARDED_WITHIN = re.compile(rf"([;\t\r\n])'(?={_START})")


def safe_path(path: str) -> str:
    """A relative path that names the same file and begins no formula."""
    return f"./{path}" if _begins_formula(path) else path


def safe_text(text: str) -> str:
    """A text that begins no formula."""
    return f"'{text}" if _begins_formula(text) else text


def _begins_formula(text: str) -> bool:
    return text.lstrip().startswith(STARTS)


def guarded(value: object, *, first: bool = False) -> object:
    """A cell of a table that is read back: an apostrophe before a text that begins a formula, see `unguarded`.

    Numbers, also as text, stay as they are; a text that already looks guarded gets one more apostrophe.

    Args:
        value: The cell.
        first: Whether it is the first of its row. A spreadsheet with another separator takes the whole row for one
            cell, so that even a number there could begin a formula.
    """
    if not isinstance(value, str) or (_is_number(value) and not first):
        return value
    inner = _WITHIN.sub(r"\1'", value)
    return f"'{inner}" if _looks_guarded(inner) else inner


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    inner = text[1:] if text.startswith("'") and _looks_guarded(text) else text
    return _GUARDED_WITHIN.sub(r"\1", inner)


def _looks_guarded(text: str) -> bool:
    return _begins_formula(text.lstrip("'"))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
