"""Where a run is when it is killed: its phase and the file it writes, in a page of memory that its parent reads."""

import importlib
import mmap
from contextlib import contextmanager
from functools import wraps

STEPS = {
    "covidnet.data.phantoms": {"draw_once": "drawing"},
    "covidnet.data.dataset": {"cache_pixels": "reading and decoding"},
    "covidnet.data.cache": {"_build": "writing the cache"},
    "covidnet.training.pipeline": {
        "record_start": "recording the start", "fit": "training", "save_results": "results",
        "save_training_look": "features", "explain_training": "saliency",
    },
    "covidnet.training.audit": {"audit_training": "audit"},
    "covidnet.training.page": {"show_results": "page"},
    "covidnet.training.folds": {"save_results": "results", "show_results": "page"},
    "covidnet.sweeps.report": {"report_sweep": "summary of the sweep"},
}  # fmt: skip
"""Functions, under the names that their callers know, and the phases that they are."""
START = "starting"


class Watch:
    """A page of shared memory: the phase and the file of a forked process, until it ends."""

    def __init__(self):
        self._page = mmap.mmap(-1, 4096)
        self._phases = [START]
        self._file = ""

    def read(self):
        """Phase and file when the process last changed either; the file is empty when none was being written."""
        text = self._page[:].split(b"\0", 1)[0].decode()
        phase, _, file = text.partition("\n")
        return phase or START, file

    def _write(self):
        text = f"{self._phases[-1]}\n{self._file}".encode()[:4000]
        self._page[: len(text) + 1] = text + b"\0"

    @contextmanager
    def phase(self, name):
        self._phases.append(name)
        self._write()
        try:
            yield
        finally:
            self._phases.pop()
            self._write()

    @contextmanager
    def writing(self, name):
        self._file = name
        self._write()
        try:
            yield
        finally:
            self._file = ""
            self._write()

    def install(self):
        """Let the functions of this process tell where they are; for a process that is to be killed."""
        self._write()
        for module, functions in STEPS.items():
            loaded = importlib.import_module(module)
            for name, phase in functions.items():
                setattr(loaded, name, self._telling(getattr(loaded, name), phase))
        self._watch_checkpoints()
        self._watch_files()

    def _telling(self, function, phase):
        @wraps(function)
        def told(*args, **more):
            with self.phase(phase):
                return function(*args, **more)

        return told

    def _watch_checkpoints(self):
        from covidnet.training.checkpoints import BestAndLast

        write = BestAndLast._write

        def told(own, trainer, name, checkpoint):
            with self.phase("checkpointing"), self.writing(name):
                write(own, trainer, name, checkpoint)

        BestAndLast._write = told

    def _watch_files(self):
        files, style = importlib.import_module("covidnet.files"), importlib.import_module("covidnet.figures.style")
        replacing = files.replacing

        @contextmanager
        def told(path):
            with self.writing(path.name), replacing(path) as temporary:
                yield temporary

        files.replacing = style.replacing = told
