"""saliency.json, and what a run says of it: how much of the evidence lies in the lungs beside how large they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from covidnet.explain.evidence import LungShare, lung_share, share_inside
from covidnet.explain.table import GRAD_CAM, INTEGRATED, TITLES, Entry
from covidnet.predictions import Predictions
from covidnet.untrusted import read_object

if TYPE_CHECKING:
    from covidnet.explain.compute import Chosen, Explained
    from covidnet.explain.lungs import LungFields
    from covidnet.explain.sanity import SanityCheck

JSON = "saliency.json"

VERDICTS = {"more": "more than", "less": "less than", "unclear": "not clearly other than"}
SETTLED = 0.1
"""Median completeness gap of integrated gradients above which more steps are advised."""
MOST_CLASSES = 3
"""With more of them, the terminal shows all classes together."""


def summarize_saliency(
    predictions: Predictions,
    chosen: Chosen,
    entries: Sequence[Entry],
    explained: Explained,
    sanity: Mapping[str, SanityCheck],
    fields: LungFields,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Plain values for saliency.json; see `covidnet.reporting.saliency.save_saliency`."""
    sources = {entry.path: entry.field for entry in entries if entry.counted}
    return {
        "split": sorted({row.split for row in predictions.rows}),
        "images": {"of": len(predictions), "counted": len(chosen.counted), "shown": len(chosen.shown)},
        "settings": dict(settings),
        "explained": "the log-odds of a class; by_class holds the images by the class they were taken for",
        "lung_field": {name: sum(source == name for source in sources.values()) for name in ("simple", "mask")},
        "unusable_masks": list(fields.faults),
        "methods": {
            method: {
                "title": TITLES[method],
                **_of_method(method, explained),
                **_shares(
                    [entry for entry in entries if entry.method == method and entry.counted], predictions.classes
                ),
                **({"sanity_check": _checked(sanity[method], fields)} if method in sanity else {}),
            }
            for method in explained.maps
        },
    }


def _of_method(method: str, explained: Explained) -> dict[str, Any]:
    if method == GRAD_CAM and explained.layer is not None:
        return {"layer": {"name": explained.layer.name, "cells": explained.layer.grid.side}}
    if method == INTEGRATED and explained.gaps is not None:
        gaps = explained.gaps
        return {"completeness_gap": {"median": float(np.median(gaps)), "max": float(gaps.max())}}
    return {}


def _shares(entries: Sequence[Entry], classes: Sequence[str]) -> dict[str, Any]:
    taken = [entry for entry in entries if entry.of_prediction]
    other = [entry for entry in entries if not entry.of_prediction]

    def by_class(some: Sequence[Entry]) -> dict[str, Any]:
        return {name: _to_json(share_of([entry for entry in some if entry.explained == name])) for name in classes}

    return {
        "overall": _to_json(share_of(taken)),
        "by_class": by_class(taken),
        **({"not_predicted": by_class(other)} if other else {}),
    }


def share_of(entries: Sequence[Entry]) -> LungShare | None:
    """The share of evidence in the lungs over some entries; None where none of them has evidence."""
    return lung_share([entry.inside for entry in entries], [entry.area for entry in entries])


def _to_json(share: LungShare | None) -> dict[str, Any] | None:
    return None if share is None else share.to_json()


def _checked(check: SanityCheck, fields: LungFields) -> dict[str, Any]:
    """With the share inside the simple field of a network that learnt nothing: what its architecture gives anyhow."""
    field = fields.simple
    shares = [share_inside(one.clip(min=0), field.inside) for one in check.maps]
    random = lung_share(shares, [field.area] * len(shares))
    return {**check.to_json(), "inside_lungs_when_random": None if random is None else random.inside.to_json()}


def describe_method(method: str, found: Mapping[str, Any]) -> str:
    """Such as "Grad-CAM of layer4 (7x7 cells)", from an entry of ``methods`` in saliency.json."""
    layer = found.get("layer")
    return TITLES[method] + (f" of {layer['name']} ({layer['cells']}x{layer['cells']} cells)" if layer else "")


def describe_saliency(directory: Path) -> list[str]:
    """What a run or evaluation says about its saliency: the share of evidence in the lungs; nothing without any."""
    if not (directory / JSON).is_file():
        return []
    summary = read_object(directory / JSON)
    lines = []
    for method, found in summary["methods"].items():
        lines.append(f"saliency, {describe_method(method, found)}: {_shares_in_words(found)}")
        gap = found.get("completeness_gap", {"median": 0.0})["median"]
        if gap > SETTLED:
            steps = summary["settings"]["steps"]
            lines.append(
                f"  rough maps: the integrals miss {gap:.0%} of their sum; take more than saliency.steps={steps}"
            )
        if "sanity_check" in found:
            lines.append(f"  {_sanity_in_words(found['sanity_check'])}")
    return [*lines, *(f"  mask not used: {fault}" for fault in summary["unusable_masks"])]


def _shares_in_words(found: Mapping[str, Any]) -> str:
    by_class = {name: share for name, share in found["by_class"].items() if share is not None}
    if not by_class:
        return "no evidence for any predicted class"
    if len(by_class) > MOST_CLASSES:
        by_class = {"all classes": found["overall"]}
    texts = [
        f"{name} {_with_interval(share['inside_lungs'])} ({VERDICTS[share['verdict']]} the field's "
        f"{share['lung_area']['value']:.2f} of the area)"
        for name, share in by_class.items()
    ]
    return f"share of the evidence inside the lung field: {', '.join(texts)}"


def _sanity_in_words(check: Mapping[str, Any]) -> str:
    left, usual = check["steps"][-1]["absolute"], check["between_images"]["absolute"]
    likeness = "nothing to compare" if left is None else f"absolute rank correlation {left:.2f}"
    if left is not None and usual is not None:
        likeness += f" with the trained model's maps (between its maps of different images {usual:.2f})"
    verdict = "passed: maps follow the weights" if check["passed"] else "FAILED: maps hardly follow the weights"
    return f"sanity check {verdict}; with random weights {likeness}"


def _with_interval(median: Mapping[str, Any]) -> str:
    limits = "" if median["low"] is None else f" [{median['low']:.2f}, {median['high']:.2f}]"
    return f"{median['value']:.2f}{limits}"
