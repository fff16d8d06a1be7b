"""How soon train.py answers, side by side with the imports that it cannot do without.

    python benchmarks/startup.py --output benchmarks/results/startup-MACHINE.json      about two minutes on two cores

help       python train.py --help (asked: under 1.5 s)
imports    a process that imports torch, torchvision's models, Lightning, torchmetrics and Hydra, and nothing else
step       python train.py experiment=demo until its first training step is done, images drawn and decoded before
           (asked: at most 1.3 times the imports)
mistake    python train.py with a mistyped key, until it is refused

Each round measures them in turn.
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
IMPORTS = "import torch, torchvision.models, pytorch_lightning, torchmetrics.classification, hydra"
UNTIL_FIRST_STEP = """
import os, runpy, sys, threading, time

def watch():
    while True:
        module = sys.modules.get("covidnet.models.module")
        network = getattr(module, "XrayClassifier", None)
        if network is not None:
            network.on_train_batch_end = lambda *_: os._exit(0)
            return
        time.sleep(0.002)

threading.Thread(target=watch, daemon=True).start()
sys.argv = ["train.py", *sys.argv[1:]]
sys.path.insert(0, os.getcwd())
runpy.run_path("train.py", run_name="__main__")
raise SystemExit("no training step was done")
"""


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="covidnet-benchmark-") as folder:
        demo = [
            "experiment=demo",
            f"output_dir={folder}/out",
            f"data.root={folder}/drawn",
            f"data.cache_dir={folder}/c",
        ]
        commands = {
            "help": [sys.executable, "train.py", "--help"],
            "imports": [sys.executable, "-c", IMPORTS],
            "step": [sys.executable, "-c", UNTIL_FIRST_STEP, *demo],
            "mistake": [sys.executable, "train.py", "data.rot=x"],
        }
        rounds = [{name: run(name, command) for name, command in commands.items()} for _ in range(arguments.rounds + 1)]
    report(arguments, rounds[1:])  # the first draws the images and warms the files
    return 0


def run(name: str, command: list[str]) -> float:
    """Wall seconds of a command that must end as it should."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode != (2 if name == "mistake" else 0):
        raise SystemExit(f"{name}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return seconds


def report(arguments: argparse.Namespace, rounds: list[dict[str, float]]) -> None:
    rows = {f"{name}, seconds": [row[name] for row in rounds] for name in rounds[0]}
    rows["step / imports (asked: at most 1.3)"] = [row["step"] / row["imports"] for row in rounds]
    print(f"{'':36s} {'median':>8s} {'min':>8s} {'max':>8s}")
    for name, values in rows.items():
        print(f"{name:36s} {statistics.median(values):8.2f} {min(values):8.2f} {max(values):8.2f}")
    if arguments.output is not None:
        from covidnet.runs.environment import describe_environment

        environment = describe_environment("cpu", {})
        environment.pop("command")
        content = {"rounds": rounds, "environment": environment}
        arguments.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
