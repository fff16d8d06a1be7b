"""From values to one self-contained page: templates that escape, and a policy that refuses what is not in it."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from covidnet.figures.svg import Plot

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = Path(__file__).parent / "assets"

STYLES = ("colours", "page", "tools", "screens", "print")
SCRIPTS = ("tools", "intervals", "threshold", "images", "runs")
"""Parts of the page's script, which is one function: names of one part are known to the next."""
START = "[theme, printing, copying, contents, slider, images, sortable].forEach(function (start) { start(); });"


def render(template: str, **values: Any) -> str:
    """Fill a template. Everything is escaped but the markup that this package makes itself.

    Raises:
        jinja2.UndefinedError: The template asks for what is not there.
    """
    style, early, script = _style(), _asset("theme.js"), _script()
    policy = "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src {_hash(style)}",
            f"script-src {_hash(early)} {_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return (
        _environment()
        .get_template(template)
        .render(
            policy=policy,
            style=_own(style),
            early=_own(early),
            script=_own(script),
            **values,
        )
    )


def _own(text: str) -> Markup:
    """What our own files hold."""
    return Markup(text)  # noqa: S704  # nosec B704  # see above


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = _svg
    environment.filters["as_json"] = _as_json
    return environment


def _clean(value: Any) -> Any:
    """Names of strangers may hold bytes that are no text, and control characters."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in value)


def _svg(plot: Plot) -> Markup:
    """Our own figure: its texts were escaped when it was drawn."""
    return Markup(plot.svg)  # noqa: S704  # nosec B704  # see above


def _as_json(value: Any) -> Markup:
    """JSON that can stand in a script element, whatever names it holds."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704  # nosec B704  # see above


@cache
def _style() -> str:
    return "\n".join(_asset(f"{name}.css") for name in STYLES)


@cache
def _script() -> str:
    parts = "\n\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    return f'(function () {{\n"use strict";\n{parts}\n\n{START}\n}})();'


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
