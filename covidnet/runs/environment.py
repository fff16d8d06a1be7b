"""environment.json: what a run was made with, enough to make it again."""

from __future__ import annotations

import platform
import subprocess  # nosec B404  # for git, see _run_git
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "covidnet",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "omegaconf",
    "scikit-learn",
    "scipy",
    "numpy",
    "pillow",
    "pydicom",
    "imagecodecs",
    "matplotlib",
    "tensorboard",
    "timm",
    "captum",
)


def describe_environment(device: str, data: dict[str, Any]) -> dict[str, Any]:
    """Versions, machine, code and data of this process, as plain values."""
    import torch

    return {
        "command": [Path(sys.executable).name, *sys.argv],
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None},
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "device": device,
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "git": _git(),
        "data": data,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name; Python's own answer is often empty on Linux."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git() -> dict[str, Any] | None:
    """The commit that this package's code stands at; None outside a checkout or without git."""
    folder = Path(__file__).resolve().parents[2]
    commit = _run_git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {
        "commit": commit,
        "changed_files": len((_run_git(folder, "status", "--porcelain") or "").splitlines()),
    }


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell  # nosec B603 B607  # the same, and any git
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
