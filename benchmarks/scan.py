"""How scanning and splitting grow with the number of records: 1,000 to 100,000.

    python benchmarks/scan.py                            about a minute on two cores
    python benchmarks/scan.py --counts 1000,10000

Each count is a folder of classes and a table of the same files, with two images per patient and five sources. The files
are empty: nothing is decoded, so that what is measured is finding the images (``folder``, ``table``) and splitting them
(``holdout`` by class, ``patient`` and ``kfold`` by class and patient). Seconds of wall clock, the best of three rounds.
Growth is the time at one count over the time at the count before, beside the growth of the count; peak memory is that
of a process that reads the table and makes the split by patient (Linux only). Results go to
benchmarks/results/scan-CORES-cores.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from covidnet.config.compose import compose_train
from covidnet.data.protocols import split_records
from covidnet.data.sources import scan_source

RESULTS = Path(__file__).parent / "results"
ROUNDS = 3
MEMORY = """
import sys
from pathlib import Path
from benchmarks.scan import settings_of
from covidnet.data.protocols import split_records
from covidnet.data.sources import scan_source
settings = settings_of(sys.argv[1], "patient")
import sklearn.model_selection
def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
before = peak()
split_records(settings, scan_source(settings.data).records)
print(before, peak())
"""


def make_files(folder: Path, count: int) -> Path:
    """Empty image files in class folders, and a table of them."""
    table = folder / "images.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "patient_id", "hospital"])
        for number in range(count):
            label = ("covid", "normal", "pneumonia")[number // 2 % 3]
            path = Path(label) / f"{number // 1000:03d}" / f"{number:06d}.png"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
            writer.writerow([path.as_posix(), label, f"p{number // 2}", f"site {number % 5}"])
    return table


def settings_of(table: str, protocol: str) -> Any:
    """The configuration of a run on the table."""
    return compose_train(["data=csv", f"data.table={table}", f"protocol={protocol}"])


def best_of(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the fastest round, and what it gave."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
    return min(times), result


def measure(count: int) -> dict[str, Any]:
    """All times at one count."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = make_files(folder, count)
        by_folder = compose_train([f"data.root={folder}"])
        seconds, scan = best_of(lambda: scan_source(by_folder.data))
        assert len(scan.records) == count
        row: dict[str, Any] = {"count": count, "folder": seconds}
        settings = {one: settings_of(str(table), one) for one in ("holdout", "patient", "kfold")}
        row["table"], listed = best_of(lambda: scan_source(settings["patient"].data))
        assert len(listed.records) == count
        without = [type(record)(record.path, record.label) for record in listed.records]
        row["holdout"], _ = best_of(lambda: split_records(settings["holdout"], without))
        row["patient"], _ = best_of(lambda: split_records(settings["patient"], listed.records))
        row["kfold"], _ = best_of(lambda: split_records(settings["kfold"], listed.records))
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(table)], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
        before, peak = map(float, done.stdout.split())
        row["memory_mb"], row["memory_of_imports_mb"] = peak, before
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="1000,10000,100000")
    counts = [int(count) for count in parser.parse_args().counts.split(",")]
    rows = [measure(count) for count in counts]
    steps = ("folder", "table", "holdout", "patient", "kfold")
    print(f"{'records':>9} " + " ".join(f"{step:>9}" for step in steps) + "  seconds;   peak memory")
    for index, row in enumerate(rows):
        times = " ".join(f"{row[step]:9.3f}" for step in steps)
        print(f"{row['count']:>9,} {times}  {row['memory_mb']:16.0f} MB, {row['memory_of_imports_mb']:.0f} before")
        if index:
            before = rows[index - 1]
            growth = " ".join(f"{row[step] / before[step]:8.1f}x" for step in steps)
            print(f"{row['count'] / before['count']:8.0f}x {growth}")
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    target = RESULTS / f"scan-{os.cpu_count()}-cores.json"
    target.write_text(json.dumps({"rounds": ROUNDS, **machine, "rows": rows}, indent=2) + "\n")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
