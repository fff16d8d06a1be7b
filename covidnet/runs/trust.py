"""A run directory may be a stranger's: what is written into it must stay in it."""

from __future__ import annotations

import os
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from covidnet.errors import RunError

OWN_CACHE = "${oc.env:XDG_CACHE_HOME,${oc.env:HOME,.}/.cache}/covidnet"
"""As conf/data/base.yaml has it."""
CACHE_HAS = "locks"
"""What every folder has that `covidnet.data.cache` wrote into."""

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


def keep_to_caches(config: DictConfig) -> None:
    """Change a stored configuration to this user's own pixel cache, where the folder that it names is no cache yet.

    A run directory goes on with the cache that it was made with; one that comes from elsewhere does not choose where
    on this machine files are written.
    """
    folder = OmegaConf.to_container(config, resolve=False)
    for key in ("data", "cache_dir"):
        folder = folder.get(key) if isinstance(folder, dict) else None
    if isinstance(folder, str) and folder != OWN_CACHE and not _is_cache(folder):
        config.data.cache_dir = OWN_CACHE


def _is_cache(folder: str) -> bool:
    try:
        return (Path(folder).expanduser() / CACHE_HAS).is_dir()
    except (OSError, ValueError, RuntimeError):  # a name that no file system takes, or no such home folder
        return False


def may_be_drawn(folder: Path, run: Path) -> bool:
    """Whether phantoms of a stored configuration may be drawn into ``folder``, which is not there.

    They may in the present directory and beside the run directory or the sweep that it is part of, where train.py drew
    them.
    """
    wanted = folder.resolve()
    return any(wanted.is_relative_to(place) for place in (Path.cwd(), *run.resolve().parents[:2]))
