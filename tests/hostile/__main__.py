"""The long part: python -m tests.hostile [--count 10000] [--seed 0] [--only files,changes,tables,runs,audit]."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .batches import run_batch

SHARES = {"files": 0.74, "tables": 0.18, "runs": 0.05, "changes": 0.01, "audit": 0.02}
BATCH = {"files": 500, "tables": 500, "runs": 60, "changes": 50, "audit": 200}


def main():
    """Run the parts asked for; the exit status is 1 when anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--count", type=int, default=10_000, help="files, tables and run directories together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(SHARES), help="parts, separated by commas")
    parser.add_argument("--json", type=Path, help="write the counts here as well")
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests' own helpers
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).resolve().parents[2]), sys.path[0]])
    results = {}
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        base = None
        for part in arguments.only.split(","):
            count = max(1, round(arguments.count * SHARES[part]))
            if part == "runs":
                from .runs import make_base

                base = make_base(Path(folder))
            results[part] = run_part(part, arguments.seed, count, base)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return int(any(one["failures"] for one in results.values()))


def run_part(part, seed, count, base):
    """All batches of a part; prints and returns its counts."""
    started, counts, kinds, failures, peak = time.perf_counter(), Counter(), Counter(), [], 0.0
    for start in range(0, count, BATCH[part]):
        numbers = range(start, min(count, start + BATCH[part]))
        found = run_batch(part, seed, numbers, base)
        counts += found[0]
        kinds += found[1]
        failures += found[2]
        peak = max(peak, found[3])
    told = {name: counts[name] for name in ("read", "skipped", "refused", "failures")}
    seconds = time.perf_counter() - started
    print(f"{part}: {count} tried; " + ", ".join(f"{name} {number}" for name, number in told.items())
          + f"; {seconds:.0f} s, at most {peak:.0f} MB in one process", flush=True)  # fmt: skip
    for line in failures[:50]:
        print(f"  {line}".encode("unicode_escape").decode("ascii")[:700], flush=True)
    return {
        "tried": count,
        **told,
        "seconds": round(seconds),
        "peak_mb": round(peak),
        "kinds": dict(sorted(kinds.items())),
    }


if __name__ == "__main__":
    sys.exit(main())
