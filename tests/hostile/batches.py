"""A batch of cases in a process of its own, with a limit on its memory and one on its time."""

import importlib
import multiprocessing
import os
import resource
import tempfile
from collections import Counter
from pathlib import Path

MEMORY = 2 << 30
"""Bytes of address space that a child may take beyond what its libraries take."""
LIBRARIES = ("covidnet.inference.stream", "covidnet.report.run_page", "covidnet.commands.audit")
SECONDS = 600


def child(part, seed, numbers, base, pipe):
    """Judge a batch and send the counts."""
    for library in LIBRARIES:
        importlib.import_module(library)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    from .cases import crash_text

    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        os.chdir(folder)
        try:
            tally = _judge(part, seed, numbers, Path(folder), base)
            outcome = (tally.counts, tally.kinds, tally.failures)
        except BaseException as error:
            outcome = (Counter(failures=1), Counter(), [f"{part}: {crash_text(error)}"])
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send((*outcome, used / 2**10))
    pipe.close()


def _judge(part, seed, numbers, folder, base):
    if part == "tables":
        from .tables import judge_tables

        return judge_tables(seed, numbers, folder)
    if part == "runs":
        from .runs import judge_runs

        return judge_runs(seed, numbers, folder, base)
    from . import folders

    judges = {"files": folders.judge_folder, "changes": folders.judge_changes, "audit": folders.judge_audit}
    return judges[part](seed, numbers, folder)


def run_batch(part, seed, numbers, base):
    """The counts of a batch; what ends or stops its process is a failure."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(part, seed, numbers, base, sender))
    process.start()
    sender.close()
    try:
        outcome = receiver.recv() if receiver.poll(SECONDS) else None
    except EOFError:
        outcome = None
    if outcome is None:
        process.kill()
    process.join()
    if outcome is not None:
        return outcome
    why = f"{part} {numbers[0]} to {numbers[-1]}: stopped after {SECONDS} s, or ended by signal {process.exitcode}"
    return Counter(failures=1), Counter(), [why], 0.0
