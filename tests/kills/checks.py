"""What a killed and resumed run has to look like: whole files, the same numbers, the same cache, nothing left over."""

import csv
import json
import re

import numpy as np
import yaml
from PIL import Image

LEFT_OVER = re.compile(r"^\..+-[0-9a-f]{32}(\.\w+)?$|^\.(best|last)\.ckpt$|^\.\d+-images-seed-\d+-\w{8}$")
"""Names under which files and folders are made before they are renamed."""
TIMES = re.compile(r"seconds|_s$")
SAME = ("predictions.csv", "patients.csv", "saliency.csv", "split.csv", "classification_report.txt", "calibration.json")


def torn(folder):
    """Faults of the files below a folder: those that do not load, and those that should not be there."""
    faults = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if LEFT_OVER.match(path.name):
            faults.append(f"left over: {name}")
        elif path.is_file():
            try:
                _load(path)
            except Exception as error:
                faults.append(f"torn: {name} ({type(error).__name__}: {error})")
    return faults


def _load(path):
    if path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".csv":
        rows = list(csv.reader(path.open(newline="")))
        assert rows and {len(row) for row in rows} == {len(rows[0])}, "rows of unequal length"
    elif path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as content:
            assert all(content[name] is not None for name in content.files)
    elif path.suffix in {".png", ".jpg"}:
        with Image.open(path) as image:
            image.load()
    elif path.suffix == ".ckpt":
        import torch

        torch.load(path, weights_only=True)
    elif path.suffix == ".yaml":
        assert yaml.safe_load(path.read_text()) is not None, "empty"
    elif path.suffix == ".html":
        assert path.read_text().rstrip().endswith("</html>"), "not closed"


def differences(run, unbroken):
    """Where a resumed run's directory differs from an unbroken one's, but for times and paths."""
    mine, others = _files(run), _files(unbroken)
    faults = [f"missing: {name}" for name in sorted(others - mine)]
    faults += [f"unexpected: {name}" for name in sorted(mine - others)]
    faults += [f"differs: {name}" for name in sorted(mine & others) if _read(run / name) != _read(unbroken / name)]
    return faults


def _files(folder):
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in names if "tensorboard/" not in name}


def _read(path):
    """What two runs of one command must have the same; None for files with times, paths or commands in them."""
    if path.name in SAME:
        return path.read_bytes()
    if path.name == "metrics.json":
        return _timeless(json.loads(path.read_text()))
    return _history(path) if path.name == "history.csv" else None


def _timeless(value):
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if not TIMES.search(key)}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def _history(path):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(path.open())]


def cache_differences(folder, unbroken):
    """Whether what is in the folder's cache has the bytes of the unbroken run's.

    A run that was killed before it had a cache makes it in the user's own folder when it goes on: the place that a run
    directory names is trusted only where a cache is.
    """
    mine, others = ({path.relative_to(one / "cache").as_posix(): path.read_bytes() for path in _cached(one)}
                    for one in (folder, unbroken))  # fmt: skip
    return [f"cache differs: {name}" for name, content in sorted(mine.items()) if content != others.get(name)]


def _cached(folder):
    return (path for path in (folder / "cache").rglob("*") if path.is_file() and path.suffix != ".lock")
