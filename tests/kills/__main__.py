"""Kill runs at random moments and go on with them: python -m tests.kills --count 200 [--seed 0] [--only folds]."""

import argparse
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from kills.trial import Bench, prepare


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="kills")
    parser.add_argument("--own", type=int, default=10, help="of these, of processes that are not forked")
    parser.add_argument("--signal", choices=["kill", "int"], default="kill", help="int: Ctrl-C, after which it is told")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="a scenario: single, audited, folds or sweep")
    parser.add_argument("--keep", action="store_true", help="keep the folders of failed trials")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="covidnet-kills-"))
    prepare()
    bench = Bench(folder, options.only, {"kill": signal.SIGKILL, "int": signal.SIGINT}[options.signal])
    chance = random.Random(options.seed)
    phases, files, failures = Counter(), Counter(), []
    kills = trial = 0
    try:
        while kills < options.count:
            own = options.own and kills >= options.count - options.own
            trial += 1
            result = bench.run(trial, chance, own=bool(own))
            kills += len(result.killed)
            for ended in result.killed:
                phases[f"{result.scenario}: {ended.phase}"] += 1
                if ended.file:
                    files[ended.file] += 1
            if result.faults:
                failures.append(result)
                print(
                    f"trial {trial} ({result.scenario}) FAILED, killed in {result.places}: {'; '.join(result.faults)}"
                )
            elif trial % 10 == 0:
                print(f"{kills} kills in {trial} trials, {len(failures)} trials failed", flush=True)
            if not (result.faults and options.keep):
                shutil.rmtree(result.folder)

    except KeyboardInterrupt:
        print("stopped: what follows is what was done until then")
    print(f"\n{kills} kills in {trial} trials of {', '.join(bench.names)}; {len(failures)} trials failed")
    print("by phase: " + "; ".join(f"{name} {count}" for name, count in sorted(phases.items())))
    print("while writing: " + "; ".join(f"{name} {count}" for name, count in files.most_common()))
    if not (failures and options.keep):
        shutil.rmtree(folder)
    else:
        print(f"kept in {folder}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
