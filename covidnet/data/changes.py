"""How the images on the disk differ from those that a run recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from covidnet.data.split import SplitRow

LISTED = 20


def describe_changes(recorded: Sequence[SplitRow], current: Mapping[str, str]) -> list[str]:
    """How the files differ from those of the run, one line each; empty when they are the same.

    Args:
        recorded: split.csv of the run.
        current: Content hash of each readable image, by path.
    """
    known = {row.path: row.sha256 for row in recorded}
    lines = [f"missing or unreadable: {path}" for path in known if path not in current]
    lines += [f"changed: {path}" for path, digest in known.items() if path in current and current[path] != digest]
    lines += [f"new, not in the run's split: {path}" for path in current if path not in known]
    return sorted(lines)


def list_changes(changes: Sequence[str]) -> str:
    """The changes as indented lines, cut where they would fill the screen."""
    shown = [f"  {line}" for line in changes[:LISTED]]
    if len(changes) > LISTED:
        shown.append(f"  ... and {len(changes) - LISTED} more")
    return "\n".join(shown)
