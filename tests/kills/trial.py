"""One trial: a run is killed once or twice, gone on with until it ends, and compared with one that never was."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from kills.checks import cache_differences, differences, torn
from kills.processes import STOPPED, Ended, forked, import_all, started
from kills.scenarios import SCENARIOS

AGAIN = 0.3
"""Chance that the run which goes on is killed as well."""
FINISHED = ("this run is finished", "folds of this run are finished")


@dataclass(frozen=True)
class Result:
    """What became of a trial."""

    scenario: str
    folder: Path
    killed: list
    faults: list

    @property
    def places(self):
        return ", then ".join(f"{one.phase}{f' ({one.file})' if one.file else ''}" for one in self.killed)


def prepare():
    """Import what forks need. Nothing may start a thread here: a fork has only the thread that forked."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["MPLBACKEND"] = "agg"
    import torch

    torch.set_num_threads(1)
    import train  # noqa: F401
    from covidnet.figures import style
    from covidnet.training import run  # noqa: F401

    style.DPI = 30  # drawing takes most of the time of such small runs


class Bench:
    """Unbroken runs of all scenarios, and trials against them."""

    def __init__(self, folder, only=None, sent=signal.SIGKILL):
        self.folder, self.sent = folder, sent
        self.names = list(only or SCENARIOS)
        self.unbroken = {name: self._unbroken(SCENARIOS[name]) for name in self.names}

    def _unbroken(self, scenario):
        """Its seconds, in a process that has imported what this one needs."""
        folder = self.folder / f"unbroken-{scenario.name}"
        folder.mkdir()
        if scenario.name == self.names[0]:
            self._learn_imports(scenario)
        ended = forked(scenario.arguments(folder), folder / "said.txt")
        if ended.status != 0:
            raise SystemExit(f"the unbroken run of {scenario.name} failed: {ended.said}")
        print(f"unbroken {scenario.name}: {ended.seconds:.1f} s", flush=True)
        return folder, ended.seconds

    def _learn_imports(self, scenario):
        """Run it once to see what it imports on its way, then import that here."""
        folder = self.folder / "imports"
        folder.mkdir()
        child = os.fork()
        if child == 0:
            try:
                sys.argv = ["train.py", *scenario.arguments(folder), "audit=fast", "saliency.sanity_check=true"]
                sys.stdout = sys.stderr = (folder / "said.txt").open("w")
                import train
                from covidnet.commands.entry import run_command

                run_command(train.main, train.CONFIG_DIR, "train")
                import covidnet.sweeps.page
                import covidnet.sweeps.report  # noqa: F401

                (folder / "modules.txt").write_text("\n".join(sys.modules))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        import_all((folder / "modules.txt").read_text().split("\n"))

    def run(self, number, chance, own=False):
        """One trial of a scenario by turns; ``chance`` draws the moments."""
        scenario = SCENARIOS[self.names[number % len(self.names)]]
        reference, seconds = self.unbroken[scenario.name]
        folder = self.folder / f"trial-{number}"
        folder.mkdir()
        start = started if own else forked
        length = seconds + 6.0 if own else seconds
        killed, ended = [], None
        arguments = scenario.arguments(folder)
        for kind in [start, start] if chance.random() < AGAIN else [start]:
            ended = kind(arguments, folder / f"said-{len(killed)}.txt", chance.uniform(0.0, length), self.sent)
            if not ended.was_killed:
                break
            killed.append(ended)
            arguments = scenario.next_arguments(folder)
        faults = [fault for one in killed for fault in unclean(one)]
        if ended is not None and ended.was_killed:
            ended = forked(arguments, folder / "said-last.txt")
            if ended.status != 0 and not _is_done(ended):
                faults.append(f"{arguments[0]} ended with {ended.status} after {ended.seconds:.0f} s: {_shown(ended)}")
        elif ended is not None and ended.status != 0 and not _is_done(ended):
            faults.append(f"ended with {ended.status}: {_shown(ended)}")
        if not faults:
            faults = self._compare(scenario, folder, reference)
        return Result(scenario.name, folder, killed, faults)

    def _compare(self, scenario, folder, reference):
        run, unbroken = scenario.directory(folder), scenario.directory(reference)
        if run is None:
            return ["no directory of a run"]
        return [*torn(run), *torn(folder / "cache"), *torn(folder / "out" / "phantoms"),
                *differences(run, unbroken), *cache_differences(folder, reference)]  # fmt: skip


def unclean(ended: Ended):
    """What is wrong with how a run ended that Ctrl-C stopped: it has to say so last, and nothing of its insides."""
    if ended.status != STOPPED:
        return []
    lines = ended.said.strip().splitlines()
    faults = ["a traceback after Ctrl-C"] if "Traceback" in ended.said else []
    if not (lines and lines[-1].startswith(("stopped", "the sweep was stopped with "))):
        faults.append(f"Ctrl-C in {ended.phase} is not told last: {_shown(ended)}")
    return faults


def _is_done(ended: Ended):
    return ended.status == 1 and any(text in ended.said for text in FINISHED)


def _shown(ended: Ended):
    return " | ".join(ended.said.strip().splitlines()[-3:])[:600]
