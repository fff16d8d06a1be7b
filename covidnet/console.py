"""What the user sees on the terminal: plain lines on standard output, errors without tracebacks on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from covidnet.errors import CovidnetError

console = Console(highlight=False, soft_wrap=True, emoji=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

LONGEST_LINE = 4000
"""Characters of an error's line; a stranger's file may hold a word of a million."""

RESEARCH_ONLY = "For research only; never a diagnosis."


def say(text: str) -> None:
    """Print one text; square brackets are no markup here."""
    console.print(showable(text, console.encoding), markup=False)


def report_error(error: Exception) -> int:
    """Print an error's lines to standard error and return its exit status (1 unless its class says otherwise)."""
    for line in str(error).splitlines() or [type(error).__name__]:
        shown = line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}..."
        errors.print(f"error: {showable(shown, errors.encoding)}", markup=False, style="red")
    return error.exit_status if isinstance(error, CovidnetError) else 1


def showable(text: str, encoding: str) -> str:
    """``text`` with an escape for what the terminal cannot show, or would take as a command.

    File names of strangers may hold bytes that are no text, and control characters.
    """
    escaped = "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )
    return escaped.encode(encoding, "backslashreplace").decode(encoding)


@contextmanager
def silent(quiet: bool = True) -> Iterator[None]:
    """Keep what the block says off the terminal, if it is to be ``quiet``: of many alike, one needs to speak."""
    before = console.quiet
    console.quiet = before or quiet
    try:
        yield
    finally:
        console.quiet = before


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal while the block runs; the value given advances it by one."""
    if not console.is_terminal:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)
