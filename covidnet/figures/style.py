"""One look for all figures, and how a figure becomes a file or an array. Nothing here touches pyplot."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, cast

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

from covidnet.data.study import printable
from covidnet.files import write_with

P = ParamSpec("P")

DPI = 120
DISCLAIMER = "Research only, not a diagnosis."
INK = "#262626"
MUTED = "#6b6b6b"
FAINT = "#d9d9d9"
WRONG = "#c1121f"

# Okabe and Ito's palette, told apart with every common colour blindness, less the yellow that fades on white.
CLASS_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")

# Values of a property (colour mode, file type), not classes, so other hues: Tol's "light" palette.
VALUE_COLORS = (
    "#77aadd",
    "#eedd88",
    "#ee8866",
    "#44bb99",
    "#ffaabb",
    "#bbcc33",
    "#99ddff",
    "#aaaa00",
    "#dddddd",
)

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    # A file or class name with two dollar signs is no formula.
    "text.parse_math": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Our look on top of matplotlib's defaults, so that the user's matplotlibrc changes no figure.

    It also holds while drawing, since some ticks and texts only come to be then.
    """
    with matplotlib.style.context(["default", RC]), warnings.catch_warnings():
        # A file name in a script that the font lacks is drawn as boxes; a warning per letter helps no one.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a function that draws a figure to do so in `house_style`."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with house_style():
            return draw(*args, **kwargs)

    return wrapper


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG whole or not at all; the same figure gives the same bytes."""

    def write(temporary: Path) -> None:
        with house_style():
            figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})

    write_with(path, write)


def figure_to_array(figure: Figure) -> NDArray[np.uint8]:
    """Draw the figure as RGB pixels, shape (H, W, 3), values 0 to 255."""
    with house_style():
        figure.set_dpi(DPI)
        # matplotlib has no type hints for its Agg renderer.
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        pixels: NDArray[np.uint8] = np.array(canvas.buffer_rgba(), dtype=np.uint8)
    return np.ascontiguousarray(pixels[..., :3])


def class_color(index: int, size: int) -> Any:
    """The colour of class ``index`` of ``size``: from the palette where it lasts, else from a colour map."""
    if size <= len(CLASS_COLORS):
        return CLASS_COLORS[index]
    return matplotlib.colormaps["turbo"](0.05 + 0.9 * index / (size - 1))


def class_marker(index: int) -> str:
    """A marker for class ``index``, so that colour is never the only difference."""
    return MARKERS[index % len(MARKERS)]


def shorten_middle(text: str, limit: int) -> str:
    """``text`` on one line in at most ``limit`` characters; the middle goes, start and suffix stay."""
    text = printable(text)
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def short_names(names: Sequence[str], limit: int) -> list[str]:
    """Each name shortened by `shorten_middle`."""
    return [shorten_middle(name, limit) for name in names]


def fit_text(text: str, inches: float, size: float, weight: str = "normal") -> str:
    """``text`` on one line, shortened in the middle until it is no wider than ``inches`` at ``size`` points.

    Measured, not counted: a name in capitals takes twice the room of one in small letters.
    """
    text = printable(text)
    font = FontProperties(family=RC["font.family"], size=size, weight=weight)
    renderer = cast(Any, RendererAgg)(1, 1, DPI)
    limit = len(text)
    while limit > 3:
        candidate = shorten_middle(text, limit)
        width = renderer.get_text_width_height_descent(candidate, font, ismath=False)[0]
        if width <= DPI * inches:
            return candidate
        limit = min(limit - 1, int(limit * DPI * inches / width) + 1)
    return shorten_middle(text, limit)


def grid_shape(n: int, most_columns: int) -> tuple[int, int]:
    """Rows and columns for ``n`` cells: a little wider than high, and the last row as full as can be."""
    ideal = max(1, math.ceil(math.sqrt(1.6 * n)))
    candidates = [columns for columns in range(max(1, ideal - 1), ideal + 3) if columns <= most_columns]
    columns = min(candidates or [most_columns], key=lambda columns: (-n % columns, abs(columns - ideal)))
    return math.ceil(n / columns), columns


def cell_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes without ticks at a place in inches from the figure's top left corner.

    Placed by hand, as a layout engine takes seconds for 64 images.
    """
    across, down = figure.get_size_inches()
    axes = figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def header(figure: Figure, title: str, note: str = "", left: float = 0.2) -> None:
    """A title and a quieter line below it, at the figure's top left; they take 0.75 inches."""
    across, down = figure.get_size_inches()
    figure.text(left / across, 1 - 0.2 / down, title, fontsize=13, fontweight="bold", va="top")
    figure.text(left / across, 1 - 0.45 / down, note, fontsize=9.5, color=MUTED, va="top")


def footer(figure: Figure, text: str = DISCLAIMER, left: float = 0.2) -> None:
    """A line at the figure's bottom left; it takes 0.3 inches."""
    across, down = figure.get_size_inches()
    figure.text(left / across, 0.1 / down, text, fontsize=9, color=MUTED, style="italic", va="bottom")


def draw_image(axes: Axes, image: NDArray[np.generic]) -> None:
    """Show (C, H, W) pixels, 8-bit or floats in [0, 1], grey when C is 1; the whole image is seen."""
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(np.nan_to_num(pixels), 0.0, 1.0) * 255).astype(np.uint8)
    shown = np.repeat(pixels, 3, axis=0) if pixels.shape[0] == 1 else pixels[:3]
    axes.imshow(shown.transpose(1, 2, 0), aspect="equal")


def frame(axes: Axes, color: Any, width: float) -> None:
    """Colour and thicken the axes' border."""
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=width)
