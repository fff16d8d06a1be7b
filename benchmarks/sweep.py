"""How long a sweep takes against the same runs as separate commands, side by side in one run, with the same results.

    python benchmarks/sweep.py
    python benchmarks/sweep.py --data PATH --epochs 3 --output benchmarks/results/sweep-MACHINE.json
    python benchmarks/sweep.py --pack 2 --runs 8
    python benchmarks/sweep.py --device gpu --pack 20 --runs 20 --epochs 50 --image-size 224

Each round runs eight short trainings in two ways, as one command with -m and as eight commands in a row, and compares
their wall times and their predictions; with --pack K also with K of them at once. Without --data, the runs are on
phantoms. Runs at once have fewer CPU threads each, which changes the order of sums: how far their probabilities lie
from those of the others is reported, while the first two ways must agree to the last bit.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASKED = 0.6


def main() -> int:
    """Measure, print and write the ratio of wall times."""
    arguments = parse_arguments()
    rounds = []
    for number in range(arguments.rounds):
        with tempfile.TemporaryDirectory(prefix="covidnet-benchmark-") as folder:
            rounds.append(measure(arguments, Path(folder)))
        shown = rounds[-1]
        print(
            f"round {number + 1}: sweep {shown['sweep']:.1f} s  separate commands {shown['separate']:.1f} s", flush=True
        )
    report(arguments, rounds)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with one sub-folder per class; default: 60 phantoms")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--device", default="cpu", choices=("cpu", "gpu"))
    parser.add_argument("--pack", type=int, help="measure also a sweep with so many runs at once")
    parser.add_argument("--output", type=Path, help="write the measurements to this JSON file")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Wall seconds of each way; they share a pixel cache that is warm for all.

    Raises:
        SystemExit: A command failed, or a sweep and separate commands gave different predictions.
    """
    train(arguments, folder, folder / "warm", ["random_state=0"])
    swept = ["-m", f"random_state=range(0,{arguments.runs})"]
    seconds = {"sweep": train(arguments, folder, folder / "sweep", swept)}
    if arguments.pack is not None:
        packed = [*swept, f"sweep.pack={arguments.pack}"]
        seconds["packed"] = train(arguments, folder, folder / "packed", packed)
        seconds["difference"] = largest_difference(folder / "sweep", folder / "packed")
    each = [train(arguments, folder, folder / "separate", [f"random_state={seed}"]) for seed in range(arguments.runs)]
    seconds["separate"] = sum(each)
    if largest_difference(folder / "sweep", folder / "separate") > 0:
        raise SystemExit("the sweep's predictions are not those of the separate commands")
    return seconds


def train(arguments: argparse.Namespace, folder: Path, output_dir: Path, more: list[str]) -> float:
    """Run the command; its wall seconds."""
    data = [f"data.root={arguments.data}"] if arguments.data else ["data=phantoms", f"data.root={folder / 'phantoms'}"]
    command = [
        sys.executable, str(ROOT / "train.py"), *more, *data, f"output_dir={output_dir}", "weights=none",
        f"data.cache_dir={folder / 'cache'}", f"data.image_size={arguments.image_size}",
        f"trainer.max_epochs={arguments.epochs}", f"trainer={arguments.device}",
    ]  # fmt: skip
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started


def largest_difference(first: Path, second: Path) -> float:
    """Between probabilities of the runs of two folders, which are paired by their random_state.

    Raises:
        SystemExit: They did not predict the same images.
    """
    largest = 0.0
    pairs = [probabilities(first), probabilities(second)]
    if pairs[0].keys() != pairs[1].keys():
        raise SystemExit(f"{first} and {second} hold predictions of other images")
    for key, values in pairs[0].items():
        largest = max(largest, *(abs(one - other) for one, other in zip(values, pairs[1][key], strict=True)))
    return largest


def probabilities(folder: Path) -> dict[tuple[str, ...], list[float]]:
    """Of every image in every run, by random_state, part and path."""
    found = {}
    for path in folder.rglob("predictions.csv"):
        state = re.search(r"^random_state: (\d+)$", (path.parent / ".hydra" / "config.yaml").read_text(), re.M)
        assert state is not None
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                values = [float(value) for name, value in row.items() if name.startswith("prob_")]
                found[state[1], row["split"], row["path"]] = values
    return found


def report(arguments: argparse.Namespace, rounds: list[dict[str, float]]) -> None:
    from covidnet.runs.environment import describe_environment

    ratios = [one["sweep"] / one["separate"] for one in rounds]
    packed = [
        ("packed sweep, seconds", "packed", None),
        ("one after another / packed", "sweep", "packed"),
        ("largest difference of probabilities", "difference", None),
    ]
    more = [
        (name, [one[above] / (one[below] if below else 1.0) for one in rounds])
        for name, above, below in packed
        if arguments.pack is not None
    ]
    print(f"\n{arguments.runs} runs{'':30s} {'median':>8s} {'min':>8s} {'max':>8s}")
    for name, values in (
        ("sweep, seconds", [one["sweep"] for one in rounds]),
        ("separate commands, seconds", [one["separate"] for one in rounds]),
        (f"ratio (asked: at most {ASKED})", ratios),
        *more,
    ):
        print(f"{name:36s} {statistics.median(values):8.3g} {min(values):8.3g} {max(values):8.3g}")
    print("the predictions of the sweep and of the separate commands are the same to the last bit")
    if arguments.output is not None:
        settings = {name: str(value) for name, value in vars(arguments).items() if name not in {"output", "data"}}
        environment = describe_environment(
            arguments.device, {"folder": arguments.data.name if arguments.data else "phantoms"}
        )
        environment.pop("command")
        content = {"settings": settings, "rounds": rounds, "ratios": ratios, "environment": environment}
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
