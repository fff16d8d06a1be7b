"""A run directory may be a stranger's: what is written into it must stay in it."""

from __future__ import annotations

import os
from pathlib import Path

from covidnet.errors import RunError

MOST_ENTRIES = 200_000
"""Files and folders of a run directory, or of a sweep; more are not looked at."""


def refuse_links_outside(directory: Path) -> None:
    """Refuse a run directory with a link in it that leads out of it, or that leads nowhere.

    Results are written below the directory. A link in place of a folder, or of the log, would have them written
    wherever a stranger pointed it.

    Raises:
        RunError: There is such a link.
    """
    top = directory.resolve()
    seen = 0
    for folder, folders, files in os.walk(directory):  # links are listed and not followed
        seen += len(folders) + len(files)
        if seen > MOST_ENTRIES:
            raise RunError(f"{directory}: more than {MOST_ENTRIES:,} files; this is no run directory.")
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and not _leads_into(path, top):
                raise RunError(
                    f"{path}: a link that leads out of the run directory, where nothing of a run may be written. "
                    "Put the file or folder itself in its place."
                )


def _leads_into(path: Path, top: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(top)
    except (OSError, RuntimeError):  # the latter for loops, in older Pythons
        return False
