"""Folders of hostile files, through scan, decoder, cache and the stream that predicts."""

import math
import os
import re
import socket
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from covidnet.console import showable
from covidnet.data.dataset import open_scan
from covidnet.data.pixels import DecodeSettings
from covidnet.data.records import IMAGE_SUFFIXES, scan_folder
from covidnet.errors import CovidnetError, DataError

from .cases import SIDE, Tally, crash_text, fault_of_message
from .dicoms import dicom_case
from .names import hostile_name
from .pictures import picture_case

TAG = re.compile(r"<[A-Za-z/!?]|\]\((?!\w+\.png\))|://")
"""Markup, or a link to somewhere, outside code."""
MAX_PIXELS = 100_000_000
CLASSES = ("covid", "normal", "new\nclass", "=class", "bytes_\udcff")


def settings(cache_dir, cache=True):
    """As much of data's section as decoding needs."""
    return SimpleNamespace(
        image_size=SIDE, max_pixels=MAX_PIXELS, cache=cache, cache_dir=str(cache_dir), on_bad_image="skip"
    )


def draw_cases(seed, numbers, share_of_dicom=0.25):
    """The cases of these numbers: each depends on the seed and its own number alone."""
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        case = dicom_case(rng) if rng.random() < share_of_dicom else picture_case(rng)
        yield case, hostile_name(rng, number, case.suffix), CLASSES[rng.integers(len(CLASSES))]


def write_cases(root, cases):
    """The files, by their path relative to ``root``."""
    written = {}
    for case, name, label in cases:
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / name).write_bytes(case.content)
        written[f"{label}/{name}"] = case
    return written


def plant_places(root):
    """What is no file among the files: nothing of it may be opened, followed or fatal. Returns its number."""
    folder = root / CLASSES[0]
    folder.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / "fifo.png")
    os.mkfifo(folder / "fifo_without_suffix")
    (folder / "loop").symlink_to(".")
    (folder / "up").symlink_to("../..")
    (folder / "self.png").symlink_to("self.png")
    (folder / "root").symlink_to("/")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "random.dcm").symlink_to("/dev/urandom")
    (folder / "zero_without_suffix").symlink_to("/dev/zero")
    (folder / "missing.png").symlink_to("nowhere")
    (folder / "folder.png").mkdir()
    (folder / "long.png").symlink_to("x" * 1000)
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(folder)  # names of sockets are short
        bound.bind("socket.png")
        os.chdir(here)
    closed = folder / "closed.png"
    closed.write_bytes(b"x")
    closed.chmod(0)
    with (folder / "sparse.png").open("wb") as file:
        file.truncate(40 << 30)
    return 15


def judge(root, written, cache_dir, tally, *, stream=True):
    """Scan and open the folder; every case must come out as it may."""
    try:
        scan = scan_folder(root)
        dataset = open_scan(scan, settings(cache_dir))
    except CovidnetError as error:
        tally.fail("folder", f"refused as a whole: {error}")
        return
    except Exception as error:
        tally.fail("folder", crash_text(error))
        return
    listed = {record.path for record in scan.records}
    pixels = {record.path: dataset.pixels.fetch([at])[0] for at, record in enumerate(dataset.records)}
    reasons = _reasons(dataset)
    for path, case in written.items():
        if path not in listed:
            if Path(path).suffix.lower() in IMAGE_SUFFIXES:
                tally.fail(case.kind, f"{path!r} was not found by the scan")
            else:
                tally.note("skipped", case.kind)
        elif path in pixels:
            _judge_pixels(case, path, pixels[path], tally)
        else:
            _judge_reason(case, path, reasons.get(path), tally)
    if stream:
        _judge_stream(root, written, pixels, tally)


def _reasons(dataset):
    """By path, why a file was left out."""
    found = {}
    paths = {record.path for record in dataset.scan.records} - {record.path for record in dataset.records}
    by_length = sorted(paths, key=len, reverse=True)
    for line in dataset.unreadable:
        path = next((one for one in by_length if line.startswith(f"{one}: ")), None)
        if path is not None:
            found[path] = line[len(path) + 2 :]
    return found


def _judge_pixels(case, path, found, tally):
    if case.refused:
        tally.fail(case.kind, f"{path!r} was read")
        return
    if case.pixels is not None:
        expected = case.pixels if case.pixels.ndim == 3 else case.pixels[..., None]
        shown = np.broadcast_to(found.transpose(1, 2, 0), (*expected.shape[:2], max(expected.shape[2], found.shape[0])))
        worst = np.abs(shown.astype(int) - expected.astype(int)).max()
        if worst > case.tolerance:
            tally.fail(case.kind, f"{path!r}: pixels differ by {worst}")
            return
    tally.note("read", case.kind)


def _judge_reason(case, path, reason, tally):
    if case.pixels is not None:
        tally.fail(case.kind, f"{path!r} is whole and was left out: {reason}")
    elif reason is None:
        tally.fail(case.kind, f"{path!r} was left out without a reason")
    elif fault := fault_of_message(reason):
        tally.fail(case.kind, f"{path!r}: {fault}: {reason[:200]!r}")
    elif "\n" in reason or showable(reason, "utf-8") != reason:
        tally.fail(case.kind, f"{path!r}: the reason is not one printable line: {reason[:200]!r}")
    else:
        tally.note("skipped", case.kind)


def _judge_stream(root, written, pixels, tally):
    """What predict.py decodes must be the same, file by file."""
    from covidnet.inference.stream import decode_ahead

    for decoded in decode_ahead(root, list(written), DecodeSettings(SIDE, MAX_PIXELS), 16):
        kind = written[decoded.path].kind
        if (decoded.pixels is None) == (decoded.path in pixels):
            tally.fail(kind, f"{decoded.path!r}: the stream says {decoded.reason or 'read'}, the data set otherwise")
        elif decoded.pixels is not None and not np.array_equal(decoded.pixels, pixels[decoded.path]):
            tally.fail(kind, f"{decoded.path!r}: the stream has other pixels than the data set")


def judge_folder(seed, numbers, directory):
    """One folder of these cases, with what is no file among them."""
    tally = Tally()
    root = directory / "images"
    written = write_cases(root, draw_cases(seed, numbers))
    places = plant_places(root)
    judge(root, written, directory / "cache", tally)
    for _ in range(places):
        tally.note("skipped", "place")
    return tally


def judge_changes(seed, numbers, directory, seconds=1.0):
    """Files that vanish, change and become other things while they are read, time and again."""
    tally = Tally()
    root = directory / "images"
    written = write_cases(root, draw_cases(seed, numbers))
    rng = np.random.default_rng([seed, 1])
    stop = threading.Event()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    thread = threading.Thread(target=_disturb, args=(root, sorted(written), rng, stop))
    thread.start()
    try:
        for turn in range(max(1, math.ceil(seconds * 5))):
            _open_while_changing(root, directory / f"cache{turn % 2}", tally, cache=turn % 3 != 2)
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)
    for _ in written:
        tally.note("skipped", "changed while read")
    return tally


def _disturb(root, paths, rng, stop):
    while not stop.is_set():
        path = root / paths[rng.integers(len(paths))]
        way = int(rng.integers(5))
        try:
            if way == 0:
                path.unlink()
            elif way == 1:
                _write_without_waiting(path, rng.bytes(int(rng.integers(0, 3000))))
            elif way == 2:
                path.unlink(missing_ok=True)
                os.mkfifo(path)
            elif way == 3:
                path.unlink(missing_ok=True)
                path.symlink_to("/dev/zero")
            else:
                path.unlink(missing_ok=True)
                path.mkdir()
                path.rmdir()
        except OSError:
            continue


def _write_without_waiting(path, content):
    """A pipe may be there by now, for which a writer would wait as a reader does."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def _open_while_changing(root, cache_dir, tally, *, cache):
    try:
        scan = scan_folder(root)
        open_scan(scan, settings(cache_dir, cache=cache))
    except DataError as error:
        fault = fault_of_message(str(error))
        if fault:
            tally.fail("changed while read", fault)
        else:
            tally.note("refused", "changed while read (whole folder)")
    except Exception as error:
        tally.fail("changed while read", crash_text(error))
    else:
        tally.note("read", "changed while read (whole folder)")


def judge_audit(seed, numbers, directory):
    """The audit of a hostile folder: what it writes is text of one line each, and no formula."""
    from hydra import compose, initialize_config_dir

    from covidnet.commands.audit import audit
    from covidnet.config.compose import CONFIG_DIR
    from covidnet.console import console

    tally = Tally()
    root = directory / "images"
    written = write_cases(root, draw_cases(seed, numbers))
    plant_places(root)
    asked = [
        f"data.root={root}", f"data.image_size={SIDE}", "data.on_bad_image=skip", f"data.cache_dir={directory}/cache",
        f"output_dir={directory}/outputs", "audit=fast",
    ]  # fmt: skip
    console.quiet = True
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = compose("audit", asked)
    try:
        audit(config)
    except CovidnetError as error:
        tally.fail("audit", f"refused: {error}")
    except Exception as error:
        tally.fail("audit", crash_text(error))
    finally:
        console.quiet = False
    for file in (directory / "outputs").rglob("*"):
        fault = _fault_of_text(file) if file.suffix in {".md", ".json", ".csv", ".txt"} else None
        if fault:
            tally.fail("audit", f"{file.name}: {fault}")
    for case in written.values():
        tally.note("read", case.kind)
    return tally


def _fault_of_text(file):
    """What must not stand in a text that is passed on."""
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    if "\x1b" in text and file.suffix != ".csv":
        return "a terminal sequence"
    if file.suffix == ".md" and TAG.search(re.sub("`[^`\n]*`", "", text)):
        return "markup"
    return None
