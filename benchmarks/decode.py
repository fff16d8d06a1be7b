"""How decoding grows with the number of images, and what other ways of decoding would give.

    python benchmarks/decode.py                           two to three minutes on two cores
    python benchmarks/decode.py --images 50 --output benchmarks/results/decode-MACHINE.json

Drawn X-rays of 1024 x 1024 pixels as JPEG. First the cache of decoded pixels is built from ``--images`` files and from
ten times as many, in processes of their own: seconds and peak memory (asked: ten times the images, at most 10.5 times
the time). Then the first files are decoded side by side, in rounds: by covidnet's decoder (Pillow) on one thread and on
all cores, by torchvision.io with antialiased resizing on all cores, and by Pillow with JPEG's draft mode, which decodes
at a half, a quarter or an eighth of the size. For each its ratio to covidnet, and the largest and mean difference of
pixels (of 255).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, SIZE = 1024, 224
DRAWN = 8
"""Different pictures; the files repeat them with a comment of their own, so that no two files are the same."""

BUILD = """
import sys, time
from pathlib import Path
from covidnet.data.cache import cache_pixels
from covidnet.data.pixels import DecodeSettings
files = sorted(Path(sys.argv[1]).glob("*.jpg"))[: int(sys.argv[2])]
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
before, started = peak(), time.perf_counter()
cache_pixels(files, DecodeSettings(224, 10**8), Path(sys.argv[3]))
print(time.perf_counter() - started, before, peak())
"""


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="covidnet-benchmark-") as folder:
        files = draw(Path(folder), 10 * arguments.images)
        growth = measure_growth(Path(folder), arguments.images, arguments.rounds)
        ways = compare_ways(files[: arguments.images], arguments.rounds)
    report(arguments, growth, ways)
    return 0


def draw(folder: Path, count: int) -> list[Path]:
    """So many JPEG files, no two with the same content."""
    import io

    from covidnet.data.phantoms import PhantomSpec, write_phantoms

    drawn = write_phantoms(folder / "drawn", PhantomSpec(count=DRAWN, seed=0))
    contents = []
    for path in sorted(path for path in drawn.rglob("*") if path.is_file())[:DRAWN]:
        with Image.open(path) as image:
            large = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        large.save(buffer, "JPEG", quality=90)
        contents.append(buffer.getvalue())
    files = []
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        path.write_bytes(contents[number % len(contents)] + f"{number}".encode())
        files.append(path)
    return files


def measure_growth(folder: Path, count: int, rounds: int) -> list[dict[str, float]]:
    """Seconds and peak memory of building the cache, in turn, for one and ten times ``count`` images."""
    measured = []
    for number in range(rounds):
        row: dict[str, float] = {}
        for images in (count, 10 * count):
            command = [sys.executable, "-c", BUILD, str(folder), str(images), str(folder / f"cache-{number}-{images}")]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            row |= {f"seconds_{images}": float(answer[0]), f"memory_{images}": float(answer[2]) - float(answer[1])}
        row["growth"] = row[f"seconds_{10 * count}"] / row[f"seconds_{count}"]
        measured.append(row)
    return measured


Decode = Callable[[Path], NDArray[np.uint8]]


def covidnet_way(path: Path) -> NDArray[np.uint8]:
    from covidnet.data.images import decode_image

    return decode_image(path, (SIZE, SIZE), 10**8)[0]


def torchvision_way(path: Path) -> NDArray[np.uint8]:
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms.v2.functional import resize

    return resize(decode_image(str(path), ImageReadMode.UNCHANGED), [SIZE, SIZE], antialias=True).numpy()


def draft_way(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        image.draft("L", (SIZE, SIZE))
        return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))[None]


def compare_ways(files: Sequence[Path], rounds: int) -> dict[str, Any]:
    """Seconds of each way, round by round, and the difference of its pixels from covidnet's."""
    import torch

    cores = os.cpu_count() or 1
    torch.set_num_threads(1)  # the threads below share the images out
    ways: dict[str, tuple[Decode, int]] = {
        "covidnet": (covidnet_way, cores),
        "covidnet, one thread": (covidnet_way, 1),
        "torchvision.io": (torchvision_way, cores),
        "draft mode": (draft_way, cores),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (decode, threads) in ways.items():
            started = time.perf_counter()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(decode, files))
            if number:
                seconds[name].append(time.perf_counter() - started)
    own = [covidnet_way(path).astype(np.int64) for path in files[:DRAWN]]
    found: dict[str, Any] = {}
    for name, (decode, _) in ways.items():
        gaps = [np.abs(decode(path).astype(np.int64) - one) for path, one in zip(files[:DRAWN], own, strict=True)]
        ratios = [one / base for one, base in zip(seconds[name], seconds["covidnet"], strict=True)]
        found[name] = {
            "seconds": seconds[name],
            "ratio": statistics.median(ratios),
            "largest_difference": int(max(gap.max() for gap in gaps)),
            "mean_difference": float(np.mean([gap.mean() for gap in gaps])),
        }
    return found


def report(arguments: argparse.Namespace, growth: list[dict[str, float]], ways: dict[str, Any]) -> None:
    few, many = arguments.images, 10 * arguments.images
    print(f"{'building the cache':34s} {'median':>8s} {'min':>8s} {'max':>8s}")
    for name, key in (
        (f"{few} images, seconds", f"seconds_{few}"),
        (f"{many} images, seconds", f"seconds_{many}"),
        ("growth (asked: at most 10.5)", "growth"),
        (f"memory above imports, {few}, MB", f"memory_{few}"),
        (f"memory above imports, {many}, MB", f"memory_{many}"),
    ):
        values = [row[key] for row in growth]
        print(f"{name:34s} {statistics.median(values):8.2f} {min(values):8.2f} {max(values):8.2f}")
    print(f"\n{'decoding':22s} {'seconds':>8s} {'ratio':>6s} {'largest':>8s} {'mean difference':>16s}")
    for name, way in ways.items():
        print(
            f"{name:22s} {statistics.median(way['seconds']):8.2f} {way['ratio']:6.2f} {way['largest_difference']:8d} "
            f"{way['mean_difference']:16.3f}"
        )
    if arguments.output is not None:
        from covidnet.runs.environment import describe_environment

        environment = describe_environment("cpu", {"drawn": many})
        environment.pop("command")
        content = {"images": few, "growth": growth, "ways": ways, "environment": environment}
        arguments.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
