"""Names for people: the nearest valid name to a mistyped one, and strings that any shell and file system takes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

LINE_BREAKS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
"""Where `str.splitlines` divides."""


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like ``name``, or None when none is close."""
    candidates = list(valid)
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return by_lower[matches[0]] if matches else None


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """A clause " Did you mean X?" to append to an error message; empty when no valid name is close."""
    match = nearest(name, valid)
    return f" Did you mean {match}?" if match else ""


def slug(text: str, limit: int = 40) -> str:
    """``text`` reduced to letters, digits, dot, dash and underscore, at most ``limit`` characters.

    Lists lose their brackets and commas: ``[0.7,1.3]`` becomes ``0.7-1.3``.
    """
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    return re.sub(r"-{2,}", "-", cleaned)[:limit].strip("-._")


def short_value(text: str, limit: int = 40) -> str:
    """A configuration value for a heading: numbers with four digits, no spaces in lists, long texts by their end."""
    text = text.strip("'\"").replace(", ", ",")
    if re.fullmatch(r"-?\d+\.\d{5,}(e-?\d+)?", text):
        return f"{float(text):.4g}"
    return text if len(text) <= limit else f"...{text[-limit + 3 :]}"


def cut(text: str, limit: int = 100) -> str:
    """``text`` on one line for a message: a longer one by its beginning and its length."""
    return on_one_line(text[:limit]) + (f"... ({len(text):,} characters)" if len(text) > limit else "")


def on_one_line(text: str) -> str:
    """``text`` with its line breaks as escapes: a file's name must not look like a line of ours."""
    return "".join(char.encode("unicode_escape").decode("ascii") if char in LINE_BREAKS else char for char in text)


def listed_names(names: Sequence[str], limit: int = 12) -> str:
    """Names for a message, separated by commas; of many the first, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(cut(name, 60) for name in names[:limit]) + more
