"""At which strength does the audit find each planted fault, and how often does it cry wolf on clean phantoms?

    python benchmarks/audit_power.py                     24 seeds, about half an hour on two cores
    python benchmarks/audit_power.py --seeds 2 --only marker,zoom

Each row of the table is one fault at one strength, over all seeds, 60 phantoms each, the split of random_state 50.
Found: a finding graver than a note that names the fault (FINDS below). Detection "begins" at the lowest strength that
is found in half of the seeds. The false-alarm rate is the share of clean sets with any finding graver than a note; its
interval is exact. Results go to benchmarks/results/audit_power.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from covidnet.audit.examine import Effort, examine
from covidnet.audit.gather import gather
from covidnet.config.compose import compose_train
from covidnet.data import phantoms
from covidnet.data.dataset import open_dataset
from covidnet.data.faults import Faults
from covidnet.data.split import stratified_split
from covidnet.evaluation.intervals import exact_interval

SHORTCUT = ("shortcuts.file_properties", "shortcuts.border", "shortcuts.lungs_masked", "shortcuts.corners")
COPIES = ("leakage.duplicates", "duplicates.within", "duplicates.labels")
FINDS = {
    "colour_mode": ("shortcuts.file_properties",),
    "size": ("shortcuts.file_properties",),
    "border": SHORTCUT[1:],
    "marker": SHORTCUT[1:],
    "zoom": SHORTCUT[1:],
    "exposure": SHORTCUT[1:],
    "duplicates": COPIES,
    "patients": ("leakage.patients",),
    "names": ("labels.contradicted",),
}
STRENGTHS = {
    "colour_mode": (0.2, 0.3, 0.4, 0.6),
    "size": (0.15, 0.3, 0.5, 1.0),
    "border": (0.02, 0.05, 0.1, 0.2),
    "marker": (0.2, 0.4, 0.6, 0.8),
    "zoom": (0.1, 0.15, 0.2, 0.3),
    "exposure": (0.05, 0.1, 0.15, 0.2),
    "duplicates": (0.02, 0.05, 0.1),
    "patients": (0.02, 0.05, 0.1),
    "names": (0.04, 0.1, 0.5),
}
RESULTS = Path(__file__).parent / "results" / "audit_power.json"


def audit_once(folder: Path, seed: int, faults: Faults, effort: Effort) -> dict[str, str]:
    """Findings graver than a note, severity by id."""
    phantoms.write_phantoms(folder, phantoms.PhantomSpec(count=60, seed=seed, faults=faults))
    settings = compose_train([f"data.root={folder}", "data.cache=false"])
    dataset = open_dataset(settings.data)
    split = stratified_split([record.label for record in dataset.records], 50, 0.2)
    found = examine(gather(dataset, split, "", None), effort).findings
    return {finding.id: finding.severity for finding in found if finding.severity != "note"}


def one_seed(seed: int, only: list[str], effort: Effort) -> list[dict[str, Any]]:
    """All strengths of all faults on the phantoms of one seed."""
    drawn: dict[Any, Any] = {}
    draw = phantoms.draw_phantom

    def remember(*parts: Any) -> Any:
        # Most faults leave most films as they are; drawing them is nearly all of the work.
        if parts not in drawn:
            drawn[parts] = draw(*parts)
        return drawn[parts]

    phantoms.draw_phantom = remember  # type: ignore[assignment]
    rows = []
    try:
        with tempfile.TemporaryDirectory() as parent:
            cases = [("clean", 0.0, Faults())]
            cases += [(name, s, Faults(**{name: s})) for name in only for s in STRENGTHS[name]]
            for number, (name, strength, faults) in enumerate(cases):
                folder = Path(parent) / str(number)
                found = audit_once(folder, seed, faults, effort)
                rows.append({"fault": name, "strength": strength, "seed": seed, "found": found})
    finally:
        phantoms.draw_phantom = draw
    return rows


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Detection and false-alarm rates from the single audits."""
    cases: dict[tuple[str, float], list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        cases[row["fault"], row["strength"]].append(row["found"])
    clean = cases.pop(("clean", 0.0))
    alarms = exact_interval(sum(bool(found) for found in clean), len(clean))
    table = []
    for (fault, strength), found in cases.items():
        hits = sum(any(one in FINDS[fault] for one in names) for names in found)
        grave = sum(any(names.get(one) == "blocker" for one in FINDS[fault]) for names in found)
        others = sum(any(one not in FINDS[fault] for one in names) for names in found)
        table.append(
            {
                "fault": fault,
                "strength": strength,
                "seeds": len(found),
                "detected": hits,
                "as_blocker": grave,
                "with_other_findings": others,
            }
        )
    begins: dict[str, float | None] = {row["fault"]: None for row in table}
    for row in table:
        if begins[row["fault"]] is None and row["detected"] >= row["seeds"] / 2:
            begins[row["fault"]] = row["strength"]
    return {
        "false_alarms": alarms.to_json(),
        "false_alarm_findings": [names for names in clean if names],
        "table": table,
        "detection_begins": begins,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(STRENGTHS), help="faults, separated by commas; empty: clean only")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    only = [name for name in given.only.split(",") if name]
    effort = Effort("fast", 3, 1999)
    started = time.perf_counter()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    with ProcessPoolExecutor(given.processes) as pool:
        jobs = [pool.submit(one_seed, seed, only, effort) for seed in seeds]
        rows = [row for job in jobs for row in job.result()]
    results = {
        **summarize(rows),
        "seeds": list(seeds),
        "effort": vars(effort),
        "seconds": time.perf_counter() - started,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=2) + "\n")
    alarms = results["false_alarms"]
    print(
        f"clean: {alarms['successes']} of {alarms['n']} sets with a warning [{alarms['low']:.2f}, {alarms['high']:.2f}]"
    )
    for row in results["table"]:
        print(
            f"{row['fault']:12s} {row['strength']:5.2f}  found {row['detected']:2d} of {row['seeds']}"
            f"  (blocker {row['as_blocker']:2d}, other findings too {row['with_other_findings']:2d})"
        )
    print(f"detection begins at: {results['detection_begins']}")


if __name__ == "__main__":
    main()
