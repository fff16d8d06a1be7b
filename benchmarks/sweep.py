"""How long a sweep takes against the same runs as separate commands, side by side in one run, with the same results.

    python benchmarks/sweep.py
    python benchmarks/sweep.py --data PATH --epochs 3 --output benchmarks/results/sweep-MACHINE.json

Each round runs eight short trainings twice, as one command with -m and as eight commands in a row, and compares
their wall times and their predictions. Without --data, the runs are on phantoms.
"""

from __future__ import annotations

import argparse
import json
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
    parser.add_argument("--output", type=Path, help="write the measurements to this JSON file")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Wall seconds of both ways; they share a pixel cache that is warm for both.

    Raises:
        SystemExit: A command failed, or the two ways gave different predictions.
    """
    train(arguments, folder, folder / "warm", ["random_state=0"])
    seeds = range(arguments.runs)
    started = time.perf_counter()
    train(arguments, folder, folder / "sweep", ["-m", f"random_state=range(0,{arguments.runs})"])
    sweep = time.perf_counter() - started
    started = time.perf_counter()
    for seed in seeds:
        train(arguments, folder, folder / "separate", [f"random_state={seed}"])
    separate = time.perf_counter() - started
    if predictions(folder / "sweep") != predictions(folder / "separate"):
        raise SystemExit("the sweep's predictions are not those of the separate commands")
    return {"sweep": sweep, "separate": separate}


def train(arguments: argparse.Namespace, folder: Path, output_dir: Path, more: list[str]) -> None:
    data = [f"data.root={arguments.data}"] if arguments.data else ["data=phantoms", f"data.root={folder / 'phantoms'}"]
    command = [
        sys.executable, str(ROOT / "train.py"), *more, *data, f"output_dir={output_dir}", "weights=none",
        f"data.cache_dir={folder / 'cache'}", f"data.image_size={arguments.image_size}",
        f"trainer.max_epochs={arguments.epochs}", "trainer=cpu",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def predictions(folder: Path) -> list[str]:
    return sorted(path.read_text() for path in folder.rglob("predictions.csv"))


def report(arguments: argparse.Namespace, rounds: list[dict[str, float]]) -> None:
    from covidnet.runs.environment import describe_environment

    ratios = [one["sweep"] / one["separate"] for one in rounds]
    print(f"\n{arguments.runs} runs{'':24s} {'median':>8s} {'min':>8s} {'max':>8s}")
    for name, values in (
        ("sweep, seconds", [one["sweep"] for one in rounds]),
        ("separate commands, seconds", [one["separate"] for one in rounds]),
        (f"ratio (asked: at most {ASKED})", ratios),
    ):
        print(f"{name:30s} {statistics.median(values):8.2f} {min(values):8.2f} {max(values):8.2f}")
    print("the predictions of both are the same to the last bit")
    if arguments.output is not None:
        settings = {name: str(value) for name, value in vars(arguments).items() if name not in {"output", "data"}}
        environment = describe_environment("cpu", {"folder": arguments.data.name if arguments.data else "phantoms"})
        environment.pop("command")
        content = {"settings": settings, "rounds": rounds, "ratios": ratios, "environment": environment}
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
