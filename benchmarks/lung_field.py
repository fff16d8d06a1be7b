"""How far off is the simple lung field? Against the known lungs of phantoms.

    python benchmarks/lung_field.py                       200 phantoms, a minute
    python benchmarks/lung_field.py --write FOLDER        also write phantoms with their true lungs under FOLDER/masks,
                                                          for train.py data.root=FOLDER

The field is the audit's rounded rectangle, the same for every film; the lungs are the two lung fields as drawn, without
heart and mediastinum. Both are compared at 224x224. Results go to benchmarks/results/lung_field.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from covidnet.audit.views import lung_field as simple_field
from covidnet.data import phantoms

SIZE = 224
RESULTS = Path(__file__).parent / "results" / "lung_field.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    spec = phantoms.PhantomSpec(count=asked.count, seed=asked.seed)
    field = simple_field(SIZE, SIZE)
    measured: dict[str, list[float]] = {}
    if asked.write is not None:
        phantoms.write_phantoms(asked.write, spec)
    for phantom in phantoms.plan_phantoms(spec):
        picture = Image.fromarray(phantoms.lung_field(phantom.anatomy, phantom.acquisition))
        if asked.write is not None:
            file = (asked.write / "masks" / phantom.path).with_suffix(".png")
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.save(file)
        lungs = np.asarray(picture.convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)) >= 128
        both = float((lungs & field).sum())
        for name, value in {
            "iou": both / float((lungs | field).sum()),
            "dice": 2 * both / float(lungs.sum() + field.sum()),
            "part of the lungs inside the field": both / float(lungs.sum()),
            "part of the field that is lung": both / float(field.sum()),
            "area of the lungs": float(lungs.mean()),
        }.items():
            measured.setdefault(name, []).append(value)
    results = {"phantoms": asked.count, "seed": asked.seed, "area of the field": float(field.mean())}
    results |= {name: _spread(values) for name, values in measured.items()}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


def _spread(values: list[float]) -> dict[str, Any]:
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {"median": round(float(median), 3), "5 %": round(float(low), 3), "95 %": round(float(high), 3)}


if __name__ == "__main__":
    main()
