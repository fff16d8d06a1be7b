"""How the audit's cost grows with the number of images: 50 to 5,000.

    python benchmarks/audit.py                      about five minutes on two cores
    python benchmarks/audit.py --counts 50,200

Pictures are mixtures of two phantoms with uneven brightness and grain: nearly all differ, and all look alike
when small, the hard case for the search for copies. Times are seconds of wall clock of one process; "copies" is that
search alone, "views" reads the small views from decoded pixels, decoding itself is not in it. Results go to
benchmarks/results/audit.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import zoom

from covidnet.audit.duplicates import candidate_pairs, find_duplicates, hash_pictures
from covidnet.audit.examine import Effort, Material, examine
from covidnet.audit.properties import FileProperties
from covidnet.audit.table import Table
from covidnet.audit.views import Views, take_views
from covidnet.data.phantoms import PhantomSpec, draw_phantom, plan_phantoms
from covidnet.data.records import Record
from covidnet.data.split import stratified_split

RESULTS = Path(__file__).parent / "results" / "audit.json"
SIZE = 224


class Pixels:
    """Pictures of one array; see covidnet.data.pixels.PixelSource."""

    decoded = True

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def fetch(self, positions: np.ndarray) -> np.ndarray:
        """The pictures at these positions."""
        return self.pixels[positions]

    def select(self, positions: np.ndarray) -> Pixels:
        """Only these pictures."""
        return Pixels(self.pixels[positions])


def make_pictures(count: int) -> np.ndarray:
    """Shape (count, 1, 224, 224): different films that look alike."""
    rng = np.random.default_rng(0)
    films = []
    for phantom in plan_phantoms(PhantomSpec(40, seed=0)):
        grey = draw_phantom(phantom.anatomy, phantom.acquisition, phantom.opacity)
        films.append(np.asarray(Image.fromarray(grey).resize((SIZE, SIZE)), dtype=np.float32))
    pictures = np.empty((count, 1, SIZE, SIZE), dtype=np.uint8)
    for index in range(count):
        first, second = rng.choice(len(films), 2, replace=False)
        share = rng.uniform(0.25, 0.75)
        bumps = zoom(rng.normal(0, 14, (14, 14)).astype(np.float32), SIZE / 14, order=1)
        grain = rng.normal(0, 4, (SIZE, SIZE)).astype(np.float32)
        mixed = share * films[first] + (1 - share) * films[second] + bumps + grain
        pictures[index, 0] = np.clip(mixed, 0, 255).astype(np.uint8)
    return pictures


def measure(pictures: np.ndarray, level: Effort) -> dict[str, float]:
    count = len(pictures)
    labels = ["covid" if index % 2 else "normal" for index in range(count)]
    split = stratified_split(labels, 50, 0.2).names()
    started = time.perf_counter()
    views: Views = take_views(Pixels(pictures), count)
    seen = time.perf_counter()
    hashes = hash_pictures(views.thumbnails)
    hashed = time.perf_counter()
    candidates = candidate_pairs(hashes)
    searched = time.perf_counter()
    digests = [str(index) for index in range(count)]
    copies = find_duplicates(views.thumbnails, digests)
    found = time.perf_counter()
    material = Material(
        root=Path("none"),
        records=tuple(Record(f"{label}/{index}.png", label) for index, label in enumerate(labels)),
        sha256=tuple(digests),
        files=tuple(FileProperties("L", "PNG", SIZE, SIZE, 8, 1.0, "none") for _ in labels),
        views=views,
        table=Table(),
        parts=tuple(split[index] for index in range(count)),
        split="",
        synthetic=True,
    )
    examine(material, level)
    done = time.perf_counter()
    return {
        "images": count,
        "views": seen - started,
        "hashes": hashed - seen,
        "candidates": searched - hashed,
        "pairs_compared": len(candidates),
        "pairs_called_copies": len(copies),
        "copies": found - searched,
        "whole_audit": done - found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="50,200,500,1000,2000,5000")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    counts = [int(text) for text in given.counts.split(",")]
    pictures = make_pictures(max(counts))
    rows = []
    for count in counts:
        row = measure(pictures[:count], Effort("fast", 3, 1999))
        rows.append(row)
        print(
            "  ".join(
                f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
            ),
            flush=True,
        )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
