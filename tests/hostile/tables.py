"""Tables of images as strangers send them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from covidnet.data.columns import ROLES
from covidnet.data.csv_source import TableSettings, scan_table
from covidnet.data.dataset import open_scan
from covidnet.errors import CovidnetError

from .cases import SIDE, Tally, crash_text, fault_of_message

VALUES = (
    "",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(1)",
    "\t",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "9" * 5000,
    "x" * 1_000_000,
    "y" * 2_000_000,
    "nul\0nul",
    "new\nline",
    "carriage\rreturn",
    '"',
    "'",
    "emoji\U0001f600",
    "<b>",
    "\x1b[31m",
    "../../etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "fifo.png",
    "covid",
    "normal",
    "folder.png",
    "a" * 300,
    "a/" * 3000 + "b",
    "~/x.png",
    "C:\\x.png",
    "\u202e",
    "\ufeff",
    "file:///etc/passwd",
    "train",
    "test",
    "NaN",
    "0.5",
    "\u0660",
    "１",
    "1_000",
    "covid ",
    "x,y",
    "x;y",
    "/proc/self/mem",
    "/proc/self/fd/0",
    ".",
    "..",
    "/",
    "a.png/../a.png",
    "./a.png",
)
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1", "utf-32")
ENDS = ("\n", "\r\n", "\r", "mixed")
COLUMNS = [name for names in ROLES.values() for name in names[:2]] + ["note", "", "Label", "=x", "\x1b[31m"]


def make_root(root):
    """A folder with a few images, a pipe and a folder that is called as an image."""
    import os

    root.mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "c.png", "d.png", "=e.png")):
        Image.new("L", (SIDE, SIDE), 40 * number).save(root / name)
    os.mkfifo(root / "fifo.png")
    (root / "folder.png").mkdir()


def table_bytes(rng):
    """A table: mostly sound, with anything in it."""
    if rng.random() < 0.08:
        return bytes(rng.bytes(int(rng.choice([0, 1, 2, 3, 100, 10_000]))))
    separator = str(rng.choice([",", ",", ";", "\t", "|"]))
    end = str(rng.choice(ENDS))
    header = ["path", "label"] + [str(name) for name in rng.choice(COLUMNS, int(rng.integers(0, 5)), replace=False)]
    if rng.random() < 0.1:
        header = header[: int(rng.integers(0, len(header)))]
    rows = [header]
    for number in range(int(rng.choice([0, 1, 4, 4, 4, 60]))):
        row = [("a.png", "b.png", "c.png", "d.png", "=e.png")[number % 5], ("covid", "normal")[number % 2]]
        row += [str(rng.choice(["1", "0.5", "0.25", "0", "1e-3"])) for _ in header[2:]]
        rows.append(row)
    for _ in range(int(rng.choice([0, 1, 1, 2, 5]))):
        row = rows[rng.integers(len(rows))]
        if row:
            value = VALUES[rng.integers(len(VALUES))]
            row[rng.integers(len(row))] = value if len(value) < 3000 or rng.random() < 0.1 else value[:3000]
    if rng.random() < 0.1:
        rows[rng.integers(len(rows))].append("one too many")
    lines = []
    for row in rows:
        quoted = rng.random() < 0.3
        cells = [f'"{cell.replace(chr(34), chr(34) * 2)}"' if quoted else cell for cell in row]
        ended = str(rng.choice(ENDS[:3])) if end == "mixed" else end
        lines.append(separator.join(cells) + ended)
    content = "".join(lines).encode(str(rng.choice(ENCODINGS)), "replace")
    return damaged(rng, content) if rng.random() < 0.25 else content


def damaged(rng, content):
    """Cut off, with bytes flipped, a NUL in it, or twice behind itself."""
    if not content:
        return content
    way, at = int(rng.integers(4)), int(rng.integers(len(content)))
    if way == 0:
        return content[:at]
    if way == 1:
        return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]
    if way == 2:
        return content[:at] + b"\0" + content[at:]
    return content + content


def judge_tables(seed, numbers, directory):
    """Each table is read, or refused in clear lines; what it lists is opened where it is read."""
    tally = Tally()
    root = directory / "images"
    make_root(root)
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        file = directory / f"table{number}.csv"
        file.write_bytes(table_bytes(rng))
        judge_table(file, root, str(rng.choice(["error", "skip"])), tally)
        file.unlink()
    return tally


def judge_table(file: Path, root: Path, missing, tally, separator="auto", encoding="auto"):
    """One table, whole."""
    columns = dict.fromkeys(ROLES, "auto")
    try:
        scan = scan_table(file, root, TableSettings(columns, None, separator, encoding, True), missing=missing)
        data = SimpleNamespace(image_size=SIDE, max_pixels=10**6, cache=False, cache_dir="", on_bad_image="skip")
        open_scan(scan, data)
    except CovidnetError as error:
        fault = fault_of_message(str(error))
        if fault:
            tally.fail("table", f"{fault}: {str(error)[:300]!r}")
        else:
            tally.note("refused", "table")
    except Exception as error:
        tally.fail("table", crash_text(error))
    else:
        tally.note("read", "table")
