"""All measurements of speed, one after another, on an idle machine; results go to benchmarks/results/.

    python benchmarks/all.py --machine 2-cores                  about an hour on two cores
    python benchmarks/all.py --machine h100 --device cuda       the figures for a GPU
    python benchmarks/all.py --machine 2-cores --only epoch,startup

The machine's name becomes part of the files' names. A measurement that fails is told at the end; the others go on.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SMALL = ("--image-size", "64")


def main() -> int:
    """Run the chosen measurements; the exit status is 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machine", required=True)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--only", help="names such as epoch,sweep; default: all")
    arguments = parser.parse_args()
    chosen = set(arguments.only.split(",")) if arguments.only else None
    failed = []
    for script, label, options in measurements(arguments.device):
        if chosen is not None and script not in chosen:
            continue
        output = HERE / "results" / f"{'-'.join(part for part in (script, label, arguments.machine) if part)}.json"
        command = [sys.executable, str(HERE / f"{script}.py"), *options, "--output", str(output)]
        print(f"\n{shlex.join(command)}", flush=True)
        if subprocess.run(command, cwd=HERE.parent).returncode:
            failed.append(output.stem)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


def measurements(device: str) -> list[tuple[str, str, list[str]]]:
    """Script, what tells its results from others of the script, and options."""
    if device == "cuda":
        gpu = ["--device", "cuda"]
        many = ["--device", "gpu", "--pack", "20", "--runs", "20", "--epochs", "50", "--image-size", "224"]
        return [
            ("epoch", "50-images", ["--phantoms", "50", "--rounds", "20", *gpu]),
            ("epoch", "500-images", ["--phantoms", "500", "--rounds", "5", *gpu]),
            ("epoch", "5000-images", ["--phantoms", "5000", "--rounds", "3", *gpu]),
            ("command", "50-epochs", ["--epochs", "50", *gpu]),
            ("sweep", "pack-20", ["--rounds", "1", *many]),
            ("accuracy", "", ["--device", "gpu", "--epochs", "20", "--image-size", "224"]),
        ]
    return [
        ("startup", "", []),
        ("allocator", "", ["--phantoms", "50"]),
        ("epoch", "50-images", ["--phantoms", "50"]),
        ("epoch", "500-images-64-pixels", ["--phantoms", "500", *SMALL]),
        ("epoch", "5000-images-64-pixels", ["--phantoms", "5000", "--rounds", "2", *SMALL]),
        ("command", "50-images", ["--epochs", "5", "--rounds", "2"]),
        ("sweep", "pack-2", ["--pack", "2", "--rounds", "1"]),
        ("decode", "", []),
        ("accuracy", "", []),
    ]


if __name__ == "__main__":
    sys.exit(main())
