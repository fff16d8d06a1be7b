"""How numbers and names are written on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from covidnet.data.study import printable

NONE = "–"

PROTOCOLS = {
    "article": "{test} test images, which also chose the epoch",
    "holdout": "{val} validation images chose the epoch; the {test} test images were not looked at before",
    "patient": "split by patient: {val} validation images chose the epoch; {test} test images of other patients",
    "kfold": "cross-validation: each image is tested by a model that did not learn from it or its patient, if known",
    "source": "each source is left out once, and compared with test images of the others",
    "given": "the data's own split: {val} images chose the epoch, {test} were tested",
}
"""What ``protocol`` means, with the number of images in each part."""

LAST_EPOCH = "{test} test images; the last epoch was scored, which nothing chose"
"""Of an evaluation with checkpoint=last."""


def score_name(name: str) -> str:
    """A score of metrics.json as readers know it: ``balanced accuracy``, ``AUROC``."""
    return "AUROC" if name == "auroc" else name.replace("_", " ")


def number(value: object, digits: int = 2) -> str:
    """A number with so many digits; a dash for what is undefined."""
    return f"{value:.{digits}f}" if isinstance(value, int | float) and not isinstance(value, bool) else NONE


def interval(limits: Mapping[str, Any] | None, digits: int = 2) -> str:
    """Such as ``[0.35, 0.93]``; empty where there is none."""
    if limits is None or limits.get("low") is None or limits.get("high") is None:
        return ""
    return f"[{number(limits['low'], digits)}, {number(limits['high'], digits)}]"


def with_interval(rate: Mapping[str, Any] | None, digits: int = 2) -> str:
    """Such as ``0.70 [0.35, 0.93]``."""
    if rate is None:
        return NONE
    return f"{number(rate.get('value', rate.get('mean')), digits)} {interval(rate, digits)}".strip()


def counted(n: int, noun: str) -> str:
    """Such as ``1 image`` and ``1,234 images``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def listed(names: Sequence[str], last: str = "and", most: int = 6) -> str:
    """Such as ``covid, normal and pneumonia``."""
    shown = [printable(name) for name in names]
    if len(shown) > most:
        return f"{', '.join(shown[: most - 1])} {last} {len(shown) - most + 1} more"
    return f" {last} ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else ""


def folder_name(path: object) -> str:
    """The last part of a path, for a heading; it may come from another system."""
    parts = [part for part in str(path or "").replace("\\", "/").split("/") if part]
    return printable(parts[-1]) if parts else ""


def probability(value: float, short: bool = False) -> str:
    """A probability whose distance from 0 and 1 can be read: ``0.42``, ``0.0013``, ``0.99983``, ``1 − 2.3e-08``.

    Args:
        value: In [0, 1].
        short: What is nearer to 1 than 0.00001 is written ``> 0.99999``.
    """
    if 0.01 <= value <= 0.99:
        return f"{value:.2f}"
    if value < 0.01:
        return f"{value:.2g}" if value > 0 else "0"
    rest = 1.0 - value
    if rest <= 0:
        return "1"
    if rest > 1e-5:
        return f"{value:.{_digits(rest)}f}"
    return "> 0.99999" if short else f"1 \N{MINUS SIGN} {rest:.1e}"


def _digits(rest: float) -> int:
    """Decimal places that show two digits of ``rest``."""
    digits = 2
    while rest < 10.0 ** (1 - digits):
        digits += 1
    return digits
