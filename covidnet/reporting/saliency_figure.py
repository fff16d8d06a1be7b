"""test_saliency.png from the table and the maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from covidnet.explain.lungs import LungField
from covidnet.explain.table import TITLES, Entry
from covidnet.figures.saliency import MeanMap, Picture, Shown, heat_of, saliency_figure
from covidnet.predictions import Predictions
from covidnet.reporting.saliency_summary import describe_method, share_of

Maps = Mapping[str, NDArray[np.float32]]


def figure_of(
    predictions: Predictions,
    shown: Sequence[str],
    entries: Sequence[Entry],
    maps: Maps,
    lungs: Mapping[str, LungField],
    picture: Callable[[str], Picture],
    summary: Mapping[str, Any],
) -> Figure:
    """Mean maps by predicted class and method, then the images.

    Args:
        predictions: Gives the probabilities.
        shown: Paths in the order of showing.
        entries: The table.
        maps: By method.
        lungs: Lung fields by path.
        picture: The model's view (C, H, W) of the image at a path.
        summary: What saliency.json holds.
    """
    taken = [entry for entry in entries if entry.of_prediction]
    by_path: dict[str, list[Entry]] = {}
    for entry in taken:
        by_path.setdefault(entry.path, []).append(entry)
    sure = dict(
        zip((row.path for row in predictions.rows), predictions.probabilities.max(axis=1).tolist(), strict=True)
    )
    images = [_shown(by_path[path], maps, lungs[path], picture(path), sure[path]) for path in shown if path in by_path]
    means = []
    for method in maps:
        for name in predictions.classes:
            own = [entry for entry in taken if entry.counted and entry.method == method and entry.explained == name]
            mean = _mean_map(own, maps[method], lungs, picture)
            if mean is not None:
                means.append(mean)
    described = " and ".join(describe_method(method, found) for method, found in summary["methods"].items())
    count = summary["images"]
    some = "" if count["shown"] == count["of"] else f"; {count['shown']} of {count['of']} images, wrong ones first"
    return saliency_figure("Where the evidence for the predicted class lies", f"{described}{some}", means, images)


def _shown(entries: Sequence[Entry], maps: Maps, field: LungField, picture: Picture, sure: float) -> Shown:
    first = entries[0]
    return Shown(
        picture,
        {TITLES[entry.method]: maps[entry.method][entry.map] for entry in entries},
        field.inside,
        {TITLES[entry.method]: entry.inside for entry in entries},
        first.label,
        first.predicted,
        sure,
        first.path,
    )


def _mean_map(
    entries: Sequence[Entry],
    maps: NDArray[np.float32],
    lungs: Mapping[str, LungField],
    picture: Callable[[str], Picture],
) -> MeanMap | None:
    """The mean of some images' maps, each scaled to a maximum of 1, over the mean of the images."""
    share = share_of(entries)
    if share is None:
        return None
    pictures = [picture(entry.path).astype(np.float32).mean(axis=0) for entry in entries]
    heat = np.mean([heat_of(maps[entry.map], *pictures[0].shape) for entry in entries], axis=0)
    name = entries[0].explained
    return MeanMap(
        f"{name}: " + (f"mean of {len(entries)}" if len(entries) > 1 else "1 image"),
        np.rint(np.mean(pictures, axis=0)).astype(np.uint8)[None],
        (heat / heat.max()).astype(np.float32),
        np.mean([lungs[entry.path].inside for entry in entries], axis=0) >= 0.5,
        f"{TITLES[entries[0].method]}\n{share.inside} in the lung\nfield, {share.area.value:.2f} of the area",
    )
