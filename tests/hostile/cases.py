"""What a hostile case is, and what may become of it."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

SIDE = 32
"""Pixels of a side of every drawn picture; the corpus is decoded to this size, so that nothing is resampled."""

LONGEST_LINE, LONGEST_MESSAGE = 1000, 12_000
"""Characters: an error that fills the terminal is no clear line."""


@dataclass(frozen=True)
class Case:
    """One file of the corpus.

    Attributes:
        kind: How it was made, such as ``png truncated``.
        suffix: Of its name.
        content: Its bytes.
        pixels: Shape (H, W) or (H, W, 3), what must be read; None where nothing need be.
        tolerance: How far the pixels may be off (lossy formats).
        refused: Whether it must not be read.
    """

    kind: str
    suffix: str
    content: bytes
    pixels: np.ndarray | None = None
    tolerance: int = 0
    refused: bool = False


@dataclass
class Tally:
    """Counts of outcomes and what went wrong."""

    counts: Counter = field(default_factory=Counter)
    kinds: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)

    def note(self, outcome, kind):
        """``outcome`` is read, skipped or refused."""
        self.counts[outcome] += 1
        self.kinds[f"{kind}: {outcome}"] += 1

    def fail(self, kind, why):
        """The product did something that it must not do."""
        self.counts["failures"] += 1
        self.failures.append(f"{kind}: {why}"[:2000])


def fault_of_message(text):
    """What is wrong with an error's or a reason's text; None for a clear one."""
    if not text.strip():
        return "an empty message"
    if len(text) > LONGEST_MESSAGE:
        return f"a message of {len(text)} characters"
    longest = max(map(len, text.splitlines()))
    if longest > LONGEST_LINE:
        return f"a line of {longest} characters"
    if "Traceback" in text:
        return "a traceback in a message"
    return None


def crash_text(error):
    """Class, words and the last places of an exception that nothing may raise."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames[-5:]))
    return f"{type(error).__name__}: {str(error)[:200]} at {places}"
