"""Markdown whose names cannot leave their place."""

from __future__ import annotations

import re
from collections.abc import Sequence

SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&])")
"""Characters that begin or end something in Markdown or HTML, wherever they stand in a line."""


def escape(text: object) -> str:
    """``text`` on one line, to be read as it is; names of strangers may hold markup, line breaks and other bytes."""
    escaped = SPECIAL.sub(r"\\\1", _one_line(str(text)))
    return escaped.replace("://", ":\\/\\/")  # no address becomes a link


def code(text: object) -> str:
    """``text`` as a code span."""
    inner = _one_line(str(text))
    fence = "`" * (max((len(run) for run in re.findall(r"`+", inner)), default=0) + 1)
    space = " " if inner.startswith("`") or inner.endswith("`") else ""
    return f"{fence}{space}{inner}{space}{fence}"


def code_block(lines: Sequence[str]) -> list[str]:
    """Lines indented by four spaces, which nothing inside can end."""
    return [f"    {line}" for text in lines for line in _lines(text)]


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _lines(text: str) -> list[str]:
    return [_one_line(line) for line in text.split("\n")]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of cells that are Markdown already."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]
