"""A figure as SVG that stands inside a page: without styles of its own, in colours that the page's theme decides."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as Xml  # nosec B405  # reads what matplotlib has just drawn, nothing else

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from covidnet.data.study import printable
from covidnet.figures import style

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"

INK_NAMES = {
    to_hex(color): name
    for color, name in (
        (style.INK, "ink"),
        (style.MUTED, "muted"),
        (style.FAINT, "line"),
        (style.RC["grid.color"], "line"),
        ("white", "surface"),
        (style.WRONG, "bad"),
        *((color, f"c{index}") for index, color in enumerate(style.CLASS_COLORS)),
    )
}
"""Colours of our figures and what the page calls them; a page gives each a value for light and one for dark."""

PRESENTATION = frozenset(
    {
        "fill", "fill-opacity", "fill-rule", "stroke", "stroke-opacity", "stroke-width", "stroke-linecap",
        "stroke-linejoin", "stroke-dasharray", "stroke-dashoffset", "stroke-miterlimit", "opacity", "font-size",
        "font-weight", "font-style", "text-anchor", "clip-path", "mix-blend-mode",
    }
)  # fmt: skip
"""CSS properties that are also attributes of SVG elements."""


@dataclass(frozen=True)
class Plot:
    """A figure's SVG, and where the data range [0, 1] x [0, 1] of its first axes lies, for points that a page moves.

    Attributes:
        svg: Markup of one ``svg`` element.
        left: Abscissa of x = 0, in the SVG's units.
        right: Of x = 1.
        bottom: Ordinate of y = 0; SVG counts downwards.
        top: Of y = 1.
    """

    svg: str
    left: float
    right: float
    bottom: float
    top: float


def to_plot(figure: Figure, name: str, description: str) -> Plot:
    """The figure for a page.

    Args:
        figure: Drawn with our style; its colours become classes such as ``f-ink`` (fill) and ``s-ink`` (stroke).
        name: Unlike those of the page's other figures: identifiers are made from it.
        description: What the figure shows, for those who do not see it.
    """
    buffer = io.StringIO()
    with style.house_style(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        place = _unit_square(figure)
    # What is parsed here was written by matplotlib a moment ago.
    root = Xml.fromstring(buffer.getvalue())  # noqa: S314  # nosec B314  # what matplotlib has just drawn
    _strip(root)
    for element in root.iter():
        _restyle(element)
        _rename(element, name)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {"class": "plot", "role": "img", "aria-label": printable(description)}
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}
    return Plot(_serialize(root), *place)


def _unit_square(figure: Figure) -> tuple[float, float, float, float]:
    if not figure.axes:
        return 0.0, 0.0, 0.0, 0.0
    axes: Axes = figure.axes[0]
    scale = 72.0 / figure.dpi
    height = float(figure.bbox.height) * scale
    (left, bottom), (right, top) = axes.transData.transform([(0.0, 0.0), (1.0, 1.0)]) * scale
    return float(left), float(right), height - float(bottom), height - float(top)


def _strip(root: Xml.Element) -> None:
    """Without metadata, and without the style element that a strict policy for contents would refuse."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{SVG}}}metadata" or (
                child.tag == f"{{{SVG}}}defs" and child.find(f"{{{SVG}}}style") is not None
            ):
                parent.remove(child)


def _restyle(element: Xml.Element) -> None:
    """Turn the style attribute into attributes and classes."""
    declared = element.attrib.pop("style", None)
    if declared is None:
        return
    classes = []
    for declaration in declared.split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key == "font":
            element.attrib |= _font(value)
        elif key in PRESENTATION:
            element.set(key, value)
            ink = INK_NAMES.get(value.lower()) if key in {"fill", "stroke"} else None
            if ink:
                classes.append(f"{key[0]}-{ink}")
    if element.tag == f"{{{SVG}}}text" and "fill" not in element.attrib:
        classes.append("f-ink")
    if classes:
        element.set("class", " ".join(classes))


def _font(shorthand: str) -> dict[str, str]:
    """Size and weight of ``font: bold 10px 'DejaVu Sans'``; the family is the page's."""
    found: dict[str, str] = {}
    size = re.search(r"([\d.]+px)", shorthand)
    if size:
        found["font-size"] = size[1]
    weight = re.match(r"(?:italic |oblique )?(bold|\d{3})\b", shorthand)
    if weight:
        found["font-weight"] = weight[1]
    if shorthand.startswith(("italic", "oblique")):
        found["font-style"] = "italic"
    return found


def _rename(element: Xml.Element, name: str) -> None:
    """Keep the identifiers that something refers to, unlike those of other figures of the page; drop the others."""
    identifier = element.attrib.get("id")
    if identifier is not None:
        referred = element.tag == f"{{{SVG}}}clipPath" or not re.fullmatch(r".*_\d+", identifier)
        element.attrib.pop("id")
        if referred:
            element.set("id", f"{name}-{identifier}")
    clip = element.attrib.get("clip-path", "")
    if clip.startswith("url(#"):
        element.set("clip-path", f"url(#{name}-{clip[5:]}")
    link = element.attrib.pop(f"{{{XLINK}}}href", None)
    if link is not None:
        element.set("href", f"#{name}-{link[1:]}" if link.startswith("#") else link)


def _serialize(root: Xml.Element) -> str:
    Xml.register_namespace("", SVG)
    text: Any = Xml.tostring(root, encoding="unicode")
    return re.sub(r"\s*\n\s*", " ", str(text)).replace("> <", "><")
